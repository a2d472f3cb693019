"""How figures, lengths and limits are put into words on the pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.models import QuotaView, Resources
from perijove_hub.web.pages_words import Bar, Words, spoken_length

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SAY = Words(ZoneInfo("Europe/Madrid"), NOON, "EUR")


def view(**more: Any) -> QuotaView:
    said = {"name": "q", "resource": "gpu_hours", "unit": "GPU hours", "limit": 40.0, "used": 10.0, "per": "user"}
    return QuotaView.model_validate({**said, "state": "ok", **more})


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0.00 EUR"), (1, "1.00 EUR"), (1234.5, "1,234.50 EUR"), (0.5, "0.50 EUR"), (0.036, "0.036 EUR"),
        (0.0064, "0.0064 EUR"), (0.00000004, "0.000000 EUR"), (-0.25, "-0.25 EUR"),
    ],
)  # fmt: skip
def test_money_keeps_two_digits_that_say_something(amount: float, words: str) -> None:
    assert SAY.money(amount) == words


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        (0.5, None, "0.50 EUR per hour"),
        (0.5, 0.5, "0.50 EUR per hour"),
        (0.036, 0.14, "0.036 to 0.14 EUR per hour"),
        (0, None, "free of charge"),
        (0, 2, "0.00 to 2.00 EUR per hour"),
    ],
)
def test_a_price_is_one_or_from_the_least_to_the_most(least: float, most: float | None, words: str) -> None:
    assert SAY.cost_hour(least, most) == words


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "less than a minute"), (0.4, "less than a minute"), (1, "1 min"), (59, "59 min"), (60, "1 h"),
        (61, "1 h 1 min"), (1440, "1 day"), (1500, "1 day 1 h"), (2880, "2 days"), (12_000, "8 days"),
    ],
)  # fmt: skip
def test_a_length_is_told_in_its_two_largest_units(minutes: float, words: str) -> None:
    assert spoken_length(timedelta(minutes=minutes)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "just now"), (-59, "just now"), (-60, "1 min ago"), (20, "in less than a minute"), (7200, "in 2 h")],
)
def test_a_moment_is_told_from_now(seconds: float, words: str) -> None:
    assert SAY.relative(NOON + timedelta(seconds=seconds)) == words


def test_a_moment_is_told_in_the_zone_of_the_platform_and_for_machines_in_utc() -> None:
    assert SAY.time(NOON) == '<time datetime="2026-03-01T12:00:00+00:00">1 March 2026, 13:00 CET</time>'
    assert SAY.plain_time(NOON) == "1 March 2026, 13:00 CET"
    assert SAY.field_time(NOON) == "2026-03-01T13:00"


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (Resources(cpu=1, memory_gib=2), "1 core, 2 GiB"),
        (Resources(cpu=2.5, memory_gib=0.5, gpu=1), "2.5 cores, 0.5 GiB, 1 GPU"),
        (Resources(cpu=8, memory_gib=64, gpu=2), "8 cores, 64 GiB, 2 GPUs"),
    ],
)
def test_a_size_is_told_in_words(resources: Resources, words: str) -> None:
    assert SAY.size(resources) == words


def test_a_limit_is_told_by_what_it_limits_and_for_whom() -> None:
    assert SAY.limit_title(view(window="month")) == "GPU hours this month"
    assert SAY.limit_title(view(resource="credits", window="allocation")) == "Cost of the allocation"
    assert SAY.limit_title(view(resource="sessions")) == "Sessions at once"
    assert SAY.limit_scope(view()) == ""
    assert SAY.limit_scope(view(per="group", subject="group:astro")) == "group astro, everybody together"
    assert SAY.used_of(view(reserved=2.5)) == "10 of 40 GPU hours, 2.5 of it reserved by what runs"
    assert SAY.used_of(view(reserved=0.001)) == "10 of 40 GPU hours"


AMOUNT = st.floats(min_value=0, max_value=1e9, allow_nan=False)


@given(used=AMOUNT, share=st.floats(min_value=0, max_value=1), limit=AMOUNT)
def test_a_bar_never_leaves_its_tray(used: float, share: float, limit: float) -> None:
    bar = Bar.of(view(used=used, reserved=used * share, limit=limit, warn_at=[0.8, 1.0]))
    assert bar.spent >= 0
    assert bar.reserved >= 0
    assert bar.spent + bar.reserved <= 100.01
    assert bar.marks == (80.0,)


def test_a_bar_shows_what_is_used_and_what_is_reserved() -> None:
    bar = Bar.of(view(used=20, reserved=10, limit=40, warn_at=[0.5, 0.95]))
    assert (bar.spent, bar.reserved, bar.marks) == (25.0, 25.0, (50.0, 95.0))
    assert Bar.of(view(limit=0, used=0)).spent == 100
    assert Bar.plain(3, 4) == Bar(75.0, 0.0, ())
