"""The loop of a governed gateway: what is over is told to control, what is idle is stopped, what nobody knows is ended.

After one sweep control knows all that runs here, and nothing runs here that control does not know.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from http import HTTPStatus
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
#: What was seen no longer ago is seen now: asking takes a while, too.
FRESH = timedelta(seconds=5)
#: A scheduler may be too busy to answer for so long, beyond the time for which it may be idle.
SILENCE = timedelta(minutes=10)


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
            is_busy = False
            try:
                is_busy = await self.sweep()
            except asyncio.CancelledError:
                raise
            except Exception:  # one round that fails must not be the last
                self._backend.log.exception("A sweep failed; the next one comes in %g s", self._backend.sweep_seconds)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SOON_SECONDS if is_busy else self._backend.sweep_seconds):
                    await self._woken.wait()
            self._woken.clear()

    async def sweep(self) -> bool:
        """One round; whether something is about to change, so that the next should come soon."""
        backend = self._backend
        loop = asyncio.get_running_loop()
        is_due = loop.time() - self._told >= backend.sweep_seconds
        is_heard = await self._tell_control(with_inventory=is_due)
        clusters = await backend.all_clusters()
        if is_due:
            self._told = loop.time()
            # none of this needs control, and none of it waits until it is back
            await backend.look_at(each for each in clusters if each.status == ClusterStatus.RUNNING)
            await self._each(clusters, self._stop_idle)
            await self._each(clusters, self._stop_late)
            await backend.end_strays(clusters)
        if is_heard:
            await self._each(clusters, self._settle_room)
        return is_heard and any(each.status == ClusterStatus.STOPPING or self._is_shrinking(each) for each in clusters)

    async def _tell_control(self, *, with_inventory: bool) -> bool:
        """What is over, and what runs; whether control has heard it."""
        backend = self._backend
        try:
            await self.settle_ended()
            if with_inventory:
                # what is pending before the list is made is in one of the two
                observed_at, pending = now(), backend.still_pending()
                await self._tell(observed_at, pending, await backend.all_clusters())
        except ControlUnreachable as error:
            backend.log.warning("Control does not answer: %s", error)
            return False
        return True

    async def _each(self, clusters: Iterable[Cluster], act: Callable[[Cluster], Awaitable[None]]) -> None:
        """Do it with each of them; one with which it fails is no reason to leave out the others."""
        for cluster in clusters:
            try:
                await act(cluster)
            except ControlUnreachable:
                raise
            except Exception:  # whatever a backend is built upon fails in its own ways
                self._backend.log.exception("Cluster %s could not be swept; the next round tries again", cluster.name)

    async def settle_ended(self) -> None:
        """Tell control of each cluster that is gone, once.

        Raises:
            ControlUnreachable: it could not be told; the next round tells it.
        """
        backend = self._backend
        clusters = await backend.all_clusters()
        await self._each((each for each in clusters if each.status >= ClusterStatus.STOPPED), self._settle)
        names = {cluster.name for cluster in clusters}
        for name in [name for name in backend.standings if name not in names]:
            del backend.standings[name]  # the backend has forgotten it, a day after its end

    async def _settle(self, cluster: Cluster) -> None:
        backend = self._backend
        standing = backend.standing(cluster)
        if standing is None or standing.is_settled:
            return
        failed = cluster.status == ClusterStatus.FAILED
        patch = GatewayPatch(
            state="ended",
            reason=standing.why_over(failed=failed)[:2000],
            log_tail=standing.log_tail if failed else None,
            ended_at=moment(cluster.stop_time) if cluster.stop_time else None,
        )
        try:
            answer = await backend.control.patch_cluster(standing.marks.lease_id, patch)
            # who has ended it before has said why there
            standing.reason = answer.lease.reason or standing.reason
            standing.log_tail = standing.log_tail or answer.log_tail
        except ControlRefused as refused:
            if refused.problem.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                # the secret is being changed, perhaps: nobody else can tell why and when it has ended
                backend.log.error("Control does not hear of an end: %s", refused.problem.detail)  # noqa: TRY400 - it says it all
                return
            # it knows of no such lease, or takes no such end: the inventory tells that nothing is there any more
            backend.log.warning("Control refuses the end of cluster %s: %s", cluster.name, refused.problem.detail)
        standing.is_settled = True

    async def _tell(self, observed_at: datetime, pending: set[str], clusters: list[Cluster]) -> None:
        """The inventory, and what control answers to it."""
        backend = self._backend
        by_attempt, without_lease = {}, []
        for cluster in clusters:
            standing = backend.standing(cluster)
            if standing is None:
                if cluster.status <= ClusterStatus.RUNNING:
                    without_lease.append(cluster)
            elif not standing.is_settled:
                by_attempt[standing.marks.attempt_id] = cluster
        await self._each(without_lease, self._end_unknown)
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
        ended = [by_attempt[each] for each in answer.remove if each in by_attempt]
        await self._each((each for each in ended if each.status <= ClusterStatus.RUNNING), self._end_removed)

    async def _end_unknown(self, cluster: Cluster) -> None:
        await self._backend.end(cluster.name, None, "it has no lease")

    async def _end_removed(self, cluster: Cluster) -> None:
        if (standing := self._backend.standing(cluster)) is not None:
            await self._backend.end(cluster.name, standing, await self._backend.why_ended(standing))

    async def _stop_idle(self, cluster: Cluster) -> None:
        """Stop one in which nothing runs; one that does not answer may be at work, for a while."""
        backend = self._backend
        standing = backend.standing(cluster)
        if standing is None or cluster.status != ClusterStatus.RUNNING:
            return
        if (stop_at := standing.idle_stop_at()) is None or stop_at > now():
            return
        await backend.look_at([cluster], newer_than_seconds=FRESH_SECONDS)
        if (stop_at := standing.idle_stop_at()) is None or stop_at > now():
            return
        length = timedelta(seconds=standing.marks.idle_stop_seconds or 0)
        silent = standing.silent_for(now())
        if silent <= FRESH:
            await backend.end(cluster.name, standing, f"nothing ran in it for {spoken(length)}")
        elif silent > length + SILENCE:
            await backend.end(cluster.name, standing, f"its scheduler has not answered for {spoken(silent)}")

    async def _stop_late(self, cluster: Cluster) -> None:
        """Stop one that does not come up: of pods that find no place, nobody else does."""
        length = timedelta(seconds=self._backend.start_seconds)
        if cluster.status == ClusterStatus.PENDING and now() - moment(cluster.start_time) > length:
            standing = self._backend.standing(cluster)
            await self._backend.end(cluster.name, standing, f"it did not start within {spoken(length)}")

    def _is_shrinking(self, cluster: Cluster) -> bool:
        standing = self._backend.standing(cluster)
        is_running = cluster.status == ClusterStatus.RUNNING and standing is not None
        return is_running and standing is not None and (standing.granted or 0) > standing.wanted

    async def _settle_room(self, cluster: Cluster) -> None:
        """Have the lease of what runs say so, and give back the room of workers that are gone by now."""
        standing = self._backend.standing(cluster)
        if standing is None or cluster.status != ClusterStatus.RUNNING:
            return
        await self._backend.note_kept(standing)
        if not standing.is_active:
            await self._backend.activate(cluster)
        elif self._is_shrinking(cluster):
            await self._backend.settle(cluster, standing.wanted)
