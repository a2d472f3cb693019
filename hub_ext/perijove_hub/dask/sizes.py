"""What clusters hold: arithmetic over resources. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from typing import Any

from perijove.models import Resources

GIB = 2**30

#: The most that a lease may hold, as its model says.
MOST_CPU = 10_000
MOST_MEMORY_GIB = 100_000

#: Six tenths less five are a tenth, and no little less.
TOLERANCE = 1e-6

#: A pod that asks for no core at all still runs on one.
LEAST_CPU = 0.001


def resources_of(config: Mapping[str, Any], part: str) -> Resources:
    """What one ``scheduler`` or ``worker`` holds, by the configuration of a cluster of Dask Gateway.

    Raises:
        ValueError: it is more than any lease may hold.
    """
    cpu, memory_bytes = float(config[f"{part}_cores"]), float(config[f"{part}_memory"])
    return Resources(cpu=max(cpu, LEAST_CPU), memory_gib=max(memory_bytes / GIB, LEAST_CPU))


def held_by(scheduler: Resources, worker: Resources, workers: int) -> Resources:
    """What a scheduler and so many workers hold together."""
    return Resources(
        cpu=round(scheduler.cpu + workers * worker.cpu, 9),
        memory_gib=round(scheduler.memory_gib + workers * worker.memory_gib, 9),
    )


def workers_in(held: Resources, scheduler: Resources, worker: Resources) -> int:
    """How many workers there is room for in what a lease holds, beside the scheduler."""
    by_cpu = (held.cpu - scheduler.cpu) / worker.cpu
    by_memory = (held.memory_gib - scheduler.memory_gib) / worker.memory_gib
    return max(0, floor(min(by_cpu, by_memory) + TOLERANCE))


def most_workers(scheduler: Resources, worker: Resources) -> int:
    """How many workers the largest lease would have room for; nobody asks for more."""
    return workers_in(Resources(cpu=MOST_CPU, memory_gib=MOST_MEMORY_GIB), scheduler, worker)
