"""A backend of Dask Gateway that asks control first: for a lease before a cluster, for room before workers.

The seams are those that all backends have: ``start_cluster``, ``stop_cluster``, ``on_cluster_heartbeat``. Nobody gets
round them, since a gateway starts nothing by any other way; and what a heartbeat says, which a scheduler in its owner's
hands has written, is only ever a wish.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from dask_gateway_server.backends.base import ClusterConfig, PublicException
from dask_gateway_server.models import Cluster, ClusterStatus, User
from pydantic import ValidationError

from perijove.models import (
    CHARGE_TO_OPTION,
    TITLE_OPTION,
    ClusterNeed,
    ClusterState,
    GatewayCluster,
    LeaseOffer,
)
from perijove_hub.admission.client import ControlClient, ControlUnreachable
from perijove_hub.policy.secrets import SecretError, Secrets

from .asked import adaptive_of, count_of, one_line, range_of, title_of
from .leased import PENDING, LeasedBackend
from .marks import marked
from .refusals import tell_refusals
from .scheduler import look_at_scheduler
from .sizes import resources_of
from .standing import view_of
from .sweep import Sweeper
from .times import moment, now

#: What a scheduler has said of itself is shown for so long before it is asked again.
STATE_SECONDS = 2.0
#: While workers are on their way, people watch them come.
GROWING_SECONDS = 0.5

#: What :meth:`GovernedBackend.start_cluster` has been granted, for the configuration that is made within it.
_OFFER: ContextVar[LeaseOffer | None] = ContextVar("offer", default=None)

_STATES = {
    ClusterStatus.PENDING: ClusterState.STARTING,
    ClusterStatus.RUNNING: ClusterState.RUNNING,
    ClusterStatus.STOPPING: ClusterState.STOPPING,
    ClusterStatus.STOPPED: ClusterState.STOPPED,
    ClusterStatus.FAILED: ClusterState.FAILED,
}


class GovernedBackend(LeasedBackend):
    """Over a backend of Dask Gateway: ``class Mine(GovernedBackend, UnsafeLocalBackend)``."""

    # --- the seams ------------------------------------------------------------------------------------------------

    async def setup(self, app: web.Application) -> None:
        """Begin, and refuse to when something is missing.

        Raises:
            ValueError: which setting, and what was expected.
        """
        from .routes import cluster_routes

        secret = Path(self.secret_path)
        secrets = Secrets(secret.parent)
        for name in ("site", "control_url", "secret_path"):
            if not getattr(self, name):
                raise ValueError(f"c.{type(self).__name__}.{name} is not set: {type(self).class_traits()[name].help}")
        try:
            secrets.text(secret.name)
        except SecretError as error:
            raise ValueError(f"c.{type(self).__name__}.secret_path: {error}") from None
        self.standings, self.pending_attempts, self.began = {}, {}, now()
        self.control = ControlClient(
            self.control_url, lambda: secrets.text(secret.name), self.ask_seconds, scheme="gateway"
        )
        app.router.add_routes(cluster_routes)
        app.middlewares.append(tell_refusals)
        await super().setup(app)
        self.sweeper = Sweeper(self)
        self.sweeper.start()

    async def cleanup(self) -> None:
        """End; what was stopped with the gateway is told to control."""
        if hasattr(self, "sweeper"):
            await self.sweeper.stop()
        await super().cleanup()
        if hasattr(self, "sweeper"):
            with contextlib.suppress(ControlUnreachable):
                await self.sweeper.settle_ended()
        if hasattr(self, "control"):
            await self.control.close()

    async def process_cluster_options(self, user: User, request: Mapping[str, Any]) -> tuple[Any, ClusterConfig]:
        """The options and the configuration that they make, with ours over it.

        Raises:
            PublicException: an option is wrong; in one line, as it goes into the status line of the answer.
        """
        if not isinstance(request, Mapping):
            raise PublicException("cluster_options: expected an object with an option for each key.")
        asked = dict(request)
        title = title_of(asked.pop(TITLE_OPTION, ""))
        charge_to = asked.pop(CHARGE_TO_OPTION, None)
        try:
            options, config = await super().process_cluster_options(user, asked)
            resources_of(config.to_dict(), "scheduler"), resources_of(config.to_dict(), "worker")
        except PublicException as error:
            raise PublicException(one_line(str(error))) from error
        except ValidationError as error:
            raise PublicException("Workers or schedulers of this size are more than any lease may hold.") from error
        except ValueError as error:
            raise PublicException(one_line(str(error))) from error
        self.check_config(config)
        ours = {TITLE_OPTION: title, CHARGE_TO_OPTION: charge_to}
        options = {**options, **{name: value for name, value in ours.items() if value}}
        if (offer := _OFFER.get()) is not None:
            idle_stop_seconds = config.idle_timeout
            # the scheduler's own clock cannot be put off: this gateway stops it
            config.idle_timeout = 0
            config.environment = marked(
                config.environment, offer, self.site, self.public_control_url, idle_stop_seconds
            )
        return options, config

    def check_config(self, config: ClusterConfig) -> None:
        """Refuse a configuration that a user may not have.

        Raises:
            PublicException: why.
        """

    async def start_cluster(self, user: User, cluster_options: Mapping[str, Any]) -> str:
        """Start a cluster on a lease.

        Raises:
            PublicException: an option is wrong.
            StartRefused: control has refused it, with its words, or cannot be asked.
        """
        options, config = await self.process_cluster_options(user, cluster_options)
        attempt_id = uuid.uuid4().hex
        # the inventory holds it from before it is asked for: one that lacks it would end the lease
        self.pending_attempts[attempt_id] = now() + PENDING
        try:
            offer = await self._ask(user, attempt_id, options, config)
        except BaseException:
            self.pending_attempts.pop(attempt_id, None)
            raise
        token = _OFFER.set(offer)
        try:
            name: str = await super().start_cluster(user, cluster_options)
        except BaseException:
            # nothing was started; the sweep would find out too, later
            self.pending_attempts.pop(attempt_id, None)
            await self._give_back(offer, "the gateway could not start it")
            raise
        finally:
            _OFFER.reset(token)
        return name

    async def stop_cluster(self, cluster_name: str, failed: bool = False) -> None:
        """Stop a cluster; its lease ends once it is gone."""
        await super().stop_cluster(cluster_name, failed=failed)
        self.sweeper.wake()

    async def on_cluster_heartbeat(self, cluster_name: str, msg: Mapping[str, Any]) -> None:
        """Let a cluster have as many workers as its lease has room for.

        Raises:
            PublicException: it is no heartbeat.
        """
        cluster = await self.get_cluster(cluster_name)
        if cluster is not None and cluster.status <= ClusterStatus.RUNNING:
            msg = {**msg, "count": await self.settle(cluster, count_of(msg.get("count")))}
        await super().on_cluster_heartbeat(cluster_name, msg)

    async def forward_message_to_scheduler(self, cluster: Cluster, msg: Mapping[str, Any]) -> None:
        """Note what its owner wants before its scheduler hears it, so that the answer can say what is in the way."""
        standing = self.standing(cluster)
        if standing is not None and cluster.status == ClusterStatus.RUNNING:
            if msg.get("op") == "scale":
                standing.adaptive = None
                await self.settle(cluster, count_of(msg.get("count")))
            elif msg.get("op") == "adapt":
                msg = _checked_range(msg, standing.most_workers)
                standing.adaptive = adaptive_of(msg, standing.most_workers)
        await super().forward_message_to_scheduler(cluster, msg)

    # --- what people look at ----------------------------------------------------------------------------------------

    async def look_at(self, clusters: Iterable[Cluster], *, newer_than_seconds: float = STATE_SECONDS) -> None:
        """Ask the schedulers of running clusters how they are, all at once."""
        await asyncio.gather(*(self._look_at(each, newer_than_seconds) for each in clusters))

    async def _look_at(self, cluster: Cluster, newer_than_seconds: float) -> None:
        standing = self.standing(cluster)
        if standing is None or cluster.status != ClusterStatus.RUNNING or not cluster.dashboard_address:
            return
        most_seconds = min(newer_than_seconds, GROWING_SECONDS) if standing.is_growing() else newer_than_seconds
        if standing.state_at is not None and now() - standing.state_at < timedelta(seconds=most_seconds):
            return
        state = await look_at_scheduler(
            self.session, cluster.dashboard_address, on_this_machine=self.is_on_this_machine
        )
        if state is not None:
            standing.take(state, now())

    def view(self, cluster: Cluster) -> GatewayCluster | None:
        """A cluster as its owner is told; None: it has no lease, and is about to be stopped."""
        standing = self.standing(cluster)
        if standing is None:
            return None
        return view_of(
            cluster.name,
            cluster.options,
            _STATES[cluster.status],
            moment(cluster.start_time),
            moment(cluster.stop_time) if cluster.stop_time else None,
            standing,
            dashboard=cluster.status == ClusterStatus.RUNNING and bool(cluster.dashboard_address),
            at=now(),
        )

    async def need(self, user: User, cluster_options: Mapping[str, Any]) -> ClusterNeed:
        """What a cluster with these options would hold.

        Raises:
            PublicException: an option is wrong.
        """
        _, config = await self.process_cluster_options(user, cluster_options)
        made = config.to_dict()
        return ClusterNeed(
            scheduler=resources_of(made, "scheduler"),
            worker=resources_of(made, "worker"),
            workers_max=made["cluster_max_workers"],
            idle_stop_seconds=made["idle_timeout"] or None,
        )


def _checked_range(msg: Mapping[str, Any], most: int) -> dict[str, Any]:
    try:
        return range_of(msg, most)
    except PublicException as error:
        # Dask Gateway would make a 409 of it, which is for clusters that do not run
        raise web.HTTPUnprocessableEntity(reason=str(error)) from None
