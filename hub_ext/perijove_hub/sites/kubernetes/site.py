"""A cluster of Kubernetes as a site."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any

from kubernetes_asyncio.client import ApiException

from perijove_hub.policy.sites import KubernetesSite
from perijove_hub.sites.kubernetes import pods, reasons
from perijove_hub.sites.kubernetes.cluster import NETWORK_FAULTS, REQUEST_SECONDS, Cluster, site_error, spoken
from perijove_hub.sites.kubernetes.edge import edge_of
from perijove_hub.sites.kubernetes.pods import ATTEMPT_LABEL, SITE_LABEL, ClusterKubeSpawner
from perijove_hub.sites.models import Ending, Handle, SiteError, SiteUnreachable, StartSpec, Status

log = logging.getLogger(__name__)

#: How often a pod that is coming up is looked at.
LOOK_SECONDS = 0.5
#: How often a pod that is still coming up is asked for by name.
ASK_SECONDS = 8.0
#: A picture of which nothing was heard for so long is not the present: watches begin again every half minute.
STALE_SECONDS = 75.0
#: So much earlier than whoever waits for a start gives up, which is to hear why.
MARGIN_SECONDS = 2.0
#: How so many attempts have ended is remembered.
ENDINGS_KEPT = 1000
LOG_LINES, LOG_BYTES = 200, 8000
#: No more of a log is fetched: of lines that are longer the end is missing.
LOG_FETCHED_BYTES = 1 << 20
REMOVED = Ending("its pod was removed from the cluster")

FAULTS = (ApiException, *NETWORK_FAULTS)


class KubernetesPods:
    """The pods of sessions in one namespace of one cluster. Belongs to one event loop.

    Args:
        name: of the site.
        policy: of the site.
        cluster: the connection to it.
        hub_api_url: where pods reach the hub's API.
        public_url: of the platform; an edge is asked by its name, too.
        clock: the time, as the cluster's nodes have it, more or less.
    """

    def __init__(
        self,
        name: str,
        policy: KubernetesSite,
        cluster: Cluster,
        hub_api_url: str,
        public_url: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self._policy = policy
        self._cluster = cluster
        self._hub_api_url = hub_api_url
        self._edge = edge_of(policy, name, public_url)
        self._clock = clock
        self._endings: OrderedDict[str, Ending] = OrderedDict()
        #: since when the nodes of attempts are not heard of
        self._silent: dict[str, datetime] = {}
        self._background: set[asyncio.Task[None]] = set()
        #: whose homes have a claim, as far as this hub has seen
        self._claims: set[str] = set()

    async def start(self, spec: StartSpec, attempt_id: str) -> Handle:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        await self._cluster.connect()
        child = pods.for_start(self._cluster, self._policy, self.name, spec, attempt_id, self._hub_api_url, self._edge)
        if spec.owner in self._claims:
            self._claims.discard(spec.owner)  # until it has come up
            child.trust_claim()
        until = asyncio.get_running_loop().time() + self._policy.start_timeout_seconds - MARGIN_SECONDS
        starting: asyncio.Future[str] = child.start()
        try:
            url = await self._come_up(child, starting, until, spec.say)
            if self._edge is not None:
                await self._edge.wait_until_open(spec.path, until, spec.say, partial(self._edge.why_closed, child))
        except asyncio.CancelledError:
            # nobody waits for it any more, so nobody would end what the cluster may still make
            self._later(self._remove(attempt_id))
            raise
        except SiteUnreachable as error:
            if child.may_be_there:  # it was not reached for what comes after the pod
                raise SiteError(str(error)) from error
            raise
        except FAULTS as error:
            if not child.may_be_there:
                raise SiteUnreachable(spoken(error)) from error
            raise site_error(error, "start it") from error
        finally:
            starting.cancel()
        if spec.home_site is not None:
            self._claims.add(spec.owner)
        return Handle(self.name, attempt_id, url)

    async def _come_up(
        self, child: ClusterKubeSpawner, starting: asyncio.Future[str], until: float, say: Callable[[str], None]
    ) -> str:
        """Wait for the pod, tell what happens to it, and give up what never comes up.

        Raises:
            SiteError: it does not, and why.
        """
        loop = asyncio.get_running_loop()
        told, was_seen, asks_at = set[str](), False, loop.time() + ASK_SECONDS
        while True:
            await asyncio.wait({starting}, timeout=LOOK_SECONDS)
            events = child.events
            for words in filter(None, map(reasons.step, events)):
                if words not in told:
                    told.add(words)
                    say(words)
            pod = child.seen()
            seen = reasons.look(pod, self._clock()) if pod else None
            if starting.done():
                return self._came_up(child, starting, seen)
            if loop.time() > asks_at:
                # its events may be lost: until the watch begins anew nobody would know
                asks_at = loop.time() + ASK_SECONDS
                await self._show(child)
            if was_seen and pod is None and await self._is_gone(child):
                raise SiteError("its pod was removed from the cluster.")
            was_seen = was_seen or pod is not None
            if pod and reasons.lacks_claim(pod):
                await child.make_claim()
            failures = reasons.pull_failures(events)
            if seen and (seen.is_hopeless or seen.status is Status.STOPPED or failures >= reasons.PULL_FAILURES_MAX):
                raise SiteError(f"{seen.reason or 'its image cannot be fetched'}.")
            if loop.time() > until:
                if not child.may_be_there:
                    raise SiteUnreachable("its API does not answer")
                why = f": {seen.reason}" if seen and seen.reason else ""
                raise SiteError(f"it did not come up within {self._policy.start_timeout_seconds:g} s{why}.")

    async def _show(self, child: ClusterKubeSpawner) -> None:
        """Put the pod into the picture as the cluster has it now, if it tells."""
        with contextlib.suppress(*FAULTS):
            async with asyncio.timeout(MARGIN_SECONDS):  # whoever waits for the start is to hear why it failed
                pod = await self._read(child.pod_name)
            if pod is not None and child.picture is not None:
                child.picture.resources[f"{child.namespace}/{child.pod_name}"] = pod

    async def _is_gone(self, child: ClusterKubeSpawner) -> bool:
        """Whether the cluster says that it has no such pod; a fault of its says nothing."""
        try:
            return await self._read(child.pod_name) is None
        except FAULTS:
            return False

    def _came_up(self, child: ClusterKubeSpawner, starting: asyncio.Future[str], seen: reasons.Seen | None) -> str:
        try:
            return starting.result()
        except SiteError:
            raise
        except TimeoutError as error:  # KubeSpawner has tried again and again
            if not child.may_be_there:
                raise SiteUnreachable("its API does not answer") from error
            why = seen.reason if seen and seen.reason else "its API took none of it in time"
            raise SiteError(f"it did not come up: {why}.") from error

    async def poll(self, handle: Handle) -> Status:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        try:
            await self._cluster.connect()
            await self._watcher._start_watching_pods()
            pod, picture = self._watcher.seen(pods.pod_name(handle.attempt_id)), self._watcher.picture
            if picture is None or time.monotonic() - picture.heard_at > STALE_SECONDS:
                return Status.UNKNOWN
            # a watch may have missed it: what is not in the picture is looked for before it counts as gone
            pod = pod or await self._read(pods.pod_name(handle.attempt_id))
        except (SiteError, *FAULTS) as error:
            log.debug("cluster %s does not tell: %s", self.name, type(error).__name__)
            return Status.UNKNOWN
        if pod is None:
            self._remember(handle.attempt_id, self._endings.get(handle.attempt_id) or REMOVED)
            return Status.STOPPED
        seen = reasons.look(pod, self._clock())
        if seen.status is Status.STOPPED:
            self._remember(handle.attempt_id, Ending(seen.reason, seen.ended_at))
        elif seen.silent_since is not None:
            self._silent[handle.attempt_id] = seen.silent_since
        else:
            self._silent.pop(handle.attempt_id, None)
        return seen.status

    async def silent_since(self, attempt_id: str) -> datetime | None:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        return self._silent.get(attempt_id)

    def _remember(self, attempt_id: str, ending: Ending) -> None:
        self._silent.pop(attempt_id, None)
        self._endings[attempt_id] = ending
        if len(self._endings) > ENDINGS_KEPT:
            self._endings.popitem(last=False)

    async def ending(self, attempt_id: str) -> Ending:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        return self._endings.get(attempt_id, Ending())

    async def stop(self, handle: Handle) -> None:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        self._silent.pop(handle.attempt_id, None)
        await self._remove(handle.attempt_id)

    async def list(self) -> Sequence[str]:
        """See :class:`~perijove_hub.sites.models.SiteInterface`. Asks the cluster, not the picture: it is a proof."""
        try:
            await self._cluster.connect()
            core = self._cluster.api("CoreV1Api")
            async with asyncio.timeout(REQUEST_SECONDS):
                answer = await core.list_namespaced_pod(
                    self._policy.namespace, label_selector=f"{ATTEMPT_LABEL},{SITE_LABEL}={self.name}",
                    _preload_content=False,
                )  # fmt: skip
                if answer.status != 200:
                    raise ApiException(status=answer.status, reason=answer.reason)
                found = (await answer.json())["items"]
        except FAULTS as error:
            raise site_error(error, "list what it runs") from error
        # ended ones, too: whose server asks hears how they ended, and the others are removed as nobody's
        return [pod["metadata"]["labels"][ATTEMPT_LABEL] for pod in found]

    async def log_tail(self, attempt_id: str) -> str:
        """See :class:`~perijove_hub.sites.models.SiteInterface`."""
        try:
            await self._cluster.connect()
            core = self._cluster.api("CoreV1Api")
            answer = await core.read_namespaced_pod_log(
                pods.pod_name(attempt_id), self._policy.namespace, container=reasons.CONTAINER,
                tail_lines=LOG_LINES, limit_bytes=LOG_FETCHED_BYTES, _preload_content=False,
            )  # fmt: skip
            said: bytes = await answer.read()
            return said[-LOG_BYTES:].decode(errors="replace") if answer.status == 200 else ""
        except (SiteError, *FAULTS):
            return ""

    async def home_bytes(self, owner: str) -> int | None:
        """See :class:`~perijove_hub.sites.models.SiteInterface`. A claim does not tell how full it is."""
        return None

    async def close(self) -> None:
        """Stop watching, and close the connections."""
        for task in tuple(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        for key in [key for key in ClusterKubeSpawner.reflectors if key[0] is self._cluster]:
            with contextlib.suppress(asyncio.CancelledError):  # of its pause between two tries
                await ClusterKubeSpawner.reflectors.pop(key).stop()
        await self._cluster.close()

    @cached_property
    def _watcher(self) -> ClusterKubeSpawner:
        """Looks at pods and makes none; one for all polls, since a spawner takes longer to make than a look."""
        return pods.bare(self._cluster, self._policy, "none")

    async def _read(self, name: str) -> dict[str, Any] | None:
        """A pod as the cluster has it now; None: it has none."""
        core = self._cluster.api("CoreV1Api")
        async with asyncio.timeout(REQUEST_SECONDS):
            answer = await core.read_namespaced_pod(name, self._policy.namespace, _preload_content=False)
            if answer.status == 404:
                return None
            if answer.status != 200:
                raise ApiException(status=answer.status, reason=answer.reason)
            pod: dict[str, Any] = await answer.json()
            return pod

    async def _remove(self, attempt_id: str) -> None:
        """End a pod and wait until it is gone; on a node that is gone nobody confirms it, and it is struck out.

        Raises:
            SiteError: it may still be there.
        """
        child = pods.bare(self._cluster, self._policy, attempt_id)
        try:
            await self._cluster.connect()
            await child._start_watching_pods()
            pod = child.seen()
            is_over = pod is not None and reasons.look(pod, self._clock()).status is Status.STOPPED
            if pod is not None and is_over:
                # a node that is only cut off, or half broken, may be ending it
                left = min(reasons.time_to_save(pod, self._clock()).total_seconds(), pods.LONGEST_GRACE_SECONDS)
                await asyncio.sleep(left)
            await child.stop(now=is_over)
            if pod is None:
                # what was not in the picture may be there all the same; what was and is not any more is gone
                async with asyncio.timeout(pods.GRACE_SECONDS + REQUEST_SECONDS):
                    while await self._read(child.pod_name) is not None:  # noqa: ASYNC110 - a cluster has no event for it
                        await asyncio.sleep(LOOK_SECONDS)
        except SiteUnreachable as error:
            raise SiteError(str(error)) from error
        except TimeoutError as error:
            if child.is_told_to_end:
                raise SiteError("it was told to end, and is not gone yet") from error
            raise site_error(error, "end it") from error
        except FAULTS as error:
            raise site_error(error, "end it") from error

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("cluster %s keeps what was to go: %s", self.name, error)
