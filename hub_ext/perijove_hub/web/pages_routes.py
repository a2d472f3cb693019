"""Which pages there are, and where."""

from __future__ import annotations

from typing import Any

from tornado.web import RequestHandler

from perijove_hub.web.pages import HERE, StaticFiles
from perijove_hub.web.pages_admin import AdminUsagePage, LeasesPage, OverviewPage, PlatformPage
from perijove_hub.web.pages_house import (
    AnnouncementsPage,
    ClosuresPage,
    PeoplePage,
    WithdrawAnnouncementPage,
    WithdrawClosurePage,
)
from perijove_hub.web.pages_limits import GiveUpPage, LeasePage, LimitsPage, RevokePage, StopLeasePage
from perijove_hub.web.pages_user import HomePage, KeepPage, StartsPage, StopPage, UsagePage

LEASE_ID, NUMBER = r"([0-9a-f]{32})", r"([0-9]{1,18})"
FILES = r"static/((?:vendor/)?[A-Za-z0-9][A-Za-z0-9.-]*)"

#: Every page by its address below the prefix of the service.
PAGES: list[tuple[str, type[RequestHandler]]] = [
    (r"", HomePage),
    (rf"sessions/{LEASE_ID}/keep", KeepPage),
    (rf"sessions/{LEASE_ID}/stop", StopPage),
    (r"usage", UsagePage),
    (r"starts", StartsPage),
    (r"admin/", OverviewPage),
    (r"admin/leases", LeasesPage),
    (rf"admin/leases/{LEASE_ID}", LeasePage),
    (rf"admin/leases/{LEASE_ID}/stop", StopLeasePage),
    (rf"admin/leases/{LEASE_ID}/give-up", GiveUpPage),
    (r"admin/usage", AdminUsagePage),
    (r"admin/limits", LimitsPage),
    (rf"admin/overrides/{NUMBER}/revoke", RevokePage),
    (r"admin/closures", ClosuresPage),
    (rf"admin/closures/{NUMBER}/withdraw", WithdrawClosurePage),
    (r"admin/announcements", AnnouncementsPage),
    (rf"admin/announcements/{NUMBER}/withdraw", WithdrawAnnouncementPage),
    (r"admin/platform", PlatformPage),
    (r"admin/people", PeoplePage),
]


def page_routes(prefix: str) -> list[tuple[Any, ...]]:
    """The routes of the pages and of their files; ``prefix`` ends with a slash."""
    pages: list[tuple[Any, ...]] = [(prefix + address, handler) for address, handler in PAGES]
    return [*pages, (prefix + FILES, StaticFiles, {"path": str(HERE / "static")})]
