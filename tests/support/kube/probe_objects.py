"""Checks of how objects are made, refused and deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .probe_target import Target, config, names, pod
from .resources import Object


def what_is_made_has_identity(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/pods", pod("p"))
    metadata = made["metadata"]
    assert made["kind"] == "Pod"
    assert metadata["uid"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert int(metadata["resourceVersion"]) > 0
    assert f"/api/v1/namespaces/{metadata['namespace']}" == space
    assert made["status"]["phase"] == "Pending"
    assert target.get(f"{space}/pods/p")["metadata"]["uid"] == metadata["uid"]


def a_second_of_the_same_name_is_refused(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/pods", pod("p"))
    answer = target.ask("POST", f"{space}/pods", pod("p"))
    assert answer.error == (409, "AlreadyExists")
    assert answer.body["message"] == 'pods "p" already exists'
    assert answer.body["details"] == {"name": "p", "kind": "pods"}


def a_second_namespace_of_the_same_name_is_refused(target: Target) -> None:
    name = target.namespace().rpartition("/")[2]
    assert target.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).error == (409, "AlreadyExists")


def what_is_not_there_is_not_found(target: Target) -> None:
    space = target.namespace()
    for method, body in (("GET", None), ("DELETE", None), ("PUT", pod("nope"))):
        answer = target.ask(method, f"{space}/pods/nope", body)
        assert answer.error == (404, "NotFound"), method
        assert answer.body["message"] == 'pods "nope" not found'
    ingress = target.ask("GET", f"/apis/networking.k8s.io/v1{space.removeprefix('/api/v1')}/ingresses/nope")
    assert ingress.body["message"] == 'ingresses.networking.k8s.io "nope" not found'


def nothing_is_made_in_a_namespace_that_is_not_there(target: Target) -> None:
    answer = target.ask("POST", "/api/v1/namespaces/missing-one/pods", pod("p"))
    assert answer.error == (404, "NotFound")
    assert answer.body["message"] == 'namespaces "missing-one" not found'


def another_namespace_in_the_body_is_refused(target: Target) -> None:
    space = target.namespace()
    body = config("c", namespace="default")
    assert target.ask("POST", f"{space}/configmaps", body).error == (400, "BadRequest")


def names_can_be_generated(target: Target) -> None:
    space = target.namespace()
    body = {"metadata": {"generateName": "c-"}}
    made = [target.make(f"{space}/configmaps", body)["metadata"]["name"] for _ in range(2)]
    assert all(name.startswith("c-") and len(name) == len("c-") + 5 for name in made)
    assert made[0] != made[1]


def names_are_validated(target: Target) -> None:
    space = target.namespace()
    answer = target.ask("POST", f"{space}/pods", pod("Bad_Name"))
    assert answer.error == (422, "Invalid")
    assert [cause["field"] for cause in answer.body["details"]["causes"]] == ["metadata.name"]
    assert 'Pod "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"' in answer.body["message"]
    nameless = target.ask("POST", f"{space}/configmaps", {"metadata": {}})
    assert "name or generateName is required" in nameless.body["message"]
    assert target.ask("POST", f"{space}/services", _service("1-digit-first")).error == (422, "Invalid")


def labels_are_validated(target: Target) -> None:
    space = target.namespace()
    for labels in ({"a": "no spaces"}, {"a": "x" * 64}, {"-bad": "x"}):
        answer = target.ask("POST", f"{space}/pods", pod("p", labels=labels))
        assert answer.error == (422, "Invalid"), labels
    target.make(f"{space}/pods", pod("p", labels={"hub.example/user": "a" * 63, "empty": ""}))


def pods_need_containers_with_images(target: Target) -> None:
    space = target.namespace()
    bare = {**pod("p"), "spec": {"automountServiceAccountToken": False, "containers": []}}
    assert target.ask("POST", f"{space}/pods", bare).error == (422, "Invalid")
    without_image = pod("p", container={"image": ""})
    answer = target.ask("POST", f"{space}/pods", without_image)
    assert "spec.containers[0].image" in [cause["field"] for cause in answer.body["details"]["causes"]]


def a_request_above_its_limit_is_refused(target: Target) -> None:
    space = target.namespace()
    resources = {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}
    assert target.ask("POST", f"{space}/pods", pod("p", container={"resources": resources})).error == (422, "Invalid")


def the_wrong_kind_is_refused(target: Target) -> None:
    space = target.namespace()
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    assert target.ask("POST", f"{space}/configmaps", body).error == (400, "BadRequest")


def a_version_cannot_be_brought_along(target: Target) -> None:
    space = target.namespace()
    answer = target.ask("POST", f"{space}/configmaps", config("c", resourceVersion="12"))
    assert answer.status == 500
    assert answer.body["message"] == "resourceVersion should not be set on objects to be created"


def a_dry_run_keeps_nothing(target: Target) -> None:
    space = target.namespace()
    answer = target.ask("POST", f"{space}/pods", pod("p"), dryRun="All")
    assert answer.status == 201
    assert answer.body["spec"]["restartPolicy"] == "Always"
    assert target.ask("GET", f"{space}/pods/p").status == 404
    target.make(f"{space}/configmaps", config("c"))
    assert target.ask("DELETE", f"{space}/configmaps/c", dryRun="All").status == 200
    assert target.get(f"{space}/configmaps/c")
    assert target.ask("POST", f"{space}/pods", pod("Bad_Name"), dryRun="All").error == (422, "Invalid")


def secrets_take_plain_text(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/secrets", {"metadata": {"name": "s"}, "stringData": {"a": "b"}, "data": {"c": "ZA=="}})
    held = target.get(f"{space}/secrets/s")
    assert (held["data"], held["type"]) == ({"a": "Yg==", "c": "ZA=="}, "Opaque")
    assert "stringData" not in held
    changed = target.patch(f"{space}/secrets/s", {"stringData": {"a": "e"}})
    assert changed["data"] == {"a": "ZQ==", "c": "ZA=="}


def secrets_hold_base64(target: Target) -> None:
    space = target.namespace()
    body = {"metadata": {"name": "s"}, "data": {"a": "not base64!"}}
    assert target.ask("POST", f"{space}/secrets", body).error == (400, "BadRequest")


def claims_may_wait_or_be_bound(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/persistentvolumeclaims", _claim("c"))
    assert made["status"]["phase"] == "Pending"
    assert "kubernetes.io/pvc-protection" in made["metadata"]["finalizers"]
    target.ask("DELETE", f"{space}/persistentvolumeclaims/c")
    assert target.gone(f"{space}/persistentvolumeclaims/c")


def a_claim_that_a_pod_uses_stays_until_the_pod_goes(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/persistentvolumeclaims", _claim("c"))
    volume = {"name": "home", "persistentVolumeClaim": {"claimName": "c"}}
    # no node may take it: without a provisioner the claim of a real server is never bound
    target.make(f"{space}/pods", pod("p", volumes=[volume], nodeSelector={"no": "where"}))
    target.ask("DELETE", f"{space}/persistentvolumeclaims/c")
    held = target.get(f"{space}/persistentvolumeclaims/c")
    assert held["metadata"]["deletionTimestamp"]
    target.ask("DELETE", f"{space}/pods/p", gracePeriodSeconds=0)
    assert target.gone(f"{space}/persistentvolumeclaims/c")


def services_get_an_address(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/services", _service("s"))
    assert made["spec"]["type"] == "ClusterIP"
    assert made["spec"]["clusterIP"].count(".") == 3
    assert made["spec"]["ports"][0]["targetPort"] == 80


def custom_resources_are_served_once_they_are_defined(target: Target) -> None:
    space = target.namespace()
    group = f"{space.rpartition('/')[2]}.example"
    names_of = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema, "subresources": {"status": {}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "names": names_of, "scope": "Namespaced", "versions": [version]},
    }
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    collection = f"/apis/{group}/v1{space.removeprefix('/api/v1')}/widgets"
    widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}
    assert target.ask("POST", collection, widget).status == 404
    target.make(definitions, definition)
    target.until(lambda: target.ask("POST", collection, widget).status == 201)
    assert names(target.get(collection)["items"]) == ["w"]
    assert target.patch(f"{collection}/w", {"spec": {"size": 2}})["metadata"]["generation"] == 2
    assert target.ask("DELETE", f"{definitions}/widgets.{group}").status == 200
    assert target.gone(collection)


def a_deletion_can_name_the_object_it_means(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/configmaps", config("c"))
    wrong = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    answer = target.ask("DELETE", f"{space}/configmaps/c", wrong)
    assert answer.error == (409, "Conflict")
    assert "the UID in the precondition (00000000-0000-0000-0000-000000000000) does not match" in answer.body["message"]
    right = {"preconditions": {"uid": made["metadata"]["uid"]}}
    assert target.ask("DELETE", f"{space}/configmaps/c", right).status == 200


def a_deletion_answers_what_it_deleted(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/secrets", {"metadata": {"name": "s"}})
    status = target.ask("DELETE", f"{space}/secrets/s").body
    details = {"name": "s", "kind": "secrets", "uid": made["metadata"]["uid"]}
    assert (status["kind"], status["status"], status["details"]) == ("Status", "Success", details)
    target.make(f"{space}/pods", pod("p", nodeSelector={"no": "where"}))
    assert target.ask("DELETE", f"{space}/pods/p").body["kind"] == "Pod"


def finalizers_hold_a_deletion(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/configmaps", config("c", finalizers=["perijove.example/hold"]))
    assert target.ask("DELETE", f"{space}/configmaps/c").status == 200
    assert target.get(f"{space}/configmaps/c")["metadata"]["deletionTimestamp"]
    target.patch(f"{space}/configmaps/c", {"metadata": {"finalizers": None}})
    assert target.ask("GET", f"{space}/configmaps/c").status == 404


def what_is_owned_goes_after_its_owner(target: Target) -> None:
    space = target.namespace()
    owner = target.make(f"{space}/pods", pod("owner", nodeSelector={"no": "where"}))
    metadata = {"name": "owned", "ownerReferences": [_reference(owner)]}
    target.make(f"{space}/secrets", {"metadata": metadata})
    target.make(f"{space}/services", {**_service("owned"), "metadata": metadata})
    target.make(f"{space}/configmaps", config("free"))
    assert target.ask("DELETE", f"{space}/pods/owner", gracePeriodSeconds=0).status == 200
    assert target.gone(f"{space}/secrets/owned")
    assert target.gone(f"{space}/services/owned")
    assert target.get(f"{space}/configmaps/free")


def what_is_owned_by_nobody_there_goes(target: Target) -> None:
    space = target.namespace()
    owner = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "never", "uid": "1b4e28ba-2fa1-11d2-883f-0016d3cca427"},
    }
    target.make(f"{space}/configmaps", config("orphan", ownerReferences=[_reference(owner)]))
    assert target.gone(f"{space}/configmaps/orphan")


def what_is_owned_can_be_left(target: Target) -> None:
    space = target.namespace()
    owner = target.make(f"{space}/configmaps", config("owner"))
    owned = config("owned", ownerReferences=[_reference({"apiVersion": "v1", "kind": "ConfigMap", **owner})])
    target.make(f"{space}/configmaps", owned)
    target.ask("DELETE", f"{space}/configmaps/owner", {"propagationPolicy": "Orphan"})
    assert target.gone(f"{space}/configmaps/owner")
    left = target.until(lambda: _without_owner(target, f"{space}/configmaps/owned"))
    assert left["metadata"]["name"] == "owned"


def collections_are_deleted_by_selector(target: Target) -> None:
    space = target.namespace()
    for name, kind in (("a", "x"), ("b", "x"), ("c", "y")):
        target.make(f"{space}/configmaps", config(name, {"kind": kind}))
    assert target.ask("DELETE", f"{space}/configmaps", labelSelector="kind=x").status == 200
    left = names(target.get(f"{space}/configmaps", labelSelector="kind")["items"])
    assert left == ["c"]


def a_namespace_takes_all_with_it(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/configmaps", config("held", finalizers=["perijove.example/hold"]))
    target.make(f"{space}/pods", pod("p", nodeSelector={"no": "where"}))
    assert target.ask("DELETE", space).status == 200
    assert target.get(space)["status"]["phase"] == "Terminating"
    refused = target.ask("POST", f"{space}/configmaps", config("late"))
    assert refused.error == (403, "Forbidden")
    assert "because it is being terminated" in refused.body["message"]
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert target.gone(f"{space}/pods/p")
    target.patch(f"{space}/configmaps/held", {"metadata": {"finalizers": None}})
    assert target.gone(space)


def _claim(name: str) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name}, "spec": spec}


def _service(name: str) -> Object:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}


def _reference(owner: Object) -> Object:
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def _without_owner(target: Target, path: str) -> Any:
    item = target.get(path)
    return None if item["metadata"].get("ownerReferences") else item


def _round(where: str, name: str, body: Object) -> Callable[[Target], None]:
    """A check that objects of a resource are made, read, listed, changed and deleted."""

    def check(target: Target) -> None:
        space = target.namespace()
        group, _, plural = where.rpartition("/")
        path = f"{group}{space.removeprefix('/api/v1')}/{plural}"
        made = target.make(path, {**body, "metadata": {"name": name, "labels": {"probe": "1"}}})
        assert target.get(f"{path}/{name}")["metadata"]["uid"] == made["metadata"]["uid"]
        assert names(target.get(path, labelSelector="probe=1")["items"]) == [name]
        changed = target.patch(f"{path}/{name}", {"metadata": {"annotations": {"seen": "yes"}}})
        assert changed["metadata"]["annotations"]["seen"] == "yes"
        assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        assert target.ask("DELETE", f"{path}/{name}").status == 200
        assert target.gone(f"{path}/{name}")

    check.__name__ = f"{where.rpartition('/')[2]}_are_made_read_listed_changed_and_deleted"
    return check


_BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
_RULE = {"http": {"paths": [{"path": "/user/x/", "pathType": "Prefix", "backend": _BACKEND}]}}
_ROUNDS = [
    _round("/api/v1/secrets", "s", {"stringData": {"a": "b"}}),
    _round("/api/v1/configmaps", "c", {"data": {"a": "b"}}),
    _round("/api/v1/services", "svc", {"spec": {"ports": [{"port": 80}]}}),
    _round("/api/v1/persistentvolumeclaims", "c", {"spec": _claim("c")["spec"]}),
    _round("/api/v1/serviceaccounts", "a", {}),
    _round("/api/v1/resourcequotas", "q", {"spec": {"hard": {"pods": "3"}}}),
    _round("/apis/networking.k8s.io/v1/ingresses", "i", {"spec": {"rules": [_RULE]}}),
    _round("/apis/coordination.k8s.io/v1/leases", "l", {"spec": {"holderIdentity": "me"}}),
]

CHECKS = [
    what_is_made_has_identity,
    a_second_of_the_same_name_is_refused,
    a_second_namespace_of_the_same_name_is_refused,
    what_is_not_there_is_not_found,
    nothing_is_made_in_a_namespace_that_is_not_there,
    another_namespace_in_the_body_is_refused,
    names_can_be_generated,
    names_are_validated,
    labels_are_validated,
    pods_need_containers_with_images,
    a_request_above_its_limit_is_refused,
    the_wrong_kind_is_refused,
    a_version_cannot_be_brought_along,
    a_dry_run_keeps_nothing,
    secrets_take_plain_text,
    secrets_hold_base64,
    claims_may_wait_or_be_bound,
    a_claim_that_a_pod_uses_stays_until_the_pod_goes,
    services_get_an_address,
    custom_resources_are_served_once_they_are_defined,
    a_deletion_can_name_the_object_it_means,
    a_deletion_answers_what_it_deleted,
    finalizers_hold_a_deletion,
    what_is_owned_goes_after_its_owner,
    what_is_owned_by_nobody_there_goes,
    what_is_owned_can_be_left,
    collections_are_deleted_by_selector,
    a_namespace_takes_all_with_it,
    *_ROUNDS,
]
