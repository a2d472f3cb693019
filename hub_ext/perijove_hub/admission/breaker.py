"""The circuit breaker of a site: three failed starts in a row take it out for a minute, then one probe may try.

Pure: time is passed in.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from perijove_hub.ledger.models import SiteRow

FAILURES_TO_OPEN = 3
OUT_SECONDS = 60


def is_out(site: SiteRow, now: datetime) -> bool:
    """Whether the site takes no start now."""
    return site.failures >= FAILURES_TO_OPEN and site.out_until is not None and now < site.out_until


def after_failure(site: SiteRow, now: datetime) -> SiteRow:
    """The site after one more failed start."""
    failures = site.failures + 1
    out_until = now + timedelta(seconds=OUT_SECONDS) if failures >= FAILURES_TO_OPEN else None
    return replace(site, failures=failures, out_until=out_until)


def after_success(site: SiteRow) -> SiteRow:
    """The site after a start that worked."""
    return replace(site, failures=0, out_until=None)


def on_probe(site: SiteRow, now: datetime) -> SiteRow:
    """The site as a start begins there. After an outage this start is the one probe: others wait for its result."""
    if site.failures < FAILURES_TO_OPEN:
        return site
    return replace(site, out_until=now + timedelta(seconds=OUT_SECONDS))
