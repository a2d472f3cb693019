"""Checks of what becomes of pods: where they run, how they end, and what holds them up."""

from __future__ import annotations

import time

from .probe_target import Target, pod
from .resources import Object


def a_pod_runs_and_tells_of_it(target: Target) -> None:
    space = target.namespace()
    made = target.make(f"{space}/pods", pod("p"))
    running = target.pod_when(f"{space}/pods/p", lambda pod: pod["status"]["phase"] == "Running")
    assert running["spec"]["nodeName"]
    assert running["status"]["podIP"].startswith("127.")
    [status] = running["status"]["containerStatuses"]
    assert (status["name"], status["ready"], status["restartCount"]) == ("main", True, 0)
    assert status["state"]["running"]["startedAt"]
    conditions = {each["type"]: each["status"] for each in running["status"]["conditions"]}
    assert {conditions[kind] for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")} == {"True"}
    selector = f"involvedObject.kind=Pod,involvedObject.uid={made['metadata']['uid']}"

    def reasons() -> set[str]:
        return {event["reason"] for event in target.get(f"{space}/events", fieldSelector=selector)["items"]}

    target.until(lambda: reasons() >= {"Scheduled", "Pulled", "Created", "Started"})


def secrets_and_fields_become_variables(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/secrets", {"metadata": {"name": "s"}, "stringData": {"key": "value"}})
    variables = [
        {"name": "FROM_SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "BOTH", "value": "$(NAME)-$(FROM_SECRET)"},
    ]
    command = 'test "$FROM_SECRET/$NAME/$BOTH" = value/p/p-value'
    target.make(f"{space}/pods", pod("p", command, container={"env": variables}, restartPolicy="Never"))
    assert _ended(target, f"{space}/pods/p")["status"]["phase"] == "Succeeded"


def a_missing_secret_holds_the_container_up(target: Target) -> None:
    space = target.namespace()
    variable = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "late", "key": "key"}}}
    target.make(f"{space}/pods", pod("p", container={"env": [variable]}))
    waiting = target.pod_when(f"{space}/pods/p", lambda pod: _waits(pod) == "CreateContainerConfigError")
    assert 'secret "late" not found' in waiting["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    target.make(f"{space}/secrets", {"metadata": {"name": "late"}, "stringData": {"key": "v"}})
    target.pod_when(f"{space}/pods/p", lambda pod: pod["status"]["phase"] == "Running")


def the_end_of_a_pod_is_told(target: Target) -> None:
    space = target.namespace()
    for name, command, expected in (
        ("good", "true", ("Succeeded", "Completed", 0)),
        ("bad", "exit 3", ("Failed", "Error", 3)),
    ):
        target.make(f"{space}/pods", pod(name, command, restartPolicy="Never"))
        status = _ended(target, f"{space}/pods/{name}")["status"]
        terminated = status["containerStatuses"][0]["state"]["terminated"]
        assert (status["phase"], terminated["reason"], terminated["exitCode"]) == expected
        assert not status["containerStatuses"][0]["ready"]


def what_fails_is_started_again_unless_the_pod_says_never(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/pods", pod("p", "exit 3", restartPolicy="OnFailure"))
    again = target.pod_when(f"{space}/pods/p", lambda pod: _restarts(pod) > 0)
    [status] = again["status"]["containerStatuses"]
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert again["status"]["phase"] in ("Pending", "Running")
    target.make(f"{space}/pods", pod("q", "true", restartPolicy="OnFailure"))
    assert _ended(target, f"{space}/pods/q")["status"]["phase"] == "Succeeded"


def a_pod_is_given_time_to_end(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/pods", pod("p", "trap '' TERM; while :; do sleep 0.1; done"))
    target.pod_when(f"{space}/pods/p", lambda pod: pod["status"]["phase"] == "Running")
    time.sleep(0.5)  # it runs, and its shell has perhaps not come as far as the trap, of which the API tells nothing
    answer = target.ask("DELETE", f"{space}/pods/p", gracePeriodSeconds=2)
    assert answer.status == 200
    assert answer.body["metadata"]["deletionGracePeriodSeconds"] == 2
    assert target.get(f"{space}/pods/p")["metadata"]["deletionTimestamp"]
    shorter = target.ask("DELETE", f"{space}/pods/p", gracePeriodSeconds=1)
    assert shorter.body["metadata"]["deletionGracePeriodSeconds"] == 1
    longer = target.ask("DELETE", f"{space}/pods/p", gracePeriodSeconds=30)
    assert longer.body["metadata"]["deletionGracePeriodSeconds"] == 1
    assert target.gone(f"{space}/pods/p")


def a_pod_can_be_deleted_at_once(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/pods", pod("p"))
    target.pod_when(f"{space}/pods/p", lambda pod: pod["status"]["phase"] == "Running")
    target.ask("DELETE", f"{space}/pods/p", {"gracePeriodSeconds": 0})
    assert target.ask("GET", f"{space}/pods/p").status == 404


def a_pod_that_is_over_goes_at_once(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/pods", pod("p", "true", restartPolicy="Never"))
    _ended(target, f"{space}/pods/p")
    target.ask("DELETE", f"{space}/pods/p")
    assert target.ask("GET", f"{space}/pods/p").status == 404


def a_pod_without_a_node_waits_and_goes_at_once(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/pods", pod("p", nodeSelector={"no": "where"}))
    condition = _held_up(target, space)
    assert "nodes are available" in condition["message"]
    selector = "involvedObject.name=p,reason=FailedScheduling"
    [event] = target.until(lambda: target.get(f"{space}/events", fieldSelector=selector)["items"])[:1]
    assert (event["type"], event["involvedObject"]["kind"]) == ("Warning", "Pod")
    assert "nodes are available" in event["message"]
    target.ask("DELETE", f"{space}/pods/p")
    assert target.ask("GET", f"{space}/pods/p").status == 404


def a_pod_too_large_for_all_nodes_waits(target: Target) -> None:
    space = target.namespace()
    for name, resource in (("p", "cpu"), ("q", "memory")):
        large = {"requests": {resource: "100000" if resource == "cpu" else "100Ti"}}
        target.make(f"{space}/pods", pod(name, container={"resources": large}))
        assert f"Insufficient {resource}" in _held_up(target, space, name)["message"]


def a_pod_waits_for_its_claim(target: Target) -> None:
    space = target.namespace()
    volume = {"name": "home", "persistentVolumeClaim": {"claimName": "late"}}
    target.make(f"{space}/pods", pod("p", volumes=[volume]))
    assert 'persistentvolumeclaim "late" not found' in _held_up(target, space)["message"]


def a_scheduler_gives_pods_to_nodes(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/pods", pod("p", schedulerName="another"))
    node = target.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": node},
    }
    assert target.ask("POST", f"{space}/pods/p/binding", binding).status == 201
    assert target.get(f"{space}/pods/p")["spec"]["nodeName"] == node
    assert target.ask("POST", f"{space}/pods/p/binding", binding).error == (409, "Conflict")
    target.pod_when(f"{space}/pods/p", lambda pod: pod["status"]["phase"] == "Running")


def a_full_quota_refuses(target: Target) -> None:
    space = target.namespace()
    hard = {"pods": "1", "requests.cpu": "2"}
    target.make(f"{space}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    target.until(lambda: target.get(f"{space}/resourcequotas/q")["status"].get("hard") == hard)
    silent = target.ask("POST", f"{space}/pods", pod("p"))
    assert silent.error == (403, "Forbidden")
    assert 'pods "p" is forbidden: failed quota: q: must specify requests.cpu' in silent.body["message"]
    small = {"resources": {"requests": {"cpu": "500m"}}}
    target.make(f"{space}/pods", pod("p", container=small))
    used = {"pods": "1", "requests.cpu": "500m"}
    target.until(lambda: target.get(f"{space}/resourcequotas/q")["status"]["used"] == used)
    refused = target.ask("POST", f"{space}/pods", pod("q", container=small))
    assert refused.error == (403, "Forbidden")
    expected = 'pods "q" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    assert refused.body["message"] == expected
    target.ask("DELETE", f"{space}/pods/p", gracePeriodSeconds=0)
    target.until(lambda: target.ask("POST", f"{space}/pods", pod("q", container=small)).status == 201)


def logs_are_read_through_the_api(target: Target) -> None:
    space = target.namespace()
    target.make(f"{space}/pods", pod("p", "echo one; echo two; echo three", restartPolicy="Never"))
    _ended(target, f"{space}/pods/p")
    assert target.ask("GET", f"{space}/pods/p/log").body == "one\ntwo\nthree\n"
    assert target.ask("GET", f"{space}/pods/p/log", tailLines=1).body == "three\n"
    assert target.ask("GET", f"{space}/pods/p/log", limitBytes=5).body == "one\nt"


def _ended(target: Target, path: str) -> Object:
    return target.pod_when(path, lambda pod: pod["status"]["phase"] in ("Succeeded", "Failed"))


def _waits(pod: Object) -> str:
    statuses = pod["status"].get("containerStatuses") or [{"state": {}}]
    return str((statuses[0]["state"].get("waiting") or {}).get("reason", ""))


def _restarts(pod: Object) -> int:
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses") or [])


def _held_up(target: Target, space: str, name: str = "p") -> Object:
    """The condition that says why a pod has no node."""

    def condition(pod: Object) -> Object | None:
        conditions = pod["status"].get("conditions") or []
        return next((each for each in conditions if each["type"] == "PodScheduled"), None)

    found = condition(target.pod_when(f"{space}/pods/{name}", condition))
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", "Unschedulable")
    return found


CHECKS = [
    a_pod_runs_and_tells_of_it,
    secrets_and_fields_become_variables,
    a_missing_secret_holds_the_container_up,
    the_end_of_a_pod_is_told,
    what_fails_is_started_again_unless_the_pod_says_never,
    a_pod_is_given_time_to_end,
    a_pod_can_be_deleted_at_once,
    a_pod_that_is_over_goes_at_once,
    a_pod_without_a_node_waits_and_goes_at_once,
    a_pod_too_large_for_all_nodes_waits,
    a_pod_waits_for_its_claim,
    a_scheduler_gives_pods_to_nodes,
    a_full_quota_refuses,
    logs_are_read_through_the_api,
]
