"""Starts that are stopped in the middle, and a hub that ends while servers do not want to."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.support.bed import Bed
from tests.support.gate import Step
from tests.support.killing import EXCHANGES, STEPS, coming_to, new_user, start_in_thread


@pytest.fixture(scope="module")
def bed_settings() -> dict[str, Any]:
    # this hub ends what it has started when it is told to end, as the demo's does
    return {"hub": {"cleanup_servers": True}}


@pytest.mark.parametrize("step", STEPS)
def test_a_start_that_is_stopped_at_an_exchange_with_control_leaves_nothing(bed: Bed, step: str) -> None:
    before, user = set(bed.session_processes()), new_user(bed)
    when, name = step.split()
    method, fragment = EXCHANGES[name]
    answers: list[int] = []
    stop = f"users/{user}/servers/mine"
    with coming_to(bed, name) as options:
        bed.gate.trap(Step(when, method, fragment), lambda: answers.append(bed.api.delete(stop).status_code))
        start_in_thread(bed, user, "mine", **options).join(60)
        assert bed.gate.sprung.wait(40), f"the start never came to the step {step!r}"
    assert answers == [204]
    bed.wait("the server to be gone", lambda: not bed.servers(user))
    bed.wait("open leases = live servers", bed.settled)
    assert set(bed.session_processes()) == before
    # it can be started again at once
    assert bed.ask(user, "mine").status_code == 201
    assert bed.api.delete(stop).status_code == 204
    bed.wait("open leases = live servers", bed.settled)


def test_a_start_that_is_stopped_while_its_server_comes_up_leaves_nothing(bed: Bed) -> None:
    before, user = set(bed.session_processes()), new_user(bed)
    thread = start_in_thread(bed, user, "mine", profile="deaf")
    bed.wait("its process", lambda: set(bed.session_processes()) - before)
    assert bed.api.delete(f"users/{user}/servers/mine").status_code == 204
    thread.join(60)
    bed.wait("the server to be gone", lambda: not bed.servers(user))
    bed.wait("open leases = live servers", bed.settled)
    assert set(bed.session_processes()) == before
    with bed.control_as(user) as control:
        (lease,) = control.get("leases").json()["items"]
    assert (lease["state"], lease["reason"], lease["started"]) == ("ended", "stopped", None)


def test_a_hub_that_is_told_to_end_ends_its_servers_even_one_that_ignores_it(bed: Bed) -> None:
    users = [new_user(bed) for _ in range(3)]
    for user, profile in zip(users, ("small", "stubborn", "parent"), strict=True):
        assert bed.ask(user, profile=profile).status_code == 201
    thread = start_in_thread(bed, new_user(bed), profile="deaf")
    bed.wait("the start that takes its time", lambda: "starting" in bed.open_leases().values())
    bed.kill("hub", signal.SIGTERM, seconds=40)
    assert bed.session_processes() == {}
    thread.join(60)
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    bed.wait("open leases = live servers", bed.settled)
    assert bed.open_leases() == {}
    assert bed.ask(users[0]).status_code == 201
