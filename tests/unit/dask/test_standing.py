"""What a gateway knows of a cluster: its marks, its idleness, and what its owner is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perijove.models import ClusterState, Explanation, LeaseOffer, Resources, SpawnSpec
from perijove_hub.dask.marks import Marks, marked, marks_of
from perijove_hub.dask.scheduler import SchedulerState
from perijove_hub.dask.sizes import GIB
from perijove_hub.dask.standing import Standing, standing_of, view_of

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OFFER = LeaseOffer(
    id="a" * 32,
    attempt_id="b" * 32,
    candidates=[],
    spawn=SpawnSpec(resources=Resources(cpu=1, memory_gib=1), policy_version="1"),
    explanation=Explanation(summary=""),
    token="secret-token",
)


def environment(**given: str) -> dict[str, str]:
    return marked(given, OFFER, "esac", "https://science.example/services/perijove", 1800)


def standing(**values: Any) -> Standing:
    config = {
        "environment": environment(), "scheduler_cores": 1, "scheduler_memory": GIB, "worker_cores": 1,
        "worker_memory": GIB,
    }  # fmt: skip
    made = standing_of(config, NOON)
    assert made is not None
    for name, value in values.items():
        setattr(made, name, value)
    return made


def state(idle_seconds: float | None = None) -> SchedulerState:
    return SchedulerState(workers=2, processing=0, idle_seconds=idle_seconds, python="3.11.7", packages={"dask": "1"})


@pytest.mark.parametrize(
    ("wanted", "granted", "is_growing"), [(2, 2, False), (4, 4, True), (4, 2, False), (1, 1, False), (4, None, False)]
)
def test_a_cluster_grows_while_fewer_run_than_are_wanted_and_granted(
    wanted: int, granted: int | None, is_growing: bool
) -> None:
    assert standing(state=state(), wanted=wanted, granted=granted).is_growing() is is_growing
    assert not standing(wanted=wanted, granted=granted).is_growing()


def test_a_cluster_is_known_by_its_marks() -> None:
    assert marks_of({"environment": environment()}) == Marks("a" * 32, "b" * 32, "secret-token", 1800.0)
    assert marks_of({"environment": {}}) is None
    assert marks_of({}) is None
    assert standing_of({"environment": {"PERIJOVE_LEASE_ID": "x"}}, NOON) is None


def test_nobody_marks_a_cluster_by_an_option() -> None:
    made = environment(PERIJOVE_LEASE_ID="mine", PERIJOVE_CONTROL_URL="https://evil.example", PERIJOVE_X="1", OMP="2")
    assert made["PERIJOVE_LEASE_ID"] == "a" * 32
    assert made["PERIJOVE_CONTROL_URL"] == "https://science.example/services/perijove"
    assert "PERIJOVE_X" not in made
    assert made["OMP"] == "2"


def test_an_idle_cluster_stops_after_its_time_and_a_busy_one_never() -> None:
    seen = standing(state=state(600), state_at=NOON + 60 * MINUTE)
    assert seen.idle_stop_at() == NOON + 80 * MINUTE
    seen.kept_until = NOON + 90 * MINUTE
    assert seen.idle_stop_at() == NOON + 90 * MINUTE
    seen.kept_until = NOON + 70 * MINUTE
    assert seen.idle_stop_at() == NOON + 80 * MINUTE
    seen.state = state(None)
    assert seen.idle_stop_at() is None
    assert standing().idle_stop_at() is None  # nobody knows yet


def test_a_gateway_that_was_away_counts_from_when_it_came_back() -> None:
    seen = standing(state=state(36_000), state_at=NOON + MINUTE)
    assert seen.idle_stop_at() == NOON + 30 * MINUTE


def test_without_a_limit_an_idle_cluster_goes_on() -> None:
    seen = standing(state=state(36_000), state_at=NOON, marks=Marks("a", "b", "", None))
    assert seen.idle_stop_at() is None


def test_a_log_is_kept_without_the_token_and_no_longer_than_is_read() -> None:
    seen = standing()
    seen.keep_log("x" * 10_000 + "token secret-token, the end\n\n")
    assert seen.log_tail is not None
    assert len(seen.log_tail) <= 6000
    assert seen.log_tail.endswith("token …, the end\n\n")
    assert seen.why_over(failed=True) == "its scheduler did not start: " + seen.log_tail.strip()[:300]
    seen.has_run = True
    seen.log_tail = None
    assert seen.why_over(failed=True) == "its scheduler was lost"
    assert seen.why_over(failed=False) == "it was stopped"
    seen.reason = "nothing ran in it for 30 minutes"
    assert seen.why_over(failed=False) == "nothing ran in it for 30 minutes"


def test_what_a_scheduler_said_in_passing_is_no_reason() -> None:
    seen = standing(has_run=True)
    seen.keep_log("[worker-1]\nTraceback\n[scheduler]\n2026-03-01 12:00:00,1 - distributed.core - INFO - Starting\n")
    assert seen.why_over(failed=True) == "its scheduler was lost"
    seen.keep_log("[scheduler]\nMemoryError\n2026-03-01 12:00:00,1 - distributed.core - INFO - Closing\n")
    assert seen.why_over(failed=True) == "its scheduler was lost: MemoryError"


def test_its_owner_is_told_all_but_secrets() -> None:
    seen = standing(
        state=state(60), state_at=NOON + MINUTE, granted=2, wanted=5, capped="Limit cores …", has_run=True,
        log_tail="the log",
    )  # fmt: skip
    options = {"worker_cores": 2, "title": "Mosaic"}
    view = view_of("c1", options, ClusterState.RUNNING, NOON, None, seen, dashboard=True, at=NOON)
    assert json.loads(view.model_dump_json()) == {
        "name": "c1", "title": "Mosaic", "state": "running", "options": {"worker_cores": 2}, "lease_id": "a" * 32,
        "created": "2026-03-01T12:00:00Z", "ended": None,
        "scheduler": {"cpu": 1.0, "memory_gib": 1.0, "gpu": 0}, "worker": {"cpu": 1.0, "memory_gib": 1.0, "gpu": 0},
        "workers": 2, "workers_wanted": 5, "workers_granted": 2, "adaptive": None, "capped": "Limit cores …",
        "processing": 0, "idle_seconds": 60.0, "idle_stop_at": "2026-03-01T12:30:00Z", "reason": None, "log_tail": None,
        "versions": {"python": "3.11.7", "packages": {"dask": "1"}}, "dashboard": True,
    }  # fmt: skip
    over = view_of("c1", options, ClusterState.FAILED, NOON, NOON + MINUTE, seen, dashboard=False, at=NOON)
    assert (over.workers, over.capped, over.log_tail, over.reason) == (
        None, None, "the log", "its scheduler was lost: the log",
    )  # fmt: skip
    stopped = view_of("c1", options, ClusterState.STOPPED, NOON, NOON + MINUTE, seen, dashboard=False, at=NOON)
    assert (stopped.log_tail, stopped.reason) == (None, "it was stopped")
