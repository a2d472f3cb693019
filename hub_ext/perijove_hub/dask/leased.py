"""A backend of Dask Gateway that knows the lease of each of its clusters, and asks control for what they hold."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from dask_gateway_server.backends.base import Backend, ClusterConfig, PublicException
from dask_gateway_server.models import Cluster, ClusterStatus, User
from pydantic import ValidationError
from traitlets import Float, Unicode, default

from perijove.models import CHARGE_TO_OPTION, TITLE_OPTION, ClusterRequest, GatewayPatch, Kind, LeaseOffer
from perijove_hub.admission.client import ControlClient, ControlRefused, ControlUnreachable

from .asked import one_line
from .refusals import refused_by, unavailable
from .sizes import resources_of
from .standing import Standing, standing_of
from .times import now

#: What is in the way of more workers when nobody can be asked.
NO_MORE_NOW = "The platform cannot be asked for more now."

#: For how long an attempt may be in no list: a backend that watches a cluster of Kubernetes sees it a moment later.
PENDING = timedelta(seconds=60)


class StopsWhenIdle(ClusterConfig):  # type: ignore[misc]  # published without types
    """A configuration with which clusters end when nothing runs in them, unless it says otherwise."""

    idle_timeout = Float(
        1800.0, min=0, config=True,
        help="After how many seconds a cluster in which nothing runs is stopped; its owner can put it off. 0: never.",
    )  # fmt: skip


class LeasedBackend(Backend):  # type: ignore[misc]  # published without types
    """What :class:`~perijove_hub.dask.governed.GovernedBackend` stands upon: leases, and what is known of clusters."""

    site = Unicode(help="The site of the platform file whose gateway this is.", config=True)
    control_url = Unicode(
        help="Where control is, as https://science.example/services/perijove; not through the hub's proxy if it can be "
        "reached otherwise.",
        config=True,
    )
    public_control_url = Unicode(help="Where workers reach control; the same unless said otherwise.", config=True)
    secret_path = Unicode(
        help="A file with the gateway's secret, the one that the platform file names at the site's `dask`. Only the "
        "gateway's account may read it.",
        config=True,
    )
    sweep_seconds = Float(
        15.0, min=1.0, help="How often control is told what runs here, and idle clusters are looked for.", config=True
    )
    ask_seconds = Float(
        5.0, min=0.1, help="How long control may take to answer; then a cluster is refused, and no worker added.",
        config=True,
    )  # fmt: skip
    start_seconds = Float(
        900.0, min=1.0, help="How long a cluster may take to start, before it is stopped and holds no room any more.",
        config=True,
    )  # fmt: skip

    #: Whether schedulers run on this machine, so that what they say of where they are can be held to that.
    is_on_this_machine = False

    @default("public_control_url")
    def _default_public_control_url(self) -> str:
        return str(self.control_url)

    control: ControlClient
    standings: dict[str, Standing]
    #: attempts that were asked for and are in no list of clusters yet, and until when they may be
    pending_attempts: dict[str, datetime]
    #: when this gateway came up
    began: datetime

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _ask(self, user: User, attempt_id: str, options: Mapping[str, Any], config: ClusterConfig) -> LeaseOffer:
        try:
            request = ClusterRequest(
                owner=user.name,
                groups=sorted(user.groups),
                kind=Kind.CLUSTER,
                name=options.get(TITLE_OPTION) or attempt_id[:8],
                attempt_id=attempt_id,
                charge_to=options.get(CHARGE_TO_OPTION),
                resources=resources_of(config.to_dict(), "scheduler"),
            )
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise PublicException(one_line(f"{where}: {first['msg']}")) from None
        try:
            return await self.control.ask_cluster(request)
        except ControlRefused as refused:
            if refused.problem.status == HTTPStatus.UNAUTHORIZED:
                self.log.error("Control does not know this gateway's secret: no cluster is started")  # noqa: TRY400 - it says it all
            raise refused_by(refused) from None
        except ControlUnreachable:
            raise unavailable() from None

    def still_pending(self) -> set[str]:
        """The attempts that may come into the list of clusters yet."""
        self.pending_attempts = {each: until for each, until in self.pending_attempts.items() if until > now()}
        return set(self.pending_attempts)

    async def _give_back(self, offer: LeaseOffer, reason: str) -> None:
        with contextlib.suppress(ControlRefused, ControlUnreachable):
            await self.control.patch_cluster(offer.id, GatewayPatch(state="ended", reason=reason))

    async def settle(self, cluster: Cluster, wanted: int) -> int:
        """Make the lease hold what a cluster is to hold; how many workers it may have.

        What still runs is held, also when its scheduler wants less: it tells who is to go, and may be lying.
        """
        standing = self.standing(cluster)
        if standing is None:
            await self.end(cluster.name, None, "it has no lease")
            return 0
        wanted = min(wanted, standing.most_workers)
        async with standing.lock:
            standing.wanted = wanted
            live = await self._live(cluster.name, standing)
            try:
                await self._activate(standing)
                await self._resize(standing, max(wanted, live))
            except ControlUnreachable:
                # nobody can say whether there is room: what it has it keeps
                standing.capped = NO_MORE_NOW if self._is_short(standing) else None
            except ControlRefused as refused:
                await self._refused(cluster.name, standing, refused)
        return min(wanted, live if standing.granted is None else standing.granted)

    async def activate(self, cluster: Cluster) -> None:
        """Have the lease of a cluster that runs say so, whether or not its scheduler ever tells of itself.

        Raises:
            ControlUnreachable: it cannot be said now.
        """
        standing = self.standing(cluster)
        if standing is None:
            return
        async with standing.lock:
            is_new = standing.granted is None
            try:
                await self._activate(standing)
            except ControlRefused as refused:
                await self._refused(cluster.name, standing, refused)
            if is_new:
                # until its scheduler says otherwise: nobody gives anything back because the gateway was away
                standing.wanted = max(standing.wanted, standing.granted or 0)

    async def _refused(self, name: str, standing: Standing, refused: ControlRefused) -> None:
        if refused.problem.status in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
            if not standing.is_settled:  # else it has ended while control was asked
                await self.end(name, standing, await self.why_ended(standing))
            return
        self.log.error("Control refuses to move the lease of cluster %s: %s", name, refused.problem.detail)
        standing.capped = NO_MORE_NOW if self._is_short(standing) else None

    async def why_ended(self, standing: Standing) -> str:
        """Why the platform has ended a lease, as the lease says it."""
        try:
            reason = (await self.control.lease(standing.marks.lease_id)).reason
        except ControlRefused as refused:
            is_gone = refused.problem.status == HTTPStatus.NOT_FOUND
            reason = "the platform has no lease of it any more" if is_gone else None
        except ControlUnreachable:
            reason = None
        return reason or "the platform has ended its lease"

    async def _live(self, name: str, standing: Standing) -> int:
        try:
            async with asyncio.timeout(self.ask_seconds):
                return await self.live_workers(name)
        except Exception:  # whatever a backend is built upon fails in its own ways
            self.log.exception("The workers of cluster %s cannot be counted: those that were granted count", name)
            return standing.granted or 0

    @staticmethod
    def _is_short(standing: Standing) -> bool:
        return standing.wanted > (standing.granted or 0)

    async def _activate(self, standing: Standing) -> None:
        if not standing.is_active:
            answer = await self.control.patch_cluster(standing.marks.lease_id, GatewayPatch(state="active"))
            standing.is_active = standing.has_run = True
            if standing.granted is None:
                standing.granted = standing.room_in(answer.lease.resources)
            if standing.kept_until is None:  # this gateway was started again
                standing.kept_until = standing.kept_until_noted = answer.kept_until

    async def note_kept(self, standing: Standing) -> None:
        """Have the lease say until when its owner keeps a cluster; what fails is tried again by the next sweep.

        Raises:
            ControlUnreachable: it cannot be said now.
        """
        until = standing.kept_until
        if until is None or until == standing.kept_until_noted:
            return
        try:
            await self.control.patch_cluster(standing.marks.lease_id, GatewayPatch(kept_until=until))
        except ControlRefused as refused:
            self.log.warning("Control does not hold until when a cluster is kept: %s", refused.problem.detail)
        standing.kept_until_noted = until

    async def _resize(self, standing: Standing, workers: int) -> None:
        if workers == standing.granted:
            standing.capped = None
            return
        patch = GatewayPatch(resources=standing.held_with(workers), step=standing.worker)
        answer = await self.control.patch_cluster(standing.marks.lease_id, patch)
        standing.granted = standing.room_in(answer.lease.resources)
        is_told = answer.capped is not None and self._is_short(standing)
        standing.capped = f"{standing.granted} of {standing.wanted} workers fit. {answer.capped}" if is_told else None

    async def live_workers(self, cluster_name: str) -> int:
        """How many workers of a cluster run as far as the backend itself can tell; 0 where it cannot."""
        return 0

    async def end_strays(self, clusters: Iterable[Cluster]) -> None:
        """End what runs of clusters that are over or that nobody knows, where the backend can tell."""

    async def end(self, name: str, standing: Standing | None, reason: str) -> None:
        """Stop a cluster for a reason that its owner will read."""
        if standing is not None and standing.reason is None:
            standing.reason = reason
        self.log.info("Cluster %s is stopped: %s", name, reason)
        await self.stop_cluster(name)

    # --- what is known ----------------------------------------------------------------------------------------------

    def standing(self, cluster: Cluster) -> Standing | None:
        """What is known of a cluster beyond its record; None: it was started without a lease."""
        if cluster.name not in self.standings:
            made = standing_of(cluster.config, self.began if cluster.status > ClusterStatus.PENDING else now())
            if made is None:
                return None
            made.has_run = cluster.status == ClusterStatus.RUNNING or bool(cluster.scheduler_address)
            self.standings[cluster.name] = made
        return self.standings[cluster.name]

    async def all_clusters(self, username: str | None = None) -> list[Cluster]:
        """All clusters, also those that are over, as long as the backend keeps them."""
        return list(await self.list_clusters(username=username, statuses=list(ClusterStatus)))
