"""The circuit breaker of a site: failed starts of three users in a row take it out for a minute, then one may try.

Users are counted, not starts: a start also fails by what is in the user's own home, and nobody shall be able to take
a site out for everybody else. Pure: time is passed in.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from perijove_hub.ledger.models import SiteRow

FAILURES_TO_OPEN = 3
OUT_SECONDS = 60


def is_out(site: SiteRow, now: datetime) -> bool:
    """Whether the site takes no start now."""
    return _is_open(site) and site.out_until is not None and now < site.out_until


def after_failure(site: SiteRow, owner: str, now: datetime) -> SiteRow:
    """The site after a start of this owner has failed."""
    known = owner in site.failed_owners or _is_open(site)
    owners = site.failed_owners if known else (*site.failed_owners, owner)
    failed = replace(site, failed_owners=owners)
    return replace(failed, out_until=now + timedelta(seconds=OUT_SECONDS) if _is_open(failed) else None)


def after_success(site: SiteRow) -> SiteRow:
    """The site after a start that worked."""
    return replace(site, failed_owners=(), out_until=None)


def on_probe(site: SiteRow, now: datetime) -> SiteRow:
    """The site as a start begins there. After an outage this start is the one probe: others wait for its result."""
    if not _is_open(site):
        return site
    return replace(site, out_until=now + timedelta(seconds=OUT_SECONDS))


def _is_open(site: SiteRow) -> bool:
    return len(site.failed_owners) >= FAILURES_TO_OPEN
