"""The admins' pages that change what everybody sees: closures of sites, announcements, and forgetting a user."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TypeVar

from perijove.models import Announcement, AnnouncementRequest, Asked, Closure, ClosureRequest, HubName
from perijove_hub.admission.models import refuse
from perijove_hub.admission.said import check_expiry, closure_window
from perijove_hub.web.base import problem_error
from perijove_hub.web.pages_change import Change, ChangePage
from perijove_hub.web.pages_forms import Form

SEVERITIES = {"info": "For information", "warning": "Warning", "error": "Trouble"}

#: How long an announcement is offered for at first.
OFFERED_DAYS = 1

Item = TypeVar("Item", Closure, Announcement)


class _Name(Asked):
    name: HubName


class ClosuresPage(ChangePage):
    """``admin/closures``: sites that take no starts, now or later."""

    section = "closures"
    back = "admin/closures"

    async def get(self) -> None:
        """Draw the page."""
        await self.show(self.asked("site"))

    async def show(self, form: Form, status: int = 200) -> None:
        """Draw the page with the form as it is."""
        closures = await self.state.desk.closures(active_only=False)
        now = self.state.clock()
        self.draw(
            "admin/closures.html",
            status,
            form=form,
            coming=[each for each in closures if is_in_force(each, now)],
            past=[each for each in closures if not is_in_force(each, now)],
            now=now,
        )

    async def post(self) -> None:
        """Close a site."""
        form = self.sent("site", "starts", "stops_at", "reopens", "reason")

        async def read() -> Change:
            zone = self.platform.zone
            times = {name: form.moment(name, zone) for name in ("starts", "stops_at", "reopens")}
            request = form.model(ClosureRequest, {"site": form["site"], "reason": form["reason"], **times})
            closure_window(self.platform, request, self.state.clock())
            say, title = self.words(), self.site_title(request.site)
            starts = say.plain_time(request.starts) if request.starts else "now"
            stops = say.plain_time(request.stops_at) if request.stops_at else "never; they run on to their own ends"

            async def act() -> str:
                await self.state.desk.close_site(request, self.caller.name)
                return f"{title} takes no starts from {starts} on."

            return Change(
                question=f"Close {title} to new sessions?",
                facts=(
                    ("No starts from", starts),
                    ("Sessions there are stopped", stops),
                    ("Opens again", say.plain_time(request.reopens) if request.reopens else "when you withdraw this"),
                    ("What people are told", request.reason),
                ),
                button=f"Yes, close {title}",
                act=act,
                hurts=True,
            )

        await self.change(form, read)

    def site_title(self, site: str) -> str:
        """What people call a site."""
        known = self.platform.sites.get(site)
        return known.title if known else site


class WithdrawPage(ChangePage):
    """What the two pages share that take back something with an id."""

    async def get(self, item_id: str) -> None:
        """A browser that comes back here after a login gets the list."""
        self.go(self.back)

    async def show(self, form: Form, status: int = 200) -> None:
        """The list, or what was wrong."""
        if form.faults:
            raise problem_error(status, "Not withdrawn", " ".join(form.faults.values()))
        self.go(self.back)

    @staticmethod
    def find(items: list[Item], item_id: str) -> Item:
        """The one with this id.

        Raises:
            Refused: it is not in force any more.
        """
        for item in items:
            if item.id == int(item_id):
                return item
        raise refuse(404, "Not there any more", "It is over, or somebody has withdrawn it already.")


class WithdrawClosurePage(WithdrawPage):
    """``POST admin/closures/{id}/withdraw``: a site takes starts again."""

    section = "closures"
    back = "admin/closures"

    async def post(self, item_id: str) -> None:
        """Ask, then withdraw."""

        async def read() -> Change:
            closure = self.find(await self.state.desk.closures(), item_id)
            site = self.platform.sites.get(closure.site)
            title = site.title if site else closure.site

            async def act() -> str:
                await self.state.desk.withdraw_closure(closure.id, self.caller.name)
                return f"The closure of {title} is withdrawn."

            return Change(
                question=f"Withdraw the closure of {title}?",
                facts=(("Reason", closure.reason), ("Decided by", closure.author)),
                button="Yes, withdraw it",
                act=act,
            )

        await self.change(Form(), read)


class AnnouncementsPage(ChangePage):
    """``admin/announcements``: what everybody, or some groups, are told on pages and in JupyterLab."""

    section = "announcements"
    back = "admin/announcements"

    async def get(self) -> None:
        """Draw the page."""
        offered = self.state.clock() + timedelta(days=OFFERED_DAYS)
        await self.show(Form({"severity": "info", "expires": self.words().field_time(offered)}))

    async def show(self, form: Form, status: int = 200) -> None:
        """Draw the page with the form as it is."""
        announcements = await self.state.desk.announcements()
        self.draw("admin/announcements.html", status, form=form, announcements=announcements, severities=SEVERITIES)

    async def post(self) -> None:
        """Announce something."""
        form = self.sent("message", "severity", "groups", "expires")

        async def read() -> Change:
            expires = form.moment("expires", self.platform.zone)
            groups = [name.strip() for name in re.split(r"[,\n]", form["groups"]) if name.strip()]
            values = {"message": form["message"].strip(), "severity": form["severity"], "expires": expires}
            request = form.model(AnnouncementRequest, {**values, "groups": groups})
            check_expiry(request.expires, self.state.clock())

            async def act() -> str:
                await self.state.desk.announce(request, self.caller.name)
                return "It is announced."

            return Change(
                question="Announce this?",
                facts=(
                    ("Message", request.message),
                    ("Kind", SEVERITIES[request.severity]),
                    ("To", ", ".join(request.groups) or "everybody"),
                    ("Until", self.words().plain_time(request.expires)),
                ),
                button="Yes, announce it",
                act=act,
            )

        await self.change(form, read)


class WithdrawAnnouncementPage(WithdrawPage):
    """``POST admin/announcements/{id}/withdraw``: it is not shown any more."""

    section = "announcements"
    back = "admin/announcements"

    async def post(self, item_id: str) -> None:
        """Ask, then withdraw."""

        async def read() -> Change:
            announcement = self.find(await self.state.desk.announcements(), item_id)

            async def act() -> str:
                await self.state.desk.withdraw_announcement(announcement.id, self.caller.name)
                return "The announcement is withdrawn."

            return Change(
                question="Withdraw this announcement?",
                facts=(("Message", announcement.message), ("Announced by", announcement.author)),
                button="Yes, withdraw it",
                act=act,
            )

        await self.change(Form(), read)


class PeoplePage(ChangePage):
    """``admin/people``: forget a user; the sums of what the user used stay."""

    section = "people"
    back = "admin/people"

    async def get(self) -> None:
        """Draw the page."""
        await self.show(self.asked("name"))

    async def show(self, form: Form, status: int = 200) -> None:
        """Draw the page with the form as it is."""
        self.draw("admin/people.html", status, form=form)

    async def post(self) -> None:
        """Forget a user."""
        form = self.sent("name")

        async def read() -> Change:
            name = form.model(_Name, {"name": form["name"].strip()}).name

            async def act() -> str:
                forgotten = await self.state.desk.forget(name)
                return (
                    f"{name} is forgotten: the name is gone from {forgotten.leases} leases and "
                    f"{forgotten.usage_entries} entries of the ledger."
                )

            return Change(
                question=f"Forget {name}?",
                facts=(
                    ("What goes", "the name in leases, in the ledger, in messages and in overrides"),
                    ("What stays", "the sums by day, site and group, under no name"),
                    ("Undo", "there is none"),
                ),
                button=f"Forget {name} for good",
                act=act,
                hurts=True,
                type_again=name,
            )

        await self.change(form, read)


def is_in_force(closure: Closure, now: datetime) -> bool:
    """Whether a closure still matters: it is not withdrawn, and its site has not opened again."""
    return closure.withdrawn is None and (closure.reopens is None or closure.reopens > now)
