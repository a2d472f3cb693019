"""Checks of how objects are changed, and of what protects them from being changed unawares."""

from __future__ import annotations

from .probe_target import JSON_PATCH, MERGE, STRATEGIC, Target, config, pod


def an_update_of_an_old_version_is_refused(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/configmaps", config("c"))
    newer = target.patch(f"{space}/configmaps/c", {"data": {"b": "2"}})
    made["data"] = {"b": "3"}
    answer = target.ask("PUT", f"{space}/configmaps/c", made)
    assert answer.error == (409, "Conflict")
    assert answer.body["message"] == (
        'Operation cannot be fulfilled on configmaps "c": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    newer["data"] = {"b": "3"}
    written = target.ask("PUT", f"{space}/configmaps/c", newer)
    assert (written.status, written.body["data"]) == (200, {"b": "3"})
    assert int(written.body["metadata"]["resourceVersion"]) > int(newer["metadata"]["resourceVersion"])


def an_update_without_a_version_overwrites(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/configmaps", config("c"))
    answer = target.ask("PUT", f"{space}/configmaps/c", {"metadata": {"name": "c"}, "data": {"z": "9"}})
    assert (answer.status, answer.body["data"]) == (200, {"z": "9"})
    assert answer.body["metadata"].get("labels") is None


def an_update_keeps_who_the_object_is(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/configmaps", config("c"))
    renamed = {**made, "metadata": {**made["metadata"], "name": "other"}}
    assert target.ask("PUT", f"{space}/configmaps/c", renamed).error == (400, "BadRequest")
    another = {"metadata": {"name": "c", "uid": "1b4e28ba-2fa1-11d2-883f-0016d3cca427"}, "data": {}}
    assert target.ask("PUT", f"{space}/configmaps/c", another).error == (409, "Conflict")


def leases_are_updated_by_version_only(target: Target) -> None:
    space = target.namespace()
    path = f"/apis/coordination.k8s.io/v1{space.removeprefix('/api/v1')}/leases"
    target.make(path, {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}})
    blind = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "b"}}
    assert target.ask("PUT", f"{path}/l", blind).error == (422, "Invalid")


def an_update_that_changes_nothing_writes_nothing(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/configmaps", config("c"))
    same = target.patch(f"{space}/configmaps/c", {"data": {"a": "1"}})
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def null_deletes_in_a_merge_patch(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/configmaps", config("c", {"a": "1", "b": "2"}))
    changed = target.patch(f"{space}/configmaps/c", {"metadata": {"labels": {"a": None, "n": "3"}}})
    assert changed["metadata"]["labels"] == {"b": "2", "n": "3"}


def json_patches_are_all_or_nothing(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/configmaps", config("c", {"a": "1"}))
    add = {"op": "add", "path": "/metadata/labels/q", "value": "2"}
    changed = target.patch(f"{space}/configmaps/c", [add], JSON_PATCH)
    assert changed["metadata"]["labels"] == {"a": "1", "q": "2"}
    refused = target.ask(
        "PATCH",
        f"{space}/configmaps/c",
        [{"op": "remove", "path": "/metadata/labels/q"}, {"op": "test", "path": "/data/a", "value": "other"}],
        kind=JSON_PATCH,
    )
    assert refused.status == 422
    assert target.get(f"{space}/configmaps/c")["metadata"]["labels"] == {"a": "1", "q": "2"}


def strategic_patches_merge_lists_by_key(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/pods", pod("p", nodeSelector={"no": "where"}))
    for kind, status in (("One", "True"), ("Two", "True"), ("One", "False")):
        condition = {"type": kind, "status": status}
        target.patch(f"{space}/pods/p/status", {"status": {"conditions": [condition]}}, STRATEGIC)
    conditions = target.get(f"{space}/pods/p")["status"]["conditions"]
    found = {condition["type"]: condition["status"] for condition in conditions}
    assert (found["One"], found["Two"]) == ("False", "True")


def merge_patches_replace_lists(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/configmaps", config("c", finalizers=["perijove.example/a"]))
    changed = target.patch(f"{space}/configmaps/c", {"metadata": {"finalizers": ["perijove.example/b"]}}, MERGE)
    assert changed["metadata"]["finalizers"] == ["perijove.example/b"]


def a_patch_can_name_the_version_and_the_object_it_means(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/configmaps", config("c"))
    target.patch(f"{space}/configmaps/c", {"data": {"b": "2"}})
    old = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"b": "3"}}
    assert target.ask("PATCH", f"{space}/configmaps/c", old, kind=MERGE).error == (409, "Conflict")
    other = {"metadata": {"uid": "1b4e28ba-2fa1-11d2-883f-0016d3cca427"}, "data": {"b": "3"}}
    answer = target.ask("PATCH", f"{space}/configmaps/c", other, kind=MERGE)
    assert answer.error == (422, "Invalid")
    assert "field is immutable" in answer.body["message"]


def an_unknown_kind_of_patch_is_refused(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/configmaps", config("c"))
    answer = target.ask("PATCH", f"{space}/configmaps/c", {"data": {}}, kind="application/json")
    assert answer.status == 415
    listed = target.ask("PATCH", f"{space}/configmaps/c", [1], kind=MERGE)
    assert listed.status in (400, 422)  # as new servers say, and as old ones do


def the_status_is_changed_by_its_own_path(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/pods", pod("p", nodeSelector={"no": "where"}))
    ignored = target.patch(f"{space}/pods/p", {"status": {"message": "by the wrong path"}})
    assert "message" not in ignored["status"]
    changed = target.patch(f"{space}/pods/p/status", {"status": {"message": "well"}, "spec": {"nodeName": "x"}})
    assert changed["status"]["message"] == "well"
    assert "nodeName" not in changed["spec"]
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    sent = {**made, "status": {"phase": "Running"}}
    kept = target.make(f"{space}/pods", {**sent, "metadata": {"name": "q"}, "spec": pod("q")["spec"]})
    assert kept["status"]["phase"] == "Pending"


def the_spec_of_a_pod_is_fixed(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/pods", pod("p", nodeSelector={"no": "where"}))
    command = [{"op": "replace", "path": "/spec/containers/0/command", "value": ["true"]}]
    answer = target.ask("PATCH", f"{space}/pods/p", command, kind=JSON_PATCH)
    assert answer.error == (422, "Invalid")
    assert "pod updates may not change fields other than" in answer.body["message"]
    image = [{"op": "replace", "path": "/spec/containers/0/image", "value": "busybox:2"}]
    assert target.patch(f"{space}/pods/p", image, JSON_PATCH)["spec"]["containers"][0]["image"] == "busybox:2"


CHECKS = [
    an_update_of_an_old_version_is_refused,
    an_update_without_a_version_overwrites,
    an_update_keeps_who_the_object_is,
    leases_are_updated_by_version_only,
    an_update_that_changes_nothing_writes_nothing,
    null_deletes_in_a_merge_patch,
    json_patches_are_all_or_nothing,
    strategic_patches_merge_lists_by_key,
    merge_patches_replace_lists,
    a_patch_can_name_the_version_and_the_object_it_means,
    an_unknown_kind_of_patch_is_refused,
    the_status_is_changed_by_its_own_path,
    the_spec_of_a_pod_is_fixed,
]
