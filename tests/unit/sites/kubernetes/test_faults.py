"""What clusters do on bad days: the failures of the stock stack that were seen, each of which does not happen here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from kubespawner.reflector import ResourceReflector

from perijove_hub.sites import Ending, Handle, SiteError, SiteUnreachable, Status
from perijove_hub.sites.kubernetes import cluster, pods, watching
from perijove_hub.sites.kubernetes import site as site_module
from tests.support.kube import Fate, FateKind, Fault, FaultKind

from .conftest import SiteBed

ATTEMPT = "0123456789abcdef0123456789abcdef"
NAME = f"session-{ATTEMPT}"


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pods, cluster):
        monkeypatch.setattr(module, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(watching, "AGAIN_SECONDS", 0.1)


async def polls(bed: SiteBed, handle: Handle, status: Status) -> None:
    async with asyncio.timeout(30):
        while await bed.site.poll(handle) is not status:  # noqa: ASYNC110 - the bed has no event for it
            await asyncio.sleep(0.05)


# --- the eight failures of the stock stack ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_delete_that_is_refused_for_the_moment_is_repeated(bed: SiteBed, status: int) -> None:
    handle = await bed.start(ATTEMPT)
    fault = bed.kube.faults.error(status, "delete", "pods", times=3, retry_after_seconds=0)

    await bed.site.stop(handle)

    assert (fault.hits, bed.pods()) == (3, [])


async def test_a_delete_that_never_works_is_an_error_and_the_pod_stays_on_record(
    bed: SiteBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods, "RETRY_SECONDS", 1)
    handle = await bed.start(ATTEMPT)
    bed.kube.faults.error(500, "delete", "pods", times=None)

    with pytest.raises(SiteError, match="it could not end it"):
        await bed.site.stop(handle)

    assert await bed.site.list() == [ATTEMPT]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_a_cluster_that_errs_while_the_hub_starts_has_not_lost_its_sessions(
    bed: SiteBed, make_site: Callable[..., SiteBed], status: int
) -> None:
    handle = await bed.start(ATTEMPT)
    later = make_site()
    bed.kube.faults.error(status, times=None)
    assert [await later.site.poll(handle) for _ in range(3)] == [Status.UNKNOWN] * 3

    bed.kube.faults.clear()

    assert await later.site.poll(handle) is Status.RUNNING


async def test_a_picture_that_was_given_up_is_taken_up_again(bed: SiteBed, monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[str] = []
    watch = ResourceReflector._watch_and_update

    async def given_up_twice(self: ResourceReflector) -> None:
        began.append(self.kind)
        if began.count(self.kind) > 2:
            await watch(self)

    monkeypatch.setattr(ResourceReflector, "_watch_and_update", given_up_twice)
    handle = await bed.start(ATTEMPT)  # KubeSpawner's waits for ever for what its picture never shows

    assert await bed.site.poll(handle) is Status.RUNNING
    assert began.count("pods") == 3


async def test_an_old_picture_is_not_the_present(bed: SiteBed, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = await bed.start(ATTEMPT)
    monkeypatch.setattr(site_module, "STALE_SECONDS", 0.5)
    with bed.kube.dark():
        await asyncio.sleep(0.6)
        assert await bed.site.poll(handle) is Status.UNKNOWN
        with pytest.raises(SiteUnreachable, match="its API cannot be reached"):
            await bed.start("f" * 32)
    monkeypatch.setattr(site_module, "STALE_SECONDS", 75.0)
    await polls(bed, handle, Status.RUNNING)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_create_that_is_refused_for_the_moment_is_repeated(bed: SiteBed, status: int) -> None:
    faults = [
        bed.kube.faults.error(status, "create", resource, times=2, retry_after_seconds=0)
        for resource in ("pods", "persistentvolumeclaims")
    ]

    await bed.start(ATTEMPT, home_site="esac")

    assert ([fault.hits for fault in faults], len(bed.pods())) == ([2, 2], 1)


@pytest.mark.parametrize("kind", ["connect: pod", "connect: ingress"])
async def test_a_conflict_is_no_pod_that_is_there_already(make_site: Callable[..., SiteBed], kind: str) -> None:
    """A quota answers 409, too, when many creates are counted in it at the same time."""
    edge = {"connect": "ingress", "ingress": {"host": "{site}.invalid", "timeout_seconds": 0.1}}
    bed = make_site(**(edge if kind == "connect: ingress" else {}))
    resources = ("pods", "persistentvolumeclaims", "services", "ingresses")
    faults = [bed.kube.faults.error(409, "create", resource, times=2) for resource in resources]

    with contextlib.suppress(SiteError):  # nothing is at the name of the edge
        await bed.start(ATTEMPT, home_site="esac")

    assert len(bed.pods()) == 1
    made = {resource: len(bed.kube.objects(resource, "users")) for resource in resources}
    is_behind_edge = kind == "connect: ingress"
    assert made == dict(zip(resources, (1, 1, is_behind_edge, is_behind_edge), strict=True))
    assert [fault.hits for fault in faults] == [2, 2, 2 * is_behind_edge, 2 * is_behind_edge]


async def test_a_cluster_that_drops_connections_is_not_asked_without_a_pause(make_site: Callable[..., SiteBed]) -> None:
    bed = make_site(
        connect="ingress", ingress={"host": "{site}.invalid", "timeout_seconds": 0.1}, start_timeout_seconds=6
    )
    fault = bed.kube.faults.add(Fault(FaultKind.DROP, "create", "ingresses", times=None))

    with pytest.raises(SiteError):
        await bed.start(ATTEMPT)

    assert 1 < fault.hits < 20


async def test_a_create_whose_answer_was_lost_makes_one_pod(bed: SiteBed) -> None:
    fault = bed.kube.faults.add(Fault(FaultKind.LOST_ANSWER, "create", "pods"))

    handle = await bed.start(ATTEMPT)

    assert (fault.hits, [pod["metadata"]["name"] for pod in bed.pods()]) == (1, [NAME])
    assert await bed.site.poll(handle) is Status.RUNNING


async def test_what_a_refused_pod_holds_is_in_no_log_and_no_sentence(
    bed: SiteBed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bed.kube.faults.error(403, "create", "pods", message="pods are forbidden", times=None)

    with pytest.raises(SiteError) as caught:
        await bed.start(ATTEMPT)

    assert str(caught.value) == "it could not make the pod: its API does not allow it"
    assert "secret-of-ana" not in caplog.text + str(caught.value)


@pytest.mark.parametrize(
    ("fate", "reason"),
    [
        (
            Fate(FateKind.OOM, after_seconds=0.5),
            "it used more memory than it has: choose a larger size, or load less at once",
        ),
        (Fate(FateKind.CRASH, after_seconds=0.5, exit_code=3), "its server ended with code 3"),
        (
            Fate(FateKind.EVICTED, after_seconds=0.5),
            "its node has put it out: The node was low on resource: memory. Threshold quantity: 100Mi, available: 42Mi",
        ),
    ],
)
async def test_a_session_that_dies_is_noticed_with_the_reason(bed: SiteBed, fate: Fate, reason: str) -> None:
    bed.kube.fates.add(fate)
    handle = await bed.start(ATTEMPT)

    await polls(bed, handle, Status.STOPPED)

    assert (await bed.site.ending(ATTEMPT)).reason == reason
    assert await bed.site.list() == [ATTEMPT]  # until somebody has heard how it ended
    await bed.site.stop(handle)
    assert bed.pods() == []


async def test_a_session_whose_node_is_gone_is_over_once_the_cluster_gives_it_up(bed: SiteBed) -> None:
    handle = await bed.start(ATTEMPT)
    assert await bed.site.silent_since(ATTEMPT) is None

    bed.kube.lose_node("node-1")

    silent_since = await silence(bed, handle)
    bed.kube.delete("pods", "users", NAME, grace_seconds=2)
    await polls(bed, handle, Status.STOPPED)  # at once: nobody there can say that it has ended
    assert await bed.site.ending(ATTEMPT) == Ending("the node that it ran on is gone", silent_since)
    assert await bed.site.silent_since(ATTEMPT) is None
    await bed.site.stop(handle)
    assert bed.pods() == []


async def test_a_session_on_a_node_that_was_silent_for_a_while_goes_on(bed: SiteBed) -> None:
    handle = await bed.start(ATTEMPT)
    bed.kube.lose_node("node-1", kill=False)
    silent_since = await silence(bed, handle)
    with bed.kube.dark():
        # what is not heard at all says nothing new
        assert await bed.site.poll(handle) is not Status.STOPPED
        assert await bed.site.silent_since(ATTEMPT) == silent_since

    bed.kube.find_node("node-1")

    async with asyncio.timeout(20):
        while await bed.site.silent_since(ATTEMPT) is not None:
            assert await bed.site.poll(handle) is not Status.STOPPED
            await asyncio.sleep(0.05)
    await bed.site.stop(handle)


async def silence(bed: SiteBed, handle: Handle) -> datetime:
    """Since when the node of a session is silent, once its site knows."""
    async with asyncio.timeout(20):
        while (since := await bed.site.silent_since(handle.attempt_id)) is None:
            assert await bed.site.poll(handle) is Status.RUNNING  # nobody knows better yet
            await asyncio.sleep(0.05)
    return since


# --- what else happens ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fate", "sentence"),
    [
        (Fate(FateKind.PENDING), "it did not come up within 3 s: no node has enough free cores."),
        (
            Fate(FateKind.PENDING, message="0/2 nodes are available: 2 node(s) exceed max volume count."),
            "it did not come up within 3 s: no node has room for another home.",
        ),
        (Fate(FateKind.IMAGE_PULL), "its image cannot be fetched"),
    ],
)
async def test_a_pod_that_never_comes_up_says_why(make_site: Callable[..., SiteBed], fate: Fate, sentence: str) -> None:
    bed = make_site(start_timeout_seconds=3 if "within" in sentence else 30)
    bed.kube.fates.add(fate)

    with pytest.raises(SiteError) as caught:
        await bed.start(ATTEMPT)

    assert str(caught.value).startswith(sentence)
    if fate.kind is FateKind.PENDING:
        assert bed.said[0].startswith("It waits: no node has")


async def test_an_image_that_its_user_has_named_is_told_by_name_with_what_to_do(bed: SiteBed) -> None:
    bed.kube.fates.add(Fate(FateKind.IMAGE_PULL))

    with pytest.raises(SiteError) as caught:
        await bed.start(ATTEMPT, image="registry.example/team/lba:1", image_is_users=True)

    # the cluster says in turn that it has failed, and that it waits
    assert re.fullmatch(
        "the image registry.example/team/lba:1, which you have named, cannot be fetched: "
        '(Back-off pulling image "registry.example/team/lba:1"'
        '|Failed to pull image "registry.example/team/lba:1": manifest unknown)'
        "; check its name and its tag, or start without it[.]",
        str(caught.value),
    )
    assert (
        'Its image cannot be fetched: Failed to pull image "registry.example/team/lba:1": manifest unknown' in bed.said
    )


async def test_a_quota_of_the_cluster_is_named(bed: SiteBed) -> None:
    quota = {"metadata": {"name": "all"}, "spec": {"hard": {"requests.cpu": "500m"}}}
    bed.kube.put("resourcequotas", "users", quota)

    with pytest.raises(SiteError, match="it could not make the pod: the cluster's quota is used up"):
        await bed.start(ATTEMPT)


async def test_a_cluster_that_refuses_connections_was_not_asked(bed: SiteBed) -> None:
    with bed.kube.dark(), pytest.raises(SiteUnreachable, match="its API cannot be reached"):
        await bed.start(ATTEMPT)
    assert bed.pods() == []


@pytest.mark.parametrize("verb", ["list", "create"])
async def test_a_cluster_that_never_answers_was_not_asked_and_others_may_be(
    make_site: Callable[..., SiteBed], verb: str
) -> None:
    bed = make_site(start_timeout_seconds=4)
    resource = "pods" if verb == "list" else "persistentvolumeclaims"
    bed.kube.faults.add(Fault(FaultKind.HANG, verb, resource, times=None))
    begun = time.monotonic()

    with pytest.raises(SiteUnreachable, match="its API does not answer"):
        await bed.start(ATTEMPT, home_site="esac")

    assert time.monotonic() - begun < 10  # and not for as long as one request may take
    assert bed.pods() == []


async def test_what_may_be_there_is_not_called_unreachable(bed: SiteBed) -> None:
    bed.kube.faults.add(Fault(FaultKind.LOST_ANSWER, "create", "pods"))
    starting = asyncio.create_task(bed.start(ATTEMPT))
    while not bed.pods():  # noqa: ASYNC110 - the bed has no event for it
        await asyncio.sleep(0.002)
    with bed.kube.dark():
        with pytest.raises(SiteError) as caught:
            await starting
        assert not isinstance(caught.value, SiteUnreachable)


async def test_a_pod_that_vanishes_while_it_starts_is_not_waited_for(bed: SiteBed) -> None:
    bed.kube.fates.add(Fate(FateKind.PENDING))
    starting = asyncio.create_task(bed.start(ATTEMPT))
    while not bed.said:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.05)

    # what cannot be told at the first look is no end
    fault = bed.kube.faults.error(503, "get", "pods", times=1)
    bed.kube.delete("pods", "users", NAME)

    with pytest.raises(SiteError, match="its pod was removed from the cluster"):
        await starting
    assert fault.hits == 1


async def test_a_pause_that_a_cluster_asks_for_leaves_time_to_ask_again(bed: SiteBed) -> None:
    handle = await bed.start(ATTEMPT)
    fault = bed.kube.faults.error(429, "delete", "pods", times=1, retry_after_seconds=3600)

    await bed.site.stop(handle)

    assert (fault.hits, bed.pods()) == (1, [])


async def test_the_stop_of_one_that_does_not_end_leaves_the_picture_to_others(
    bed: SiteBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods, "GONE_SECONDS", 1)
    stuck, other = await bed.start(ATTEMPT), await bed.start("f" * 32)
    bed.kube.lose_node("node-1", kill=False)  # nobody there says that they are gone
    with pytest.raises(SiteError, match="it was told to end, and is not gone yet"):
        await bed.site.stop(stuck)
    bed.kube.find_node("node-1")

    watches = [each for each in bed.kube.requests if each.verb == "watch" and each.resource == "pods"]
    assert await bed.site.poll(other) is Status.RUNNING
    await asyncio.gather(bed.site.stop(stuck), bed.site.stop(other))
    assert bed.pods() == []
    assert len(watches) <= 2


async def test_new_credentials_count_at_once(bed: SiteBed, tmp_path: Path) -> None:
    handle = await bed.start(ATTEMPT)
    path = tmp_path / "kubeconfig-0"
    old = path.read_text()
    bed.kube.revoke(bed.token)
    with pytest.raises(SiteError, match="its API does not take the hub's credentials"):
        await bed.site.list()

    bed.kube.kubeconfig(path, "users", token=bed.new_token())

    assert path.read_text() != old
    assert await bed.site.list() == [ATTEMPT]
    await polls(bed, handle, Status.RUNNING)


@pytest.mark.parametrize("text", ["", "{", "- a", "apiVersion: v1\n"])
async def test_credentials_that_are_none_are_told_without_what_they_hold(
    bed: SiteBed, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (tmp_path / "kubeconfig-0").write_text(text + "# secret-of-the-cluster")

    with pytest.raises(SiteUnreachable, match="its credentials cannot be used; the hub's log says why"):
        await bed.start(ATTEMPT)

    assert "secret-of-the-cluster" not in caplog.text
    assert await bed.site.poll(Handle("esac", ATTEMPT, "")) is Status.UNKNOWN


@pytest.mark.parametrize(
    ("part", "foreign"),
    [
        ("users", {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": ["ran"]}}),
        ("users", {"auth-provider": {"name": "gcp"}}),
        ("users", {"tokenFile": "/etc/hostname"}),
        ("users", {"client-key": "/etc/hostname"}),
        ("clusters", {"certificate-authority": "/etc/hostname"}),
        ("clusters", {"insecure-skip-tls-verify": True}),
        ("clusters", {"server": "http://cluster.example"}),
    ],
)
async def test_a_kubeconfig_of_others_runs_nothing_reads_nothing_and_trusts_nobody(
    bed: SiteBed, tmp_path: Path, caplog: pytest.LogCaptureFixture, part: str, foreign: dict[str, object]
) -> None:
    path = tmp_path / "kubeconfig-0"
    told = json.loads(path.read_text())
    told[part][0][part.removesuffix("s")] |= foreign
    path.write_text(json.dumps(told))

    for _ in range(2):
        with pytest.raises(SiteUnreachable, match="its credentials cannot be used; the hub's log says why"):
            await bed.start(ATTEMPT)

    [said] = [record.getMessage() for record in caplog.records if "no way into cluster" in record.getMessage()]
    assert next(iter(foreign)) in said
    assert bed.token not in caplog.text


async def test_a_slow_cluster_with_faults_makes_one_pod_of_each(bed: SiteBed) -> None:
    bed.kube.latency_seconds = 0.5
    bed.kube.faults.error(500, times=None, every=10)

    handles = await asyncio.gather(*(bed.start(f"{number:032x}") for number in range(5)))

    assert sorted(pod["metadata"]["name"] for pod in bed.pods()) == [f"session-{number:032x}" for number in range(5)]
    bed.kube.faults.clear()
    bed.kube.latency_seconds = 0
    await asyncio.gather(*(bed.site.stop(handle) for handle in handles))
    assert bed.pods() == []
