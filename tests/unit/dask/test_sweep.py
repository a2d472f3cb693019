"""What a gateway does in each round: it ends what must end, tells control, and lets no fault stand in the way."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from perijove.models import Problem, Resources
from perijove_hub.admission.client import ControlRefused, ControlUnreachable
from perijove_hub.dask import sweep
from perijove_hub.dask.scheduler import SchedulerState
from perijove_hub.dask.standing import UNSEEN_REASON
from perijove_hub.dask.times import now
from tests.support.kube_bed import Bed, beat, kube_bed

AWAY = ControlUnreachable("away")
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def bed(monkeypatch: pytest.MonkeyPatch) -> Bed:
    bed = kube_bed(monkeypatch)
    bed.backend.config.KubeClusterConfig.idle_timeout = HALF_AN_HOUR.total_seconds()
    return bed


def refusal(status: int, detail: str = "no") -> ControlRefused:
    return ControlRefused(Problem(title="No", status=status, detail=detail))


def idle(since: timedelta) -> SchedulerState:
    return SchedulerState(workers=1, processing=0, idle_seconds=since.total_seconds(), python="3.11.7")


def is_stopped(bed: Bed, name: str) -> bool:
    return bed.cluster.objects[name]["spec"].get("active") is False


async def round_of(bed: Bed) -> None:
    """A round with all that is not done in each."""
    bed.backend.sweeper._told = float("-inf")
    await bed.backend.sweeper.sweep()


async def test_what_runs_is_active_whether_or_not_its_scheduler_says_so(bed: Bed) -> None:
    name = await bed.start()
    await round_of(bed)
    assert [patch.state for patch in bed.control.patches] == ["active"]
    assert bed.backend.standings[name].is_active


async def test_who_was_away_gives_back_no_room_that_a_scheduler_still_wants(bed: Bed) -> None:
    name = await bed.start()
    await bed.backend.on_cluster_heartbeat(name, beat(3))
    bed.cluster.pods = ["Running"] * 2  # the third is about to start
    bed.backend.standings.clear()  # it was started again
    await round_of(bed)
    await round_of(bed)
    assert bed.control.held.cpu == 4
    assert bed.backend.standings[name].granted == 3
    # and what it does not want any more is not shown as wanted
    bed.backend.standings.clear()
    await bed.backend.on_cluster_heartbeat(name, beat(1))
    assert (bed.backend.standings[name].wanted, bed.control.held.cpu) == (1, 3)


async def test_a_cluster_that_is_idle_is_stopped(bed: Bed) -> None:
    name = await bed.start()
    bed.backend.began = now() - 2 * HALF_AN_HOUR
    bed.backend.standing(bed.backend.clusters[name]).since -= 2 * HALF_AN_HOUR
    bed.says = idle(HALF_AN_HOUR + timedelta(seconds=1))
    await round_of(bed)
    assert is_stopped(bed, name)
    assert bed.backend.standings[name].reason == "nothing ran in it for 30 minutes"


async def test_one_that_is_too_busy_to_answer_is_not_taken_for_idle(bed: Bed) -> None:
    name = await bed.start()
    standing = bed.backend.standing(bed.backend.clusters[name])
    standing.since -= 5 * HALF_AN_HOUR
    # it was idle until ten seconds ago, for almost as long as it may be; since then it says nothing
    standing.state, standing.state_at = idle(HALF_AN_HOUR - timedelta(seconds=5)), now() - timedelta(seconds=10)
    await round_of(bed)
    assert not is_stopped(bed, name)
    # but not for ever
    standing.state_at = now() - HALF_AN_HOUR - sweep.SILENCE - timedelta(seconds=1)
    await round_of(bed)
    assert is_stopped(bed, name)
    assert standing.reason == "its scheduler has not answered for 40 minutes"


async def test_what_does_not_start_is_stopped_and_holds_no_room(bed: Bed) -> None:
    bed.backend.start_seconds = 60
    late, young = await bed.start("Pending"), await bed.start("Pending")
    await bed.see(late, "Pending", created="2026-03-01T12:00:00Z")
    await round_of(bed)
    assert (is_stopped(bed, late), is_stopped(bed, young)) == (True, False)
    await bed.see(late, "Stopped")
    await round_of(bed)
    assert [(patch.state, patch.reason) for patch in bed.control.patches] == [
        ("ended", "it did not start within 1 minute")
    ]


async def test_idle_clusters_are_stopped_while_control_is_away(bed: Bed) -> None:
    name = await bed.start()
    bed.backend.standing(bed.backend.clusters[name]).since -= 2 * HALF_AN_HOUR
    bed.says, bed.control.fault = idle(2 * HALF_AN_HOUR), AWAY
    await round_of(bed)
    assert is_stopped(bed, name)


async def test_one_cluster_that_cannot_be_stopped_keeps_no_other_from_it(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = await bed.start(), await bed.start()
    for name in (first, second):
        bed.backend.standing(bed.backend.clusters[name]).since -= 2 * HALF_AN_HOUR
    bed.says = idle(2 * HALF_AN_HOUR)
    patch = bed.cluster.patch_namespaced_custom_object

    async def fail_once(*args: Any) -> None:
        if args[4] == first.split(".")[1]:
            raise OSError("403: forbidden")
        await patch(*args)

    monkeypatch.setattr(bed.cluster, "patch_namespaced_custom_object", fail_once)
    with caplog.at_level(logging.ERROR):
        await round_of(bed)
    assert (is_stopped(bed, first), is_stopped(bed, second)) == (False, True)
    assert bed.control.inventories


@pytest.mark.parametrize("status", [401, 403])
async def test_an_end_is_told_again_when_control_did_not_know_who_told_it(bed: Bed, status: int) -> None:
    name = await bed.start("Pending")
    await bed.see(name, "Stopped")
    bed.control.fault = refusal(status)
    await round_of(bed)
    assert bed.control.patches == []
    bed.control.fault = None
    await round_of(bed)
    await round_of(bed)
    assert [patch.state for patch in bed.control.patches] == ["ended"]


@pytest.mark.parametrize("status", [404, 409, 422])
async def test_an_end_that_control_will_never_take_is_told_once(bed: Bed, status: int) -> None:
    name = await bed.start("Pending")
    await bed.see(name, "Stopped")
    bed.control.fault, bed.control.fault_states = refusal(status), ("ended",)
    await bed.backend.sweeper.settle_ended()
    bed.control.fault = None
    await bed.backend.sweeper.settle_ended()
    assert bed.control.patches == []


async def test_why_a_cluster_is_over_comes_from_its_lease(bed: Bed) -> None:
    name = await bed.start()
    bed.control.remove, bed.control.reason = [bed.control.asked.attempt_id], "ESAC is drained: new disks"
    await round_of(bed)
    assert is_stopped(bed, name)
    assert bed.backend.standings[name].reason == "ESAC is drained: new disks"
    # a gateway that comes up again knows of it only that it is over
    await bed.see(name, "Stopped")
    bed.backend.standings.clear()
    assert bed.backend.view(bed.backend.clusters[name]).reason == "it was stopped"
    await round_of(bed)
    assert bed.backend.view(bed.backend.clusters[name]).reason == "ESAC is drained: new disks"


async def test_a_gateway_that_was_started_again_knows_until_when_a_cluster_is_kept(bed: Bed) -> None:
    name = await bed.start()
    await round_of(bed)
    standing = bed.backend.standings[name]
    standing.kept_until = until = now() + HALF_AN_HOUR
    bed.control.fault = AWAY
    await round_of(bed)
    assert bed.control.kept_until is None
    bed.control.fault = None
    await round_of(bed)
    await round_of(bed)
    assert [patch.kept_until for patch in bed.control.patches if patch.kept_until] == [until]

    bed.backend.standings.clear()
    await round_of(bed)

    again = bed.backend.standings[name]
    assert again.kept_until == until
    again.since -= 2 * HALF_AN_HOUR
    bed.says = idle(2 * HALF_AN_HOUR)
    await round_of(bed)
    assert not is_stopped(bed, name)


async def test_a_gateway_that_was_started_again_has_the_log_of_what_failed(bed: Bed) -> None:
    name = await bed.start()
    bed.backend.standing(bed.backend.clusters[name]).keep_log("[scheduler]\nout of memory")
    await bed.see(name, "Failed")
    await round_of(bed)
    bed.backend.standings.clear()
    await round_of(bed)
    assert bed.backend.view(bed.backend.clusters[name]).log_tail == "[scheduler]\nout of memory"


async def test_whether_a_cluster_adapts_its_scheduler_says_to_a_gateway_that_has_forgotten(bed: Bed) -> None:
    name = await bed.start()
    bed.says = SchedulerState.model_validate(
        {"workers": 1, "processing": 0, "python": "3.11.7", "adaptive": {"minimum": 1, "maximum": 10**12}}
    )
    await round_of(bed)
    adaptive = bed.backend.view(bed.backend.clusters[name]).adaptive
    assert (adaptive.minimum, adaptive.maximum) == (1, bed.backend.standings[name].most_workers)
    bed.says = bed.says.model_copy(update={"adaptive": None})
    await bed.backend.look_at([bed.backend.clusters[name]], newer_than_seconds=0)
    assert bed.backend.view(bed.backend.clusters[name]).adaptive is None


async def test_of_a_scheduler_that_never_says_how_it_is_the_owner_is_told_that_it_does_not_stop_by_itself(
    bed: Bed,
) -> None:
    name = await bed.start()
    await round_of(bed)
    cluster, standing = bed.backend.clusters[name], bed.backend.standings[name]
    assert bed.backend.view(cluster).reason is None
    standing.since -= 5 * HALF_AN_HOUR
    await bed.see(name, created="2026-03-01T12:00:00Z")
    await round_of(bed)
    assert not is_stopped(bed, name)  # it may be at work
    assert bed.backend.view(bed.backend.clusters[name]).reason == UNSEEN_REASON
    bed.says = idle(timedelta(seconds=1))
    await round_of(bed)
    assert bed.backend.view(bed.backend.clusters[name]).reason is None


async def test_a_cluster_that_ends_while_it_is_settled_keeps_its_reason(bed: Bed) -> None:
    name = await bed.start()
    running = bed.backend.clusters[name]
    await bed.see(name, "Stopped")
    await bed.backend.sweeper.settle_ended()
    bed.control.fault = refusal(409, "Lease 1 is ended; ask for a new one.")
    await bed.backend.settle(running, 3)
    assert bed.backend.standings[name].reason is None


async def test_with_control_away_a_gateway_that_comes_up_lets_go_of_nothing(bed: Bed) -> None:
    name = await bed.start()
    bed.cluster.pods = ["Running", "Pending"]
    bed.control.fault = AWAY
    await bed.backend.on_cluster_heartbeat(name, beat(5))
    assert bed.cluster.patched[-1]["value"] == 2


async def test_pods_that_cannot_be_counted_count_as_granted(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name = await bed.start()
    await bed.backend.on_cluster_heartbeat(name, beat(3))

    async def fail(*args: Any, **more: Any) -> None:
        raise OSError("the API server is away")

    monkeypatch.setattr(bed.cluster, "list_namespaced_pod", fail)
    await bed.backend.on_cluster_heartbeat(name, beat(0))
    assert bed.control.held == Resources(cpu=4, memory_gib=8)
    assert bed.cluster.patched[-1]["value"] == 0


async def test_a_gateway_that_control_does_not_know_says_so_to_no_user_of_a_cluster(bed: Bed) -> None:
    name = await bed.start()
    await round_of(bed)
    bed.control.fault = refusal(401, "Send a hub token")
    await bed.backend.on_cluster_heartbeat(name, beat(2))
    standing = bed.backend.standings[name]
    assert (standing.capped, standing.reason) == ("The platform cannot be asked for more now.", None)
