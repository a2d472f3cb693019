from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perijove.choice import Candidate, in_order
from perijove.health import DOWN_SECONDS, FRESH_SECONDS, ReplicaHealth

CANDIDATES = st.lists(
    st.builds(
        Candidate,
        id=st.sampled_from("abcdef"),
        rank=st.integers(0, 5),
        egress_cost=st.sampled_from([0.0, 1.0, 20.0, None]),
        is_down=st.booleans(),
        latency_seconds=st.none() | st.floats(0, 10),
        bytes_per_second=st.none() | st.floats(1, 1e9),
    ),
    unique_by=lambda one: one.id,
)


def test_nothing_measured_is_control_s_order() -> None:
    assert in_order([Candidate("far", 2, 5), Candidate("near", 0, 0), Candidate("mid", 1, 1)]) == ["near", "mid", "far"]


def test_what_is_down_comes_last_and_is_still_there() -> None:
    assert in_order([Candidate("near", 0, 0, is_down=True), Candidate("far", 1, 9)]) == ["far", "near"]


def test_a_much_faster_copy_that_is_no_dearer_goes_first() -> None:
    near = Candidate("near", 0, 1.0, latency_seconds=0.1, bytes_per_second=10e6)

    assert in_order([near, Candidate("far", 1, 1.0, latency_seconds=0.1, bytes_per_second=15e6)]) == ["near", "far"]
    assert in_order([near, Candidate("far", 1, 1.0, latency_seconds=0.1, bytes_per_second=60e6)]) == ["far", "near"]


def test_a_dearer_copy_never_goes_first_because_it_is_faster() -> None:
    near = Candidate("near", 0, 0.0, latency_seconds=5, bytes_per_second=1e4)

    assert in_order([near, Candidate("far", 1, 0.01, latency_seconds=0.001, bytes_per_second=1e9)]) == ["near", "far"]


def test_a_copy_whose_price_nobody_knows_is_taken_for_a_dearer_one_and_of_two_the_order_is_kept() -> None:
    slow = {"latency_seconds": 5.0, "bytes_per_second": 1e4}
    fast = {"latency_seconds": 0.001, "bytes_per_second": 1e9}

    assert in_order([Candidate("near", 0, 20.0, **slow), Candidate("far", 1, None, **fast)]) == ["near", "far"]
    assert in_order([Candidate("near", 0, None, **slow), Candidate("far", 1, None, **fast)]) == ["near", "far"]
    assert in_order([Candidate("near", 0, None, **slow), Candidate("far", 1, 20.0, **fast)]) == ["far", "near"]


def test_a_slow_nearest_copy_lets_an_unknown_one_be_tried() -> None:
    near = Candidate("near", 0, 0.0, latency_seconds=0.1, bytes_per_second=1e6)

    assert in_order([near, Candidate("far", 1, 0.0)]) == ["far", "near"]


@given(CANDIDATES)
def test_every_copy_is_asked_once_and_the_order_is_the_same_each_time(candidates: list[Candidate]) -> None:
    order = in_order(candidates)

    assert sorted(order) == sorted(one.id for one in candidates)
    assert in_order(candidates[::-1]) == order
    downs = [next(one.is_down for one in candidates if one.id == name) for name in order]
    assert downs == sorted(downs)


@given(CANDIDATES)
def test_no_copy_goes_before_a_nearer_cheaper_one_that_works(candidates: list[Candidate]) -> None:
    by_id = {one.id: one for one in candidates}
    order = [by_id[name] for name in in_order(candidates)]

    for place, first in enumerate(order):
        for later in order[place + 1 :]:
            if later.rank < first.rank and later.is_down == first.is_down:
                assert first.egress_cost is not None
                assert later.egress_cost is None or first.egress_cost <= later.egress_cost


def test_averages_move_and_are_forgotten() -> None:
    health = ReplicaHealth()
    health.answered(0, 0.1, now=0)
    health.answered(0, 0.2, now=1)
    health.answered(10_000_000, 1.1, now=2)

    assert health.latency_seconds is not None
    assert 0.1 < health.latency_seconds < 0.2
    assert health.bytes_per_second is not None
    assert 9e6 < health.bytes_per_second < 11e6
    assert health.state(2) == "ready"
    assert health.state(3 + FRESH_SECONDS) == "unknown"


def test_a_failed_one_is_down_for_a_while_and_back_when_it_answers() -> None:
    health = ReplicaHealth()
    health.failed(now=10)

    assert health.state(11) == "down"
    assert health.state(10 + DOWN_SECONDS) == "unknown"
    health.answered(0, 0.1, now=12)
    assert health.state(12) == "ready"
