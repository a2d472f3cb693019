"""The pages of a user: my sessions and limits, what I used, and why my last start failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from perijove.models import UsageRow
from perijove_hub.admission.models import Refused
from perijove_hub.ledger.usage import By
from perijove_hub.web.base import problem_error
from perijove_hub.web.pages import PageHandler
from perijove_hub.web.pages_figures import (
    FIELDS,
    KEYS,
    RANGE_TITLES,
    RANGES,
    TITLES,
    Span,
    largest_parts,
    stack,
    total,
)
from perijove_hub.web.pages_views import KEEP_MINUTES, SessionView, advice, forecast, notices_to_show

#: How many of the latest sessions are listed, and how many failed starts.
LATEST = 12
MOST_FAILURES = 10
#: They come oldest first, and the newest are shown.
MOST_NOTICES_READ = 1000
#: How many parts the table of sums lists; the CSV has all.
MOST_SUMS = 100


class HomePage(PageHandler):
    """``/services/perijove/``: what runs, my limits and my latest sessions."""

    here = "home"

    async def get(self) -> None:
        """Draw the page."""
        await self.show()

    async def show(self, status: int = 200, fault: str = "") -> None:
        """The page, with what went wrong on top when something did."""
        now, name, groups = self.state.clock(), self.caller.name, self.caller.groups
        admission, desk = self.state.admission, self.state.desk
        running = [row for row in await admission.leases(name, None, LATEST, open_only=True) if row.is_open(now)]
        latest = [row.said(now) for row in await admission.leases(name, None, LATEST) if not row.is_open(now)]
        closures = await desk.closures()
        self.draw(
            "home.html",
            status,
            fault=fault,
            notices=notices_to_show(await desk.notices(name, groups, 0, MOST_NOTICES_READ), now),
            sessions=[SessionView.of(row, now, self.platform, closures) for row in running],
            latest=latest,
            quotas=await admission.quotas(name, groups),
            keep_minutes=KEEP_MINUTES,
        )


class KeepPage(HomePage):
    """``POST sessions/{id}/keep``: put off the end of a session by half an hour."""

    async def get(self, lease_id: str) -> None:  # type: ignore[override]  # a route with an id
        """A browser that comes back here after a login gets the page."""
        self.go("")

    async def post(self, lease_id: str) -> None:
        """Keep it, and say until when."""
        try:
            row = await self.state.life.keep(lease_id, self.caller.name, KEEP_MINUTES)
        except Refused as refused:
            await self.show(refused.problem.status, refused.problem.detail)
            return
        view = SessionView.of(row, self.state.clock(), self.platform, await self.state.desk.closures())
        until = f" It runs until {self.words().plain_time(view.endings[0].at)} at least." if view.endings else ""
        self.go("", f"{row.name or 'The default server'} is kept for {KEEP_MINUTES} minutes more.{until}")


class StopPage(HomePage):
    """``POST sessions/{id}/stop``: end a cluster, also when no session is left to do it from."""

    async def get(self, lease_id: str) -> None:  # type: ignore[override]  # a route with an id
        """A browser that comes back here after a login gets the page."""
        self.go("")

    async def post(self, lease_id: str) -> None:
        """Have it stopped, and say so."""
        try:
            row = await self.state.life.stop(lease_id, self.caller.name, None, of_anybody=False)
        except Refused as refused:
            await self.show(refused.problem.status, refused.problem.detail)
            return
        self.go("", f"{row.name or 'The default server'} is being stopped; that takes up to half a minute.")


@dataclass(frozen=True)
class UsageChoice:
    """What somebody wants to see of the ledger: how far back, in which unit, and split by what."""

    range: str = "30d"
    unit: str = "cost"
    by: By = "site"
    user: str = ""
    group: str = ""

    def link(self, **changed: str) -> str:
        """The query of the same page with something chosen otherwise; what is not narrowed is left out."""
        values = {**vars(self), **changed}
        return "?" + urlencode({name: value for name, value in values.items() if value})

    def csv(self, root: str, span: Span, *, of_all: bool) -> str:
        """The address of all the numbers as a table; ``of_all`` unless somebody is named."""
        # a year of everybody's days is more than a spreadsheet holds
        by_day = [] if (self.range, self.by) == ("year", "user") else [("by", "day")]
        query = [("since", str(span.since)), ("until", str(span.until)), *by_day, ("by", self.by)]
        if user := self.user or ("*" if of_all and not self.group else ""):
            query.append(("user", user))
        if self.group:
            query.append(("group", self.group))
        return f"{root}api/v1/usage?{urlencode([*query, ('format', 'csv')])}"


class UsageBase(PageHandler):
    """What the usage pages of users and admins share."""

    keys: tuple[By, ...] = ("site", "kind")
    #: Whether it is about everybody, and may be narrowed to a user or a group.
    of_all = False

    def usage_choice(self) -> UsageChoice:
        """What the address asks for.

        Raises:
            ProblemError: for what cannot be chosen here.
        """
        offered = {"range": tuple(RANGES), "unit": tuple(TITLES), "by": self.keys}
        usual = {"range": "30d", "unit": "cost", "by": self.keys[0]}
        chosen = {name: self.get_query_argument(name, usual[name]) for name in offered}
        for name, among in offered.items():
            if chosen[name] not in among:
                raise problem_error(400, "No such choice", f"{name}: choose one of {', '.join(among)}.")
        narrowed = {name: self.get_query_argument(name, "") if self.of_all else "" for name in ("user", "group")}
        return UsageChoice(chosen["range"], chosen["unit"], cast(By, chosen["by"]), **narrowed)

    def span(self, choice: UsageChoice) -> Span:
        """The days that are looked at, in the platform's time zone."""
        return Span.back(RANGES[choice.range], self.state.clock().astimezone(self.platform.zone).date())

    async def figure(self, choice: UsageChoice, owner: str | None, group: str | None) -> dict[str, Any]:
        """The plot, the sums by part and the sum of all, as the template wants them."""
        span, usage = self.span(choice), self.state.usage
        sums = await usage.rows(span.since, span.until, [choice.by], owner, group)
        sums.sort(key=lambda row: (-getattr(row, FIELDS[choice.unit]), -row.cost, _part(row, choice.by)))
        parts = largest_parts(sums, choice.by, choice.unit)
        rows = await self._rows_by_day(span, choice, parts, owner, group)
        names = {"": "charged to no group"} if choice.by == "group" else {}
        if choice.by == "site":
            names = {name: site.title for name, site in self.platform.sites.items()}
        listed = [_part(row, choice.by) for row in sums[:MOST_SUMS]]
        return {
            "choice": choice,
            "figure": stack(
                rows, span, choice.by, choice.unit, parts=parts, names=names, currency=self.platform.currency
            ),
            "parts_in_all": len(sums),
            "sums": [(names.get(part, part) or "(none)", row) for part, row in zip(listed, sums, strict=False)],
            "total": total(sums),
            "csv_url": choice.csv(self.root, span, of_all=self.of_all),
            "ranges": RANGE_TITLES,
            "units": TITLES,
            "keys": {key: KEYS[key] for key in self.keys},
        }

    async def _rows_by_day(
        self, span: Span, choice: UsageChoice, parts: Sequence[str], owner: str | None, group: str | None
    ) -> list[UsageRow]:
        usage = self.state.usage
        if choice.by != "user":
            return await usage.rows(span.since, span.until, ["day", choice.by], owner, group)
        # a year of everybody's days is too much to add up for a plot: the greatest by name, and the rest as one
        everybody = await usage.rows(span.since, span.until, ["day"], owner, group)
        rest = {row.day: row.model_dump(exclude_none=True) for row in everybody}
        rows = []
        for part in parts:
            for row in await usage.rows(span.since, span.until, ["day"], part, group):
                rows.append(row.model_copy(update={"user": part}))
                # a day may have begun between the two
                left = rest.setdefault(row.day, {"day": row.day, **total(()).model_dump(exclude_none=True)})
                for field, value in row.model_dump(exclude_none=True, exclude={"day"}).items():
                    left[field] -= value
        # sums come rounded, so what is left of nothing may be a hair beside it
        rounded = [
            {name: value if name == "day" else round(value, 4) for name, value in left.items()}
            for left in rest.values()
        ]
        return rows + [UsageRow.model_validate(values) for values in rounded]


def _part(row: UsageRow, key: str) -> str:
    return getattr(row, key) or ""


class UsagePage(UsageBase):
    """``/services/perijove/usage``: what I used, and how long it lasts."""

    here = "usage"

    async def get(self) -> None:
        """Draw the page."""
        quotas = await self.state.admission.quotas(self.caller.name, self.caller.groups)
        say = self.words()
        self.draw(
            "usage.html",
            quotas=[(view, forecast(view, say)) for view in quotas],
            **await self.figure(self.usage_choice(), self.caller.name, None),
        )


class StartsPage(PageHandler):
    """``/services/perijove/starts``: why my last start failed."""

    here = "starts"

    async def get(self) -> None:
        """Draw the page."""
        failures = await self.state.desk.failures(self.caller.name, MOST_FAILURES)
        self.draw("starts.html", failures=[(failure, advice(failure)) for failure in failures])
