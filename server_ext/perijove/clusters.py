"""Dask clusters next to the data: ``perijove.cluster()`` and ``perijove.clusters()``.

Nothing here imports Dask until a cluster is asked for.
"""

from __future__ import annotations

import asyncio
import html
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload
from urllib.parse import urlsplit

import httpx
from fsspec.asyn import get_loop, sync
from pydantic import ValidationError

from .client import ControlClient, gateways_call
from .errors import BadRequest, ClusterOver, NotFound, NotSupported
from .models import ClusterState, GatewayCluster, GatewayClusters, GatewayView
from .paths import check_dataset_id, split_url

if TYPE_CHECKING:
    from .dask_cluster import Cluster

#: A gateway that has not answered in full by then is told as one that does not.
LIST_SECONDS = 2.0
#: No list of clusters is longer.
LIST_MAX_BYTES = 8 << 20
#: A new cluster about whose workers nothing is said takes as many as there is work for, up to so many.
WORKERS_UNASKED = 8


class FarFromData(UserWarning):
    """A cluster was started far from the data that it is to read."""


def cluster(
    workers: int | None = None,
    *,
    near: str | None = None,
    gateway: str | None = None,
    name: str | None = None,
    title: str = "",
    minimum: int | None = None,
    maximum: int | None = None,
    shutdown_on_close: bool | None = None,
    **options: Any,
) -> Cluster:
    """Start a Dask cluster, or connect to one that runs::

        cluster = perijove.cluster(4, near="euclid-demo")
        client = cluster.get_client()

    Without arguments it starts one on the gateway of this session's site, which takes as many workers as there is work
    for, up to 8, and lets them go again. It lives until it is shut down, is idle for too long, or this object is
    closed, which the end or a restart of the notebook's kernel does, too; with ``shutdown_on_close=False`` it stays.
    One that was connected to by its name stays when the object goes.

    Args:
        workers: how many to ask for; fewer come when a limit is in the way, and ``cluster.capped`` says which.
        near: a dataset, or a ``perijove://`` address: the cluster starts on the gateway nearest to it.
        gateway: the site whose gateway to take instead.
        name: of a cluster that runs, as :func:`clusters` tells it, or its title.
        title: what to call it in lists.
        minimum: with ``maximum``, the cluster chooses by itself how many workers it has, between the two.
        maximum: see ``minimum``.
        shutdown_on_close: whether it ends with this object; True for a new one, False for one that was connected to.
        options: of the gateway, as its form shows them, for example ``worker_cores=2``.

    Raises:
        Refused: a limit or the site does not let it start, in the platform's words.
        NotFound: there is no such gateway, cluster or dataset.
        BadRequest: an option is wrong, in the gateway's words.
        ClusterOver: it did not come up, or is over, and why.
        NotSupported: Dask is not installed here.
        PerijoveError: control or the gateway does not answer.
    """
    if (minimum is not None or maximum is not None) and workers is not None:
        raise BadRequest("Say either how many workers, or a minimum and a maximum between which the cluster chooses.")
    if name is not None and (title or near or options):
        raise BadRequest(f"A cluster that runs is named alone: {name!r} cannot get another title, place or options.")
    try:
        from .dask_cluster import connect, start
    except ImportError as error:
        raise NotSupported(
            f"Clusters need {error.name}, which is not installed here: pip install dask distributed dask-gateway."
        ) from None
    if name is not None:
        made = connect(*_find(name, gateway), shutdown_on_close=bool(shutdown_on_close))
    else:
        chosen = choose_gateway(_gateways(near), gateway, near)
        made = start(chosen, title, options, shutdown_on_close=shutdown_on_close is not False)
        if workers is None and minimum is None and maximum is None:
            maximum = WORKERS_UNASKED
    try:
        if workers is not None:
            made.scale(workers)
        elif minimum is not None or maximum is not None:
            made.adapt(minimum=minimum, maximum=maximum)
    except BaseException:
        made.close()  # nobody holds it: a new one would go on, and cost
        raise
    return made


class ClusterList(Sequence[tuple[str, GatewayCluster]]):
    """Clusters, each with the site of its gateway; shows itself as a table in notebooks and as lines elsewhere.

    ``silent`` are the sites whose gateways did not answer.
    """

    _HEAD = ("name", "title", "gateway", "state", "workers", "why")

    def __init__(self, items: Sequence[tuple[str, GatewayCluster]], silent: Sequence[str] = ()) -> None:
        self._items = tuple(items)
        self.silent = tuple(silent)

    @overload
    def __getitem__(self, index: int) -> tuple[str, GatewayCluster]: ...
    @overload
    def __getitem__(self, index: slice) -> ClusterList: ...
    def __getitem__(self, index: int | slice) -> tuple[str, GatewayCluster] | ClusterList:
        """The cluster at ``index``, or a shorter list for a slice."""
        return ClusterList(self._items[index], self.silent) if isinstance(index, slice) else self._items[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._items)

    def __repr__(self) -> str:
        """One line for each cluster, and one for the gateways that did not answer."""
        lines = ["  ".join(cell for cell in _row(*item) if cell) for item in self._items] or ["no clusters"]
        return "\n".join([*lines, *self._told()])

    def _repr_html_(self) -> str:
        """A table; everything in it is text and escaped."""
        head = "".join(f"<th>{cell}</th>" for cell in self._HEAD)
        rows = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell, quote=True)}</td>' for cell in _row(*item))}</tr>"
            for item in self._items
        )
        told = "".join(f"<p>{html.escape(line, quote=True)}</p>" for line in self._told())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{told}"

    def _told(self) -> list[str]:
        return [f"The gateway of {site} does not answer." for site in self.silent]


def clusters() -> ClusterList:
    """Your clusters on all gateways, the newest first, without those that are over.

    Raises:
        PerijoveError: not in a session of the platform, or control is away.
    """
    found, silent = _all_clusters(_gateways(None))
    running = [(site, each) for site, each in found if not each.state.is_over]
    running.sort(key=lambda item: (item[1].created, item[1].name), reverse=True)
    return ClusterList(running, silent)


def choose_gateway(gateways: Sequence[GatewayView], wanted: str | None, near: str | None) -> GatewayView:
    """The gateway to start a cluster on; warns when it is far from the data that were named.

    Raises:
        NotFound: there is none, or none of the name that is wanted.
    """
    if not gateways:
        raise NotFound("This platform has no Dask Gateway that you may use.")
    preferred = next((each for each in gateways if each.preferred), None)
    if wanted is None:
        here = next((each for each in gateways if each.site == os.environ.get("PERIJOVE_SITE")), gateways[0])
        return preferred or here
    chosen = next((each for each in gateways if each.site == wanted), None)
    if chosen is None:
        known = ", ".join(each.site for each in gateways)
        raise NotFound(f"There is no gateway {wanted!r} that you may use: choose from {known}.")
    if preferred is not None and preferred.site != chosen.site and chosen.near:
        warnings.warn(
            f"{chosen.title} {chosen.near}; {preferred.title} is nearer to {near}.", FarFromData, stacklevel=3
        )
    return chosen


def dashboard_root(site: str) -> str | None:
    """Where a browser reaches the dashboards of a gateway: through this user's own Jupyter server.

    Never at the gateway's own address, which has no login: None where there is no such server. With a host, since the
    Lab takes a bare path for a file.
    """
    server = os.environ.get("PERIJOVE_SERVER_URL", "")
    if not server and (prefix := os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")):
        control = urlsplit(os.environ.get("PERIJOVE_CONTROL_URL", ""))
        hub = os.environ.get("JUPYTERHUB_PUBLIC_URL") or f"{control.scheme}://{control.netloc}{prefix}"
        server = f"{hub.rstrip('/')}/perijove"
    return f"{server.rstrip('/')}/dask/gateways/{site}" if server.startswith(("http://", "https://")) else None


def _gateways(near: str | None) -> list[GatewayView]:
    datasets = [dataset_of(near)] if near is not None else []
    with ControlClient() as client:
        return client.send(gateways_call(datasets)).items


def dataset_of(near: str) -> str:
    """The dataset that an address below it, or its id, names.

    Raises:
        InvalidPath: it is neither.
    """
    return split_url(near)[0] if "/" in near else check_dataset_id(near)


def _find(name: str, wanted: str | None) -> tuple[GatewayView, str, str]:
    """The gateway, the name and the title of a cluster that runs, by its name or its title."""
    gateways = _gateways(None)
    if wanted is not None:
        gateways = [choose_gateway(gateways, wanted, None)]
    found, silent = _all_clusters(gateways)
    running = [(site, each) for site, each in found if not each.state.is_over]
    meant = [item for item in running if item[1].name == name] or [item for item in running if item[1].title == name]
    if len(meant) > 1:
        names = ", ".join(each.name for _, each in meant)
        raise BadRequest(f"{len(meant)} clusters are called {name!r}: choose one by its name from {names}.")
    if meant:
        site, cluster = meant[0]
        return next(each for each in gateways if each.site == site), cluster.name, cluster.title
    asked = f" (the gateway of {', '.join(silent)} does not answer)" if silent else ""
    if past := [each for _, each in found if name in (each.name, each.title)]:
        why = max(past, key=lambda each: each.created).reason or "it was stopped"
        raise ClusterOver(f"Your cluster {name!r} is over: {why.rstrip('.')}{asked}.")
    if wanted is not None:
        return gateways[0], name, ""  # its gateway says what is wrong
    raise NotFound(f"You have no cluster {name!r} that runs{asked}.")


def _all_clusters(gateways: Sequence[GatewayView]) -> tuple[list[tuple[str, GatewayCluster]], list[str]]:
    """Of all gateways at once, each with the site; and the sites whose gateways did not answer in time."""
    found: list[tuple[str, GatewayCluster]] = []
    silent: list[str] = []
    for gateway, items in zip(gateways, sync(get_loop(), _ask_all, gateways), strict=True):
        if items is None:
            silent.append(gateway.site)
        else:
            found += [(gateway.site, each) for each in items]
    return found, silent


async def _ask_all(gateways: Sequence[GatewayView]) -> list[list[GatewayCluster] | None]:
    async with httpx.AsyncClient(timeout=LIST_SECONDS) as http:
        return await asyncio.gather(*(_clusters_of(http, each) for each in gateways))


async def _clusters_of(http: httpx.AsyncClient, gateway: GatewayView) -> list[GatewayCluster] | None:
    headers = {"Authorization": f"jupyterhub {os.environ.get('JUPYTERHUB_API_TOKEN', '')}"}
    url = f"{gateway.address.rstrip('/')}/api/perijove/v1/clusters"
    try:
        # the address is control's word, so this user's token may go there, and nowhere that a redirect names
        async with asyncio.timeout(LIST_SECONDS), http.stream("GET", url, headers=headers) as answer:
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > LIST_MAX_BYTES:
                    return None
        return GatewayClusters.model_validate_json(bytes(body)).items if answer.status_code == 200 else None
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValidationError):
        return None


def _row(site: str, item: GatewayCluster) -> tuple[str, ...]:
    workers = "" if item.workers is None else f"{item.workers} of {max(item.workers_wanted, item.workers)}"
    shown = item.state.value if item.state is not ClusterState.RUNNING or item.processing else "running, idle"
    return item.name, item.title, site, shown, workers, item.capped or item.reason or ""
