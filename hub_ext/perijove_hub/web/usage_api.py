"""Routes of what people have used and are told, and of how they keep their sessions."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import cast, get_args

from perijove.models import Activity, ExtendRequest, GiveUpRequest, KeepRequest, Silence, StopRequest, UsageRow
from perijove_hub.ledger.usage import By
from perijove_hub.web.base import BaseHandler, problem_error

#: How many days a view has unless it says so, and at most.
DEFAULT_DAYS = 30
MOST_DAYS = 1100

#: How many rows one answer has at most, unless they come day after day.
MOST_ROWS = 50_000

#: So many days of a table are at hand at once; of everybody's by name, one.
DAYS_AT_ONCE = 31

#: Days outside of these are slips of the pen.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)

#: Ids beyond it are none: databases count no further.
LARGEST_ID = 2**63 - 1

KEYS: tuple[str, ...] = get_args(By)
AMOUNTS = ("cpu_hours", "memory_gib_hours", "gpu_hours", "session_hours", "cost")

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

#: A cell that begins so is a formula to a spreadsheet, in half and in full width.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


class UsageHandler(BaseHandler):
    """``GET usage?since=&until=&by=&user=&group=&format=``: sums of the ledger, as JSON or CSV.

    Users see their own; admins name a ``user``, ``*`` for all, or a ``group`` for all of it. Days are those of the
    platform's time zone, both included; without ``by`` it is one sum. CSV by day comes day after day, however long it
    is; if it cannot go on, the connection breaks off.
    """

    async def get(self) -> None:
        """Answer with the sums."""
        self.require_user()
        group = self.get_query_argument("group", None)
        owner = self.subject_or_all("user")
        if self.caller.is_admin and group and not self.get_query_arguments("user"):
            owner = None
        since, until = self._days()
        keys, as_csv = self._keys(), self._wants_csv()
        self.set_header("Vary", "Accept")
        if as_csv:
            self.set_header("Content-Type", "text/csv; charset=utf-8; header=present")
            self.set_header("Content-Disposition", f'attachment; filename="usage-{since}-{until}.csv"')
            if "day" in keys:
                await self._write_days(since, until, keys, owner, group)
                return
        rows = await self.state.usage.rows(since, until, keys, owner, group, most=MOST_ROWS + 1)
        if len(rows) > MOST_ROWS:
            detail = f"The answer has more than {MOST_ROWS} rows: ask for fewer days, or by fewer keys."
            raise problem_error(422, "Too much at once", detail)
        if as_csv:
            self.write(usage_csv(rows, keys))
        else:
            self.write_page(rows)

    async def _write_days(
        self, since: date, until: date, keys: Sequence[By], owner: str | None, group: str | None
    ) -> None:
        days = timedelta(days=1 if owner is None and "user" in keys else DAYS_AT_ONCE)
        self.write(usage_csv([], keys))
        first, is_begun = since, False
        try:
            while first <= until:
                last = min(first + days - timedelta(days=1), until)
                self.write(csv_rows(await self.state.usage.rows(first, last, keys, owner, group), keys))
                first = last + timedelta(days=1)
                await self.flush()
                is_begun = True
        except Exception:
            if is_begun and self.request.connection is not None:
                self.request.connection.close()  # type: ignore[attr-defined]  # what is missing must not look like the end
            raise

    def _days(self) -> tuple[date, date]:
        today = self.state.clock().astimezone(self.state.platform().zone).date()
        until = self._day("until", today)
        since = self._day("since", max(FIRST_DAY, until - timedelta(days=DEFAULT_DAYS - 1)))
        if since > until:
            raise problem_error(400, "Bad days", f"since ({since}) lies after until ({until}).")
        if (until - since).days >= MOST_DAYS:
            raise problem_error(400, "Bad days", f"since and until span at most {MOST_DAYS} days.")
        return since, until

    def _day(self, argument: str, default: date) -> date:
        text = self.get_query_argument(argument, None)
        if text is None:
            return default
        try:
            day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
        except ValueError:
            day = None
        if day is None or not FIRST_DAY <= day <= LAST_DAY:
            raise problem_error(
                400, "Bad day", f"{argument} is a day from {FIRST_DAY} to {LAST_DAY}, written as 2026-01-31."
            )
        return day

    def _keys(self) -> Sequence[By]:
        keys = tuple(dict.fromkeys(self.get_query_arguments("by")))
        if unknown := [key for key in keys if key not in KEYS]:
            raise problem_error(400, "Bad by", f"by is one of {', '.join(KEYS)}, not {unknown[0][:40]!r}.")
        return cast(Sequence[By], keys)

    def _wants_csv(self) -> bool:
        named = self.get_query_argument("format", None)
        if named is None:
            kinds = [kind.partition(";")[0].strip() for kind in self.request.headers.get("Accept", "").split(",")]
            return "text/csv" in kinds and "application/json" not in kinds
        if named not in ("csv", "json"):
            raise problem_error(400, "Bad format", "format is csv or json.")
        return named == "csv"


def usage_csv(rows: Sequence[UsageRow], keys: Sequence[str]) -> str:
    """Rows as CSV, with a line of names; no cell of it is a formula to a spreadsheet."""
    return _csv([[*keys, *AMOUNTS]]) + csv_rows(rows, keys)


def csv_rows(rows: Sequence[UsageRow], keys: Sequence[str]) -> str:
    """The same without the line of names."""
    cells: list[list[object]] = []
    for row in rows:
        names = [_no_formula(getattr(row, key) or "") for key in keys]
        cells.append([*names, *(getattr(row, amount) for amount in AMOUNTS)])
    return _csv(cells)


def _csv(lines: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()


def _no_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) or cell.lstrip().startswith(_FORMULA) else cell


class FailuresHandler(BaseHandler):
    """``GET failures?owner=&limit=``: the caller's starts that came to nothing; an admin may name others, or ``*``."""

    async def get(self) -> None:
        """Answer with a page of failed starts, newest first."""
        self.require_user()
        owner = self.subject_or_all("owner")
        self.write_page(await self.state.desk.failures(owner, self.page_limit()))


class NoticesHandler(BaseHandler):
    """``GET notices?since=ID&limit=``: what the caller is told, from after a notice that was seen already."""

    async def get(self) -> None:
        """Answer with a page of notices, oldest first."""
        self.require_user()
        text = self.get_query_argument("since", "0")
        if not text.isascii() or not text.isdigit() or int(text[:20]) > LARGEST_ID:
            raise problem_error(400, "Bad since", "since is the id of a notice, or 0.")
        caller = self.caller
        self.write_page(await self.state.desk.notices(caller.name, caller.groups, int(text[:20]), self.page_limit()))


class ActivityHandler(BaseHandler):
    """``POST leases/{id}/activity``: the user's server says how idle it is."""

    async def post(self, lease_id: str) -> None:
        """Note it, and answer with the lease, which says when it is stopped."""
        self.require_user()
        row = await self.state.life.activity(lease_id, self.caller.name, self.body(Activity))
        self.write_model(row.said(self.state.clock()))


class KeepHandler(BaseHandler):
    """``POST leases/{id}/keep``: the owner wants the session for some minutes more."""

    async def post(self, lease_id: str) -> None:
        """Put off its end, and answer with the lease."""
        self.require_user()
        row = await self.state.life.keep(lease_id, self.caller.name, self.body(KeepRequest).minutes)
        self.write_model(row.said(self.state.clock()))


class SilenceHandler(BaseHandler):
    """``POST leases/{id}/silence``: the hub hears nothing of the machine that a session runs on, or does again."""

    async def post(self, lease_id: str) -> None:
        """Tell its owner, and answer with the lease."""
        self.require_hub()
        row = await self.state.life.tell_silence(lease_id, self.body(Silence))
        self.write_model(row.said(self.state.clock()))


class ExtendHandler(BaseHandler):
    """``POST leases/{id}/extend``: an admin puts off the end of a session's time."""

    async def post(self, lease_id: str) -> None:
        """Put it off, and answer with the lease."""
        self.require_admin()
        row = await self.state.life.extend(lease_id, self.caller.name, self.body(ExtendRequest))
        self.write_model(row.said(self.state.clock()))


class GiveUpHandler(BaseHandler):
    """``POST leases/{id}/give-up``: an admin closes the lease of a cluster whose gateway does not come back."""

    async def post(self, lease_id: str) -> None:
        """Close it, and answer with it."""
        self.require_admin()
        row = await self.state.admission.give_up_cluster(lease_id, self.caller.name, self.body(GiveUpRequest).reason)
        self.write_model(row.said(self.state.clock()))


class StopHandler(BaseHandler):
    """``POST leases/{id}/stop``: an admin ends what anybody runs, saying why; an owner what is the owner's."""

    async def post(self, lease_id: str) -> None:
        """Have it stopped, and answer with the lease; it is over within a sweep."""
        self.require_user()
        caller, reason = self.caller, self.body(StopRequest).reason
        row = await self.state.life.stop(lease_id, caller.name, reason, of_anybody=caller.is_admin)
        self.write_model(row.said(self.state.clock()))
