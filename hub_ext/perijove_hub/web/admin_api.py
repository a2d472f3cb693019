"""Routes for admins: limits that are changed for somebody, sites that are closed, what everybody is told."""

from __future__ import annotations

import re

from pydantic import TypeAdapter, ValidationError

from perijove.models import AnnouncementRequest, ClosureRequest, HubName, OverrideRequest
from perijove_hub.web.base import BaseHandler, problem_error

#: The share of a limit from which on somebody is near to it.
DEFAULT_SHARE = 0.8

_SHARE = re.compile(r"0(\.[0-9]{1,6})?|1(\.0{1,6})?")
_NAME = TypeAdapter[str](HubName)


class AdminHandler(BaseHandler):
    """A handler for admins only. A notebook of an admin is none: its token lacks the scope."""

    async def prepare(self) -> None:
        """Refuse whoever is no admin."""
        await super().prepare()
        self.require_admin()

    def only_active(self) -> bool:
        """Whether what is over is left out: ``active``, unless it is ``false``.

        Raises:
            ProblemError: it is neither true nor false.
        """
        text = self.get_query_argument("active", "true")
        if text not in ("true", "false"):
            raise problem_error(400, "Bad active", "active is true or false.")
        return text == "true"


class OverridesHandler(AdminHandler):
    """``GET overrides`` lists those in force (``active=false``: all), ``POST overrides`` makes one."""

    async def get(self) -> None:
        """Answer with a page of overrides, newest first."""
        self.write_page(await self.state.desk.overrides(self.only_active()))

    async def post(self) -> None:
        """Put another limit in the place of one."""
        request = self.body(OverrideRequest)
        self.write_model(await self.state.desk.override(request, self.caller.name), 201)


class OverrideHandler(AdminHandler):
    """``DELETE overrides/{id}``: the limit is its own again."""

    async def delete(self, override_id: str) -> None:
        """Revoke it; what was said stays on record."""
        self.write_model(await self.state.desk.revoke_override(int(override_id), self.caller.name))


class ClosuresHandler(AdminHandler):
    """``GET closures`` lists those in force or to come (``active=false``: all), ``POST closures`` makes one."""

    async def get(self) -> None:
        """Answer with a page of closures."""
        self.write_page(await self.state.desk.closures(self.only_active()))

    async def post(self) -> None:
        """Close a site."""
        request = self.body(ClosureRequest)
        self.write_model(await self.state.desk.close_site(request, self.caller.name), 201)


class ClosureHandler(AdminHandler):
    """``DELETE closures/{id}``: the site is open again."""

    async def delete(self, closure_id: str) -> None:
        """Withdraw it; what was said stays on record."""
        self.write_model(await self.state.desk.withdraw_closure(int(closure_id), self.caller.name))


class AnnouncementsHandler(AdminHandler):
    """``GET announcements`` lists those in force, ``POST announcements`` makes one."""

    async def get(self) -> None:
        """Answer with a page of announcements, newest first."""
        self.write_page(await self.state.desk.announcements())

    async def post(self) -> None:
        """Tell everybody, or some groups."""
        request = self.body(AnnouncementRequest)
        self.write_model(await self.state.desk.announce(request, self.caller.name), 201)


class AnnouncementHandler(AdminHandler):
    """``DELETE announcements/{id}``: it is shown to nobody any more."""

    async def delete(self, announcement_id: str) -> None:
        """Withdraw it; what was said stays on record."""
        self.write_model(await self.state.desk.withdraw_announcement(int(announcement_id), self.caller.name))


class NearLimitsHandler(AdminHandler):
    """``GET limits/near?share=&limit=``: the limits of everybody of which at least a share is used."""

    async def get(self) -> None:
        """Answer with a page of limits, the fullest first."""
        text = self.get_query_argument("share", str(DEFAULT_SHARE))
        if not _SHARE.fullmatch(text):
            raise problem_error(400, "Bad share", "share is a number from 0 to 1, as 0.8.")
        self.write_page(await self.state.admission.near(float(text), self.page_limit()))


class PolicyHandler(AdminHandler):
    """``GET policy``: which platform file this process obeys, and what was wrong with the last one refused."""

    async def get(self) -> None:
        """Answer with the state of the policy."""
        self.write_model(self.state.policy_state())


class UserHandler(AdminHandler):
    """``DELETE users/{name}``: the ledger keeps the sums and forgets the name."""

    async def delete(self, name: str) -> None:
        """Take the name out, and answer how much was changed."""
        try:
            _NAME.validate_python(name)
        except ValidationError as error:
            raise problem_error(
                400, "Bad name", "A name has 1 to 255 characters, none of them control codes."
            ) from error
        self.write_model(await self.state.desk.forget(name))
