"""The hub's picture of a cluster, and what it does when that lacks something."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from perijove_hub.sites import Handle, Status
from perijove_hub.sites.kubernetes import cluster, watching
from perijove_hub.sites.kubernetes import site as site_module
from perijove_hub.sites.kubernetes.watching import EventsByPod
from tests.support.kube import Fault, FaultKind, GapEnd

from .conftest import SiteBed

ATTEMPT = "0123456789abcdef0123456789abcdef"
NAME = f"session-{ATTEMPT}"


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(watching, "AGAIN_SECONDS", 0.1)


def event(pod: str, version: int = 1) -> dict[str, Any]:
    """As a cluster has it, as far as the picture looks."""
    return {"involvedObject": {"name": pod}, "metadata": {"resourceVersion": str(version)}}


def test_events_are_found_by_their_pod_until_they_go() -> None:
    events = EventsByPod({"users/a.1": event("a"), "users/b.1": event("b")})
    events["users/a.2"] = event("a")
    events["users/a.1"] = event("a", version=3)
    events["users/a.1"] = event("a", version=2)  # comes late

    assert list(events.of("a")) == [event("a", version=3), event("a")]
    assert events.pop("users/a.1", None) == event("a", version=3)
    assert events.pop("users/a.1", None) is None
    assert list(events.of("a")) == [event("a")]
    events.pop("users/a.2", None)
    assert (list(events.of("a")), list(events.of("b"))) == ([], [event("b")])


@pytest.mark.parametrize("then", list(GapEnd))
async def test_what_a_watch_has_missed_is_not_gone(bed: SiteBed, then: GapEnd) -> None:
    await bed.start("f" * 32)
    bed.kube.faults.add(Fault(FaultKind.WATCH_GAP, resource="pods", gap_seconds=1.0, then=then))

    handle = await bed.start(ATTEMPT)

    assert await bed.site.poll(handle) is Status.RUNNING
    await bed.site.stop(handle)
    assert [pod["metadata"]["name"] for pod in bed.pods()] == [f"session-{'f' * 32}"]


@pytest.fixture
def endless_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a watch has lost does not come back with the next one."""
    monkeypatch.setattr(watching, "WATCH_SECONDS", 300)
    monkeypatch.setattr(watching, "REQUEST_SECONDS", 300)


#: A server that takes its time to save when it is told to end.
SAVES = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit()))
time.sleep(60)
"""


def lose_events(bed: SiteBed) -> None:
    bed.kube.faults.add(Fault(FaultKind.WATCH_GAP, resource="pods", gap_seconds=300, then=GapEnd.GOES_ON))


@pytest.mark.usefixtures("endless_watches")
async def test_a_start_whose_events_are_all_lost_comes_up(bed: SiteBed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "ASK_SECONDS", 0.5)
    await bed.start("f" * 32)
    lose_events(bed)

    handle = await bed.start(ATTEMPT)

    assert await bed.site.poll(handle) is Status.RUNNING


@pytest.mark.usefixtures("endless_watches")
async def test_the_stop_of_one_that_no_watch_has_shown_waits_until_it_is_gone(bed: SiteBed) -> None:
    await bed.start("f" * 32)
    lose_events(bed)
    [other] = bed.pods()
    spec = {key: value for key, value in other["spec"].items() if key != "nodeName"}
    spec["containers"][0]["command"] = [sys.executable, "-c", SAVES]
    bed.kube.put("pods", "users", {"metadata": {"name": NAME, "labels": other["metadata"]["labels"]}, "spec": spec})
    async with asyncio.timeout(20):
        while [pod["status"].get("phase") for pod in bed.pods()] != ["Running", "Running"]:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)

    await bed.site.stop(Handle("near", ATTEMPT, ""))

    assert [pod["metadata"]["name"] for pod in bed.pods()] == [other["metadata"]["name"]]


@pytest.mark.parametrize("kind", [FaultKind.WATCH_DISORDER, FaultKind.WATCH_DUPLICATE, FaultKind.WATCH_CUT])
async def test_events_in_disorder_end_in_the_truth(bed: SiteBed, kind: FaultKind) -> None:
    bed.kube.faults.add(Fault(kind, times=4))

    handle = await bed.start(ATTEMPT)

    assert await bed.site.poll(handle) is Status.RUNNING
    assert len(bed.said) == len(set(bed.said))
    await bed.site.stop(handle)
    assert bed.pods() == []
