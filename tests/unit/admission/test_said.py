"""What admins may say, and what is refused with words that tell what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.models import Closure, ClosureRequest, OverrideRequest
from perijove_hub.admission.models import Refused
from perijove_hub.admission.said import Window, check_expiry, check_overlap, check_override, closure_window
from tests.support.platforms import platform, site

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

LIMITED = platform(
    quotas=[
        {"name": "two-labs", "resource": "sessions", "limit": 2},
        {"name": "home", "resource": "home_gib", "limit": 50},
        {"name": "staff-gpu", "resource": "gpu", "limit": 4, "per": "group", "applies_to": {"groups": ["staff"]}},
        {"name": "any-group", "resource": "cpu", "limit": 40, "per": "group"},
        {"name": "class-cpu", "resource": "cpu", "limit": 40, "per": "class"},
        {"name": "esac-cpu", "resource": "cpu", "limit": 40, "per": "site", "applies_to": {"sites": ["esac"]}},
        {"name": "whole", "resource": "gpu", "limit": 9, "per": "platform"},
    ],
    allocations=[
        {"group": "euclid", "resource": "credits", "amount": 5, "start": "2026-01-01", "end": "2026-12-31"},
        {"name": "lesson", "group": "class:sky", "resource": "cpu_hours", "amount": 5, "start": "2026-01-01",
         "end": "2026-12-31"},
    ],
)  # fmt: skip


def asked(quota: str, subject: str, **more: Any) -> OverrideRequest:
    return OverrideRequest(
        **{"quota": quota, "subject": subject, "limit": 0, "reason": "because", "expires": NOON + DAY, **more}
    )


def refusal(rule: Callable[..., Any], *said: Any) -> tuple[int, str] | None:
    """What a rule answers to something that it does not let through."""
    try:
        rule(*said)
    except Refused as refused:
        return refused.problem.status, refused.problem.detail
    return None


@pytest.mark.parametrize(
    ("quota", "subject"),
    [
        ("two-labs", "user:ana"),
        ("home", "user:ana@esa.int"),
        ("staff-gpu", "group:staff"),
        ("any-group", "group:whatever"),
        ("class-cpu", "class:sky"),
        ("esac-cpu", "site:esac"),
        ("whole", "platform"),
        ("euclid-credits-20260101", "group:euclid"),
        ("lesson", "class:sky"),
    ],
)
def test_a_limit_is_changed_for_whom_it_binds(quota: str, subject: str) -> None:
    assert refusal(check_override, LIMITED, asked(quota, subject), NOON) is None


@pytest.mark.parametrize(
    ("quota", "subject", "detail"),
    [
        ("two-labs", "group:staff", "subject: limit two-labs is per user; expected user:NAME."),
        ("two-labs", "platform", "subject: limit two-labs is per user; expected user:NAME."),
        ("staff-gpu", "user:ana", "subject: limit staff-gpu is per group; expected group:NAME."),
        ("staff-gpu", "group:euclid", "subject: limit staff-gpu binds staff, not 'euclid'."),
        ("any-group", "class:sky", "subject: limit any-group is per group; expected group:NAME."),
        ("any-group", "group:class:sky", "subject: limit any-group is per group; expected group:NAME."),
        ("class-cpu", "class:class:sky", "subject: limit class-cpu is per class; expected class:NAME."),
        ("esac-cpu", "site:moon", "subject: there is no site 'moon'; choose from cloud-eu, esac."),
        ("esac-cpu", "site:cloud-eu", "subject: limit esac-cpu binds esac, not 'cloud-eu'."),
        ("whole", "site:esac", "subject: limit whole is per platform; expected platform."),
        ("lesson", "group:class:sky", "subject: allocation lesson is granted to class:sky."),
        ("lesson", "user:ana", "subject: allocation lesson is granted to class:sky."),
        ("moon", "user:ana", "quota: there is no limit 'moon'; choose from any-group, class-cpu, esac-cpu, "
         "euclid-credits-20260101, home, lesson, staff-gpu, two-labs, whole."),
    ],
)  # fmt: skip
def test_a_limit_that_would_bind_nobody_is_refused(quota: str, subject: str, detail: str) -> None:
    assert refusal(check_override, LIMITED, asked(quota, subject), NOON) == (422, detail)


def test_another_amount_for_an_allocation_out_of_its_time_is_refused() -> None:
    granted = {"name": "lesson", "group": "class:sky", "resource": "cpu_hours", "amount": 5}
    today = NOON.date()

    def refusal_at(first: date, last: date) -> tuple[int, str] | None:
        dated = platform(allocations=[{**granted, "start": first, "end": last}])
        return refusal(check_override, dated, asked("lesson", "class:sky", expires=NOON + 3 * DAY), NOON)

    yesterday = today - DAY
    assert refusal_at(yesterday, yesterday) == (
        422,
        f"quota: allocation lesson ended on {yesterday}; grant another one in the platform file, or change its end.",
    )
    assert refusal_at(yesterday, today) is None
    assert refusal_at(today + 2 * DAY, today + 9 * DAY) is None
    later = today + 5 * DAY
    assert refusal_at(later, later) == (
        422, f"quota: allocation lesson begins on {later}, after this expires.",
    )  # fmt: skip


def test_a_platform_without_limits_has_none_to_change() -> None:
    assert refusal(check_override, platform(quotas=[]), asked("two-labs", "user:ana"), NOON) == (
        422,
        "quota: there is no limit 'two-labs'; the platform file has no limits.",
    )


@pytest.mark.parametrize(
    ("expires", "detail"),
    [
        (NOON, "expires: lies in the past; say a time to come."),
        (NOON - timedelta(days=400), "expires: lies in the past; say a time to come."),
        (datetime(1970, 1, 1, tzinfo=UTC), "expires: lies in the past; say a time to come."),
        (NOON + timedelta(days=732), "expires: lies more than two years ahead."),
        (datetime(2199, 12, 31, tzinfo=UTC), "expires: lies more than two years ahead."),
    ],
)
def test_what_is_said_ends_in_time(expires: datetime, detail: str) -> None:
    assert refusal(check_override, LIMITED, asked("two-labs", "user:ana", expires=expires), NOON) == (422, detail)
    assert refusal(check_expiry, NOON + timedelta(seconds=1), NOON) is None


def closing(**more: Any) -> ClosureRequest:
    return ClosureRequest(**{"site": "esac", "reason": "new disks", **more})


def test_a_drain_starts_now_and_a_window_when_it_says() -> None:
    assert closure_window(LIMITED, closing(), NOON) == Window(NOON, None, None)
    assert closure_window(LIMITED, closing(starts=NOON - DAY), NOON) == Window(NOON, None, None)
    times = {"starts": NOON + HOUR, "stops_at": NOON + HOUR, "reopens": NOON + 2 * HOUR}
    assert closure_window(LIMITED, closing(**times), NOON) == Window(**times)
    # who says "now" may have a clock that is a second late
    late = NOON - timedelta(seconds=1)
    assert closure_window(LIMITED, closing(stops_at=late), NOON) == Window(NOON, NOON, None)


@pytest.mark.parametrize(
    ("times", "detail"),
    [
        ({"site": "moon"}, "site: there is no site 'moon'; choose from cloud-eu, esac."),
        ({"stops_at": NOON - HOUR}, "stops_at: lies in the past; sessions can be stopped from now on."),
        (
            {"starts": NOON + DAY, "stops_at": NOON + HOUR},
            "stops_at: lies before starts; sessions started in between.",
        ),
        ({"reopens": NOON}, "reopens: lies before starts; say when it takes starts again."),
        ({"starts": NOON + DAY, "reopens": NOON + DAY}, "reopens: lies before starts; say when it takes starts again."),
        (
            {"stops_at": NOON + DAY, "reopens": NOON + HOUR},
            "reopens: lies before stops_at; an open site stops nothing.",
        ),
        ({"starts": NOON + timedelta(days=800)}, "starts: lies more than two years ahead."),
        (
            {"reopens": datetime(2199, 12, 31, tzinfo=UTC)},
            "reopens: lies more than two years ahead.",
        ),
        (
            {"stops_at": datetime(1970, 1, 1, tzinfo=UTC)},
            "stops_at: lies in the past; sessions can be stopped from now on.",
        ),
    ],
)
def test_a_closure_whose_times_make_no_sense_is_refused(times: dict[str, Any], detail: str) -> None:
    assert refusal(closure_window, LIMITED, closing(**times), NOON) == (422, detail)


def said(number: int, window: Window, where: str = "esac") -> Closure:
    return Closure(
        id=number,
        site=where,
        **window._asdict(),
        reason="x",
        author="root",
        created=NOON,
        withdrawn=None,
        withdrawn_by=None,
    )


def test_an_overlapping_closure_is_refused_with_the_others_id() -> None:
    other = said(7, Window(NOON, None, NOON + HOUR))
    assert refusal(check_overlap, Window(NOON + HOUR / 2, None, None), "esac", [other]) == (
        409,
        "Closure 7 of site esac overlaps; withdraw it first, or choose other times.",
    )
    assert refusal(check_overlap, Window(NOON + HOUR, None, None), "esac", [other]) is None
    assert refusal(check_overlap, Window(NOON, None, None), "cloud-eu", [other]) is None


HOURS = st.integers(0, 20)
WINDOWS = st.tuples(HOURS, st.none() | st.integers(1, 10)).map(
    lambda pair: Window(NOON + pair[0] * HOUR, None, None if pair[1] is None else NOON + (pair[0] + pair[1]) * HOUR)
)


@given(st.lists(WINDOWS, max_size=8))
def test_a_site_is_never_closed_twice_at_once(windows: list[Window]) -> None:
    kept: list[Closure] = []
    for number, window in enumerate(windows):
        try:
            check_overlap(window, "esac", kept)
        except Refused:
            assert any(_hours(window) & _hours(each) for each in kept)
        else:
            kept.append(said(number, window))
    hours = [hour for each in kept for hour in _hours(each)]
    assert len(hours) == len(set(hours))


def _hours(window: Window | Closure) -> set[int]:
    first = (window.starts - NOON) // HOUR
    last = 99 if window.reopens is None else (window.reopens - NOON) // HOUR
    return set(range(first, last))


def test_sites_of_the_platform_are_those_of_the_file() -> None:
    alone = platform(sites={"esac": site()}, datasets={})
    assert refusal(closure_window, alone, closing(site="cloud-eu"), NOON) == (
        422,
        "site: there is no site 'cloud-eu'; choose from esac.",
    )
