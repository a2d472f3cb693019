"""The controller beside a real hub: it warns, stops, says why, and goes on whatever is away."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.bed import PLATFORM, Bed

_user_numbers = itertools.count()

PROFILES = """\
profiles:
  brief: {title: Brief, cpu: 1, memory_gib: 1, max_hours: 0.002, keeps: 1}
  unwilling: {title: Unwilling, cpu: 1, memory_gib: 1, max_hours: 0.002, env: {PJ_FAULT: stubborn}}
  idle: {title: Idle, cpu: 1, memory_gib: 1, idle_minutes: 0.05}
  drowsy: {title: Drowsy, cpu: 1, memory_gib: 1, idle_minutes: 0.15}
"""


@pytest.fixture(scope="module")
def bed_settings() -> dict[str, Any]:
    return {"platform": PLATFORM.replace("profiles:\n", PROFILES)}


def start(bed: Bed, profile: str, server: str = "", **wish: Any) -> str:
    name = f"user-{next(_user_numbers)}"
    bed.add_user(name)
    assert bed.ask(name, server, profile=profile, **wish).status_code == 201
    return name


def lease(bed: Bed, user: str) -> dict[str, Any]:
    with bed.control_as(user) as control:
        [only] = control.get("leases").raise_for_status().json()["items"]
    return dict(only)


def notices(bed: Bed, user: str) -> list[tuple[str, int | None]]:
    with bed.control_as(user) as control:
        found = control.get("notices?since=0").raise_for_status().json()["items"]
    return [(notice["topic"], notice["keep_minutes"]) for notice in found]


def is_over(bed: Bed, user: str) -> Callable[[], bool]:
    return lambda: bed.servers(user) == {} and lease(bed, user)["state"] == "ended"


def rounds(bed: Bed, step: str = "stop") -> float:
    return bed.metrics().get(f'perijove_controller_steps_total{{result="done",step="{step}"}}', 0.0)


def after_rounds(bed: Bed, number: int) -> None:
    """Wait until the controller has begun and ended so many rounds more."""
    begun = rounds(bed)
    bed.wait(f"{number} rounds of the controller", lambda: rounds(bed) > begun + number)


def test_the_end_of_the_time_is_announced_and_carried_out_and_says_why(bed: Bed) -> None:
    user = start(bed, "brief", "big")
    bed.wait("the announcement", lambda: ("time", 30) in notices(bed, user))
    assert set(bed.servers(user)) == {"big"}, "nobody is stopped untold"
    bed.wait("the end of the session", is_over(bed, user))
    assert lease(bed, user)["reason"] == "its 7 seconds are over"
    assert ("ended", None) in notices(bed, user)
    bed.wait("open leases = live servers", bed.settled)
    told = bed.metrics()
    assert told['perijove_stops_total{topic="time"}'] >= 1
    assert told['perijove_notices_total{topic="time"}'] >= 1


def test_a_session_that_is_kept_goes_on_beyond_its_end(bed: Bed) -> None:
    user = start(bed, "brief")
    with bed.control_as(user) as control:
        ident = lease(bed, user)["id"]
        kept = control.post(f"leases/{ident}/keep", json={"minutes": 1}).raise_for_status().json()
    assert kept["keeps_left"] == 0
    after_rounds(bed, 30)  # thirty times 0.3 s are more than the 7.2 s that it had
    assert lease(bed, user)["state"] == "active"
    assert bed.api.delete(f"users/{user}/server").status_code in (202, 204)
    bed.wait("open leases = live servers", bed.settled)
    assert lease(bed, user)["reason"] == "stopped"


def test_a_session_in_which_nothing_happens_is_stopped(bed: Bed) -> None:
    user = start(bed, "idle")
    bed.wait("the end of the session", is_over(bed, user))
    assert lease(bed, user)["reason"] == "idle for 3 seconds"


def test_a_server_that_will_not_end_is_ended_all_the_same(bed: Bed) -> None:
    user = start(bed, "unwilling")
    bed.wait("the end of the session", is_over(bed, user), 60)
    assert lease(bed, user)["reason"] == "its 7 seconds are over"
    bed.wait("open leases = live servers", bed.settled)


def test_a_hub_that_was_away_when_the_time_was_over_stops_the_session_when_it_is_back(bed: Bed) -> None:
    user = start(bed, "brief")
    bed.kill("hub")
    after_rounds(bed, 30)
    assert set(bed.session_processes()) >= set(bed.open_leases()) != set()
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    bed.wait("the end of the session", is_over(bed, user), 60)
    assert lease(bed, user)["reason"] == "its 7 seconds are over"
    assert "the hub does not answer" in bed.log("controller")
    assert "Traceback" not in bed.log("controller")


def test_control_that_is_away_makes_nobody_idle(bed: Bed) -> None:
    user = start(bed, "drowsy")
    bed.kill("control")
    try:
        after_rounds(bed, 35)
        assert set(bed.servers(user)) == {""}
    finally:
        bed.launch("control")
    bed.wait("the end of the session", is_over(bed, user), 60)


def test_prometheus_is_told_and_no_person_named(bed: Bed) -> None:
    user = start(bed, "small", site="near")
    open_leases = 'perijove_leases_open{kind="session",site="near",state="active"}'
    bed.wait("a session in the gauges", lambda: bed.metrics().get(open_leases))
    told = bed.metrics()
    assert bed.api.delete(f"users/{user}/server").status_code in (202, 204)
    assert told[open_leases] >= 1
    assert told['perijove_site_held{resource="cpu",site="near"}'] >= 1
    assert told['perijove_site_capacity{resource="cpu",site="near"}'] == 40
    assert told['perijove_site_up{site="near"}'] == 1
    fresh = 'perijove_inventory_age_seconds{site="near"}'
    bed.wait("an inventory that came just now", lambda: bed.metrics()[fresh] < 5)
    assert told["perijove_clock_ahead_seconds"] < 1
    assert told["perijove_policy_refused"] == 0
    controls = bed.metrics("control_metrics")
    assert controls['perijove_asks_total{outcome="offered"}'] >= 1
    assert controls['perijove_decision_seconds_count{call="ask"}'] >= 1
    assert [name for name in controls if name.startswith("perijove_policy{")] == [
        name for name in told if name.startswith("perijove_policy{")
    ]
    assert not [name for name in [*told, *controls] if user in name or "user-" in name]


def test_a_platform_file_that_is_changed_is_taken_over_and_a_wrong_one_is_not(bed: Bed) -> None:
    def policy() -> tuple[set[str], float]:
        told = bed.metrics()
        return {name for name in told if name.startswith("perijove_policy{")}, told["perijove_policy_refused"]

    path = bed.directory / "perijove.yaml"
    text, before = path.read_text(), policy()
    try:
        path.write_text("nonsense: true")
        bed.signal("controller", signal.SIGHUP)
        bed.wait("the refusal", lambda: policy() == (before[0], 1))
        path.write_text(text.replace("title: Near", "title: Nearer"))
        bed.signal("controller", signal.SIGHUP)
        bed.wait("the new file", lambda: policy()[0] != before[0] and policy()[1] == 0)
    finally:
        path.write_text(text)
        bed.signal("controller", signal.SIGHUP)
    bed.wait("the file from before", lambda: policy() == before)
