"""Checks of who may do what, and of how a client finds what is served."""

from __future__ import annotations

from .probe_target import MERGE, Target, config, pod
from .rights import Rule


def nobody_known_is_401(target: Target) -> None:
    for token in ("none", "not-a-token"):
        answer = target.ask("GET", "/api/v1/namespaces", token=token)
        assert answer.error == (401, "Unauthorized"), token
        assert answer.body["message"] == "Unauthorized"


def a_missing_right_is_told_in_full(target: Target) -> None:
    space = target.namespace()
    namespace = space.rpartition("/")[2]
    user = f"system:serviceaccount:{namespace}:reader"
    token = target.make_account(namespace, "reader", [Rule(("get", "list"), ("pods",), namespace, ("",))])
    assert target.ask("GET", f"{space}/pods", token=token).status == 200
    refused = target.ask("POST", f"{space}/pods", pod("p"), token=token)
    assert refused.error == (403, "Forbidden")
    assert refused.body["message"] == (
        f'pods is forbidden: User "{user}" cannot create resource "pods" in API group "" in the namespace "{namespace}"'
    )
    named = target.ask("DELETE", f"{space}/pods/p", token=token)
    assert named.body["message"] == (
        f'pods "p" is forbidden: User "{user}" cannot delete resource "pods" in API group "" '
        f'in the namespace "{namespace}"'
    )


def a_right_is_of_one_namespace(target: Target) -> None:
    own, other = target.namespace(), target.namespace()
    namespace = own.rpartition("/")[2]
    user = f"system:serviceaccount:{namespace}:reader"
    token = target.make_account(namespace, "reader", [Rule(("get", "list", "watch"), ("pods",), namespace, ("",))])
    assert target.ask("GET", f"{own}/pods", token=token).status == 200
    assert target.ask("GET", f"{other}/pods", token=token).error == (403, "Forbidden")
    everywhere = target.ask("GET", "/api/v1/pods", token=token)
    assert everywhere.body["message"] == (
        f'pods is forbidden: User "{user}" cannot list resource "pods" in API group "" at the cluster scope'
    )


def a_subresource_is_a_right_of_its_own(target: Target) -> None:
    space = target.namespace()
    namespace = space.rpartition("/")[2]
    user = f"system:serviceaccount:{namespace}:reader"
    token = target.make_account(namespace, "reader", [Rule(("get", "patch"), ("pods",), namespace, ("",))])
    target.make(f"{space}/pods", pod("p", nodeSelector={"no": "where"}))
    refused = target.ask("GET", f"{space}/pods/p/log", token=token)
    assert refused.body["message"] == (
        f'pods "p" is forbidden: User "{user}" cannot get resource "pods/log" in API group "" '
        f'in the namespace "{namespace}"'
    )
    status = {"status": {"message": "m"}}
    assert target.ask("PATCH", f"{space}/pods/p/status", status, kind=MERGE, token=token).error == (403, "Forbidden")


def a_right_may_be_of_named_objects(target: Target) -> None:
    space = target.namespace()
    namespace = space.rpartition("/")[2]
    rule = Rule(("get",), ("configmaps",), namespace, ("",), ("mine",))
    token = target.make_account(namespace, "reader", [rule])
    for name in ("mine", "theirs"):
        target.make(f"{space}/configmaps", config(name))
    assert target.ask("GET", f"{space}/configmaps/mine", token=token).status == 200
    assert target.ask("GET", f"{space}/configmaps/theirs", token=token).error == (403, "Forbidden")


def a_right_is_of_one_group(target: Target) -> None:
    space = target.namespace()
    namespace = space.rpartition("/")[2]
    user = f"system:serviceaccount:{namespace}:reader"
    token = target.make_account(namespace, "reader", [Rule(("list",), ("ingresses",), namespace, ("",))])
    refused = target.ask("GET", f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses", token=token)
    assert refused.body["message"] == (
        f'ingresses.networking.k8s.io is forbidden: User "{user}" cannot list resource "ingresses" '
        f'in API group "networking.k8s.io" in the namespace "{namespace}"'
    )


def clients_find_what_is_served(target: Target) -> None:
    assert target.get("/version")["gitVersion"].startswith("v1.")
    assert target.get("/api")["versions"] == ["v1"]
    groups = {group["name"] for group in target.get("/apis")["groups"]}
    assert {"networking.k8s.io", "coordination.k8s.io", "apiextensions.k8s.io"} <= groups
    core = {each["name"]: each for each in target.get("/api/v1")["resources"]}
    assert core["pods"]["namespaced"]
    assert core["pods"]["shortNames"] == ["po"]
    assert {"get", "list", "watch", "create", "delete", "patch"} <= set(core["pods"]["verbs"])
    assert {"pods/log", "pods/status", "pods/binding"} <= set(core)
    assert not core["namespaces"]["namespaced"]
    [ingress] = [each for each in target.get("/apis/networking.k8s.io/v1")["resources"] if each["name"] == "ingresses"]
    assert ingress["kind"] == "Ingress"


def what_is_not_served_is_not_found(target: Target) -> None:
    for path in ("/api/v1/widgets", "/apis/nowhere.example/v1/widgets", "/api/v2/pods"):
        assert target.ask("GET", path).status == 404, path


CHECKS = [
    nobody_known_is_401,
    a_missing_right_is_told_in_full,
    a_right_is_of_one_namespace,
    a_subresource_is_a_right_of_its_own,
    a_right_may_be_of_named_objects,
    a_right_is_of_one_group,
    clients_find_what_is_served,
    what_is_not_served_is_not_found,
]
