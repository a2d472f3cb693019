"""The admins' pages that look: sites, live leases, everybody's use, and the platform file."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from perijove.models import OPEN_STATES, LeaseState
from perijove_hub.admission.overview import held_by_site
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.web.base import problem_error
from perijove_hub.web.pages import PageHandler
from perijove_hub.web.pages_user import UsageBase
from perijove_hub.web.pages_views import closures_by_site, loads_of
from perijove_hub.web.pages_words import STATES

#: From this share on a limit is nearly reached, unless the page is asked for another.
NEAR_SHARE = 0.8
#: How many such limits the overview and the page of limits list.
NEAR_ON_OVERVIEW, NEAR_AT_MOST = 8, 100

LEASES_ON_PAGE = 50
#: How many leases are read at a time while those are looked for that a filter wants.
LEASES_AT_A_TIME = 500


class AdminPage(PageHandler):
    """A page for admins: the login must have brought the admin scope, which no token of a server holds."""

    here = "admin"
    #: Which entry of the admins' own navigation is this page's.
    section = ""

    async def prepare(self) -> None:
        """Refuse whoever is no admin, in plain words."""
        await super().prepare()
        if self._finished or self.caller.is_admin:
            return
        raise problem_error(
            403,
            "For admins only",
            "This page shows and changes what everybody may use, so it is for the platform's admins. If you have "
            "become one just now, log out of the hub and in again.",
        )

    def draw(self, template: str, status: int = 200, **values: Any) -> None:
        """Write a page, with its place among the admins' pages."""
        super().draw(template, status, section=self.section, **values)


class OverviewPage(AdminPage):
    """``admin/``: the sites, what they run, who is near a limit, and what is announced."""

    section = "overview"

    async def get(self) -> None:
        """Draw the page."""
        admission, desk = self.state.admission, self.state.desk
        held = await held_by_site(self.state.database, self.state.clock())
        self.draw(
            "admin/overview.html",
            sites=[(facts, loads_of(facts)) for facts in (await admission.sites()).values()],
            held=held,
            closures=closures_by_site(await desk.closures()),
            near=await admission.near(NEAR_SHARE, NEAR_ON_OVERVIEW),
            announcements=await desk.announcements(),
            failures=await desk.failures(None, 5),
            policy=self.state.policy_state(),
        )


class LeasesPage(AdminPage):
    """``admin/leases``: what runs now, where and why; narrowed by owner, site and state."""

    section = "leases"

    async def get(self) -> None:
        """Draw a page of it."""
        owner = self.get_query_argument("owner", "")
        site = self.get_query_argument("site", "")
        state = self.get_query_argument("state", "")
        if site and site not in self.platform.sites:
            raise problem_error(400, "No such site", f"site: choose one of {', '.join(self.platform.sites)}.")
        if state and state not in OPEN_STATES:
            raise problem_error(400, "No such state", f"state: choose one of {', '.join(sorted(OPEN_STATES))}.")
        now = self.state.clock()
        wanted: list[LeaseRow] = []
        before = self._before()
        while len(wanted) <= LEASES_ON_PAGE:
            rows = await self.state.admission.leases(owner or None, before, LEASES_AT_A_TIME, open_only=True)
            wanted += [
                row for row in rows if row.is_open(now) and site in ("", row.site) and state in ("", row.state.value)
            ]
            if len(rows) < LEASES_AT_A_TIME:
                break
            before = (rows[-1].created, rows[-1].id)
        shown = wanted[:LEASES_ON_PAGE]
        filters = {name: value for name, value in (("owner", owner), ("site", site), ("state", state)) if value}
        following = f"?{urlencode({**filters, 'before': _cursor(shown[-1])})}" if len(wanted) > len(shown) else ""
        self.draw(
            "admin/leases.html",
            leases=[row.said(now) for row in shown],
            owner=owner,
            site=site,
            state=state,
            states={state.value: STATES[state] for state in LeaseState if state in OPEN_STATES},
            following=following,
        )

    def _before(self) -> tuple[datetime, str] | None:
        text = self.get_query_argument("before", "")
        if not text:
            return None
        try:
            created, lease_id = json.loads(base64.urlsafe_b64decode(text.encode()))
            # ids are hexadecimal; databases choke on some of what JSON may hold
            return datetime.fromisoformat(created).astimezone(UTC), f"{int(lease_id, 16):032x}"
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise problem_error(400, "Bad address", "before: take the link of the page before.") from error


class AdminUsagePage(UsageBase, AdminPage):
    """``admin/usage``: everybody's use over time, by group, site, kind or user."""

    section = "usage"
    keys = ("group", "site", "kind", "user")
    of_all = True

    async def get(self) -> None:
        """Draw the page."""
        choice = self.usage_choice()
        self.draw(
            "admin/usage.html",
            **await self.figure(choice, choice.user or None, choice.group or None),
        )


class PlatformPage(AdminPage):
    """``admin/platform``: which platform file is in force, and what was wrong with one that was refused."""

    section = "platform"

    async def get(self) -> None:
        """Draw the page."""
        self.draw("admin/platform.html", policy=self.state.policy_state())


def _cursor(row: LeaseRow) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.created.isoformat(), row.id]).encode()).decode()
