"""The user's clusters over all gateways: what the routes do, without HTTP."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from perijove.client import AsyncControlClient, leases_call, quotas_call, sites_call
from perijove.errors import NotFound, PerijoveError
from perijove.models import GatewayView, Kind, Lease, Page, SiteView
from perijove.models.compute import (
    AdaptCluster,
    ClusterAnswer,
    ClusterEvent,
    ClusterLog,
    ClusterOption,
    ClustersView,
    ClusterView,
    Estimate,
    EstimateRequest,
    GatewayFacts,
    GatewaysView,
    NewCluster,
    Plot,
    ScaleCluster,
)
from perijove.models.gateways import CHARGE_TO_OPTION, TITLE_OPTION, ClusterState, GatewayCluster, KeepCluster

from . import merge
from .directory import Directory
from .environment import KernelEnvironment
from .errors import GatewayUnavailable
from .estimates import estimate
from .gateway_client import GatewayClient
from .growing import Growing, Size
from .lookout import Lookout
from .names import check_cluster_name, is_cluster_name
from .news import ClusterNews
from .watch import PATIENCE_SECONDS, Watch

#: How long a list waits for one gateway, and for control, before it goes without.
LIST_SECONDS = 2.0
#: How many of the user's newest leases are looked at for what clusters cost, and for how long they are believed.
LEASES_MAX = 500
LEASES_SECONDS = 5.0
#: How often a cluster that was just made is looked for in its gateway's list, and the pause between.
LOOKS = 3
LOOK_PAUSE_SECONDS = 0.3
#: How many clusters are stopped at once.
STOPS_AT_ONCE = 8
#: The pauses between questions for the gateways while control does not answer, in seconds.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


class DaskService:
    """Made on the first request, in the server's event loop.

    Args:
        control: carries out calls to control.
        token: of this server, for gateways.
        site: where this session runs, or None.
        currency: in which costs are told.
        server_url: where a browser finds this server, with a slash at its end.
        clock: the time.
        log: of the server.
        last_activity: when somebody last did something in this session.
        tell: emits what has happened to a cluster as an event.
    """

    def __init__(
        self,
        control: AsyncControlClient,
        token: str,
        site: str | None,
        currency: str | None,
        server_url: str,
        clock: Callable[[], datetime],
        log: logging.Logger,
        last_activity: Callable[[], datetime],
        tell: Callable[[ClusterEvent], None],
    ) -> None:
        self._control = control
        self._currency = currency
        self._log = log
        self._telling: asyncio.Task[None] | None = None
        self._options: dict[str, list[ClusterOption]] = {}
        self._leases: tuple[dict[str, Lease], float] = ({}, float("-inf"))
        self._directory = Directory(control, token, site, clock, KernelEnvironment(server_url).tell)
        self._growing = Growing(log)
        self._lookout = Lookout(control, self._directory, last_activity, clock, log)
        self.news = ClusterNews(tell, clock)

    def start(self) -> None:
        """Begin to find out which gateways there are, for kernels that start from then on."""
        self._telling = asyncio.create_task(self._find_gateways(), name="find out which Dask Gateways there are")

    async def close(self) -> None:
        """Close all connections."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self._growing.close()
        await self._directory.close()

    async def look_out(self) -> None:
        """Tell what has happened to clusters, whether anybody looks at them or not; called again and again."""
        self._hear(await self._lookout.look(LIST_SECONDS), {})

    async def gateways(self, datasets: Sequence[str]) -> GatewaysView:
        """All gateways with their options; with ``datasets``, where each would read them.

        Raises:
            PerijoveError: control does not answer; so in all that follows.
        """
        views = await self._directory.views(datasets)
        watches = {view.site: watch for view, watch in await self._directory.watches()}
        known = [view for view in views if view.site in watches]
        told = asyncio.gather(*(self._facts(view, watches[view.site].client) for view in known))
        (may_pay, paying), facts = await asyncio.gather(self._payers(), told)
        items = [merge.with_payer(each, may_pay, paying) for each in facts]
        return GatewaysView(items=items, currency=self._currency)

    async def clusters(self) -> ClustersView:
        """One list over all gateways; one that does not answer in time is shown as it last was."""
        pairs = await self._directory.watches()
        lists = asyncio.gather(*(watch.ask(LIST_SECONDS) for _, watch in pairs))
        leases, _ = await asyncio.gather(self._costs(), lists)
        return ClustersView(
            items=self._hear(pairs, leases),
            gateways=[merge.gateway_health(view, watch.heard, watch.trouble) for view, watch in pairs],
            currency=self._currency,
        )

    async def cluster(self, gateway: str, name: str, *, wait: bool) -> ClusterView:
        """One cluster as it is now; with ``wait``, once it has started or is over, or after 20 seconds.

        Raises:
            NotFound: the user has none of that name; so in all that follows.
            PerijoveError: the gateway does not answer.
        """
        view, watch = await self._directory.find(gateway)
        check_cluster_name(name)
        if wait:
            await watch.client.wait(name)
        return await self._look(view, watch, name)

    async def log(self, gateway: str, name: str) -> ClusterLog:
        """The end of the logs of a cluster that failed; as :meth:`cluster`."""
        _, watch = await self._directory.find(gateway)
        return ClusterLog(log_tail=(await watch.told(check_cluster_name(name))).log_tail)

    async def create(self, wish: NewCluster) -> ClusterAnswer:
        """Start a cluster. Its workers come once it runs, whether anybody waits for that or not.

        Raises:
            NotAccepted: an option cannot be, or a limit is in the way.
            PerijoveError: the gateway does not answer.
        """
        gateway = wish.gateway
        if gateway is None:
            views = await self._directory.views()
            if not views:
                raise NotFound("There is no Dask Gateway that you may use.")
            gateway = views[0].site
        view, watch = await self._directory.find(gateway)
        name = await watch.client.create(dict(wish.options) | ({TITLE_OPTION: wish.title} if wish.title else {}))
        if not is_cluster_name(name):
            raise GatewayUnavailable(f"The Dask Gateway of {view.title} made a cluster whose name cannot be used.")
        if wish.size is not None:
            self._growing.begin(watch, name, wish.size)
        for _ in range(LOOKS):
            try:
                return ClusterAnswer(cluster=await self._look(view, watch, name))
            except PerijoveError:
                await asyncio.sleep(LOOK_PAUSE_SECONDS)
        raise GatewayUnavailable(
            f"The cluster {name} was made at {view.title}, which says no more yet: look at the list."
        )

    async def scale(self, gateway: str, name: str, wish: ScaleCluster) -> ClusterAnswer:
        """Ask for so many workers; one that does not run yet, and is to get some, gets these instead.

        Raises:
            NotNow: it does not run.
            PerijoveError: the gateway does not answer.
        """
        return await self._resize(gateway, name, wish, lambda client: client.scale(name, wish.workers))

    async def adapt(self, gateway: str, name: str, wish: AdaptCluster) -> ClusterAnswer:
        """Let a cluster choose its workers by itself; as :meth:`scale`."""
        return await self._resize(gateway, name, wish, lambda client: client.adapt(name, wish.minimum, wish.maximum))

    async def keep(self, gateway: str, name: str, wish: KeepCluster) -> ClusterAnswer:
        """Do not stop it for being idle for a while; as :meth:`scale`."""

        async def keep(client: GatewayClient) -> None:
            await client.keep(name, wish)

        return await self._change(gateway, name, keep)

    async def stop(self, gateway: str, name: str) -> ClusterAnswer:
        """Stop one cluster.

        Raises:
            PerijoveError: the gateway does not answer.
        """
        view, watch = await self._directory.find(gateway)
        # a gateway says of a name that it does not know that all is well
        await self._look(view, watch, check_cluster_name(name))

        async def stop(client: GatewayClient) -> None:
            self._growing.forget(gateway, name)
            await client.stop(name)

        answer = await self._change(gateway, name, stop)
        if answer.cluster.state.is_over or answer.cluster.state is ClusterState.STOPPING:
            return answer
        return ClusterAnswer(cluster=answer.cluster.model_copy(update={"state": ClusterState.STOPPING}))

    async def stop_all(self) -> tuple[list[tuple[str, str]], list[tuple[str, str | None, str]]]:
        """Stop all clusters at all gateways.

        Returns:
            What was stopped, as gateway and name; and what was not, with why: the name is None where a gateway did
            not even tell its clusters.
        """
        pairs, since = await self._directory.watches(), time.monotonic()
        heard = await asyncio.gather(*(watch.ask(PATIENCE_SECONDS, since) for _, watch in pairs))
        stopped: list[tuple[str, str]] = []
        failed: list[tuple[str, str | None, str]] = []
        turns = asyncio.Semaphore(STOPS_AT_ONCE)

        async def stop(watch: Watch, name: str) -> None:
            try:
                async with turns:
                    self._growing.forget(watch.client.site, name)
                    await watch.client.stop(name)
            except PerijoveError as error:
                failed.append((watch.client.site, name, error.detail))
            else:
                stopped.append((watch.client.site, name))

        for (view, watch), answered in zip(pairs, heard, strict=True):
            if not answered and watch.trouble is not None:
                failed.append((view.site, None, watch.trouble.detail))
        # those too of which a gateway has told before: it may be slow, and stop them all the same
        known = [(watch, each.name) for _, watch in pairs if watch.heard for each in _running(watch.heard.clusters)]
        await asyncio.gather(*(stop(watch, name) for watch, name in known))
        return stopped, failed

    async def estimate(self, wish: EstimateRequest) -> Estimate:
        """What a cluster would hold and cost, and whether it fits.

        Raises:
            NotAccepted: an option cannot be.
            PerijoveError: the gateway does not answer.
        """
        view, watch = await self._directory.find(wish.gateway)
        need, quotas, site = await asyncio.gather(
            watch.client.needs(wish.options), self._control.send(quotas_call()), self._site(view.site)
        )
        payer = wish.options.get(CHARGE_TO_OPTION)
        return estimate(
            need,
            wish.workers,
            gateway=view.site,
            title=view.title,
            price=view.price,
            quotas=[each for each in quotas.items if not (isinstance(payer, str) and merge.is_others(each, payer))],
            currency=self._currency,
            site=site,
        )

    async def plots(self, gateway: str, name: str) -> Page[Plot]:
        """The plots of a cluster's dashboard.

        Raises:
            PerijoveError: the dashboard does not answer.
        """
        client = await self.dashboard_of(gateway, name)
        return Page(items=merge.plots(await client.plots(name)), next=None)

    async def snippet(self, gateway: str, name: str) -> str:
        """Code that connects to a cluster, to be run as it stands."""
        view, _ = await self._directory.find(gateway)
        check_cluster_name(name)
        return (
            "import perijove\n\n"
            f"cluster = perijove.cluster(gateway={view.site!r}, name={name!r})\n"
            "client = cluster.get_client()\n"
            "client\n"
        )

    async def dashboard_of(self, gateway: str, name: str) -> GatewayClient:
        """The way to the dashboard of a cluster that is the user's own.

        Raises:
            PerijoveError: the gateway does not answer.
        """
        _, watch = await self._directory.find(gateway)
        await watch.own(check_cluster_name(name))
        return watch.client

    async def open_leases(self) -> Page[Lease]:
        """The user's leases that hold resources now, newest first."""
        page = await self._control.send(leases_call(LEASES_MAX))
        return Page(items=[lease for lease in page.items if lease.state.is_open], next=None)

    async def _site(self, name: str) -> SiteView | None:
        """What control says of a site; None while it does not say."""
        try:
            async with asyncio.timeout(LIST_SECONDS):
                sites = await self._control.send(sites_call())
        except (PerijoveError, TimeoutError):
            return None
        return next((each for each in sites.items if each.name == name), None)

    async def _payers(self) -> tuple[list[str], str | None]:
        """The groups that could pay, and the one that pays for sessions; none while control does not answer."""
        try:
            async with asyncio.timeout(LIST_SECONDS):
                quotas, leases = await asyncio.gather(self._control.send(quotas_call()), self._costs(fresh=True))
        except (PerijoveError, TimeoutError):
            return [], None
        mine = (lease for lease in leases.values() if lease.state.is_open and lease.kind is Kind.SESSION)
        return merge.payers(quotas.items), next((lease.charge_to for lease in mine if lease.charge_to), None)

    async def _facts(self, view: GatewayView, client: GatewayClient) -> GatewayFacts:
        trouble: PerijoveError | None = None
        try:
            async with asyncio.timeout(LIST_SECONDS):
                self._options[view.site] = merge.cluster_options(await client.options())
        except TimeoutError as error:
            # some of our own errors are of this kind too
            trouble = error if isinstance(error, PerijoveError) else _too_slow(view)
        except PerijoveError as error:
            trouble = error
        return merge.gateway_facts(view, self._options.get(view.site, []), trouble)

    async def _resize(
        self, gateway: str, name: str, size: Size, do: Callable[[GatewayClient], Awaitable[str | None]]
    ) -> ClusterAnswer:
        """Ask for workers now, or in place of those that a cluster is to get once it runs: the later wish wins."""
        if await self._growing.replace(gateway, name, size):
            view, watch = await self._directory.find(gateway)
            return ClusterAnswer(cluster=await self._look(view, watch, name))
        return await self._change(gateway, name, do)

    async def _change(
        self, gateway: str, name: str, do: Callable[[GatewayClient], Awaitable[str | None]]
    ) -> ClusterAnswer:
        """Let a gateway do something, and show the cluster as it then is, or as it was when the gateway last spoke."""
        view, watch = await self._directory.find(gateway)
        check_cluster_name(name)
        said = await do(watch.client)
        try:
            return ClusterAnswer(cluster=await self._look(view, watch, name), said=said)
        except GatewayUnavailable:
            found = watch.heard.find(name) if watch.heard else None
            if found is None or watch.heard is None:
                raise
            leases = await self._costs()
            shown = self._growing.shown(merge.cluster_view(view, found, watch.heard.at, leases))
            return ClusterAnswer(cluster=shown, said=said)

    async def _look(self, view: GatewayView, watch: Watch, name: str) -> ClusterView:
        """A cluster as its gateway shows it from now on."""
        leases, answered = await asyncio.gather(self._costs(fresh=True), watch.ask(PATIENCE_SECONDS, time.monotonic()))
        found = watch.heard.find(name) if watch.heard else None
        if not answered and watch.trouble is not None:
            raise watch.trouble
        if found is None or watch.heard is None:
            raise NotFound(f"There is no cluster {name} of yours at {view.title}.")
        return self._growing.shown(merge.cluster_view(view, found, watch.heard.at, leases))

    def _hear(self, pairs: Sequence[tuple[GatewayView, Watch]], leases: Mapping[str, Lease]) -> list[ClusterView]:
        """All clusters of these gateways; what has happened to those of the ones that answer is told."""
        found = merge.cluster_views(((view, watch.heard) for view, watch in pairs), leases)
        shown = [self._growing.shown(each) for each in found]
        for view, watch in pairs:
            if watch.trouble is None and watch.heard is not None:
                self.news.hear(view.site, [each for each in shown if each.gateway == view.site])
        return shown

    async def _costs(self, *, fresh: bool = False) -> Mapping[str, Lease]:
        """The user's newest leases by their ids; none when control does not answer in time."""
        kept, until = self._leases
        if not fresh and time.monotonic() < until:
            return kept
        try:
            async with asyncio.timeout(LIST_SECONDS):
                page = await self._control.send(leases_call(LEASES_MAX))
        except (PerijoveError, TimeoutError):
            return {}
        found = {lease.id: lease for lease in page.items}
        self._leases = (found, time.monotonic() + LEASES_SECONDS)
        return found

    async def _find_gateways(self) -> None:
        """Ask until control has answered once; kernels are told then."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._directory.views()
                return
            except PerijoveError as error:
                self._log.debug("cannot tell kernels of Dask Gateways yet: %s", error.detail)
            except Exception:  # noqa: BLE001 - whatever it is: the server is of use without
                self._log.exception("cannot tell kernels of Dask Gateways")
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)


def _running(clusters: Sequence[GatewayCluster]) -> list[GatewayCluster]:
    return [each for each in clusters if not each.state.is_over and each.state is not ClusterState.STOPPING]


def _too_slow(view: GatewayView) -> GatewayUnavailable:
    return GatewayUnavailable(f"The Dask Gateway of {view.title} did not answer within {LIST_SECONDS:g} s.")
