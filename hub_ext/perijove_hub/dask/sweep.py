"""The loop of a governed gateway: what is over is told to control, what is idle is stopped, what nobody knows is ended.

After one sweep control knows all that runs here, and nothing runs here that control does not know.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dask_gateway_server.models import Cluster, ClusterStatus

from perijove.models import GatewayPatch, Inventory, SeenAttempt
from perijove_hub.admission.client import ControlRefused, ControlUnreachable

from .times import moment, now, spoken

if TYPE_CHECKING:
    from .governed import GovernedBackend

#: How soon it looks again while something is about to be gone.
SOON_SECONDS = 0.5

#: What ran no longer than this ago is not stopped for what was seen before.
FRESH_SECONDS = 1.0


class Sweeper:
    """Sweeps for a gateway, until it is stopped.

    Args:
        backend: the gateway's.
    """

    def __init__(self, backend: GovernedBackend) -> None:
        self._backend = backend
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._told = float("-inf")

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def wake(self) -> None:
        """Look now: something has begun to end."""
        self._woken.set()

    async def _run(self) -> None:
        while True:
            is_busy = True
            try:
                is_busy = await self.sweep()
            except asyncio.CancelledError:
                raise
            except Exception:  # one round that fails must not be the last
                self._backend.log.exception("A sweep failed; the next one comes in %g s", SOON_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SOON_SECONDS if is_busy else self._backend.sweep_seconds):
                    await self._woken.wait()
            self._woken.clear()

    async def sweep(self) -> bool:
        """One round; whether something is about to change, so that the next should come soon."""
        backend = self._backend
        loop = asyncio.get_running_loop()
        try:
            await self.settle_ended()
            # what is pending before the list is made is in one of the two
            observed_at, pending = now(), backend.still_pending()
            clusters = await backend.all_clusters()
            if loop.time() - self._told >= backend.sweep_seconds:
                await self._tell(observed_at, pending, clusters)
                await self._stop_idle(clusters)
                await backend.end_strays(clusters)
                self._told = loop.time()
            await self._let_shrink(clusters)
        except ControlUnreachable as error:
            backend.log.warning("Control does not answer: %s", error)
            return False
        return any(each.status == ClusterStatus.STOPPING or self._is_shrinking(each) for each in clusters)

    async def settle_ended(self) -> None:
        """Tell control of each cluster that is gone, once.

        Raises:
            ControlUnreachable: it could not be told; the next round tells it.
        """
        backend = self._backend
        clusters = await backend.all_clusters()
        for cluster in clusters:
            standing = backend.standing(cluster)
            if standing is None or standing.is_settled or cluster.status < ClusterStatus.STOPPED:
                continue
            failed = cluster.status == ClusterStatus.FAILED
            patch = GatewayPatch(
                state="ended",
                reason=standing.why_over(failed=failed)[:2000],
                log_tail=standing.log_tail if failed else None,
                ended_at=moment(cluster.stop_time) if cluster.stop_time else None,
            )
            with contextlib.suppress(ControlRefused):  # it knows of no such lease, or it is over: so it is settled
                await backend.control.patch_cluster(standing.marks.lease_id, patch)
            standing.is_settled = True
        names = {cluster.name for cluster in clusters}
        for name in [name for name in backend.standings if name not in names]:
            del backend.standings[name]  # the backend has forgotten it, a day after its end

    async def _tell(self, observed_at: datetime, pending: set[str], clusters: list[Cluster]) -> None:
        """The inventory, and what control answers to it."""
        backend = self._backend
        by_attempt = {}
        for cluster in clusters:
            standing = backend.standing(cluster)
            if standing is None:
                if cluster.status <= ClusterStatus.RUNNING:
                    await backend.end(cluster.name, None, "it has no lease")
            elif not standing.is_settled:
                by_attempt[standing.marks.attempt_id] = cluster
        for attempt_id in by_attempt:
            backend.pending_attempts.pop(attempt_id, None)
        inventory = Inventory(
            observed_at=observed_at,
            reachable=True,
            attempts=[SeenAttempt(attempt_id=each, owned=True) for each in sorted({*by_attempt, *pending})],
        )
        try:
            answer = await backend.control.report_clusters(backend.site, inventory)
        except ControlRefused as refused:
            backend.log.error("Control refuses the inventory: %s", refused.problem.detail)  # noqa: TRY400 - it says it all
            return
        for attempt_id in answer.remove:
            ended = by_attempt.get(attempt_id)
            if ended is not None and ended.status <= ClusterStatus.RUNNING:
                await backend.end(ended.name, backend.standing(ended), "the platform has ended its lease")

    async def _stop_idle(self, clusters: list[Cluster]) -> None:
        backend = self._backend
        running = [each for each in clusters if each.status == ClusterStatus.RUNNING]
        await backend.look_at(running)
        for cluster in running:
            standing = backend.standing(cluster)
            if standing is None or (stop_at := standing.idle_stop_at()) is None or stop_at > now():
                continue
            await backend.look_at([cluster], newer_than_seconds=FRESH_SECONDS)
            if (stop_at := standing.idle_stop_at()) is None or stop_at > now():
                continue
            length = timedelta(seconds=standing.marks.idle_stop_seconds or 0)
            await backend.end(cluster.name, standing, f"nothing ran in it for {spoken(length)}")

    def _is_shrinking(self, cluster: Cluster) -> bool:
        standing = self._backend.standing(cluster)
        is_running = cluster.status == ClusterStatus.RUNNING and standing is not None
        return is_running and standing is not None and (standing.granted or 0) > standing.wanted

    async def _let_shrink(self, clusters: list[Cluster]) -> None:
        """Give back the room of workers that are gone by now."""
        for cluster in clusters:
            if self._is_shrinking(cluster) and (standing := self._backend.standing(cluster)) is not None:
                await self._backend.settle(cluster, standing.wanted)
