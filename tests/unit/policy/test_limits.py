from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove_hub.policy import Platform, PlatformFileError, parse_platform
from perijove_hub.policy.limits import CONCURRENT, WINDOWED, Allocation, Quota
from tests.support.platforms import SMALL_FILE


def parse(text: str) -> Platform:
    return parse_platform(SMALL_FILE + text, "p.yaml")


def faults(text: str) -> list[str]:
    with pytest.raises(PlatformFileError) as caught:
        parse(text)
    return caught.value.faults


def quota(lines: str) -> str:
    """A quota whose further keys are on line 12 and after."""
    return f"quotas:\n- name: q\n  limit: 5\n  {lines}\n"


BUDGET = """\
allocations:
- group: euclid
  resource: credits
  amount: 5000
  start: 2026-01-01
  end: 2026-06-30
"""


def budget(old: str = "", new: str = "", more: str = "") -> str:
    assert old in BUDGET
    return BUDGET.replace(old, new, 1) + more


@pytest.mark.parametrize("resource", CONCURRENT)
def test_what_is_held_at_once_takes_no_window(resource: str) -> None:
    assert parse(quota(f"resource: {resource}")).quotas[0].window is None
    assert faults(quota(f"resource: {resource}\n  window: month")) == [
        f"p.yaml:13: quotas.0.window: {resource} counts what is held at once, which takes no window"
    ]
    assert faults(quota(f"on_exhaustion: stop\n  resource: {resource}")) == [
        f"p.yaml:12: quotas.0.on_exhaustion: {resource} counts what is held at once, which is never used up"
    ]


@pytest.mark.parametrize("resource", WINDOWED)
def test_what_is_used_over_time_says_over_which(resource: str) -> None:
    said = parse(quota(f"resource: {resource}\n  window: month\n  on_exhaustion: stop\n  grace: 0s")).quotas[0]
    assert (said.window, said.on_exhaustion, said.grace) == ("month", "stop", timedelta(0))
    # the key is not there, so the line is that of the quota
    assert faults(quota(f"resource: {resource}")) == [
        f"p.yaml:10: quotas.0.window: {resource} are used over time: say over which, as `window: month`"
    ]


@pytest.mark.parametrize("window", ["day", "week", "month", "quarter", "year", "1h", "24h", "7d", "9999d"])
def test_a_window_is_a_calendar_period_or_a_rolling_length(window: str) -> None:
    assert parse(quota(f"resource: cpu_hours\n  window: {window}")).quotas[0].window == window


@pytest.mark.parametrize("window", ["fortnight", "Month", "0d", "7", "7w", "30m", "10000d", "7d\\n", " day", ""])
def test_another_window_is_refused_with_what_was_expected(window: str) -> None:
    assert faults(quota(f'resource: cpu_hours\n  window: "{window}"')) == [
        "p.yaml:13: quotas.0.window: expected day, week, month, quarter or year, or a rolling length such as 24h or 7d"
    ]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("resource: bananas", "p.yaml:12: quotas.0.resource: Input should be 'sessions', 'clusters', 'cpu', "),
        ("resource: cpu\n  per: planet", "p.yaml:13: quotas.0.per: Input should be 'user', 'group', 'class', "),
        (
            "resource: cpu\n  warn_at: [0.5, 80]",
            "p.yaml:13: quotas.0.warn_at.1: Input should be less than or equal to 1",
        ),
        ("resource: cpu\n  warn_at: [0]", "p.yaml:13: quotas.0.warn_at.0: Input should be greater than 0"),
        ("resource: cpu\n  limits: 3", "p.yaml:13: quotas.0.limits: unknown key"),
        ("resource: cpu\n  grace: soon", "p.yaml:13: quotas.0.grace: expected a length of time such as 30s, 15m, "),
        (
            "resource: home_gib\n  per: group",
            "p.yaml:13: quotas.0.per: a home belongs to one user; home_gib goes with `per: user`",
        ),
        (
            "resource: home_gib\n  window: month",
            "p.yaml:13: quotas.0.window: home_gib counts what is held at once, which takes no window",
        ),
        (
            "resource: cpu\n  per: site\n  applies_to:\n    sites:\n    - esac\n    - moon",
            "p.yaml:17: quotas.0.applies_to.sites.1: 'moon' is no site of this platform (esac)",
        ),
        (
            "resource: cpu\n  applies_to: {sites: [esac]}",
            "p.yaml:13: quotas.0.applies_to.sites: only a quota `per: site` is for sites",
        ),
        (
            "resource: cpu\n  per: site\n  applies_to:\n    groups: [euclid]",
            "p.yaml:15: quotas.0.applies_to.groups: a quota `per: site` is for all that runs there",
        ),
        (
            "resource: cpu\n  per: platform\n  applies_to: {groups: [euclid]}",
            "p.yaml:14: quotas.0.applies_to.groups: a quota `per: platform` is for all that runs there",
        ),
        (
            "resource: cpu\n  per: class\n  applies_to: {groups: [physics]}",
            "p.yaml:14: quotas.0.applies_to.groups: 'physics' is no class; the group of a class is called class:NAME",
        ),
        (
            "resource: cpu\n  per: group\n  applies_to: {groups: [euclid, 'class:physics']}",
            "p.yaml:14: quotas.0.applies_to.groups: 'class:physics' is a class; the group of a class is called ",
        ),
        (
            "resource: cpu\n  applies_to: {groups: []}",
            "p.yaml:13: quotas.0.applies_to.groups: List should have at least 1 item after validation, not 0",
        ),
    ],
)
def test_a_fault_of_a_quota_names_line_and_key(lines: str, fault: str) -> None:
    (told,) = faults(quota(lines))
    assert told.startswith(fault)


@pytest.mark.parametrize(
    "lines",
    [
        "resource: cpu\n  per: class\n  applies_to: {groups: ['*', 'class:physics']}",
        "resource: cpu\n  per: user\n  applies_to: {groups: ['class:physics', euclid]}",
        "resource: cpu\n  per: group\n  applies_to: {groups: [euclid]}",
        "resource: cpu\n  per: site\n  applies_to: {sites: [esac]}",
        "resource: home_gib",
    ],
)
def test_what_somebody_obeys_is_taken(lines: str) -> None:
    assert parse(quota(lines)).quotas[0].limit == 5


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            budget("2026-06-30", "2025-12-31"),
            "p.yaml:14: allocations.0.end: 2025-12-31 lies before the start 2026-01-01",
        ),
        (budget("amount: 5000", "amount: 0"), "p.yaml:12: allocations.0.amount: Input should be greater than 0"),
        (budget("  end: 2026-06-30\n"), "p.yaml:10: allocations.0.end: missing"),
        (
            budget("credits", "sessions"),
            "p.yaml:11: allocations.0.resource: "
            "Input should be 'cpu_hours', 'memory_gib_hours', 'gpu_hours' or 'credits'",
        ),
        (
            budget("euclid", "'*'"),
            "p.yaml:10: allocations.0.group: a budget is granted to one group; what everybody may use is a quota",
        ),
        (
            budget(more="- {group: euclid, resource: credits, amount: 1, start: 2026-06-30, end: 2026-12-31}\n"),
            "p.yaml:15: allocations.1.start: overlaps with euclid-credits-20260101; one budget of credits for euclid "
            "at a time, so that it is clear which one pays",
        ),
        (
            "quotas: [{name: both, resource: cpu, limit: 1}]\n" + budget("- group", "- name: both\n  group"),
            "p.yaml:11: allocations.0.name: the name 'both' is used twice",
        ),
        (
            "quotas: [{name: euclid-credits-20260101, resource: cpu, limit: 1}]\n" + BUDGET,
            "p.yaml:11: allocations.0: the name 'euclid-credits-20260101' is used twice",
        ),
    ],
)
def test_a_fault_of_an_allocation_names_line_and_key(text: str, fault: str) -> None:
    assert faults(text) == [fault]


def test_one_budget_follows_another_and_others_stand_beside_it() -> None:
    more = """\
- {group: euclid, resource: credits, amount: 1, start: 2026-07-01, end: 2026-07-01}
- {group: euclid, resource: gpu_hours, amount: 1, start: 2026-01-01, end: 2026-12-31}
- {group: "class:physics", resource: credits, amount: 1, start: 2026-01-01, end: 2026-12-31}
"""
    assert [allocation.key for allocation in parse(budget(more=more)).allocations] == [
        "euclid-credits-20260101",
        "euclid-credits-20260701",
        "euclid-gpu-hours-20260101",
        "class-physics-credits-20260101",
    ]


days = st.dates(date(2000, 1, 1), date(2100, 1, 1))
allocations = st.builds(
    dict,
    name=st.none() | st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
    group=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20).filter(
        lambda name: name != "*"
    ),
    resource=st.sampled_from(WINDOWED),
    amount=st.floats(0.001, 1e9),
    start=days,
    end=days,
)


@given(allocations)
def test_every_allocation_has_a_name_that_a_quota_could_have(said: dict[str, Any]) -> None:
    said["start"], said["end"] = sorted((said["start"], said["end"]))
    allocation = Allocation.model_validate(said)
    assert Quota(name=allocation.key, resource="cpu", limit=1).name == allocation.key
    assert Allocation.model_validate_json(allocation.model_dump_json()) == allocation


@given(st.integers(0, 999_999), st.sampled_from("smhd"))
def test_a_grace_is_the_same_after_it_was_written(number: int, unit: str) -> None:
    length = f"{number}{unit}" if number else "0s"
    said = Quota(name="q", resource="cpu_hours", window="day", limit=1, grace=length)  # type: ignore[arg-type] # as in a file
    assert Quota.model_validate_json(said.model_dump_json()) == said


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("region: eu-es-madrid", "region: eu-es-madrid\n    groups: []", "sites.esac.groups"),
        ("cpu: 1,", "cpu: 20000,", "profiles.standard.cpu"),
        ("profiles:", "admission: {least_slice: 0s}\nprofiles:", "admission.least_slice"),
    ],
)
def test_what_would_break_or_switch_off_every_start_is_refused(old: str, new: str, fault: str) -> None:
    assert old in SMALL_FILE
    with pytest.raises(PlatformFileError, match=fault):
        parse_platform(SMALL_FILE.replace(old, new, 1), "p.yaml")
