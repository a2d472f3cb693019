"""F1: the hub is killed at ten points of a start. What it had begun is gone, or found again; nothing in between."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.bed import Bed
from tests.support.killing import STEPS, kill_at, new_user, start_in_thread


@pytest.mark.parametrize("step", STEPS)
def test_hub_killed_at_an_exchange_with_control_leaves_neither_orphan_nor_ghost(bed: Bed, step: str) -> None:
    before = set(bed.session_processes())
    user = new_user(bed)
    kill_at(bed, "hub", step, user, "mine")
    # the start died with its hub: nothing of it is left, and what ran before still runs
    assert set(bed.session_processes()) == before
    assert bed.all_servers(user) == set()
    _can_start_again(bed, user)


@pytest.mark.parametrize("trace", ["record.json", "pid", "log"])
def test_hub_killed_while_the_process_comes_to_be_leaves_neither_orphan_nor_ghost(bed: Bed, trace: str) -> None:
    before = set(bed.session_processes())
    known = set(_traces(bed, trace))
    user = new_user(bed)
    # a server that takes its time: the hub is still waiting for it whenever it is killed
    thread = start_in_thread(bed, user, "mine", profile="deaf")
    _spin(lambda: set(_traces(bed, trace)) - known)
    bed.kill("hub")
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    thread.join(60)
    bed.wait("open leases = live servers", bed.settled)
    assert set(bed.session_processes()) == before
    assert bed.all_servers(user) == set()


def test_hub_killed_before_the_route_is_made_finds_the_server_again(bed: Bed) -> None:
    before = set(bed.session_processes())
    user = new_user(bed)
    thread = start_in_thread(bed, user, "mine")
    _spin(lambda: _has_state(bed, user))
    bed.kill("hub")
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    thread.join(60)
    bed.wait("open leases = live servers", bed.settled)
    assert len(set(bed.session_processes()) - before) == 1
    assert bed.all_servers(user) == {"mine"}
    route = f"{bed.url}/user/{user}/mine/api"
    bed.wait("the route", lambda: "X-JupyterHub-Version" in httpx.get(route, follow_redirects=True).headers)


def _traces(bed: Bed, name: str) -> list[Path]:
    return list((bed.directory / "sites").glob(f"*/attempts/*/{name}"))


def _has_state(bed: Bed, user: str) -> bool:
    """Whether the hub's database holds the state of a server of this user: it is written between start and route."""
    with sqlite3.connect(f"file:{bed.directory}/hub.sqlite?mode=ro", uri=True, timeout=5) as db:
        rows = db.execute(
            "select s.state from spawners s join users u on u.id = s.user_id where u.name = ? and s.name = 'mine'",
            (user,),
        ).fetchall()
    return any(state and "attempt_id" in state for (state,) in rows)


def _spin(check: Callable[[], object], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it never came to that"


def _can_start_again(bed: Bed, user: str) -> None:
    assert bed.ask(user, "mine").status_code == 201
    assert bed.api.delete(f"users/{user}/servers/mine", params={"remove": True}).status_code in (202, 204)
    bed.wait("open leases = live servers", bed.settled)
