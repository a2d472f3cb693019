"""SIGKILL of each process at each step of a start: after one sweep, open leases are live servers."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from tests.support.bed import Bed
from tests.support.gate import Step

#: The exchanges of a start, in order, each with its two sides.
EXCHANGES = {
    "ask": ("POST", "/leases"),
    "starting": ("PATCH", '"starting"'),
    "active": ("PATCH", '"active"'),
}
STEPS = [f"{when} {name}" for name, when in itertools.product(EXCHANGES, ("before", "after"))]

_user_numbers = itertools.count()


def _new_user(bed: Bed) -> str:
    name = f"user-{next(_user_numbers)}"
    bed.add_user(name)
    return name


def _start(bed: Bed, user: str) -> threading.Thread:
    """Ask for a server from a thread: the hub that is asked may be killed meanwhile."""

    def ask() -> None:
        with contextlib.suppress(httpx.TransportError):
            bed.ask(user)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def _kill_at(bed: Bed, victim: str, step: str) -> None:
    when, name = step.split()
    method, fragment = EXCHANGES[name]
    bed.gate.trap(Step(when, method, fragment), lambda: bed.kill(victim))
    user = _new_user(bed)
    thread = _start(bed, user)
    assert bed.gate.sprung.wait(20), f"the start never came to the step {step!r}"
    bed.launch(victim)
    bed.wait("the hub to answer", bed.hub_is_up)
    thread.join(60)
    bed.wait("open leases = live servers", bed.settled, 20)


@pytest.mark.parametrize("step", STEPS)
def test_hub_killed_during_a_start_leaves_neither_orphan_nor_ghost(bed: Bed, step: str) -> None:
    before = set(bed.session_processes())
    _kill_at(bed, "hub", step)
    # the start died with its hub: nothing of it is left, and what ran before still runs
    assert set(bed.session_processes()) == before
    _can_start_again(bed)


@pytest.mark.parametrize("step", STEPS)
def test_control_killed_during_a_start_does_not_fail_it(bed: Bed, step: str) -> None:
    before = len(bed.session_processes())
    _kill_at(bed, "control", step)
    assert len(bed.session_processes()) == before + 1


@pytest.mark.parametrize("step", STEPS)
def test_controller_killed_during_a_start_does_not_fail_it(bed: Bed, step: str) -> None:
    before = len(bed.session_processes())
    _kill_at(bed, "controller", step)
    assert len(bed.session_processes()) == before + 1


def test_hub_killed_between_record_and_process_leaves_no_orphan(bed: Bed) -> None:
    before = set(bed.session_processes())
    known = {path.name for site in ("near", "far") for path in _records(bed, site)}
    user = _new_user(bed)
    thread = _start(bed, user)
    _spin(lambda: {path.name for site in ("near", "far") for path in _records(bed, site)} - known)
    bed.kill("hub")
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    thread.join(60)
    bed.wait("open leases = live servers", bed.settled, 20)
    assert set(bed.session_processes()) == before


def test_hub_killed_while_servers_run_finds_them_again(bed: Bed) -> None:
    user = _new_user(bed)
    assert bed.ask(user).status_code == 201
    running = bed.session_processes()
    bed.kill("hub")
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    bed.wait("open leases = live servers", bed.settled, 20)
    assert set(bed.session_processes()) == set(running)
    assert httpx.get(f"{bed.url}/user/{user}/api", follow_redirects=True).headers["X-JupyterHub-Version"]


def test_server_that_dies_is_noticed_and_its_lease_closed(bed: Bed) -> None:
    user = _new_user(bed)
    before = set(bed.session_processes())
    assert bed.ask(user).status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    bed.session_processes()[attempt].kill()
    bed.wait("open leases = live servers", bed.settled, 20)
    assert attempt not in bed.open_leases()


def test_server_that_dies_while_the_hub_is_down_is_closed_when_it_is_back(bed: Bed) -> None:
    user = _new_user(bed)
    before = set(bed.session_processes())
    assert bed.ask(user).status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    bed.kill("hub")
    bed.session_processes()[attempt].kill()
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    bed.wait("open leases = live servers", bed.settled, 20)
    assert attempt not in bed.open_leases()


def _records(bed: Bed, site: str) -> list:
    attempts = bed.directory / "sites" / site / "attempts"
    return [path for path in attempts.glob("*") if (path / "record.json").exists()] if attempts.exists() else []


def _spin(check: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "the record never came"


def _can_start_again(bed: Bed) -> None:
    user = _new_user(bed)
    assert bed.ask(user).status_code == 201
    assert bed.api.delete(f"users/{user}/server").status_code in (202, 204)
    bed.wait("open leases = live servers", bed.settled, 20)
