"""SIGKILL of a process while sessions start or run: after one sweep, open leases are live servers.

The hub that is killed in a start has a file of its own, tests/faults/test_f01_hub_killed_in_a_start.py.
"""

from __future__ import annotations

import httpx
import pytest

from tests.support.bed import Bed
from tests.support.killing import STEPS, kill_at, new_user


@pytest.mark.parametrize("victim", ["control", "controller"])
@pytest.mark.parametrize("step", STEPS)
def test_a_service_killed_during_a_start_does_not_fail_it(bed: Bed, victim: str, step: str) -> None:
    before = len(bed.session_processes())
    kill_at(bed, victim, step, new_user(bed))
    assert len(bed.session_processes()) == before + 1


def test_hub_killed_while_servers_run_finds_them_again(bed: Bed) -> None:
    user = new_user(bed)
    assert bed.ask(user).status_code == 201
    running = bed.session_processes()
    bed.kill("hub")
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    bed.wait("open leases = live servers", bed.settled)
    assert set(bed.session_processes()) == set(running)
    assert httpx.get(f"{bed.url}/user/{user}/api", follow_redirects=True).headers["X-JupyterHub-Version"]


def test_server_that_dies_is_noticed_and_its_lease_closed(bed: Bed) -> None:
    user = new_user(bed)
    before = set(bed.session_processes())
    assert bed.ask(user).status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    bed.kill_session(attempt)
    bed.wait("open leases = live servers", bed.settled)
    assert attempt not in bed.open_leases()


def test_server_that_dies_while_the_hub_is_down_is_closed_when_it_is_back(bed: Bed) -> None:
    user = new_user(bed)
    before = set(bed.session_processes())
    assert bed.ask(user).status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    bed.kill("hub")
    bed.kill_session(attempt)
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    bed.wait("open leases = live servers", bed.settled)
    assert attempt not in bed.open_leases()


def test_kernels_of_a_server_that_died_while_the_hub_was_down_are_ended_when_it_is_back(bed: Bed) -> None:
    user = new_user(bed)
    before = set(bed.session_processes())
    assert bed.ask(user, profile="parent").status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    bed.kill("hub")
    bed.session_server(attempt).kill()
    assert attempt in bed.session_processes()  # by its kernel
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    bed.wait("the kernel to be gone", lambda: attempt not in bed.session_processes(), 20)
    bed.wait("open leases = live servers", bed.settled)
