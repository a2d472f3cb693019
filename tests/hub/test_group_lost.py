"""A user who loses a group during a run is told within one sweep, and stopped after the grace."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.support.bed import PLATFORM, Bed

_user_numbers = itertools.count()


@pytest.fixture(scope="module")
def bed_settings() -> dict[str, Any]:
    pool = "{name: group-sessions, resource: sessions, limit: 99, per: group, applies_to: {groups: [euclid]}}"
    policy = PLATFORM.replace("admission: {", "admission: {allowed_grace: 5s, ")
    return {"platform": policy.replace("quotas:\n", f"quotas:\n  - {pool}\n")}


def start(bed: Bed, profile: str, **wish: Any) -> str:
    name = f"user-{next(_user_numbers)}"
    bed.add_user(name, ("staff", "euclid"))
    assert bed.ask(name, profile=profile, **wish).status_code == 201
    return name


def leave(bed: Bed, user: str, group: str) -> None:
    bed.api.request("DELETE", f"groups/{group}/users", json={"users": [user]}).raise_for_status()


def of(bed: Bed, user: str, what: str) -> list[dict[str, Any]]:
    with bed.control_as(user) as control:
        return list(control.get(what).raise_for_status().json()["items"])


def rounds(bed: Bed) -> float:
    return bed.metrics().get('perijove_controller_steps_total{result="done",step="stop"}', 0.0)


@pytest.mark.parametrize(
    ("profile", "wish", "group", "reason"),
    [
        (
            "for-staff",
            {"charge_to": "euclid"},
            "staff",
            "profile For staff is not open to the groups of {user} any more",
        ),
        ("small", {"charge_to": "euclid"}, "euclid", "{user} is no longer in group euclid"),
    ],
)
def test_a_lost_group_is_told_within_one_sweep_and_ends_the_session_after_its_grace(
    bed: Bed, profile: str, wish: dict[str, Any], group: str, reason: str
) -> None:
    user, other = start(bed, profile, **wish), start(bed, profile, **wish)
    leave(bed, user, group)
    begun = rounds(bed)
    # the round that was under way, and the one after it
    bed.wait("the round after the loss", lambda: rounds(bed) >= begun + 2)
    [told] = of(bed, user, "notices?since=0")
    assert (told["topic"], told["severity"], told["keep_minutes"]) == ("allowed", "error", None)
    [lease] = of(bed, user, "leases")
    assert lease["state"] == "active", "nobody is stopped untold"
    bed.wait("the end of the session", lambda: bed.servers(user) == {})
    bed.wait("open leases = live servers", bed.settled)
    [lease] = of(bed, user, "leases")
    assert (lease["state"], lease["reason"]) == ("ended", reason.format(user=user))
    # who has kept the group keeps the session
    assert of(bed, other, "notices?since=0") == []
    assert set(bed.servers(other)) == {""}


def test_a_group_that_is_given_back_in_time_keeps_the_session(bed: Bed) -> None:
    user = start(bed, "for-staff", charge_to="euclid")
    leave(bed, user, "staff")
    bed.wait("the notice", lambda: of(bed, user, "notices?since=0"))
    bed.add_user(user, ("staff",))
    begun = rounds(bed)
    bed.wait("more rounds than the grace has", lambda: rounds(bed) >= begun + 20)
    assert set(bed.servers(user)) == {""}
    assert of(bed, user, "notices?since=0") == [], "the notice is taken back"


def test_a_hub_that_is_away_takes_no_group_away(bed: Bed) -> None:
    user = start(bed, "for-staff", charge_to="euclid")
    bed.kill("hub")
    begun = rounds(bed)
    bed.wait("more rounds than the grace has", lambda: rounds(bed) >= begun + 20)
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    assert set(bed.servers(user)) == {""}
    assert of(bed, user, "notices?since=0") == []
