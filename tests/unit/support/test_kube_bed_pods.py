"""The emulated cluster's nodes: manifests become processes, and fates become of pods what clusters make of them."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import httpx
import psutil

from tests.support.kube import ApiError, Fate, FateKind, KubeBed, NodeSpec
from tests.support.kube.probe_target import pod

pytest_plugins = ["tests.support.kube.fixtures"]
SERVE = "import os, http.server as h; h.HTTPServer(('0.0.0.0', 8888), h.SimpleHTTPRequestHandler).serve_forever()"


def start(bed: KubeBed, name: str, command: str = "sleep 300", **spec: Any) -> dict[str, Any]:
    return bed.put("pods", "science", pod(name, command, **spec))


def process_of(status: dict[str, Any]) -> psutil.Process:
    return psutil.Process(int(status["containerStatuses"][0]["containerID"].removeprefix("process://")))


def terminated(pod: dict[str, Any]) -> tuple[str, int]:
    said = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return said["reason"], said["exitCode"]


def reasons(bed: KubeBed, name: str) -> list[str]:
    events = [event for event in bed.objects("events", "science") if event["involvedObject"]["name"] == name]
    return [event["reason"] for event in sorted(events, key=lambda event: int(event["metadata"]["resourceVersion"]))]


def test_pods_may_all_have_the_same_port(kube_bed: KubeBed) -> None:
    serve = [sys.executable, "-c", SERVE.replace("'0.0.0.0'", "os.environ['AT']")]
    container = {"command": serve, "env": [{"name": "AT", "value": "0.0.0.0"}]}
    for name in ("a", "b"):
        start(kube_bed, name, container=container)
    for name in ("a", "b"):
        address = kube_bed.wait_for_pod("science", name)["status"]["podIP"]
        assert kube_bed.wait_until(lambda address=address: answers(f"http://{address}:8888/"), "the pod answers")


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == httpx.codes.OK
    except httpx.ConnectError:
        return False


def test_the_address_that_a_server_is_told_is_the_pods_own(kube_bed: KubeBed) -> None:
    told = [{"name": "JUPYTERHUB_SERVICE_URL", "value": "http://0.0.0.0:8888/user/ana/"}]
    start(kube_bed, "p", 'echo "$JUPYTERHUB_SERVICE_URL"', container={"env": told}, restartPolicy="Never")
    address = kube_bed.wait_for_pod("science", "p", "Succeeded")["status"]["podIP"]
    assert kube_bed.logs("science", "p") == f"http://{address}:8888/user/ana/\n"


def test_a_home_stays_with_its_claim(kube_bed: KubeBed) -> None:
    claim = {"metadata": {"name": "home-ana"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    kube_bed.put("persistentvolumeclaims", "science", claim)
    volume = {"name": "home", "persistentVolumeClaim": {"claimName": "home-ana"}}
    start(kube_bed, "writer", 'echo kept > "$HOME/file"', volumes=[volume], restartPolicy="Never")
    kube_bed.wait_for_pod("science", "writer", "Succeeded")
    start(kube_bed, "reader", 'cat "$HOME/file"', volumes=[volume], restartPolicy="Never")
    kube_bed.wait_for_pod("science", "reader", "Succeeded")
    assert kube_bed.logs("science", "reader") == "kept\n"
    start(kube_bed, "stranger", 'cat "$HOME/file"', restartPolicy="Never")
    kube_bed.wait_for_pod("science", "stranger", "Failed")


def test_an_image_runs_what_the_bed_is_told(kube_bed: KubeBed) -> None:
    kube_bed.images["lab:*"] = ["echo", "the image's own"]
    for name, args, expected in (("p", None, "the image's own\n"), ("q", ["echo", "another"], "another\n")):
        container = {"image": "lab:1", "command": None, "args": args}
        start(kube_bed, name, container=container, restartPolicy="Never")
        kube_bed.wait_for_pod("science", name, "Succeeded")
        assert kube_bed.logs("science", name) == expected


def test_initial_containers_come_first(kube_bed: KubeBed) -> None:
    first = {"name": "first", "image": "x:1", "command": ["sh", "-c", 'echo made > "$HOME/made"']}
    start(kube_bed, "p", 'cat "$HOME/made"', initContainers=[first], restartPolicy="Never")
    kube_bed.wait_for_pod("science", "p", "Succeeded")
    assert kube_bed.logs("science", "p") == "made\n"
    failing = {**first, "command": ["false"]}
    start(kube_bed, "q", initContainers=[failing], restartPolicy="Never")
    assert "containerID" in kube_bed.wait_for_pod("science", "q", "Failed")["status"]["containerStatuses"][0]


def test_a_command_that_is_not_there_is_told(kube_bed: KubeBed) -> None:
    start(kube_bed, "p", container={"command": ["no-such-program"]})

    def waits() -> str:
        held = kube_bed.object("pods", "science", "p")
        statuses = (held or {}).get("status", {}).get("containerStatuses") or [{"state": {}}]
        return str(statuses[0]["state"].get("waiting", {}).get("reason"))

    kube_bed.wait_until(lambda: waits() == "RunContainerError", "the container cannot run")


def test_a_deleted_pod_ends_with_all_that_it_started(kube_bed: KubeBed) -> None:
    start(kube_bed, "p", "sleep 300 & sleep 300 & wait")
    process = process_of(kube_bed.wait_for_pod("science", "p")["status"])
    kube_bed.wait_until(lambda: len(process.children()) == 2, "both have started")
    family = [process, *process.children()]
    kube_bed.delete("pods", "science", "p", grace_seconds=None)
    kube_bed.wait_until(lambda: not kube_bed.objects("pods", "science"), "the pod is gone")
    kube_bed.wait_until(lambda: not any(map(runs, family)), "its processes are gone")
    assert reasons(kube_bed, "p")[-1] == "Killing"


def runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_killed_process_is_told_by_its_signal(kube_bed: KubeBed) -> None:
    start(kube_bed, "p", restartPolicy="Never")
    process = process_of(kube_bed.wait_for_pod("science", "p")["status"])
    os.kill(process.pid, signal.SIGSEGV)
    assert terminated(kube_bed.wait_for_pod("science", "p", "Failed")) == ("Error", 128 + signal.SIGSEGV)


def test_the_log_of_the_time_before_can_be_read(kube_bed: KubeBed) -> None:
    start(
        kube_bed, "p", 'if [ -e "$HOME/was" ]; then echo second; sleep 300; fi; touch "$HOME/was"; echo first; exit 1'
    )
    kube_bed.wait_until(lambda: "second" in log(kube_bed), "it was started again")
    headers = {"Authorization": f"Bearer {kube_bed.token}"}
    url = f"{kube_bed.url}/api/v1/namespaces/science/pods/p/log"
    assert httpx.get(url, headers=headers, params={"previous": "true"}, trust_env=False).text == "first\n"
    assert httpx.get(url, headers=headers, params={"container": "other"}, trust_env=False).status_code == 400


def log(bed: KubeBed) -> str:
    try:
        return bed.logs("science", "p")
    except ApiError:  # it has not started
        return ""


def test_the_bed_takes_its_processes_with_it() -> None:
    with KubeBed(namespaces=["science"]) as bed:
        start(bed, "p")
        process = process_of(bed.wait_for_pod("science", "p")["status"])
    assert not runs(process)


def test_pretended_pods_run_where_they_are_said_to() -> None:
    with KubeBed(namespaces=["science"], pods_at="127.0.0.9") as bed:
        start(bed, "p")
        assert bed.wait_for_pod("science", "p")["status"]["podIP"] == "127.0.0.9"
        bed.delete("pods", "science", "p", grace_seconds=None)
        bed.wait_until(lambda: not bed.objects("pods", "science"), "the pod is gone")


def test_nodes_fill_up_and_pods_wait_for_room() -> None:
    half = {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
    nodes = [NodeSpec("small", cpu=1.5, memory_gib=8), NodeSpec("large", cpu=64, memory_gib=1.5)]
    with KubeBed(nodes=nodes, namespaces=["science"]) as bed:
        for name in ("a", "b"):
            start(bed, name, container=half)
        placed = {bed.wait_for_pod("science", name)["spec"]["nodeName"] for name in ("a", "b")}
        assert placed == {"small", "large"}
        start(bed, "c", container=half)
        bed.wait_until(lambda: reasons(bed, "c"), "the scheduler has spoken")
        [event] = [event for event in bed.objects("events") if event["involvedObject"]["name"] == "c"]
        assert event["message"] == "0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."
        bed.delete("pods", "science", "a")
        bed.wait_for_pod("science", "c")


def test_fate_pending_for_ever(kube_bed: KubeBed) -> None:
    fate = kube_bed.fates.add(Fate(FateKind.PENDING, name="jupyter-.*", times=1))
    start(kube_bed, "jupyter-ana")
    start(kube_bed, "other")
    kube_bed.wait_for_pod("science", "other")
    waiting = kube_bed.object("pods", "science", "jupyter-ana")
    assert waiting is not None
    assert waiting["status"]["phase"] == "Pending"
    [condition] = waiting["status"]["conditions"]
    assert (condition["reason"], condition["message"]) == (
        "Unschedulable",
        "0/3 nodes are available: 3 Insufficient cpu.",
    )
    assert reasons(kube_bed, "jupyter-ana") == ["FailedScheduling"]
    assert fate.hits == 1


def test_fate_slow_start(kube_bed: KubeBed) -> None:
    kube_bed.fates.add(Fate(FateKind.SLOW_START, after_seconds=1))
    start(kube_bed, "p")
    created = kube_bed.wait_for_pod("science", "p", "Pending")
    assert created["status"].get("podIP") is None
    kube_bed.wait_for_pod("science", "p", "Running")


def test_fate_image_that_cannot_be_pulled(kube_bed: KubeBed) -> None:
    kube_bed.fates.add(Fate(FateKind.IMAGE_PULL, labels={"app": "lab"}, message="manifest for x:1 not found"))
    kube_bed.put("pods", "science", pod("p", labels={"app": "lab"}))

    def waiting() -> dict[str, str]:
        held = kube_bed.object("pods", "science", "p")
        statuses = (held or {}).get("status", {}).get("containerStatuses") or [{"state": {}}]
        return dict(statuses[0]["state"].get("waiting") or {})

    kube_bed.wait_until(lambda: waiting().get("reason") == "ErrImagePull", "the pull fails")
    assert "manifest for x:1 not found" in waiting()["message"]
    kube_bed.wait_until(lambda: waiting().get("reason") == "ImagePullBackOff", "it waits")
    assert {"Pulling", "Failed", "BackOff"} <= set(reasons(kube_bed, "p"))
    kube_bed.delete("pods", "science", "p", grace_seconds=None)
    kube_bed.wait_until(lambda: not kube_bed.objects("pods", "science"), "the pod is gone")


def test_fate_killed_for_its_memory(kube_bed: KubeBed) -> None:
    kube_bed.fates.add(Fate(FateKind.OOM, after_seconds=0.1))
    start(kube_bed, "never", restartPolicy="Never")
    assert terminated(kube_bed.wait_for_pod("science", "never", "Failed")) == ("OOMKilled", 137)
    start(kube_bed, "again", restartPolicy="OnFailure")

    def last() -> dict[str, Any] | None:
        held = kube_bed.object("pods", "science", "again")
        statuses = (held or {}).get("status", {}).get("containerStatuses") or [{"lastState": {}}]
        return statuses[0]["lastState"].get("terminated")

    killed = kube_bed.wait_until(last, "it was started again")
    assert killed is not None
    assert (killed["reason"], killed["exitCode"]) == ("OOMKilled", 137)


def test_fate_crash_in_a_loop(kube_bed: KubeBed) -> None:
    kube_bed.fates.add(Fate(FateKind.CRASH, exit_code=7))
    start(kube_bed, "p", restartPolicy="OnFailure")

    def back_off() -> bool:
        held = kube_bed.object("pods", "science", "p")
        statuses = (held or {}).get("status", {}).get("containerStatuses") or [{"state": {}}]
        return bool(statuses[0]["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")

    kube_bed.wait_until(back_off, "it waits to be started again")
    assert "BackOff" in reasons(kube_bed, "p")
    start(kube_bed, "q", restartPolicy="Never")
    assert terminated(kube_bed.wait_for_pod("science", "q", "Failed")) == ("Error", 7)


def test_fate_evicted(kube_bed: KubeBed) -> None:
    kube_bed.fates.add(Fate(FateKind.EVICTED, message="The node was low on resource: ephemeral-storage."))
    start(kube_bed, "p")
    evicted = kube_bed.wait_for_pod("science", "p", "Failed")
    assert evicted["status"]["reason"] == "Evicted"
    assert evicted["status"]["message"] == "The node was low on resource: ephemeral-storage."
    assert "Evicted" in reasons(kube_bed, "p")


def test_fate_a_node_that_is_gone(kube_bed: KubeBed) -> None:
    kube_bed.fates.add(Fate(FateKind.NODE_GONE, name="p"))
    start(kube_bed, "p")

    def lost() -> dict[str, Any] | None:
        held = kube_bed.object("pods", "science", "p")
        return held if held and held["status"].get("reason") == "NodeLost" else None

    pod = kube_bed.wait_until(lost, "the pod is given up")
    assert pod is not None
    assert pod["status"]["phase"] == "Running"
    assert {each["type"]: each["status"] for each in pod["status"]["conditions"]}["Ready"] == "False"
    kube_bed.wait_until(
        lambda: (kube_bed.object("pods", "science", "p") or pod)["metadata"].get("deletionTimestamp"), "to go"
    )
    [node] = kube_bed.objects("nodes")
    assert node["status"]["conditions"][0]["status"] == "Unknown"
    assert kube_bed.object("pods", "science", "p") is not None
    kube_bed.find_node("node-1")
    kube_bed.wait_until(lambda: not kube_bed.objects("pods", "science"), "its node confirms that it is gone")


def test_a_node_that_lost_its_power_starts_its_pods_again(kube_bed: KubeBed) -> None:
    for name, policy in (("p", "OnFailure"), ("q", "Never")):
        start(kube_bed, name, restartPolicy=policy)
    first = kube_bed.wait_for_pod("science", "p")["status"]
    before = process_of(first)
    kube_bed.wait_for_pod("science", "q")
    kube_bed.lose_node("node-1")
    kube_bed.wait_until(lambda: not runs(before), "the machine is off")
    kube_bed.find_node("node-1")
    kube_bed.wait_for_pod("science", "q", "Failed")

    def again() -> bool:
        status = kube_bed.wait_for_pod("science", "p")["status"]
        return bool(status["podIP"] != first["podIP"])

    kube_bed.wait_until(again, "it was started again")
    assert runs(process_of(kube_bed.wait_for_pod("science", "p")["status"]))


def test_a_node_that_was_cut_off_runs_on_and_comes_back(kube_bed: KubeBed) -> None:
    start(kube_bed, "p")
    process = process_of(kube_bed.wait_for_pod("science", "p")["status"])
    kube_bed.lose_node("node-1", kill=False)
    start(kube_bed, "q")
    kube_bed.wait_until(lambda: reasons(kube_bed, "q") == ["FailedScheduling"], "there is no node for another")
    assert runs(process)
    kube_bed.find_node("node-1")
    kube_bed.wait_for_pod("science", "q")
    back = kube_bed.wait_for_pod("science", "p")
    assert {each["type"]: each["status"] for each in back["status"]["conditions"]}["Ready"] == "True"
    assert runs(process)
