"""What clusters hold, as arithmetic."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perijove.models import Resources
from perijove_hub.dask.sizes import GIB, held_by, most_workers, quantity_of, resources_of, workers_in

cpus = st.integers(1, 640).map(lambda tenths: tenths / 10)
memories = st.integers(1, 5120).map(lambda tenths: tenths / 10)
resources = st.builds(Resources, cpu=cpus, memory_gib=memories)


def config(**values: Any) -> dict[str, Any]:
    usual = {"scheduler_cores": 1, "scheduler_memory": GIB // 2, "worker_cores": 2, "worker_memory": 4 * GIB}
    return usual | values


def test_a_configuration_tells_what_each_part_holds() -> None:
    assert resources_of(config(), "scheduler") == Resources(cpu=1, memory_gib=0.5)
    assert resources_of(config(), "worker") == Resources(cpu=2, memory_gib=4)


def test_who_asks_for_nothing_holds_a_little_and_nobody_more_than_a_lease() -> None:
    assert resources_of(config(worker_cores=0, worker_memory=0), "worker") == Resources(cpu=0.001, memory_gib=0.001)
    with pytest.raises(ValidationError):
        resources_of(config(worker_cores=10_001), "worker")


GPUS = {"resources": {"limits": {"nvidia.com/gpu": "2", "ephemeral-storage": "1Gi"}}}


def test_what_a_container_is_given_beyond_the_settings_is_held_too() -> None:
    assert resources_of(config(worker_extra_container_config=GPUS), "worker") == Resources(cpu=2, memory_gib=4, gpu=2)
    assert resources_of(config(worker_extra_container_config=GPUS), "scheduler").gpu == 0
    more = {"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": 32, "memory": "64Gi"}}}
    assert resources_of(config(worker_extra_container_config=more), "worker") == Resources(cpu=32, memory_gib=64)
    for none in ({}, {"resources": None}, {"resources": {"limits": None}}, {"env": []}, None):
        assert resources_of(config(worker_extra_container_config=none), "worker") == Resources(cpu=2, memory_gib=4)


@pytest.mark.parametrize(
    ("name", "gpus"),
    [("amd.com/gpu", 1), ("nvidia.com/gpu.shared", 1), ("gpu.intel.com/i915", 1), ("nvidia.com/mig-1g.5gb", 1),
     ("hugepages-2Mi", 0), ("example.com/dongle", 0)],
)  # fmt: skip
def test_gpus_have_many_names(name: str, gpus: int) -> None:
    extra = {"resources": {"limits": {name: 1}}}
    assert resources_of(config(worker_extra_container_config=extra), "worker").gpu == gpus


@pytest.mark.parametrize(
    ("said", "value"),
    [("500m", 0.5), (2, 2), ("2", 2), ("1.5Gi", 1.5 * GIB), ("1k", 1000), ("3M", 3e6), ("1e3", 1000), ("2E", 2e18),
     ("1Ki", 1024)],
)  # fmt: skip
def test_quantities_of_kubernetes_are_read(said: object, value: float) -> None:
    assert quantity_of(said) == pytest.approx(value)


@pytest.mark.parametrize("said", ["", "many", "-1", "1.2.3", "1ki", None, "1 Gi"])
def test_what_is_no_quantity_is_refused(said: object) -> None:
    with pytest.raises(ValueError, match=r"quantity|float"):
        quantity_of(said)


def test_workers_are_bounded_by_gpus_too() -> None:
    scheduler, worker = Resources(cpu=1, memory_gib=1), Resources(cpu=1, memory_gib=1, gpu=2)
    assert held_by(scheduler, worker, 3) == Resources(cpu=4, memory_gib=4, gpu=6)
    assert workers_in(Resources(cpu=9, memory_gib=9, gpu=5), scheduler, worker) == 2
    assert most_workers(scheduler, worker) == 5000


@given(resources, resources, st.integers(0, 200))
def test_there_is_room_for_as_many_workers_as_were_put_in(scheduler: Resources, worker: Resources, count: int) -> None:
    if count > most_workers(scheduler, worker):
        return
    assert workers_in(held_by(scheduler, worker, count), scheduler, worker) == count


@given(resources, resources, resources)
def test_what_there_is_room_for_fits(scheduler: Resources, worker: Resources, held: Resources) -> None:
    count = workers_in(held, scheduler, worker)
    assert count >= 0
    if count:
        together = held_by(scheduler, worker, count)
        assert together.cpu <= held.cpu + 1e-3
        assert together.memory_gib <= held.memory_gib + 1e-3


def test_the_most_workers_fit_into_the_largest_lease() -> None:
    one = Resources(cpu=1, memory_gib=1)
    assert most_workers(one, one) == 9_999
    assert held_by(one, one, most_workers(one, one)).cpu == 10_000
    assert most_workers(one, Resources(cpu=1, memory_gib=1000)) == 99
