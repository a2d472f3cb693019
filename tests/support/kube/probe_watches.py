"""Checks of watches: what they tell, from when, and how they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .probe_target import Target, config, names, pod, seen


def changes_come_in_their_order(target: Target) -> None:
    space = target.namespace()
    version = target.version(f"{space}/secrets")
    target.make(f"{space}/secrets", {"metadata": {"name": "a", "labels": {"probe": "1"}}})
    target.patch(f"{space}/secrets/a", {"metadata": {"labels": {"more": "1"}}})
    target.make(f"{space}/secrets", {"metadata": {"name": "b", "labels": {"probe": "2"}}})
    target.ask("DELETE", f"{space}/secrets/a")
    events = target.watch(f"{space}/secrets", resourceVersion=version, labelSelector="probe")
    assert seen(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    versions = [int(item["metadata"]["resourceVersion"]) for _, item in events]
    assert versions == sorted(set(versions))
    assert versions[0] > int(version)
    assert events[1][1]["metadata"]["labels"] == {"probe": "1", "more": "1"}


def what_was_deleted_comes_as_it_last_was(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/configmaps", config("c"))
    target.ask("DELETE", f"{space}/configmaps/c")
    version = made["metadata"]["resourceVersion"]
    [(kind, last)] = target.watch(f"{space}/configmaps", resourceVersion=version, fieldSelector="metadata.name=c")
    assert (kind, last["data"], last["metadata"]["uid"]) == ("DELETED", {"a": "1"}, made["metadata"]["uid"])
    assert int(last["metadata"]["resourceVersion"]) > int(version)


def objects_enter_and_leave_a_selection(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/configmaps", config("c", {"kind": "x"}))
    version = target.version(f"{space}/configmaps")
    for kind in ("y", "x", "z"):
        target.patch(f"{space}/configmaps/c", {"metadata": {"labels": {"kind": kind}}})
    target.ask("DELETE", f"{space}/configmaps/c")
    events = target.watch(f"{space}/configmaps", resourceVersion=version, labelSelector="kind=x")
    assert seen(events) == [("DELETED", "c"), ("ADDED", "c"), ("DELETED", "c")]
    assert events[0][1]["metadata"]["labels"] == {"kind": "x"}  # as it was when it was last selected


def fields_select_in_watches_too(target: Target) -> None:
    space = target.namespace()
    version = target.version(f"{space}/pods")
    for name in ("a", "b"):
        target.make(f"{space}/pods", pod(name, nodeSelector={"no": "where"}))
    events = target.watch(f"{space}/pods", resourceVersion=version, fieldSelector="metadata.name=b")
    assert {name for _, name in seen(events)} == {"b"}
    assert seen(events)[0] == ("ADDED", "b")


def without_a_version_the_state_comes_first(target: Target) -> None:
    space = target.namespace()
    for name in ("a", "b"):
        target.make(f"{space}/configmaps", config(name, {"probe": "1"}))
    for version in ("", "0"):
        events = target.watch(f"{space}/configmaps", labelSelector="probe", resourceVersion=version)
        assert sorted(seen(events)) == [("ADDED", "a"), ("ADDED", "b")], version


def a_watch_tells_at_once(target: Target) -> None:
    space = target.namespace()
    version = target.version(f"{space}/configmaps")
    with _soon(lambda: target.make(f"{space}/configmaps", config("c"))):
        events = target.watch(f"{space}/configmaps", 2, resourceVersion=version, fieldSelector="metadata.name=c")
    assert seen(events) == [("ADDED", "c")]


def a_watch_of_all_namespaces(target: Target) -> None:
    spaces = [target.namespace(), target.namespace()]
    label = spaces[0].rpartition("/")[2]
    version = target.version("/api/v1/configmaps")
    for space in spaces:
        target.make(f"{space}/configmaps", config("c", {"probe": label}))
    events = target.watch("/api/v1/configmaps", resourceVersion=version, labelSelector=f"probe={label}")
    assert sorted(f"/api/v1/namespaces/{item['metadata']['namespace']}" for _, item in events) == sorted(spaces)


def a_version_that_is_forgotten_has_expired(target: Target) -> None:
    """Of events, whose changes a real server keeps in etcd only: of others it remembers some itself."""
    space = target.namespace()
    version = target.version(f"{space}/events")
    namespace = space.rpartition("/")[2]
    for name in ("e1", "e2"):
        about = {"kind": "Pod", "name": "p", "namespace": namespace}
        target.make(f"{space}/events", {"metadata": {"name": name}, "involvedObject": about, "message": "m"})
    target.compact()
    [(kind, status)] = target.watch(f"{space}/events", 3, resourceVersion=version)
    assert (kind, status["kind"], status["code"], status["reason"]) == ("ERROR", "Status", 410, "Expired")
    listed = target.get(f"{space}/events")
    assert names(listed["items"]) == ["e1", "e2"]
    assert target.watch(f"{space}/events", resourceVersion=listed["metadata"]["resourceVersion"]) == []


def bookmarks_come_to_whom_allows_them(target: Target) -> None:
    space = target.namespace()
    query = {"resourceVersion": target.version(f"{space}/configmaps"), "labelSelector": "probe"}
    for allowed in ("true", "false"):  # a real server sends one only when there was a change that was not selected
        with _soon(lambda allowed=allowed: target.make(f"{space}/configmaps", config(f"when-{allowed}"))):  # type: ignore[misc]
            events = target.watch(f"{space}/configmaps", 4, allowWatchBookmarks=allowed, **query)
        if allowed == "true":
            [(kind, bookmark)] = events[-1:]
            made = target.get(f"{space}/configmaps/when-true")
            assert (kind, bookmark["kind"]) == ("BOOKMARK", "ConfigMap")
            assert int(bookmark["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])
        else:
            assert events == []


@contextmanager
def _soon(act: Callable[[], object]) -> Iterator[None]:
    """Does something a moment after what follows has begun."""

    def run() -> None:
        time.sleep(0.3)
        act()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()


CHECKS = [
    changes_come_in_their_order,
    what_was_deleted_comes_as_it_last_was,
    objects_enter_and_leave_a_selection,
    fields_select_in_watches_too,
    without_a_version_the_state_comes_first,
    a_watch_tells_at_once,
    a_watch_of_all_namespaces,
    a_version_that_is_forgotten_has_expired,
    bookmarks_come_to_whom_allows_them,
]
