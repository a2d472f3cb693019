"""What pages show of sessions, limits and messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from perijove.models import Closure, FailedStart, Kind, LeaseState, Notice, QuotaView
from perijove_hub.admission.overview import last_failed
from perijove_hub.ledger.models import LeaseRow
from perijove_hub.web.pages_views import MOST_NOTICES, Load, SessionView, advice, forecast, notices_to_show
from perijove_hub.web.pages_words import Words
from tests.support.leases import active_lease
from tests.support.platforms import cluster, platform, site

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SAY = Words(ZoneInfo("UTC"), NOON, "EUR")


def notice(number: int, message: str = "", **more: Any) -> Notice:
    said = {"id": number, "created": NOON, "expires": None, "severity": "info", "topic": "quota"}
    return Notice.model_validate({**said, "message": message or f"message {number}", **more})


def test_messages_are_shown_newest_first_once_each_and_as_long_as_they_hold() -> None:
    told = [
        notice(1, "again"),
        notice(2, "over", expires=NOON - timedelta(seconds=1)),
        notice(3, "old", created=NOON - timedelta(days=1)),
        notice(4, "old but in force", created=NOON - timedelta(days=9), expires=NOON + timedelta(days=1)),
        notice(5, "again"),
    ]
    assert [each.message for each in notices_to_show(told, NOON)] == ["again", "old but in force"]
    many = notices_to_show([notice(number) for number in range(50)], NOON)
    assert [each.id for each in many] == list(range(49, 49 - MOST_NOTICES, -1))


def quota(**more: Any) -> QuotaView:
    said = {"name": "q", "resource": "cpu_hours", "unit": "core hours", "limit": 10, "used": 4, "per": "user"}
    return QuotaView.model_validate({**said, "state": "ok", "window": "month", "reserved": 1, **more})


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"window": None}, ""),
        ({"state": "exhausted"}, "Used up."),
        (
            {"state": "exhausted", "window_end": NOON + timedelta(days=1)},
            "Used up. It is renewed on 2 March 2026, 12:00 UTC.",
        ),
        (
            {"empty_at": NOON + timedelta(hours=3)},
            "At this rate used up in 3 h, on 1 March 2026, 15:00 UTC.",
        ),
        (
            {"window_end": NOON + timedelta(days=1)},
            "At this rate it lasts until it is renewed on 2 March 2026, 12:00 UTC.",
        ),
        (
            {"window_end": NOON + timedelta(days=1), "window": "allocation"},
            "At this rate it lasts until it ends on 2 March 2026, 12:00 UTC.",
        ),
        ({"window": "7d"}, "At this rate it lasts."),
        ({"window": "7d", "reserved": 0}, "Nothing that runs now uses it."),
        (
            {"reserved": 0, "window_end": NOON + timedelta(days=1)},
            "Nothing that runs now uses it; it is there until it is renewed on 2 March 2026, 12:00 UTC.",
        ),
    ],
)
def test_a_forecast_is_a_sentence(more: dict[str, Any], sentence: str) -> None:
    assert forecast(quota(**more), SAY) == sentence


@pytest.mark.parametrize(
    ("held", "capacity", "state"),
    [
        (0, 10, "ok"),
        (8.9, 10, "ok"),
        (9, 10, "warning"),
        (10, 10, "exhausted"),
        (11, 10, "exhausted"),
        (0, 0, "exhausted"),
    ],
)
def test_a_load_tells_when_it_is_nearly_full(held: float, capacity: float, state: str) -> None:
    assert Load("cores", held, capacity).state == state


def failed(minutes: float = 0, title: str = "Not started", log_tail: str | None = None) -> FailedStart:
    return FailedStart(
        attempt_id="1" * 32, owner="ana", name="", at=NOON + timedelta(minutes=minutes), title=title, detail="",
        profile=None, site=None, explanation=None, log_tail=log_tail,
    )  # fmt: skip


def test_what_to_do_after_a_failed_start_depends_on_why() -> None:
    assert "read the end of its log below" in advice(failed(log_tail="x"))
    assert "try another size or place" in advice(failed())
    assert "a smaller size" in advice(failed(title="No site can run this now"))
    # a limit says itself what to do
    assert advice(failed(title="Limit reached")) == ""


def started(minutes: float | None) -> LeaseRow:
    return active_lease(started=None if minutes is None else NOON + timedelta(minutes=minutes))


def test_the_last_start_failed_unless_one_has_worked_since() -> None:
    assert last_failed([], []) is None
    assert last_failed([failed(5), failed(1)], []) == failed(5)
    assert last_failed([failed(5)], [started(None), started(4)]) == failed(5)
    assert last_failed([failed(5)], [started(6)]) is None


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


CLOSES_SOON = Closure(
    id=1, site="esac", starts=NOON, stops_at=after(5), reason="new disks", author="root", created=NOON, reopens=None,
    withdrawn=None, withdrawn_by=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "may_keep"),
    [
        # idle in ten minutes: that can be put off, although a limit stops it an hour later
        ({"idle_minutes": 10}, True),
        ({"idle_minutes": 10, "quota_stop_at": after(60)}, True),
        ({"idle_minutes": 60, "quota_stop_at": after(10)}, False),
        ({"idle_minutes": 60, "allowed_stop_at": after(10)}, False),
        ({"ends_at": after(20), "keeps_left": 1}, True),
        ({"ends_at": after(20), "keeps_left": 0}, False),
        # nothing ends it, or nothing that can be put off
        ({}, False),
        ({"ends_at": after(600), "keeps_left": 0}, False),
        ({"idle_minutes": 10, "reason": "its site closes"}, False),
        ({"idle_minutes": 10, "state": LeaseState.STARTING}, False),
    ],
)
def test_a_session_offers_to_be_kept_when_a_press_would_put_something_off(row: dict[str, Any], may_keep: bool) -> None:
    assert SessionView.of(active_lease(**row), NOON, platform(), ()).may_keep is may_keep


def test_a_session_whose_site_closes_first_does_not_offer_to_be_kept() -> None:
    view = SessionView.of(active_lease(idle_minutes=60), NOON, platform(), [CLOSES_SOON])
    assert (view.may_keep, view.endings[0].at) == (False, after(5))


@pytest.mark.parametrize(
    ("row", "image"),
    [
        ({"site": "academic"}, "lab:1"),
        ({"site": "academic", "image": "team/lab:2"}, "team/lab:2"),
        # a local site starts what is installed there, whatever a profile names
        ({"site": "esac", "image": "team/lab:2"}, ""),
        ({"site": "gone", "image": "team/lab:2"}, ""),
        ({"site": "academic", "kind": Kind.CLUSTER}, ""),
    ],
)
def test_a_session_in_a_cluster_shows_its_image(row: dict[str, Any], image: str) -> None:
    policy = platform(sites={"esac": site(), "academic": cluster("Academic")})
    named = row.pop("image", None)
    lease = active_lease(**row)
    lease = replace(
        lease, offer=lease.offer.model_copy(update={"spawn": lease.offer.spawn.model_copy(update={"image": named})})
    )
    assert SessionView.of(lease, NOON, policy, ()).image == image
