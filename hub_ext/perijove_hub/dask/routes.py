"""The routes that a governed gateway has beside Dask Gateway's own: what people look at, and no secret."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from aiohttp import web
from dask_gateway_server.backends.base import PublicException
from dask_gateway_server.models import Cluster, ClusterStatus
from dask_gateway_server.routes import api_handler
from pydantic import BaseModel, ValidationError

from perijove.models import GatewayClusters, KeepCluster, NeedRequest
from perijove_hub.admission.client import ControlUnreachable

from .asked import one_line
from .governed import GovernedBackend
from .times import now

Body = TypeVar("Body", bound=BaseModel)

#: No body of ours is longer.
BODY_MAX_BYTES = 64 * 1024

cluster_routes = web.RouteTableDef()

_Handler = Callable[[web.Request], Awaitable[web.Response]]
_for_users: Callable[[_Handler], _Handler] = api_handler(user_authenticated=True)


def _backend(request: web.Request) -> GovernedBackend:
    backend: GovernedBackend = request.app["backend"]
    return backend


async def _body(request: web.Request, model: type[Body]) -> Body:
    raw = await request.content.read(BODY_MAX_BYTES + 1)
    while len(raw) <= BODY_MAX_BYTES and (more := await request.content.read(BODY_MAX_BYTES)):
        raw += more
    if len(raw) > BODY_MAX_BYTES:
        raise web.HTTPRequestEntityTooLarge(BODY_MAX_BYTES, len(raw))
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise web.HTTPUnprocessableEntity(reason=one_line(f"{where}: {first['msg']}")) from None


def _answer(model: BaseModel, status: int = 200) -> web.Response:
    return web.json_response(text=model.model_dump_json(), status=status, headers={"Cache-Control": "no-store"})


async def _own(request: web.Request) -> Cluster:
    """The cluster, if it is the caller's; the same answer for another's and for none."""
    name = request.match_info["cluster_name"]
    cluster = await _backend(request).get_cluster(name)
    if cluster is None or not request["user"].has_permissions(cluster):
        raise web.HTTPNotFound(reason=one_line(f"You have no cluster {name}"))
    return cluster


@cluster_routes.get("/api/perijove/v1/clusters")
@_for_users
async def list_clusters(request: web.Request) -> web.Response:
    """``GET clusters``: the caller's, newest first."""
    backend = _backend(request)
    clusters = await backend.all_clusters(request["user"].name)
    await backend.look_at(clusters)
    views = [view for each in clusters if (view := backend.view(each)) is not None]
    views.sort(key=lambda view: (view.created, view.name), reverse=True)
    return _answer(GatewayClusters(items=views))


@cluster_routes.get("/api/perijove/v1/clusters/{cluster_name}")
@_for_users
async def show_cluster(request: web.Request) -> web.Response:
    """``GET clusters/{name}``: one of the caller's."""
    backend, cluster = _backend(request), await _own(request)
    await backend.look_at([cluster])
    view = backend.view(cluster)
    if view is None:
        raise web.HTTPNotFound(reason="The cluster has no lease.")
    return _answer(view)


@cluster_routes.post("/api/perijove/v1/clusters/{cluster_name}/keep")
@_for_users
async def keep_cluster(request: web.Request) -> web.Response:
    """``POST clusters/{name}/keep``: it is not stopped for being idle for some minutes."""
    backend, cluster = _backend(request), await _own(request)
    asked = await _body(request, KeepCluster)
    standing = backend.standing(cluster)
    if standing is None or cluster.status != ClusterStatus.RUNNING:
        raise web.HTTPConflict(reason="The cluster does not run.")
    until = now() + timedelta(minutes=asked.minutes)
    standing.kept_until = max(standing.kept_until or until, until)  # less than was said before takes nothing back
    with contextlib.suppress(ControlUnreachable):  # the next sweep says it
        await backend.note_kept(standing)
    await backend.look_at([cluster])
    view = backend.view(cluster)
    return _answer(view) if view else web.Response(status=204)


@cluster_routes.post("/api/perijove/v1/needs")
@_for_users
async def tell_needs(request: web.Request) -> web.Response:
    """``POST needs``: what a cluster with these options would hold."""
    asked = await _body(request, NeedRequest)
    try:
        return _answer(await _backend(request).need(request["user"], asked.cluster_options))
    except PublicException as error:
        raise web.HTTPUnprocessableEntity(reason=str(error)) from None


__all__ = ["cluster_routes"]
