"""The routes below ``perijove/dask/``, and ``perijove/leases``; dashboards are in ``dashboard``."""

from __future__ import annotations

import json
from typing import TypeVar

from jupyter_server.utils import url_path_join
from pydantic import BaseModel
from tornado import web

from perijove.models.compute import AdaptCluster, EstimateRequest, NewCluster, ScaleCluster
from perijove.models.gateways import KeepCluster
from perijove.paths import check_dataset_id

from ..base import PerijoveHandler, sentences
from .dashboard_rules import check_page
from .merge import dashboard_route
from .names import check_cluster_name, check_gateway_name
from .service import DaskService

DATASETS_MAX = 100

Asked = TypeVar("Asked", bound=BaseModel)


class DaskHandler(PerijoveHandler):
    """The base of all routes about clusters."""

    #: Options may hold a mapping, as the environment of workers.
    body_max_bytes = 64 << 10

    @property
    def dask(self) -> DaskService:
        """The service. Raises ``NotConfigured`` outside of a platform."""
        return self.service.dask

    def initialize(self) -> None:
        """A panel that is open asks every few seconds; that must not keep an idle session alive."""
        self._track_activity = self.request.method not in ("GET", "HEAD")

    def body_or_default(self, model: type[Asked]) -> Asked:
        """As :meth:`body`; no body stands for all defaults.

        Raises:
            BadRequest: it is too long or does not fit, and where.
        """
        return self.body(model) if self.request.body else model()


class GatewaysHandler(DaskHandler):
    """``GET dask/gateways?dataset=…``: the gateways with their options, the one that notebooks take first."""

    @web.authenticated
    @sentences
    async def get(self) -> None:
        """All of them."""
        datasets = [check_dataset_id(each) for each in self.several_arguments("dataset", DATASETS_MAX)]
        self.write_model(await self.dask.gateways(datasets))


class ClustersHandler(DaskHandler):
    """``GET``, ``POST`` and ``DELETE dask/clusters``: one list over all gateways, a new cluster, an end to all."""

    @web.authenticated
    @sentences
    async def get(self) -> None:
        """The list."""
        self.write_model(await self.dask.clusters())

    @web.authenticated
    @sentences
    async def post(self) -> None:
        """The cluster that is made."""
        answer = await self.dask.create(self.body(NewCluster))
        self.set_status(201)
        self.write_model(answer)

    @web.authenticated
    @sentences
    async def delete(self) -> None:
        """What was stopped, and what was not and why."""
        stopped, failed = await self.dask.stop_all()
        answer = {
            "stopped": [{"gateway": gateway, "name": name} for gateway, name in stopped],
            "failed": [{"gateway": gateway, "name": name, "reason": reason} for gateway, name, reason in failed],
        }
        self.finish(json.dumps(answer))


class ClusterHandler(DaskHandler):
    """``GET dask/clusters/{gateway}/{name}?wait=1`` and ``DELETE``: one cluster."""

    @web.authenticated
    @sentences
    async def get(self, gateway: str, name: str) -> None:
        """The cluster, once it has started if that is asked for."""
        wait = self.choice_argument("wait", ("0", "1")) == "1"
        self.write_model(await self.dask.cluster(gateway, name, wait=wait))

    @web.authenticated
    @sentences
    async def delete(self, gateway: str, name: str) -> None:
        """The cluster as it is stopped."""
        self.write_model(await self.dask.stop(gateway, name))


class ClusterLogHandler(DaskHandler):
    """``GET dask/clusters/{gateway}/{name}/log``: the end of its logs, if it failed."""

    @web.authenticated
    @sentences
    async def get(self, gateway: str, name: str) -> None:
        """The log."""
        self.write_model(await self.dask.log(gateway, name))


class ScaleHandler(DaskHandler):
    """``POST dask/clusters/{gateway}/{name}/scale {workers}``."""

    @web.authenticated
    @sentences
    async def post(self, gateway: str, name: str) -> None:
        """The cluster, and what its gateway said to it."""
        self.write_model(await self.dask.scale(gateway, name, self.body(ScaleCluster)))


class AdaptHandler(DaskHandler):
    """``POST dask/clusters/{gateway}/{name}/adapt {minimum, maximum}``."""

    @web.authenticated
    @sentences
    async def post(self, gateway: str, name: str) -> None:
        """The cluster, and what its gateway said to it."""
        self.write_model(await self.dask.adapt(gateway, name, self.body(AdaptCluster)))


class KeepClusterHandler(DaskHandler):
    """``POST dask/clusters/{gateway}/{name}/keep {minutes}``."""

    @web.authenticated
    @sentences
    async def post(self, gateway: str, name: str) -> None:
        """The cluster as it then is."""
        self.write_model(await self.dask.keep(gateway, name, self.body_or_default(KeepCluster)))


class EstimatesHandler(DaskHandler):
    """``POST dask/estimates``: what a cluster would hold and cost, and whether it fits."""

    @web.authenticated
    @sentences
    async def post(self) -> None:
        """The estimate."""
        self.write_model(await self.dask.estimate(self.body(EstimateRequest)))


class PlotsHandler(DaskHandler):
    """``GET dask/clusters/{gateway}/{name}/plots``: the plots of its dashboard."""

    @web.authenticated
    @sentences
    async def get(self, gateway: str, name: str) -> None:
        """All of them, on one page."""
        self.write_model(await self.dask.plots(gateway, name))


class ClusterSnippetHandler(DaskHandler):
    """``GET dask/clusters/{gateway}/{name}/snippet``: code that connects to it, to be run as it stands."""

    @web.authenticated
    @sentences
    async def get(self, gateway: str, name: str) -> None:
        """The code."""
        self.finish(json.dumps({"language": "python", "code": await self.dask.snippet(gateway, name)}))


class LinkHandler(DaskHandler):
    """``GET dask/gateways/{gateway}/clusters/{name}/{page}``: where Dask's own client takes a dashboard to be."""

    @web.authenticated
    @sentences
    async def get(self, gateway: str, name: str, page: str) -> None:
        """Lead to where it is."""
        route = dashboard_route(check_gateway_name(gateway), check_cluster_name(name), check_page(page))
        self.redirect(url_path_join(self.base_url, "perijove", route))


class LeasesHandler(DaskHandler):
    """``GET leases``: the user's leases that hold resources now."""

    @web.authenticated
    @sentences
    async def get(self) -> None:
        """All of them, on one page."""
        self.write_model(await self.dask.open_leases())


_CLUSTER = r"/perijove/dask/clusters/([^/]+)/([^/]+)"
ROUTES = [
    (r"/perijove/dask/gateways", GatewaysHandler),
    (r"/perijove/dask/gateways/([^/]+)/clusters/([^/]+)/([^/]+)", LinkHandler),
    (r"/perijove/dask/clusters", ClustersHandler),
    (r"/perijove/dask/estimates", EstimatesHandler),
    (_CLUSTER, ClusterHandler),
    (_CLUSTER + "/log", ClusterLogHandler),
    (_CLUSTER + "/scale", ScaleHandler),
    (_CLUSTER + "/adapt", AdaptHandler),
    (_CLUSTER + "/keep", KeepClusterHandler),
    (_CLUSTER + "/plots", PlotsHandler),
    (_CLUSTER + "/snippet", ClusterSnippetHandler),
    (r"/perijove/leases", LeasesHandler),
]
