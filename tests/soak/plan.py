"""What a soak does: a sequence of operations and faults that a seed decides, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

USERS = tuple(f"user-{number}" for number in range(6))
SERVERS = ("", "", "one", "two")
#: The last three never come up: a start takes as long as it may, at each site.
PROFILES = (
    *("small",) * 16, *("medium",) * 5, *("exits", "parent", "for-staff") * 2, "stubborn", "stranger", "deaf", "broken",
)  # fmt: skip
SITES = ("near", "far")
POOLS = ("pool", "staff")

#: Operations between two quiet points.
EPISODE = 15


@dataclass(frozen=True)
class Step:
    """One operation or fault: ``what`` is done after a pause, with these details."""

    number: int
    pause_seconds: float
    what: str
    details: dict[str, Any]

    def __str__(self) -> str:
        told = ", ".join(f"{key}={value!r}" for key, value in self.details.items())
        return f"{self.number:4} +{self.pause_seconds:.2f} s  {self.what}({told})"


def _start(random: Random) -> dict[str, Any]:
    options: dict[str, Any] = {"profile": random.choice(PROFILES)}
    if random.random() < 0.2:
        options["site"] = random.choice(SITES)
    if random.random() < 0.1:
        options["without_home"] = True
    return {"user": random.choice(USERS), "server": random.choice(SERVERS), "options": options}


def _rush(random: Random) -> dict[str, Any]:
    return {"user": random.choice(USERS), "servers": [f"rush-{number}" for number in range(random.randint(3, 6))]}


def _server(random: Random) -> dict[str, Any]:
    return {"pick": random.random()}


def _override(random: Random) -> dict[str, Any]:
    subject = random.choice([f"user:{random.choice(USERS)}", "group:pool"])
    quota = "three-each" if subject.startswith("user") else "pool-together"
    return {"quota": quota, "subject": subject, "limit": random.randint(0, 5), "seconds": random.randint(2, 20)}


def _closure(random: Random) -> dict[str, Any]:
    stops = random.choice([None, 1.0, 2.0])
    return {"site": random.choice(SITES), "stops_seconds": stops, "reopens_seconds": 2 + 3 * random.random()}


def _membership(random: Random) -> dict[str, Any]:
    return {"user": random.choice(USERS), "group": random.choice(POOLS), "member": random.random() < 0.5}


def _down(random: Random) -> dict[str, Any]:
    return {"seconds": round(0.1 + 1.2 * random.random(), 2)}


def _site_fault(random: Random) -> dict[str, Any]:
    fault = random.choice(["unreachable", "hang", "raise", "no-end", "slow-start"])
    return {"site": random.choice(SITES), "fault": fault, "seconds": round(0.5 + 2 * random.random(), 2)}


#: What may happen, how often, and the details of it.
OPERATIONS: dict[str, tuple[float, Callable[[Random], dict[str, Any]]]] = {
    "start": (40, _start),
    "rush": (3, _rush),
    "stop": (18, _server),
    "end_session": (6, _server),
    "override": (4, _override),
    "close_site": (3, _closure),
    "change_group": (4, _membership),
}
FAULTS: dict[str, tuple[float, Callable[[Random], dict[str, Any]]]] = {
    "kill_hub": (2, _down),
    "kill_control": (4, _down),
    "kill_controller": (3, _down),
    "kill_proxy": (2, _down),
    "pause_control": (3, _down),
    "delay_inventory": (3, _down),
    "break_site": (5, _site_fault),
    "trouble_database": (4, _down),
}


def make_plan(seed: int, operations: int) -> list[list[Step]]:
    """The episodes of a soak; between two of them everything is mended and comes to rest."""
    random = Random(seed)
    choices = {**OPERATIONS, **FAULTS}
    names, weights = list(choices), [weight for weight, _ in choices.values()]
    steps = []
    for number in range(operations):
        what = random.choices(names, weights)[0]
        pause = round(random.expovariate(1 / 0.25), 2) if random.random() < 0.8 else 0.0
        steps.append(Step(number, min(pause, 1.0), what, choices[what][1](random)))
    return [steps[first : first + EPISODE] for first in range(0, operations, EPISODE)]
