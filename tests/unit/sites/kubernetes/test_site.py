"""A cluster as a site: what it makes, what it tells of it, and that nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from perijove.models import Resources
from perijove_hub.sites import Handle, SiteError, Status
from tests.support.kube import Fate, FateKind, KubeBed

from .conftest import SiteBed

ATTEMPT = "0123456789abcdef0123456789abcdef"
NAME = f"session-{ATTEMPT}"


async def answer_of(handle: Handle) -> httpx.Response:
    async with httpx.AsyncClient() as client, asyncio.timeout(10):
        while True:
            try:
                return await client.get(f"{handle.url}/user/ana/api")
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def test_a_session_starts_runs_and_ends(bed: SiteBed) -> None:
    handle = await bed.start(ATTEMPT)
    assert (handle.site, handle.attempt_id) == ("esac", ATTEMPT)
    assert (await answer_of(handle)).headers["X-JupyterHub-Version"] == "6.1.1"
    assert await bed.site.poll(handle) is Status.RUNNING
    assert await bed.site.list() == [ATTEMPT]
    assert "it listens" in await bed.site.log_tail(ATTEMPT)
    assert bed.said == [
        "A node was found for it", "Its software is there", "Its container is made", "Its server starts",
    ]  # fmt: skip

    await bed.site.stop(handle)

    assert await bed.site.poll(handle) is Status.STOPPED
    assert (await bed.site.list(), bed.pods()) == ([], [])
    # again is no error
    await bed.site.stop(Handle("esac", ATTEMPT, ""))


async def test_another_hub_finds_the_session_by_its_id_alone(bed: SiteBed, make_site: Callable[..., SiteBed]) -> None:
    handle = await bed.start(ATTEMPT)
    later = make_site()

    assert await later.site.poll(Handle("esac", ATTEMPT, handle.url)) is Status.RUNNING
    assert await later.site.list() == [ATTEMPT]
    await later.site.stop(Handle("esac", ATTEMPT, ""))
    assert bed.pods() == []


async def test_a_pod_is_restricted_and_holds_what_the_lease_says(bed: SiteBed) -> None:
    await bed.start(ATTEMPT, resources=Resources(cpu=1.5, memory_gib=2, gpu=1), image="lab:2")

    [pod] = bed.pods()
    spec, [container] = pod["spec"], pod["spec"]["containers"]
    held = {"cpu": 1.5, "memory": 2 * 2**30, "nvidia.com/gpu": "1"}
    assert pod["metadata"]["name"] == NAME
    assert pod["metadata"]["labels"]["perijove.io/attempt"] == ATTEMPT
    assert pod["metadata"]["labels"]["perijove.io/site"] == "esac"
    assert pod["metadata"]["annotations"]["hub.jupyter.org/username"] == "ana"
    assert (container["image"], container["name"]) == ("lab:2", "notebook")
    assert "perijove.io/users-image" not in pod["metadata"]["annotations"]
    assert container["args"] == list(bed.spec().command)
    assert container["resources"] == {"limits": held, "requests": held}
    assert container["securityContext"] == {
        "runAsUser": 1000, "runAsGroup": 100, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert spec["securityContext"] == {
        "fsGroup": 100, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"], spec["restartPolicy"]) == (
        False,
        False,
        "Never",
    )


async def test_a_pod_reaches_the_hub_by_the_address_that_it_has_there(bed: SiteBed) -> None:
    await bed.start(ATTEMPT)

    [container] = bed.pods()[0]["spec"]["containers"]
    assert {each["name"]: each["value"] for each in container["env"]} == {
        "HOME": "/home/jovyan",
        "JUPYTERHUB_ACTIVITY_URL": "https://science.example/hub/api/users/ana/activity",
        "JUPYTERHUB_API_TOKEN": "secret-of-ana",
        "JUPYTERHUB_API_URL": "https://science.example/hub/api",
        "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/ana/",
    }


async def test_a_home_is_one_claim_for_all_sessions_of_its_owner(make_site: Callable[..., SiteBed]) -> None:
    bed = make_site(home_storage={"size_gib": 20, "class_name": "fast", "access_mode": "ReadWriteMany"})
    for number in range(2):
        await bed.start(f"{number:032x}", home_site="esac", owner="Ana María/x")

    [claim] = bed.kube.objects("persistentvolumeclaims", "users")
    assert claim["spec"]["resources"]["requests"]["storage"] == str(20 * 2**30)
    assert (claim["spec"]["storageClassName"], claim["spec"]["accessModes"]) == ("fast", ["ReadWriteMany"])
    for pod in bed.pods():
        assert pod["spec"]["volumes"] == [
            {"name": "home", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
        ]
        assert pod["spec"]["containers"][0]["volumeMounts"] == [{"name": "home", "mountPath": "/home/jovyan"}]
    for number in range(2):
        await bed.site.stop(Handle("esac", f"{number:032x}", ""))
    assert len(bed.kube.objects("persistentvolumeclaims", "users")) == 1


async def test_a_claim_is_asked_for_once_and_made_again_when_it_is_missed(bed: SiteBed) -> None:
    def claims_asked_for() -> int:
        return sum((each.verb, each.resource) == ("create", "persistentvolumeclaims") for each in bed.kube.requests)

    for number in range(2):
        handle = await bed.start(f"{number:032x}", home_site="esac")
        await bed.site.stop(handle)
    assert claims_asked_for() == 1
    [claim] = bed.kube.objects("persistentvolumeclaims", "users")
    bed.kube.delete("persistentvolumeclaims", "users", claim["metadata"]["name"])

    await bed.start(ATTEMPT, home_site="esac")

    assert claims_asked_for() == 2
    [again] = bed.kube.objects("persistentvolumeclaims", "users")
    assert again["metadata"]["name"] == claim["metadata"]["name"]


async def test_a_session_without_a_home_has_scratch_and_a_full_one_writes_elsewhere(bed: SiteBed) -> None:
    await bed.start(ATTEMPT, rescue=True)

    [pod] = bed.pods()
    assert pod["spec"]["volumes"] == [{"name": "home", "emptyDir": {}}, {"name": "rescue", "emptyDir": {}}]
    env = {each["name"]: each["value"] for each in pod["spec"]["containers"][0]["env"]}
    assert env["JUPYTER_RUNTIME_DIR"] == "/opt/perijove-rescue/jupyter-runtime"
    assert bed.kube.objects("persistentvolumeclaims", "users") == []


async def test_a_start_that_nobody_waits_for_any_more_leaves_nothing(bed: SiteBed) -> None:
    bed.kube.fates.add(Fate(FateKind.PENDING))
    starting = asyncio.create_task(bed.start(ATTEMPT))
    while not bed.pods():  # noqa: ASYNC110 - the bed has no event for it
        await asyncio.sleep(0.05)

    starting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await starting
    while bed.pods():  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.05)
    assert await bed.site.list() == []


async def test_behind_an_edge_a_session_has_a_path_of_its_own_that_goes_with_it(
    make_site: Callable[..., SiteBed],
) -> None:
    annotations = {"example.org/proxy-buffering": "off"}
    edge = {"host": "{site}.invalid", "class_name": "nginx", "annotations": annotations, "timeout_seconds": 0.1}
    bed = make_site(connect="ingress", ingress=edge)

    # nothing is at that name: who started it is told so, and ends it
    with pytest.raises(SiteError, match=r"the name of its edge https://esac.invalid is not known to the hub"):
        await bed.start(ATTEMPT, path="/user/ana/lab/")

    [service], [ingress] = bed.kube.objects("services", "users"), bed.kube.objects("ingresses", "users")
    assert service["spec"]["selector"]["perijove.io/attempt"] == ATTEMPT
    assert ingress["metadata"]["annotations"] == annotations
    assert ingress["spec"] == {
        "ingressClassName": "nginx",
        "tls": [{"hosts": ["esac.invalid", "science.example"]}],
        "rules": [
            {
                "host": host,
                "http": {
                    "paths": [
                        {
                            "path": "/user/ana/lab/",
                            "pathType": "ImplementationSpecific",
                            "backend": {"service": {"name": NAME, "port": {"number": 8888}}},
                        }
                    ]
                },
            }
            # the hub asks by the one, the proxy by the other
            for host in ("esac.invalid", "science.example")
        ],
    }
    for each in (service, ingress):
        [owner] = each["metadata"]["ownerReferences"]
        # one that the pod waits for would take a right on its finalizers
        assert (owner["kind"], owner["blockOwnerDeletion"]) == ("Pod", False)
    await bed.site.stop(Handle("esac", ATTEMPT, ""))
    bed.kube.wait_until(lambda: not bed.kube.objects("ingresses", "users"), "the Ingress goes with its pod")


async def test_each_cluster_has_its_own_credentials_and_picture(
    bed: SiteBed, other_kube: KubeBed, make_site: Callable[..., SiteBed]
) -> None:
    second = make_site(other_kube)
    here, there = await bed.start(ATTEMPT), await second.start("f" * 32)

    assert (await bed.site.list(), await second.site.list()) == ([ATTEMPT], ["f" * 32])
    assert await bed.site.poll(here) is await second.site.poll(there) is Status.RUNNING
    with second.kube.dark():
        assert await bed.site.poll(here) is Status.RUNNING
        with pytest.raises(SiteError, match="its API cannot be reached"):
            await second.site.list()
