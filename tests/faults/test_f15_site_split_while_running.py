"""F15: the network to a site is cut while a session runs there: unknown is not stopped, and it heals."""

from __future__ import annotations

import signal
import time

import httpx
import pytest

from tests.support.bed import Bed
from tests.support.killing import new_user


def _start_far(bed: Bed) -> tuple[str, str]:
    """A user with a session at the far site; user and attempt."""
    before, user = set(bed.session_processes()), new_user(bed)
    # a site that the test before this one has cut off is up again with its next inventory
    bed.wait("the site to be up", lambda: _health(bed, user, "far") == "up")
    assert bed.ask(user, site="far").status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    return user, attempt


def _health(bed: Bed, user: str, name: str) -> str:
    with bed.control_as(user) as control:
        sites = {site["name"]: site["health"] for site in control.get("sites").json()["items"]}
    return str(sites[name])


def _polls(bed: Bed, seconds: float) -> None:
    """Let the hub poll and report often: it polls once a second here, and reports every 0.4 s."""
    begun = time.monotonic()
    bed.wait("time to pass", lambda: time.monotonic() - begun > seconds)


def _is_running(bed: Bed, user: str, attempt: str) -> bool:
    return bool(bed.servers(user).get("", {}).get("ready")) and bed.open_leases().get(attempt) == "active"


@pytest.mark.parametrize("fault", ["unreachable", "raise", "hang"])
def test_a_session_at_a_site_that_is_cut_off_is_kept_and_no_second_is_started(bed: Bed, fault: str) -> None:
    user, attempt = _start_far(bed)
    running = set(bed.session_processes())
    bed.break_site("far", fault)
    try:
        _polls(bed, 4)
        assert _is_running(bed, user, attempt)
        again = bed.ask(user)
        assert (again.status_code, again.json()["message"]) == (400, f"{user} is already running")
        assert set(bed.session_processes()) == running
    finally:
        bed.break_site("far", "")
    _polls(bed, 2)
    assert _is_running(bed, user, attempt)
    bed.wait("open leases = live servers", bed.settled)
    assert httpx.get(f"{bed.url}/user/{user}/api", follow_redirects=True).headers["X-JupyterHub-Version"]
    assert bed.api.delete(f"users/{user}/server").status_code in (202, 204)
    bed.wait("the server to be gone", lambda: not bed.servers(user))
    bed.wait("open leases = live servers", bed.settled)


def test_a_hub_that_is_started_again_meanwhile_forgets_no_session_there(bed: Bed) -> None:
    user, attempt = _start_far(bed)
    server = bed.session_processes()[attempt]
    bed.kill("hub")
    bed.break_site("far", "unreachable")
    # neither the site's interface nor the server itself can be reached
    server.send_signal(signal.SIGSTOP)
    bed.launch("hub")
    try:
        # the hub waits for its sites for as long as it is told, and then comes up without them
        bed.wait("the hub to answer", bed.hub_is_up)
        shown = bed.api.get(f"users/{user}").json()["servers"][""]
        assert (shown["pending"], shown["ready"]) == ("check", False)
        # another user is not held up, and this one gets no second copy
        assert bed.ask(new_user(bed), site="near").status_code == 201
        assert bed.ask(user).status_code == 400
        assert bed.open_leases()[attempt] == "active"
    finally:
        server.send_signal(signal.SIGCONT)
        bed.break_site("far", "")
    bed.wait("the session to be shown again", lambda: _is_running(bed, user, attempt))
    bed.wait("open leases = live servers", bed.settled)
    assert httpx.get(f"{bed.url}/user/{user}/api", follow_redirects=True).headers["X-JupyterHub-Version"]


def test_a_session_that_ended_behind_the_split_is_noticed_when_it_heals(bed: Bed) -> None:
    user, attempt = _start_far(bed)
    bed.break_site("far", "unreachable")
    try:
        bed.kill_session(attempt)
        _polls(bed, 3)
        # nobody can know yet
        assert bed.open_leases()[attempt] == "active"
        assert bed.servers(user)[""]["ready"]
    finally:
        bed.break_site("far", "")
    bed.wait("the server to be gone", lambda: not bed.servers(user))
    bed.wait("open leases = live servers", bed.settled)


def test_a_session_that_is_stopped_behind_the_split_goes_when_it_heals(bed: Bed) -> None:
    user, attempt = _start_far(bed)
    bed.break_site("far", "unreachable")
    try:
        bed.api.delete(f"users/{user}/server")
        bed.wait("the hub to be done with it", lambda: not bed.servers(user))
        # it runs on, and so it is paid for
        assert attempt in bed.session_processes()
        assert bed.open_leases()[attempt] == "active"
    finally:
        bed.break_site("far", "")
    bed.wait("open leases = live servers", bed.settled)
    assert attempt not in bed.session_processes()
