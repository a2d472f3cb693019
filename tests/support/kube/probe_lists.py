"""Checks of lists: which objects, of which version, and in which parts."""

from __future__ import annotations

from typing import Any

from .probe_target import Target, config, names, pod


def a_list_says_what_it_is_and_of_which_version(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/pods", pod("p", nodeSelector={"no": "where"}))
    listed = target.get(f"{space}/pods")
    assert (listed["kind"], listed["apiVersion"]) == ("PodList", "v1")
    assert int(listed["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])
    assert names(listed["items"]) == ["p"]


def labels_select(target: Target) -> None:
    space = target.namespace()
    for name, labels in (("a", {"kind": "x"}), ("b", {"kind": "y", "new": ""}), ("c", {"other": "1"})):
        target.make(f"{space}/secrets", {"metadata": {"name": name, "labels": {"probe": "1", **labels}}})
    for selector, expected in (
        ("kind=x", ["a"]),
        ("kind==x", ["a"]),
        ("probe=1,kind!=x", ["b", "c"]),
        ("kind in (x, y)", ["a", "b"]),
        ("probe=1,kind notin (x)", ["b", "c"]),
        ("kind", ["a", "b"]),
        ("probe,!kind", ["c"]),
        ("new=", ["b"]),
        ("kind in (x,y),new", ["b"]),
    ):
        assert names(target.get(f"{space}/secrets", labelSelector=selector)["items"]) == expected, selector
    malformed = target.ask("GET", f"{space}/secrets", labelSelector="kind in x")
    assert malformed.error == (400, "BadRequest")


def fields_select(target: Target) -> None:
    space = target.namespace()
    for name in ("a", "b"):
        target.make(f"{space}/pods", pod(name, nodeSelector={"no": "where"}))
    for selector, expected in (
        ("metadata.name=a", ["a"]),
        ("metadata.name!=a", ["b"]),
        ("status.phase=Pending,metadata.name=b", ["b"]),
        ("status.phase=Running", []),
        ("spec.nodeName=", ["a", "b"]),
        ("", ["a", "b"]),
    ):
        assert names(target.get(f"{space}/pods", fieldSelector=selector)["items"]) == expected, selector


def events_are_selected_by_what_they_are_about(target: Target) -> None:
    space = target.namespace()
    namespace = space.rpartition("/")[2]
    for name, kind in (("e1", "Pod"), ("e2", "Job")):
        about = {"kind": kind, "name": "p", "namespace": namespace}
        body = {"metadata": {"name": name, "namespace": namespace}, "involvedObject": about, "message": "m"}
        made = target.make(f"{space}/events", body)
        assert (made["eventTime"], made["lastTimestamp"], made["firstTimestamp"]) == (None, None, None)
    found = target.get(f"{space}/events", fieldSelector="involvedObject.kind=Pod,involvedObject.name=p")
    assert names(found["items"]) == ["e1"]


def unknown_fields_do_not_select(target: Target) -> None:
    space = target.namespace()
    answer = target.ask("GET", f"{space}/pods", fieldSelector="spec.priority=0")
    assert answer.error == (400, "BadRequest")
    assert "field label not supported: spec.priority" in answer.body["message"]


def all_namespaces_are_listed_together(target: Target) -> None:
    spaces = [target.namespace(), target.namespace()]
    label = {"probe": spaces[0].rpartition("/")[2]}
    for space in spaces:
        target.make(f"{space}/configmaps", config("c", label))
    listed = target.get("/api/v1/configmaps", labelSelector=f"probe={label['probe']}")
    assert len(listed["items"]) == 2


def the_pages_of_a_list_are_of_one_version(target: Target) -> None:
    space = target.namespace()
    for name in ("a", "b", "c"):
        target.make(f"{space}/secrets", {"metadata": {"name": name, "labels": {"probe": "1"}}})
    first = target.get(f"{space}/secrets", limit=2)
    held = names(first["items"])
    target.ask("DELETE", f"{space}/secrets/c")
    page: Any = first
    while token := page["metadata"].get("continue"):
        page = target.get(f"{space}/secrets", limit=2, **{"continue": token})
        held += names(page["items"])
    assert set("abc") <= set(held)
    assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "c" not in names(target.get(f"{space}/secrets")["items"])


def a_page_tells_how_much_remains(target: Target) -> None:
    space = target.namespace()
    for name in ("a", "b", "c"):
        target.make(f"{space}/pods", pod(name, nodeSelector={"no": "where"}))
    page = target.get(f"{space}/pods", limit=1)
    assert (names(page["items"]), page["metadata"]["remainingItemCount"]) == (["a"], 2)
    assert target.ask("GET", f"{space}/pods", limit=1, **{"continue": "nonsense"}).error == (400, "BadRequest")


def pages_expire_when_the_server_forgets(target: Target) -> None:
    space = target.namespace()
    for name in ("a", "b"):
        target.make(f"{space}/pods", pod(name, nodeSelector={"no": "where"}))
    token = target.get(f"{space}/pods", limit=1)["metadata"]["continue"]
    target.make(f"{space}/pods", pod("c", nodeSelector={"no": "where"}))
    target.compact()
    answer = target.ask("GET", f"{space}/pods", limit=1, **{"continue": token})
    assert answer.error == (410, "Expired")
    assert "continue parameter is too old" in answer.body["message"]


def an_exact_version_is_the_state_of_then(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/configmaps", config("kept", {"probe": "1"}))
    then = target.make(f"{space}/configmaps", config("gone", {"probe": "1"}))["metadata"]["resourceVersion"]
    target.ask("DELETE", f"{space}/configmaps/gone")
    target.make(f"{space}/configmaps", config("new", {"probe": "1"}))
    exact = target.get(f"{space}/configmaps", resourceVersion=then, resourceVersionMatch="Exact", labelSelector="probe")
    assert names(exact["items"]) == ["gone", "kept"]
    assert exact["metadata"]["resourceVersion"] == then


def not_older_than_is_now(target: Target) -> None:
    space = target.namespace()
    then = target.make(f"{space}/configmaps", config("a", {"probe": "1"}))["metadata"]["resourceVersion"]
    for version in ("0", then):
        query = {"resourceVersion": version, "resourceVersionMatch": "NotOlderThan", "labelSelector": "probe"}
        listed = target.until(lambda query=query: target.get(f"{space}/configmaps", **query)["items"])  # type: ignore[misc]
        assert names(listed) == ["a"]


def how_a_version_matches_needs_a_version(target: Target) -> None:
    space = target.namespace()
    for query in ({}, {"resourceVersion": "0", "resourceVersionMatch": "Exact"}):
        asked = {"resourceVersionMatch": "NotOlderThan", **query}
        answer = target.ask("GET", f"{space}/pods", **asked)
        assert answer.status in (400, 422), query
        assert "resourceVersionMatch" in answer.body["message"]


def a_version_of_the_future_is_refused(target: Target) -> None:
    space = target.namespace()
    future = str(int(target.version(f"{space}/pods")) + 1_000_000)
    answer = target.ask("GET", f"{space}/pods", resourceVersion=future, resourceVersionMatch="NotOlderThan")
    assert answer.error == (504, "Timeout")
    assert f"Too large resource version: {future}" in answer.body["message"]


CHECKS = [
    a_list_says_what_it_is_and_of_which_version,
    labels_select,
    fields_select,
    events_are_selected_by_what_they_are_about,
    unknown_fields_do_not_select,
    all_namespaces_are_listed_together,
    the_pages_of_a_list_are_of_one_version,
    a_page_tells_how_much_remains,
    pages_expire_when_the_server_forgets,
    an_exact_version_is_the_state_of_then,
    not_older_than_is_now,
    how_a_version_matches_needs_a_version,
    a_version_of_the_future_is_refused,
]
