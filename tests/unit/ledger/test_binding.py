from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from perijove.models import Override
from perijove_hub.ledger.binding import (
    chargeable_groups,
    limits_of_platform,
    limits_of_pool,
    limits_of_site,
    limits_of_user,
)
from perijove_hub.ledger.quota import Limit
from perijove_hub.ledger.windows import days_span
from perijove_hub.policy.models import Platform
from tests.support.platforms import platform

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def quota(name: str, groups: list[str] | None = None, **more: Any) -> dict[str, Any]:
    said = {"name": name, "resource": "sessions", "limit": 2, "applies_to": {"groups": groups or ["*"]}}
    return said | more


def allocation(**more: Any) -> dict[str, Any]:
    return {
        "group": "euclid", "resource": "credits", "amount": 5000, "start": date(2026, 1, 1), "end": date(2026, 12, 31),
        **more,
    }  # fmt: skip


def override(name: str, subject: str, limit: float, **more: Any) -> Override:
    said = {
        "id": 1, "quota": name, "subject": subject, "limit": limit, "reason": "a campaign", "author": "root",
        "created": NOW, "expires": NOW + timedelta(days=5), "revoked": None, "revoked_by": None, **more,
    }  # fmt: skip
    return Override.model_validate(said)


def brief(limits: list[Limit]) -> dict[str, float]:
    return {limit.name: limit.limit for limit in limits}


def of_user(policy: Platform, *groups: str, overrides: tuple[Override, ...] = ()) -> dict[str, float]:
    return brief(limits_of_user(policy, "ana", frozenset(groups), NOW, overrides))


def test_of_several_limits_the_most_generous_that_matches_binds() -> None:
    policy = platform(
        quotas=[
            quota("all", limit=1),
            quota("staff", ["staff"], limit=5),
            quota("euclid", ["euclid", "xmm"], limit=3),
            quota("cores", resource="cpu", limit=8),
        ]
    )
    assert of_user(policy) == {"all": 1, "cores": 8}
    assert of_user(policy, "euclid") == {"euclid": 3, "cores": 8}
    assert of_user(policy, "xmm", "staff") == {"staff": 5, "cores": 8}


def test_limits_over_different_windows_bind_beside_each_other() -> None:
    gpu = {"resource": "gpu_hours"}
    policy = platform(
        quotas=[quota("month", limit=40, window="month", **gpu), quota("day", limit=8, window="day", **gpu)]
    )
    assert of_user(policy) == {"month": 40, "day": 8}


def test_a_limit_for_others_does_not_bind() -> None:
    assert of_user(platform(quotas=[quota("staff", ["staff"])]), "euclid") == {}


def test_what_an_admin_says_takes_the_place_of_a_limit_up_and_down() -> None:
    policy = platform(quotas=[quota("all", limit=2), quota("euclid", ["euclid"], limit=4)])
    lower = override("euclid", "user:ana", 1)
    assert of_user(policy, "euclid", overrides=(lower,)) == {"euclid": 1}
    assert of_user(policy, "euclid", overrides=(override("all", "user:bob", 9),)) == {"euclid": 4}
    higher = override("all", "user:ana", 9, created=NOW + timedelta(seconds=1))
    assert of_user(policy, "euclid", overrides=(lower, higher)) == {"all": 9}
    [limit] = limits_of_user(policy, "ana", frozenset(), NOW, (higher,))
    assert limit.override == "root set it to 9 until 15 March 2026, 12:00 UTC"


def test_the_pool_of_a_group_has_its_quotas_and_its_allocation() -> None:
    policy = platform(
        quotas=[quota("pool", ["euclid"], per="group", limit=10), quota("each", limit=2)], allocations=[allocation()]
    )
    pool, budget = limits_of_pool(policy, "euclid", NOW)
    assert (pool.name, pool.subject, pool.limit, pool.window) == ("pool", "group:euclid", 10, None)
    assert (budget.name, budget.subject, budget.limit, budget.unit) == (
        "euclid-credits-20260101", "group:euclid", 5000, "EUR",
    )  # fmt: skip
    assert (budget.window, budget.span) == ("allocation", days_span(date(2026, 1, 1), date(2026, 12, 31), policy.zone))
    assert limits_of_pool(policy, "xmm", NOW) == []


def test_a_class_is_a_group_with_limits_of_its_own() -> None:
    policy = platform(quotas=[quota("classes", per="class", limit=30), quota("pools", per="group", limit=5)])
    [limit] = limits_of_pool(policy, "class:physics", NOW)
    assert (limit.name, limit.subject, limit.limit) == ("classes", "class:physics", 30)
    assert brief(limits_of_pool(policy, "physics", NOW)) == {"pools": 5}
    assert chargeable_groups(policy, ["class:physics", "physics"]) == ["class:physics", "physics"]


def test_an_allocation_that_is_over_or_not_begun_grants_nothing_and_says_so() -> None:
    past, coming = (
        allocation(start=date(2025, 1, 1), end=date(2025, 12, 31)),
        allocation(start=date(2026, 6, 1), end=date(2026, 12, 31)),
    )
    [over] = limits_of_pool(platform(allocations=[past]), "euclid", NOW)
    assert (over.limit, over.void) == (0, "The allocation euclid-credits-20250101 of euclid ended on 31 December 2025.")
    [early] = limits_of_pool(platform(allocations=[past, coming]), "euclid", NOW)
    assert early.void == "The allocation euclid-credits-20260601 of euclid begins on 1 June 2026."
    [raised] = limits_of_pool(
        platform(allocations=[allocation()]), "euclid", NOW,
        [override("euclid-credits-20260101", "group:euclid", 9000)],
    )  # fmt: skip
    assert raised.limit == 9000


def test_a_day_is_a_day_of_the_platform_for_an_allocation_too() -> None:
    policy = platform(time_zone="Pacific/Auckland", allocations=[allocation(end=date(2026, 3, 10))])
    # noon in UTC is already the eleventh in Auckland
    [limit] = limits_of_pool(policy, "euclid", NOW)
    assert limit.void is not None


def test_sites_and_the_platform_have_limits_of_their_own() -> None:
    at = {"groups": ["*"], "sites": ["cloud-eu"]}
    policy = platform(
        quotas=[quota("cloud", per="site", limit=3, applies_to=at), quota("all", per="platform", limit=100)]
    )
    assert brief(limits_of_site(policy, "cloud-eu", NOW)) == {"cloud": 3}
    assert limits_of_site(policy, "esac", NOW) == []
    [limit] = limits_of_platform(policy, NOW)
    assert (limit.name, limit.subject, limit.limit) == ("all", "platform", 100)


def test_groups_on_whose_account_something_is_counted_may_be_charged() -> None:
    policy = platform(quotas=[quota("pool", ["xmm"], per="group")], allocations=[allocation()])
    assert chargeable_groups(policy, ["staff", "xmm", "euclid"]) == ["euclid", "xmm"]
    assert chargeable_groups(policy, ["staff"]) == []


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "*"]), st.integers(0, 9)), max_size=6), st.sets(st.sampled_from("ab"))
)
def test_a_further_group_never_takes_anything_away(rules: list[tuple[str, int]], groups: set[str]) -> None:
    policy = platform(quotas=[quota(f"q{n}", [group], limit=most) for n, (group, most) in enumerate(rules)])
    few, more = of_user(policy, *groups), of_user(policy, *groups, "a")
    assert max(few.values(), default=0) <= max(more.values(), default=9)
