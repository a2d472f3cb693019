"""Every fault that a test may order from the emulated cluster, as a client meets it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.support.kube import NO_ANSWER, Fault, FaultKind, GapEnd, KubeBed
from tests.support.kube.probe_target import Target, config, names, seen

pytest_plugins = ["tests.support.kube.fixtures"]
MAPS = "/api/v1/namespaces/science/configmaps"


@pytest.fixture
def target(kube_bed: KubeBed) -> Iterator[Target]:
    target = Target(kube_bed.url, kube_bed.token, kube_bed.add_account, kube_bed.compact)
    yield target
    target.close()


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Does something a moment after what follows has begun."""

    def run() -> None:
        time.sleep(0.2)
        act()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "Unauthorized"), (403, "Forbidden"), (409, "Conflict"), (410, "Expired"), (500, "InternalError")],
)
def test_errors_come_as_often_as_ordered(kube_bed: KubeBed, target: Target, status: int, reason: str) -> None:
    fault = kube_bed.faults.error(status, "list", "configmaps", times=2)
    answers = [target.ask("GET", MAPS) for _ in range(3)]
    assert [answer.status for answer in answers] == [status, status, 200]
    assert answers[0].error == (status, reason)
    assert fault.hits == 2
    assert [request.status for request in kube_bed.requests] == [status, status, 200]


def test_too_many_requests_say_when_to_come_back(kube_bed: KubeBed, target: Target) -> None:
    kube_bed.faults.error(429, retry_after_seconds=7)
    answer = target.client.get(MAPS, headers={"Authorization": f"Bearer {kube_bed.token}"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert (answer.json()["reason"], answer.json()["details"]["retryAfterSeconds"]) == ("TooManyRequests", 7)


def test_a_fault_chooses_its_requests(kube_bed: KubeBed, target: Target) -> None:
    kube_bed.namespace("other")
    chosen = kube_bed.faults.error(503, "create", "config*", namespace="sci*", name="user-.*", times=None)
    assert target.ask("POST", MAPS, config("user-ana")).status == 503
    assert target.ask("POST", MAPS, config("a-user-ana")).status == 201
    assert target.ask("POST", MAPS.replace("science", "other"), config("user-ana")).status == 201
    assert target.ask("POST", MAPS.replace("configmaps", "secrets"), config("user-ana")).status == 400
    assert target.ask("GET", f"{MAPS}/user-ana").status == 404
    assert chosen.hits == 1
    kube_bed.faults.clear()
    assert target.ask("POST", MAPS, config("user-ana")).status == 201


def test_a_fault_may_begin_later_and_come_each_few_times(kube_bed: KubeBed, target: Target) -> None:
    kube_bed.faults.error(500, skip=1, every=3, times=None)
    assert [target.ask("GET", MAPS).status for _ in range(8)] == [200, 200, 200, 500, 200, 200, 500, 200]


def test_a_dropped_request_did_nothing(kube_bed: KubeBed, target: Target) -> None:
    kube_bed.faults.add(Fault(FaultKind.DROP, "create"))
    with pytest.raises(httpx.TransportError):
        target.ask("POST", MAPS, config("c"))
    assert kube_bed.object("configmaps", "science", "c") is None
    assert kube_bed.requests[-1].status == NO_ANSWER


def test_a_lost_answer_was_carried_out(kube_bed: KubeBed, target: Target) -> None:
    kube_bed.faults.add(Fault(FaultKind.LOST_ANSWER, "create", name="c"))
    with pytest.raises(httpx.TransportError):
        target.ask("POST", MAPS, config("c"))
    assert target.ask("POST", MAPS, config("c")).error == (409, "AlreadyExists")
    assert [request.status for request in kube_bed.requests] == [NO_ANSWER, 409]


def test_a_hanging_request_is_never_answered(kube_bed: KubeBed, target: Target) -> None:
    kube_bed.faults.add(Fault(FaultKind.HANG))
    with pytest.raises(httpx.ReadTimeout):
        target.client.get(MAPS, headers={"Authorization": f"Bearer {kube_bed.token}"}, timeout=0.2)
    assert target.ask("GET", MAPS).status == 200


def test_requests_are_late_by_order(kube_bed: KubeBed, target: Target) -> None:
    fault = kube_bed.faults.add(Fault(FaultKind.DELAY, delay_seconds=0.3))
    began = time.monotonic()
    assert target.ask("GET", MAPS).status == 200
    assert time.monotonic() - began > 0.3
    assert fault.hits == 1
    kube_bed.latency_seconds = 0.2
    began = time.monotonic()
    assert target.ask("GET", MAPS).status == 200
    assert time.monotonic() - began > 0.2


def test_what_is_late_is_carried_out_though_nobody_waits_any_more(kube_bed: KubeBed, target: Target) -> None:
    kube_bed.latency_seconds = 0.5
    headers = {"Authorization": f"Bearer {kube_bed.token}"}
    with pytest.raises(httpx.ReadTimeout):
        target.client.post(MAPS, json=config("c"), headers=headers, timeout=0.1)
    kube_bed.wait_until(lambda: kube_bed.object("configmaps", "science", "c"), "it was made")
    assert target.ask("POST", MAPS, config("c")).error == (409, "AlreadyExists")


def test_the_whole_server_takes_so_many_requests_a_second(kube_bed: KubeBed, target: Target) -> None:
    kube_bed.faults.requests_per_second = 5
    statuses = [target.ask("GET", MAPS).status for _ in range(30)]
    assert set(statuses) == {200, 429}
    assert {(request.verb, request.resource) for request in kube_bed.requests} == {("list", "configmaps")}
    kube_bed.faults.clear()
    assert target.ask("GET", MAPS).status == 200


def test_a_dark_cluster_refuses_and_runs_on(kube_bed: KubeBed, target: Target) -> None:
    kube_bed.put(
        "pods", "science", {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}
    )
    kube_bed.wait_for_pod("science", "p")
    with kube_bed.dark(), pytest.raises(httpx.ConnectError):
        target.ask("GET", MAPS)
    assert target.ask("GET", "/api/v1/namespaces/science/pods/p").body["status"]["phase"] == "Running"


def test_darkness_cuts_watches(kube_bed: KubeBed, target: Target) -> None:
    with meanwhile(kube_bed.go_dark), pytest.raises(httpx.TransportError):
        target.watch(MAPS, 20)
    kube_bed.come_back()
    assert target.ask("GET", MAPS).status == 200


def test_watches_are_cut_by_order(kube_bed: KubeBed, target: Target) -> None:
    with meanwhile(kube_bed.cut_watches), pytest.raises(httpx.TransportError):
        target.watch(MAPS, 20)
    assert target.ask("GET", MAPS).status == 200


def test_a_watch_is_cut_at_an_event(kube_bed: KubeBed, target: Target) -> None:
    version = target.version(MAPS)
    fault = kube_bed.faults.add(Fault(FaultKind.WATCH_CUT, resource="configmaps", name="b"))
    for name in ("a", "b"):
        target.make(MAPS, config(name))
    with pytest.raises(httpx.TransportError):
        target.watch(MAPS, 20, resourceVersion=version)
    assert fault.hits == 1
    assert seen(target.watch(MAPS, resourceVersion=version)) == [("ADDED", "a"), ("ADDED", "b")]


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (GapEnd.EXPIRED, [("ADDED", "a"), ("ERROR", 410)]),
        (GapEnd.ENDS, [("ADDED", "a")]),
        (GapEnd.GOES_ON, [("ADDED", "a"), ("ADDED", "after")]),
    ],
)
def test_a_watch_loses_events_for_a_while(
    kube_bed: KubeBed, target: Target, then: GapEnd, expected: list[tuple[str, object]]
) -> None:
    version = target.version(MAPS)
    fault = kube_bed.faults.add(Fault(FaultKind.WATCH_GAP, name="b", gap_seconds=0.4, then=then))
    for name in ("a", "b", "c"):
        target.make(MAPS, config(name))

    def later() -> None:
        kube_bed.wait_until(lambda: fault.hits, "the gap has begun")
        time.sleep(0.6)
        kube_bed.put("configmaps", "science", config("after"))

    with meanwhile(later):
        events = target.watch(MAPS, 3, resourceVersion=version)
    told = [(kind, item["metadata"].get("name") or item.get("code")) for kind, item in events]
    assert told == expected
    assert fault.hits == 1
    assert {"b", "c"} < set(names(target.get(MAPS)["items"]))


def test_events_come_out_of_order(kube_bed: KubeBed, target: Target) -> None:
    version = target.version(MAPS)
    kube_bed.faults.add(Fault(FaultKind.WATCH_DISORDER, name="b", batch=3))
    for name in ("a", "b", "c", "d", "e"):
        target.make(MAPS, config(name))
    events = target.watch(MAPS, resourceVersion=version)
    assert [name for _, name in seen(events)] == ["a", "d", "c", "b", "e"]


def test_events_that_are_held_back_come_in_the_end(kube_bed: KubeBed, target: Target) -> None:
    version = target.version(MAPS)
    kube_bed.faults.add(Fault(FaultKind.WATCH_DISORDER, batch=10, gap_seconds=0.2))
    for name in ("a", "b"):
        target.make(MAPS, config(name))
    events = target.watch(MAPS, resourceVersion=version)
    assert [name for _, name in seen(events)] == ["b", "a"]


def test_an_old_event_comes_again(kube_bed: KubeBed, target: Target) -> None:
    version = target.version(MAPS)
    kube_bed.faults.add(Fault(FaultKind.WATCH_DUPLICATE, name="a"))
    target.make(MAPS, config("a"))
    target.patch(f"{MAPS}/a", {"data": {"a": "2"}})
    target.make(MAPS, config("b"))
    events = target.watch(MAPS, resourceVersion=version)
    assert seen(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("ADDED", "a"), ("ADDED", "b")]
    assert [item["data"]["a"] for _, item in events[:3]] == ["1", "2", "1"]


def test_a_watch_under_way_meets_a_compaction_unharmed_and_an_old_one_does_not(
    kube_bed: KubeBed, target: Target
) -> None:
    version = target.version(MAPS)

    def act() -> None:
        kube_bed.put("configmaps", "science", config("a"))
        time.sleep(0.1)
        kube_bed.compact()
        kube_bed.put("configmaps", "science", config("b"))

    with meanwhile(act):
        assert seen(target.watch(MAPS, resourceVersion=version)) == [("ADDED", "a"), ("ADDED", "b")]
    [(kind, status)] = target.watch(MAPS, 5, resourceVersion=version)
    assert (kind, status["code"]) == ("ERROR", 410)


def test_a_short_memory_forgets_by_itself() -> None:
    with KubeBed(history=3, namespaces=["science"], nodes=[]) as bed:
        target = Target(bed.url, bed.token, bed.add_account, bed.compact)
        version = target.version(MAPS)
        for number in range(5):
            target.make(MAPS, config(f"c{number}"))
        [(kind, _)] = target.watch(MAPS, 5, resourceVersion=version)
        assert kind == "ERROR"
        target.close()
