"""Killing a process of the bed at an exact exchange of a start, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import httpx

from tests.support.bed import Bed
from tests.support.gate import Step

#: The exchanges of a start, in order, each with its two sides. A start begins at its first site with what it asks;
#: only where that site fails does it say that it is `starting` at the next.
EXCHANGES = {
    "ask": ("POST", "/leases"),
    "starting": ("PATCH", '"starting"'),
    "active": ("PATCH", '"active"'),
}
STEPS = [f"{when} {name}" for name, when in itertools.product(EXCHANGES, ("before", "after"))]

_user_numbers = itertools.count()


def new_user(bed: Bed) -> str:
    """A user that no other test has."""
    name = f"user-{next(_user_numbers)}"
    bed.add_user(name)
    return name


def start_in_thread(bed: Bed, user: str, server: str = "", **options: object) -> threading.Thread:
    """Ask for a server from a thread: the hub that is asked may be killed meanwhile."""

    def ask() -> None:
        with contextlib.suppress(httpx.TransportError):
            bed.ask(user, server, **options)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


@contextlib.contextmanager
def coming_to(bed: Bed, exchange: str) -> Iterator[dict[str, Any]]:
    """Inside, a start with the options that are given comes to this exchange."""
    if exchange != "starting":
        yield {}
        return
    bed.break_site("near", "no-start")
    try:
        yield {"datasets": ["sky"]}  # which is near
    finally:
        bed.break_site("near", "")
    # a start that works there, so that the site is not taken out for the tests that follow
    user = new_user(bed)
    assert bed.ask(user, site="near").status_code == 201
    assert bed.api.delete(f"users/{user}/server").status_code == 204


def kill_at(bed: Bed, victim: str, step: str, user: str, server: str = "") -> None:
    """Kill a process when a start comes to a step, start it again, and wait until the ledger is reality."""
    when, name = step.split()
    method, fragment = EXCHANGES[name]
    with coming_to(bed, name) as options:
        bed.gate.trap(Step(when, method, fragment), lambda: bed.kill(victim))
        thread = start_in_thread(bed, user, server, **options)
        assert bed.gate.sprung.wait(40), f"the start never came to the step {step!r}"
        bed.launch(victim)
        bed.wait("the hub to answer", bed.hub_is_up)
        thread.join(60)
    bed.wait("open leases = live servers", bed.settled)
