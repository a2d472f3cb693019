"""The plan of a soak is decided by its seed, and the one that every run of the tests plays does everything."""

from __future__ import annotations

from collections import Counter

from tests.soak.plan import FAULTS, OPERATIONS, make_plan
from tests.soak.test_soak import KNOWN_SEED


def test_plan_is_decided_by_its_seed() -> None:
    assert make_plan(7, 40) == make_plan(7, 40)
    assert make_plan(7, 40) != make_plan(8, 40)


def test_known_seed_does_each_thing_twice_in_half_of_150_operations() -> None:
    done = Counter(step.what for episode in make_plan(KNOWN_SEED, 75) for step in episode)
    assert {what for what in (*OPERATIONS, *FAULTS) if done[what] < 2} == set()
