from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.models import Kind, Resources
from perijove_hub.ledger.metering import Amounts, amounts
from perijove_hub.ledger.quota import (
    Held,
    Limit,
    Need,
    OverLimit,
    Use,
    first_over,
    hours_that_fit,
    passed_thresholds,
    view_limit,
)
from perijove_hub.ledger.windows import window_span

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Madrid")


def limit(resource: str = "sessions", most: float = 2, *, window: str | None = None, **more: Any) -> Limit:
    units = {"sessions": "sessions", "cpu": "cores", "memory_gib": "GiB", "gpu": "GPUs", "gpu_hours": "GPU hours"}
    said = {"name": "q", "per": "user", "subject": "user:ana", "unit": units.get(resource, "EUR"), **more}
    span = window_span(window, NOW, ZONE) if window not in (None, "allocation") else None
    return Limit(resource=resource, limit=most, window=window, span=span, **said)


def need(cpu: float = 1, memory_gib: float = 2, gpu: int = 0) -> Need:
    resources = Resources(cpu=cpu, memory_gib=memory_gib, gpu=gpu)
    return Need.of(Kind.SESSION, resources, amounts(resources, None, 1.0))


def over(bound: Limit, use: Use, wanted: Need | None = None, least_hours: float = 0.1) -> OverLimit | None:
    return first_over([bound], {bound: use}, wanted or need(), least_hours, ZONE)


@pytest.mark.parametrize(
    ("bound", "used", "detail"),
    [
        (limit(), 1, None),
        (limit(), 2, "Limit q reached: 2 of 2 sessions used. Stop a running server, then start this one."),
        (
            limit("cpu", 6),
            5.5,
            "Limit q would be passed: 5.5 of 6 cores used, and 1 more is needed. "
            "Stop a running server or choose a smaller profile.",
        ),
        (limit("cpu", 6), 5, None),
        (
            limit("memory_gib", 3),
            2,
            "Limit q would be passed: 2 of 3 GiB used, and 2 more are needed. "
            "Stop a running server or choose a smaller profile.",
        ),
        (
            limit(per="group", subject="group:euclid", most=10),
            10,
            "Limit q of group euclid reached: 10 of 10 sessions used. Wait until a server of it ends.",
        ),
        (
            limit(per="platform", subject="platform", most=10),
            10,
            "Limit q of the platform reached: 10 of 10 sessions used. Wait until a server of it ends.",
        ),
        (
            limit("gpu_hours", 40, window="month"),
            39.99,
            "Limit q reached: 39.99 of 40 GPU hours used this month. It fits again from 1 April 2026, 00:00 CEST on. "
            "Choose a smaller profile, or ask an admin for an extension.",
        ),
        (limit("gpu_hours", 40, window="month"), 39.9, None),
        (
            limit(most=0),
            0,
            "Limit q allows 0 sessions, and 1 is needed at least. "
            "Choose a smaller profile, or ask an admin for an extension.",
        ),
        (
            limit("gpu_hours", 0.05, window="month"),
            0,
            "Limit q allows 0.05 GPU hours this month, and 0.1 are needed at least. "
            "Choose a smaller profile, or ask an admin for an extension.",
        ),
        (
            limit("gpu_hours", 1, window="7d"),
            1,
            "Limit q reached: 1 of 1 GPU hours used in the last 7 days. "
            "Choose a smaller profile, or ask an admin for an extension.",
        ),
        (
            limit(
                "credits",
                0,
                window="allocation",
                per="group",
                void="The allocation e of euclid ended.",
            ),
            0,
            "The allocation e of euclid ended. Choose another group to charge, or ask an admin for a new allocation.",
        ),
    ],
)
def test_a_refusal_says_which_limit_how_much_when_and_what_to_do(bound: Limit, used: float, detail: str | None) -> None:
    wanted = Need(need(gpu=1).at_once, Amounts(gpu_hours=1, credits=1))
    found = over(bound, Use(used), wanted)
    assert (found.detail if found else None) == detail


def test_the_end_of_the_next_session_is_told_when_it_is_known() -> None:
    found = over(limit(), Use(2))
    assert found is not None
    told = OverLimit(found.limit, found.used, found.needed, NOW + timedelta(hours=2), ZONE)
    assert told.detail == (
        "Limit q reached: 2 of 2 sessions used. The next one ends by 10 March 2026, 15:00 CET. "
        "Stop a running server, then start this one."
    )


def test_a_limit_that_is_passed_already_refuses_only_what_asks_for_more_of_it() -> None:
    gpus = limit("gpu", 0)
    assert over(gpus, Use(1), need(gpu=0)) is None
    assert over(gpus, Use(1), need(gpu=1)) is not None


def test_what_is_reserved_counts_as_used() -> None:
    bound = limit("gpu_hours", 4, window="month")
    wanted = Need(Held(), Amounts(gpu_hours=1))
    assert over(bound, Use(2, 1), wanted, least_hours=1) is None
    assert over(bound, Use(2, 1.5), wanted, least_hours=1) is not None


def test_a_slice_is_as_long_as_the_tightest_limit_over_time_allows() -> None:
    month, week = limit("gpu_hours", 10, window="month"), limit("credits", 1, window="week")
    uses = {month: Use(9), week: Use(0.9), limit(): Use(2)}
    wanted = Need(Held(sessions=1), Amounts(gpu_hours=2, credits=0.4))
    assert hours_that_fit([month], uses, wanted, 1) == pytest.approx(0.5)
    assert hours_that_fit([month, week, limit()], uses, wanted, 1) == pytest.approx(0.25)
    assert hours_that_fit([], uses, wanted, 1) == 1
    assert hours_that_fit([month], {month: Use(12)}, wanted, 1) == 0


@given(st.integers(1, 200), st.floats(min_value=0.01, max_value=3))
def test_what_was_admitted_piece_by_piece_fits_to_the_last_piece(pieces: int, piece: float) -> None:
    bound, held = limit("cpu", pieces * piece), 0.0
    for _ in range(pieces):
        assert over(bound, Use(held), need(cpu=piece)) is None
        held += piece
    assert over(bound, Use(held), need(cpu=0.01)) is not None


@given(
    st.floats(min_value=0, max_value=100), st.floats(min_value=0, max_value=120), st.floats(min_value=0.01, max_value=9)
)
def test_a_slice_never_passes_its_limit(most: float, used: float, rate: float) -> None:
    bound = limit("gpu_hours", most, window="month")
    hours = hours_that_fit([bound], {bound: Use(used)}, Need(Held(), Amounts(gpu_hours=rate)), 1)
    assert 0 <= hours <= 1
    assert hours == 0 or used + hours * rate <= most + 1e-6


@pytest.mark.parametrize(
    ("used", "state"), [(0, "ok"), (1.4, "ok"), (1.5, "warning"), (1.9, "warning"), (2, "exhausted"), (3, "exhausted")]
)
def test_a_view_warns_from_the_first_threshold_on(used: float, state: str) -> None:
    assert view_limit(limit(warn_at=(0.75, 0.9)), Use(used)).state == state


def test_a_view_forecasts_when_it_is_used_up() -> None:
    bound = limit("gpu_hours", 40, window="month")
    view = view_limit(bound, Use(30, 1, 2), NOW)
    assert bound.span is not None
    assert view.model_dump() == {
        "name": "q",
        "resource": "gpu_hours",
        "unit": "GPU hours",
        "limit": 40,
        "used": 31,
        "reserved": 1,
        "per": "user",
        "subject": "user:ana",
        "window": "month",
        "window_start": bound.span.start,
        "window_end": bound.span.end,
        "warn_at": [],
        "on_exhaustion": "deny",
        "empty_at": NOW + timedelta(hours=5),
        "override": None,
        "state": "ok",
    }
    # what will not be used up before the window begins anew is no forecast
    assert view_limit(bound, Use(1, 0, 0.01), NOW).empty_at is None
    assert view_limit(bound, Use(1), NOW).empty_at is None


def test_thresholds_that_are_reached_are_told() -> None:
    bound = limit("gpu_hours", 10, window="month", warn_at=(0.8, 0.95))
    assert passed_thresholds(bound, Use(7.9)) == []
    assert passed_thresholds(bound, Use(7, 1)) == [0.8]
    assert passed_thresholds(bound, Use(10)) == [0.8, 0.95]
