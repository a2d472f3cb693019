"""A backend of Dask Gateway that asks control first: for a lease before a cluster, for room before workers.

The seams are those that all backends have: ``start_cluster``, ``stop_cluster``, ``on_cluster_heartbeat``. Nobody gets
round them, since a gateway starts nothing by any other way; and what a heartbeat says, which a scheduler in its owner's
hands has written, is only ever a wish.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from dask_gateway_server.backends.base import Backend, ClusterConfig, PublicException
from dask_gateway_server.models import Cluster, ClusterStatus, User
from pydantic import ValidationError
from traitlets import Float, Unicode, default

from perijove.models import (
    TITLE_MAX_CHARS,
    TITLE_OPTION,
    Adaptive,
    ClusterNeed,
    ClusterRequest,
    ClusterState,
    GatewayCluster,
    GatewayPatch,
    Kind,
    LeaseOffer,
)
from perijove.models.base import PLAIN_TEXT
from perijove_hub.admission.client import ControlClient, ControlRefused, ControlUnreachable
from perijove_hub.policy.secrets import SecretError, Secrets

from .marks import marked
from .scheduler import look_at_scheduler
from .sizes import resources_of
from .standing import Standing, standing_of, view_of
from .sweep import Sweeper
from .times import moment, now

#: The option that says which group's allocation pays, as the title an option of every gateway.
CHARGE_TO_OPTION = "charge_to"

#: What a scheduler has said of itself is shown for so long before it is asked again.
STATE_SECONDS = 2.0

#: For how long an attempt may be in no list: a backend that watches a cluster of Kubernetes sees it a moment later.
PENDING = timedelta(seconds=60)

#: What :meth:`GovernedBackend.start_cluster` has been granted, for the configuration that is made within it.
_OFFER: ContextVar[LeaseOffer | None] = ContextVar("offer", default=None)

_STATES = {
    ClusterStatus.PENDING: ClusterState.STARTING,
    ClusterStatus.RUNNING: ClusterState.RUNNING,
    ClusterStatus.STOPPING: ClusterState.STOPPING,
    ClusterStatus.STOPPED: ClusterState.STOPPED,
    ClusterStatus.FAILED: ClusterState.FAILED,
}


class GovernedBackend(Backend):  # type: ignore[misc]  # published without types
    """Over a backend of Dask Gateway: ``class Mine(GovernedBackend, UnsafeLocalBackend)``."""

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

    #: Whether schedulers run on this machine, so that what they say of where they are can be held to that.
    is_on_this_machine = False

    @default("public_control_url")
    def _default_public_control_url(self) -> str:
        return str(self.control_url)

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
        self.standings: dict[str, Standing] = {}
        #: attempts that were asked for and are in no list of clusters yet, and until when they may be
        self.pending_attempts: dict[str, datetime] = {}
        self.began = now()
        self.control = ControlClient(
            self.control_url, lambda: secrets.text(secret.name), self.ask_seconds, scheme="gateway"
        )
        app.router.add_routes(cluster_routes)
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
        title = _title(asked.pop(TITLE_OPTION, ""))
        charge_to = asked.pop(CHARGE_TO_OPTION, None)
        try:
            options, config = await super().process_cluster_options(user, asked)
            resources_of(config.to_dict(), "scheduler"), resources_of(config.to_dict(), "worker")
        except PublicException as error:
            raise PublicException(one_line(str(error))) from error
        except ValidationError as error:
            raise PublicException("Workers or schedulers of this size are more than any lease may hold.") from error
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
            PublicException: an option is wrong, or control has refused it, with its words.
        """
        options, config = await self.process_cluster_options(user, cluster_options)
        attempt_id = uuid.uuid4().hex
        # the inventory holds it from before it is asked for: one that lacks it would end the lease
        self.pending_attempts[attempt_id] = now() + PENDING
        try:
            offer = await self._ask(user, attempt_id, options, config)
        except BaseException:
            del self.pending_attempts[attempt_id]
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
                msg = _bounded(msg, standing.most_workers)
                standing.adaptive = _adaptive(msg, standing.most_workers)
        await super().forward_message_to_scheduler(cluster, msg)

    # --- leases ---------------------------------------------------------------------------------------------------

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
            raise PublicException(one_line(refused.problem.detail)) from None
        except ControlUnreachable:
            raise PublicException(
                "The platform cannot be asked now whether there is room for a cluster: try again in a minute."
            ) from None

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
            try:
                await self._activate(standing)
                await self._resize(standing, max(wanted, await self.live_workers(cluster.name)))
            except ControlUnreachable:
                # nobody can say whether there is room: what it has it keeps
                standing.capped = "The platform cannot be asked for more now." if self._is_short(standing) else None
            except ControlRefused as refused:
                if refused.problem.status in (404, 409):
                    await self.end(cluster.name, standing, f"its lease is over: {refused.problem.detail}")
                else:
                    standing.capped = refused.problem.detail
        return min(wanted, standing.granted or 0)

    @staticmethod
    def _is_short(standing: Standing) -> bool:
        return standing.wanted > (standing.granted or 0)

    async def _activate(self, standing: Standing) -> None:
        if not standing.is_active:
            answer = await self.control.patch_cluster(standing.marks.lease_id, GatewayPatch(state="active"))
            standing.is_active = True
            if standing.granted is None:
                standing.granted = standing.room_in(answer.lease.resources)

    async def _resize(self, standing: Standing, workers: int) -> None:
        if workers == standing.granted:
            standing.capped = None
            return
        patch = GatewayPatch(resources=standing.held_with(workers), step=standing.worker)
        answer = await self.control.patch_cluster(standing.marks.lease_id, patch)
        standing.granted = standing.room_in(answer.lease.resources)
        standing.capped = answer.capped if self._is_short(standing) else None

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

    # --- what is known --------------------------------------------------------------------------------------------

    def standing(self, cluster: Cluster) -> Standing | None:
        """What is known of a cluster beyond its record; None: it was started without a lease."""
        if cluster.name not in self.standings:
            made = standing_of(cluster.config, self.began if cluster.status > ClusterStatus.PENDING else now())
            if made is None:
                return None
            self.standings[cluster.name] = made
        return self.standings[cluster.name]

    async def all_clusters(self, username: str | None = None) -> list[Cluster]:
        """All clusters, also those that are over, as long as the backend keeps them."""
        return list(await self.list_clusters(username=username, statuses=list(ClusterStatus)))

    async def look_at(self, clusters: Iterable[Cluster], *, newer_than_seconds: float = STATE_SECONDS) -> None:
        """Ask the schedulers of running clusters how they are, all at once."""
        await asyncio.gather(*(self._look_at(each, newer_than_seconds) for each in clusters))

    async def _look_at(self, cluster: Cluster, newer_than_seconds: float) -> None:
        standing = self.standing(cluster)
        if standing is None or cluster.status != ClusterStatus.RUNNING or not cluster.dashboard_address:
            return
        if standing.state_at is not None and now() - standing.state_at < timedelta(seconds=newer_than_seconds):
            return
        state = await look_at_scheduler(
            self.session, cluster.dashboard_address, on_this_machine=self.is_on_this_machine
        )
        if state is not None:
            standing.state, standing.state_at = state, now()

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


def one_line(text: str) -> str:
    """What goes into the status line of an answer, where a line break would be a fault."""
    return " ".join(text.split())[:1000]


def count_of(said: object) -> int:
    """How many workers a scheduler or its owner asks for.

    Raises:
        PublicException: it is no such number.
    """
    if not isinstance(said, int) or isinstance(said, bool) or said < 0:
        raise PublicException("count: expected a whole number of workers, 0 or more.")
    return said


def _title(said: object) -> str:
    if not isinstance(said, str) or len(said) > TITLE_MAX_CHARS or not re.match(PLAIN_TEXT, said) or "\n" in said:
        raise PublicException(f"title: expected one line of {TITLE_MAX_CHARS} characters at most.")
    return said.strip()


def _bounded(msg: Mapping[str, Any], most: int) -> dict[str, Any]:
    """An adaptive range without numbers that no lease has room for; a scheduler would count with them."""
    return {
        **msg,
        **{key: min(msg[key], most) for key in ("minimum", "maximum") if isinstance(msg.get(key), (int, float))},
    }


def _adaptive(msg: Mapping[str, Any], most: int) -> Adaptive | None:
    if not msg.get("active", True):
        return None
    least, highest = msg.get("minimum"), msg.get("maximum")
    return Adaptive(
        minimum=least if isinstance(least, int) else 0, maximum=highest if isinstance(highest, int) else most
    )
