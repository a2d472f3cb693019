"""What clusters hold, as arithmetic."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perijove.models import Resources
from perijove_hub.dask.sizes import GIB, held_by, most_workers, resources_of, workers_in

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
