"""Killing a process of the bed at an exact exchange of a start, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import itertools
import threading

import httpx

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


def kill_at(bed: Bed, victim: str, step: str, user: str, server: str = "") -> None:
    """Kill a process when a start comes to a step, start it again, and wait until the ledger is reality."""
    when, name = step.split()
    method, fragment = EXCHANGES[name]
    bed.gate.trap(Step(when, method, fragment), lambda: bed.kill(victim))
    thread = start_in_thread(bed, user, server)
    assert bed.gate.sprung.wait(40), f"the start never came to the step {step!r}"
    bed.launch(victim)
    bed.wait("the hub to answer", bed.hub_is_up)
    thread.join(60)
    bed.wait("open leases = live servers", bed.settled)
