"""What clusters hold: arithmetic over resources. Pure.

On Kubernetes the container of a scheduler or worker may be given more than Dask Gateway's own settings say, by
``scheduler_extra_container_config`` or ``worker_extra_container_config``: GPUs come no other way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import ceil, floor
from typing import Any

from perijove.models import Resources

GIB = 2**30

#: The most that a lease may hold, as its model says.
MOST_CPU = 10_000
MOST_MEMORY_GIB = 100_000
MOST_GPU = 10_000

#: Six tenths less five are a tenth, and no little less.
TOLERANCE = 1e-6

#: Names of devices in Kubernetes that are GPUs: nvidia.com/gpu, amd.com/gpu, gpu.intel.com/i915, nvidia.com/mig-1g.5gb.
_GPU = re.compile(r"[^/]+/gpu(\..*)?|gpu\.[^/]+/[^/]+|nvidia\.com/mig-.+")
#: Quantities of Kubernetes: 500m cores, 2Gi, 1e3.
_QUANTITY = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)(m|k|[KMGTPE]i|[MGTPE]|)")
_UNITS = {"": 1.0, "m": 1e-3, **{unit: 1e3**power for power, unit in enumerate("kMGTPE", 1)}}
_UNITS |= {f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", 1)}

#: A pod that asks for no core at all still runs on one.
LEAST_CPU = 0.001


def resources_of(config: Mapping[str, Any], part: str) -> Resources:
    """What one ``scheduler`` or ``worker`` holds, by the configuration of a cluster of Dask Gateway.

    Raises:
        ValueError: it is more than any lease may hold, or a quantity is none.
    """
    cpu, memory_bytes, gpu = float(config[f"{part}_cores"]), float(config[f"{part}_memory"]), 0.0
    for name, quantity in _given_to_container(config.get(f"{part}_extra_container_config")):
        if name == "cpu":
            cpu = max(cpu, quantity_of(quantity))
        elif name == "memory":
            memory_bytes = max(memory_bytes, quantity_of(quantity))
        elif _GPU.fullmatch(name):
            gpu = max(gpu, quantity_of(quantity))
    return Resources(cpu=max(cpu, LEAST_CPU), memory_gib=max(memory_bytes / GIB, LEAST_CPU), gpu=ceil(gpu))


def quantity_of(said: object) -> float:
    """What a quantity of Kubernetes is in its unit: ``500m`` is a half, ``2Gi`` twice 2**30.

    Raises:
        ValueError: it is none.
    """
    found = _QUANTITY.fullmatch(str(said).strip())
    if found is None:
        raise ValueError(f"{said!r} is no quantity of Kubernetes, as 500m or 2Gi")
    return float(found[1]) * _UNITS[found[2]]


def _given_to_container(extra: object) -> Iterator[tuple[str, object]]:
    """What a container is given beyond Dask Gateway's own settings, by name; a limit alone is asked for, too."""
    resources = extra.get("resources") if isinstance(extra, Mapping) else None
    for kind in ("requests", "limits"):
        amounts = resources.get(kind) if isinstance(resources, Mapping) else None
        yield from amounts.items() if isinstance(amounts, Mapping) else ()


def held_by(scheduler: Resources, worker: Resources, workers: int) -> Resources:
    """What a scheduler and so many workers hold together."""
    return Resources(
        cpu=round(scheduler.cpu + workers * worker.cpu, 9),
        memory_gib=round(scheduler.memory_gib + workers * worker.memory_gib, 9),
        gpu=scheduler.gpu + workers * worker.gpu,
    )


def workers_in(held: Resources, scheduler: Resources, worker: Resources) -> int:
    """How many workers there is room for in what a lease holds, beside the scheduler."""
    by_cpu = (held.cpu - scheduler.cpu) / worker.cpu
    by_memory = (held.memory_gib - scheduler.memory_gib) / worker.memory_gib
    by_gpu = (held.gpu - scheduler.gpu) / worker.gpu if worker.gpu else by_cpu
    return max(0, floor(min(by_cpu, by_memory, by_gpu) + TOLERANCE))


def most_workers(scheduler: Resources, worker: Resources) -> int:
    """How many workers the largest lease would have room for; nobody asks for more."""
    return workers_in(Resources(cpu=MOST_CPU, memory_gib=MOST_MEMORY_GIB, gpu=MOST_GPU), scheduler, worker)
