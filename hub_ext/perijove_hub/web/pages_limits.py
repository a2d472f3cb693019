"""The admins' pages that change limits and sessions: overrides, and the end of a session's time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from perijove.models import ExtendRequest, GiveUpRequest, Kind, Override, OverrideRequest, StopRequest
from perijove_hub.admission.clusters import GATEWAY_SILENCE
from perijove_hub.admission.models import refuse
from perijove_hub.admission.said import check_override
from perijove_hub.ledger.binding import subject_of_pool
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.ledger.quota import UNITS
from perijove_hub.ledger.words import spoken_amount, spoken_subject, spoken_window
from perijove_hub.policy.models import Platform
from perijove_hub.web.base import problem_error
from perijove_hub.web.pages_admin import NEAR_AT_MOST, NEAR_SHARE
from perijove_hub.web.pages_change import Change, ChangePage
from perijove_hub.web.pages_forms import SENTENCES, Form
from perijove_hub.web.pages_views import image_of

OVERRIDE_FIELDS = ("quota", "name", "limit", "reason", "expires")

#: The shares that the page of limits offers to look from.
SHARES = {"0.5": "half of it", "0.8": "80 %", "0.95": "95 %", "1": "all of it"}

#: How long an override is offered for at first.
OFFERED_DAYS = 7

EXTENSIONS = {
    "30": "30 minutes",
    "60": "1 hour",
    "120": "2 hours",
    "240": "4 hours",
    "720": "12 hours",
    "1440": "1 day",
}


class LimitsPage(ChangePage):
    """``admin/limits``: who is near a limit, and limits that admins have changed for somebody."""

    section = "limits"
    back = "admin/limits"
    renamed: Mapping[str, str] = {"subject": "name"}

    async def get(self) -> None:
        """Draw the page."""
        offered = self.state.clock() + timedelta(days=OFFERED_DAYS)
        form = self.asked("quota", "name", expires=self.words().field_time(offered))
        await self.show(form)

    async def show(self, form: Form, status: int = 200) -> None:
        """Draw the page with the form as it is."""
        share = self.get_query_argument("share", str(NEAR_SHARE))
        if share not in SHARES:
            raise problem_error(400, "No such choice", f"share: choose one of {', '.join(SHARES)}.")
        self.draw(
            "admin/limits.html",
            status,
            form=form,
            near=await self.state.admission.near(float(share), NEAR_AT_MOST),
            share=share,
            shares=SHARES,
            overrides=await self.state.desk.overrides(),
            limits=choosable(self.platform),
        )

    async def post(self) -> None:
        """Change a limit for somebody."""
        form = self.sent(*OVERRIDE_FIELDS)

        async def read() -> Change:
            request = _override_request(form, self.platform)
            check_override(self.platform, request, self.state.clock())
            say, author = self.words(), self.caller.name
            chosen = choosable(self.platform)[request.quota]
            amount = f"{spoken_amount(request.limit)} {chosen.unit}{spoken_window(chosen.window)}"

            async def act() -> str:
                await self.state.desk.override(request, author)
                return f"{request.quota} is {amount} for {spoken_subject(request.subject)} from now on."

            return Change(
                question=f"Set {request.quota} to {amount} for {spoken_subject(request.subject)}?",
                facts=(
                    ("Until", say.plain_time(request.expires)),
                    ("Reason", request.reason),
                    ("Decided by", author),
                ),
                button="Yes, set this limit",
                act=act,
            )

        await self.change(form, read)


class RevokePage(ChangePage):
    """``POST admin/overrides/{id}/revoke``: the limit of the platform file counts again."""

    section = "limits"
    back = "admin/limits"

    async def get(self, override_id: str) -> None:
        """A browser that comes back here after a login gets the list."""
        self.go(self.back)

    async def show(self, form: Form, status: int = 200) -> None:
        """The list, with what was wrong."""
        if form.faults:
            raise problem_error(status, "Not revoked", " ".join(form.faults.values()))
        self.go(self.back)

    async def post(self, override_id: str) -> None:
        """Ask, then revoke."""

        async def read() -> Change:
            override = await self._find(int(override_id))

            async def act() -> str:
                await self.state.desk.revoke_override(override.id, self.caller.name)
                return f"The platform file's {override.quota} counts again for {spoken_subject(override.subject)}."

            return Change(
                question=f"Revoke the override of {override.quota} for {spoken_subject(override.subject)}?",
                facts=(
                    ("Limit now", spoken_amount(override.limit)),
                    ("Set by", override.author),
                    ("Reason", override.reason),
                    ("Would expire", self.words().plain_time(override.expires)),
                ),
                button="Yes, revoke it",
                act=act,
                hurts=True,
            )

        await self.change(Form(), read)

    async def _find(self, override_id: int) -> Override:
        for override in await self.state.desk.overrides():
            if override.id == override_id:
                return override
        raise refuse(404, "No such override", "This override is not in force any more.")


class LeasePage(ChangePage):
    """``admin/leases/{id}``: one lease with its explanation, and a longer time for it."""

    section = "leases"

    async def get(self, lease_id: str) -> None:
        """Draw the page."""
        await self.show(Form({"minutes": "60"}))

    async def show(self, form: Form, status: int = 200) -> None:
        """Draw the page with the form as it is."""
        row = await self.state.admission.lease(self.path_args[0])
        if row is None:
            raise problem_error(404, "No such lease", f"There is no lease {self.path_args[0]}.")
        self.draw(
            "admin/lease.html",
            status,
            form=form,
            row=row,
            lease=row.said(self.state.clock()),
            image=image_of(row, self.platform),
            extensions=EXTENSIONS,
            gateway=await self._gateway(row),
        )

    async def _gateway(self, row: LeaseRow) -> dict[str, Any] | None:
        """What is known of the gateway of a cluster that is not over: when it was heard, and whether it is away."""
        now = self.state.clock()
        if row.kind is not Kind.CLUSTER or not row.is_open(now):
            return None
        heard = await self.state.admission.gateway_heard(row)
        return {"heard": heard, "is_away": now - heard >= GATEWAY_SILENCE}

    async def post(self, lease_id: str) -> None:
        """Put off the end of its time."""
        form = self.sent("minutes", "reason")
        self.back = f"admin/leases/{lease_id}"

        async def read() -> Change:
            request = form.model(ExtendRequest, {"minutes": form["minutes"], "reason": form["reason"]})
            row = await self.state.admission.lease(lease_id)
            if row is None:
                raise refuse(404, "No such lease", f"There is no lease {lease_id}.")
            say, author = self.words(), self.caller.name
            length = say.hours(request.minutes / 60)

            async def act() -> str:
                extended = await self.state.life.extend(lease_id, author, request)
                end = f"It ends on {say.plain_time(extended.ends_at)}." if extended.ends_at else "It has no end."
                return f"The session of {extended.owner} has {length} more. {end}"

            now_ends = say.plain_time(row.ends_at) if row.ends_at else "no end is set"
            return Change(
                question=f"Give the session of {row.owner} {length} more?",
                facts=(
                    ("Session", row.name or "default server"),
                    ("Ends now", now_ends),
                    ("Reason", request.reason),
                    ("Decided by", author),
                ),
                button=f"Yes, {length} more",
                act=act,
            )

        await self.change(form, read)


class StopLeasePage(LeasePage):
    """``admin/leases/{id}/stop``: end what somebody runs."""

    renamed: Mapping[str, str] = {"reason": "why"}

    async def get(self, lease_id: str) -> None:
        """A browser that comes back here after a login gets the lease."""
        self.go(f"admin/leases/{lease_id}")

    async def post(self, lease_id: str) -> None:
        """Have it stopped."""
        form = self.sent("why")
        self.back = f"admin/leases/{lease_id}"

        async def read() -> Change:
            if not form["why"].strip():
                form.fault("why", SENTENCES["missing"])  # also for what an admin has started: the page asks it always
            request = form.model(StopRequest, {"reason": form["why"]}, {"reason": "why"})
            row = await self.state.admission.lease(lease_id)
            if row is None:
                raise refuse(404, "No such lease", f"There is no lease {lease_id}.")
            author, thing = self.caller.name, row.kind.value

            async def act() -> str:
                stopped = await self.state.life.stop(lease_id, author, request.reason, of_anybody=True)
                return f"The {thing} of {stopped.owner} is being stopped; that takes up to half a minute."

            return Change(
                question=f"Stop the {thing} of {row.owner}?",
                facts=(
                    (thing.capitalize(), row.name or "default server"),
                    ("Reason", request.reason or ""),
                    ("Decided by", author),
                ),
                button=f"Yes, stop the {thing}",
                act=act,
                hurts=True,
            )

        await self.change(form, read)


class GiveUpPage(LeasePage):
    """``admin/leases/{id}/give-up``: close the lease of a cluster whose gateway does not come back."""

    renamed: Mapping[str, str] = {"reason": "gone"}

    async def get(self, lease_id: str) -> None:
        """A browser that comes back here after a login gets the lease."""
        self.go(f"admin/leases/{lease_id}")

    async def post(self, lease_id: str) -> None:
        """Close it."""
        form = self.sent("gone")
        self.back = f"admin/leases/{lease_id}"

        async def read() -> Change:
            request = form.model(GiveUpRequest, {"reason": form["gone"]}, {"reason": "gone"})
            row = await self.state.admission.lease(lease_id)
            if row is None:
                raise refuse(404, "No such lease", f"There is no lease {lease_id}.")
            author = self.caller.name

            async def act() -> str:
                await self.state.admission.give_up_cluster(lease_id, author, request.reason)
                return f"The cluster of {row.owner} is given up, and not charged any more."

            return Change(
                question=f"Give up the cluster of {row.owner}?",
                facts=(
                    ("Cluster", row.name),
                    ("Means", "nobody counts what may still run of it; if its gateway comes back, that ends it"),
                    ("Reason", request.reason),
                    ("Decided by", author),
                ),
                button="Yes, give it up",
                act=act,
                hurts=True,
            )

        await self.change(form, read)


@dataclass(frozen=True)
class Choosable:
    """A limit of the platform file that can be changed for somebody. ``only`` is whom it is for, if for one only."""

    label: str
    per: str
    unit: str
    window: str | None
    only: str = ""

    def subject(self, name: str) -> str:
        """Whom a change is for, by the name in the form."""
        return self.only or ("platform" if self.per == "platform" else f"{self.per}:{name}")


def choosable(platform: Platform) -> dict[str, Choosable]:
    """The limits that can be changed for somebody, by name."""
    found = {}
    for quota in platform.quotas:
        unit = UNITS.get(quota.resource, platform.currency)
        label = f"{spoken_amount(quota.limit)} {unit}{spoken_window(quota.window)}, per {quota.per}"
        found[quota.name] = Choosable(f"{quota.name}: {label}", quota.per, unit, quota.window)
    for budget in platform.allocations:
        unit = UNITS.get(budget.resource, platform.currency)
        subject = subject_of_pool(budget.group)
        label = f"{spoken_amount(budget.amount)} {unit}, granted to {spoken_subject(subject)}"
        found[budget.key] = Choosable(f"{budget.key}: {label}", subject.partition(":")[0], unit, None, subject)
    return found


def _override_request(form: Form, platform: Platform) -> OverrideRequest:
    chosen, name = choosable(platform).get(form["quota"]), form["name"].strip()
    if chosen is None:
        form.fault("quota", "Choose one of those offered.")
    elif not chosen.only and chosen.per != "platform" and not name:
        form.fault("name", f"Say for which {chosen.per}.")
    values = {
        "quota": form["quota"],
        "subject": chosen.subject(name) if chosen else f"user:{name}",
        "limit": form["limit"].strip(),
        "reason": form["reason"],
        "expires": form.moment("expires", platform.zone),
    }
    return form.model(OverrideRequest, values, LimitsPage.renamed)
