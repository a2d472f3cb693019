"""What else a test asks of the emulated cluster: tokens, kubeconfigs, a record of requests, a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, CoreV1Api
from kubernetes_asyncio.client.rest import ApiException

from tests.support.kube import KubeBed, Rule, rules_of_role
from tests.support.kube.probe_target import pod

pytest_plugins = ["tests.support.kube.fixtures"]


async def client(path: Path) -> ApiClient:
    return await config.new_client_from_config(str(path))


async def test_a_kubeconfig_pins_the_authority_and_holds_the_token(tmp_path: Path) -> None:
    with KubeBed(tls=True, namespaces=["science"]) as bed, KubeBed(tls=True) as other:
        async with await client(bed.kubeconfig(tmp_path / "config", "science")) as api:
            assert (await CoreV1Api(api).list_namespaced_pod("science")).items == []
        wrong = json.loads((tmp_path / "config").read_text())
        wrong["clusters"][0]["cluster"]["server"] = other.url
        (tmp_path / "wrong").write_text(json.dumps(wrong))
        async with await client(tmp_path / "wrong") as api:
            with pytest.raises(OSError, match="certificate verify failed"):
                await CoreV1Api(api).list_namespaced_pod("science")
        assert (tmp_path / "config").stat().st_mode & 0o077 == 0
        assert other.requests == []


async def test_a_token_has_the_rights_of_a_role_until_it_is_revoked(kube_bed: KubeBed, tmp_path: Path) -> None:
    role = {
        "metadata": {"name": "hub", "namespace": "science"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "create"]}],
    }
    token = kube_bed.add_token("hub", rules_of_role(role))
    async with await client(kube_bed.kubeconfig(tmp_path / "config", token=token)) as api:
        core = CoreV1Api(api)
        await core.list_namespaced_pod("science")
        with pytest.raises(ApiException) as refused:
            await core.delete_namespaced_pod("p", "science")
        assert 'User \\"hub\\" cannot delete resource \\"pods\\"' in refused.value.body
        kube_bed.revoke(token)
        with pytest.raises(ApiException) as unknown:
            await core.list_namespaced_pod("science")
        assert unknown.value.status == 401
    assert [(request.user, request.verb, request.status) for request in kube_bed.requests] == [
        ("hub", "list", 200),
        ("hub", "delete", 403),
        ("", "list", 401),
    ]


async def test_requests_are_recorded_as_rights_name_them(kube_bed: KubeBed, tmp_path: Path) -> None:
    async with await client(kube_bed.kubeconfig(tmp_path / "config")) as api:
        api.user_agent = "perijove/1"
        core = CoreV1Api(api)
        await core.create_namespaced_pod("science", pod("p"))
        await core.delete_namespaced_pod("p", "science", grace_period_seconds=1)
        await core.list_namespaced_pod("science", label_selector="a=b")
    made, deleted, listed = kube_bed.requests
    assert (made.method, made.path, made.verb, made.resource, made.namespace, made.name, made.status) == (
        "POST", "/api/v1/namespaces/science/pods", "create", "pods", "science", "p", 201,
    )  # fmt: skip
    assert made.user_agent == "perijove/1"
    assert made.body["spec"]["containers"][0]["image"] == "busybox:1"
    assert (deleted.verb, deleted.name, deleted.query) == ("delete", "p", {"gracePeriodSeconds": "1"})
    assert (listed.verb, listed.query) == ("list", {"labelSelector": "a=b"})
    kube_bed.forget_requests()
    assert kube_bed.requests == []


def test_a_test_scripts_what_clients_see(kube_bed: KubeBed) -> None:
    with KubeBed(nodes=[], namespaces=["science"]) as bed:
        bed.put("pods", "science", {**pod("p"), "status": {"phase": "Running", "podIP": "10.0.0.1"}})
        assert bed.wait_for_pod("science", "p")["status"]["podIP"] == "10.0.0.1"
        bed.patch("pods", "science", "p", {"status": {"phase": "Failed", "reason": "Preempted"}})
        [held] = bed.objects("pods", "science")
        assert (held["status"]["phase"], held["status"]["reason"]) == ("Failed", "Preempted")
        bed.delete("pods", "science", "p")
        assert bed.object("pods", "science", "p") is None
        with pytest.raises(KeyError, match="it serves"):
            bed.objects("widgets")
    assert kube_bed.namespace("new") == "new"
    assert kube_bed.namespace("new") == "new"
    assert [item["metadata"]["name"] for item in kube_bed.objects("namespaces")] == ["default", "new", "science"]


def test_no_two_beds_have_the_same_addresses() -> None:
    with KubeBed(namespaces=["science"]) as one, KubeBed(namespaces=["science"]) as two:
        for bed in (one, two):
            bed.put("pods", "science", pod("p"))
        addresses = {bed.wait_for_pod("science", "p")["status"]["podIP"].split(".")[1] for bed in (one, two)}
        assert len(addresses) == 2


def test_a_bed_of_its_own_process_tells_how_it_is_reached(tmp_path: Path) -> None:
    told = tmp_path / "bed.json"
    command = [sys.executable, "-m", "tests.support.kube", "--json", str(told), "--namespaces", "default,science"]
    with subprocess.Popen([*command, "--pods-at", "127.0.0.9"], stdout=subprocess.DEVNULL) as process:
        try:
            ends_at = time.monotonic() + 30
            while not told.exists():
                assert time.monotonic() < ends_at, "the bed does not come up"
                time.sleep(0.05)
            said: dict[str, Any] = json.loads(told.read_text())
            headers = {"Authorization": f"Bearer {said['token']}"}
            listed = httpx.get(f"{said['url']}/api/v1/namespaces", headers=headers, trust_env=False).json()
            assert {item["metadata"]["name"] for item in listed["items"]} == {"default", "science"}
            assert json.loads(Path(said["kubeconfig"]).read_text())["users"][0]["user"] == {"token": said["token"]}
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_rights_to_everything_are_said_by_stars(kube_bed: KubeBed) -> None:
    token = kube_bed.add_token("viewer", [Rule(("get", "list", "watch"), ("*",))])
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=kube_bed.url, headers=headers, trust_env=False) as http:
        assert http.get("/api/v1/nodes").status_code == 200
        assert http.delete("/api/v1/namespaces/science").status_code == 403
