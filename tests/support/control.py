"""A stand-in for Perijove's control service, at the far edge of tests of the user's server and kernels.

It answers the routes that those ask, vends real sessions of S3 beds, and misbehaves to order. It runs in a thread of
its own, so tests with and without an event loop may use it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import obstore
from aiohttp import web
from obstore.store import S3Store
from pydantic import ValidationError

from perijove.keys import is_odd, key_of_path
from perijove.models import (
    Activity,
    Credentials,
    CredentialsRequest,
    Dataset,
    KeepRequest,
    Presigned,
    PresignedList,
    PresignedPath,
    PresignListRequest,
    PresignRequest,
    Replica,
)
from perijove_hub.catalogue.paths import PathError, check_object_path

from .s3 import S3Bed
from .s3.clients import boto_client

TOKEN = "canary-hub-token-7f3a"
ADMIN = ("admin", "admin-secret")


@dataclass
class FakeReplica:
    """Where one copy of a dataset lies. ``endpoint`` may point elsewhere than the bed, to a store that is away."""

    id: str
    bed: S3Bed
    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    #: What moving all of it costs.
    egress_cost: float = 0.0


@dataclass
class FakeControl:
    """What control knows, what it was asked, and how it shall misbehave."""

    url: str = ""
    datasets: dict[str, Dataset] = field(default_factory=dict)
    replicas: dict[tuple[str, str], FakeReplica] = field(default_factory=dict)
    #: Where the files of ``linked`` datasets are, by dataset and path.
    links: dict[tuple[str, str], str] = field(default_factory=dict)
    #: Whether the host and port of these may be private ones.
    allows_private: bool = True
    quotas: list[dict[str, Any]] = field(default_factory=list)
    leases: dict[str, dict[str, Any]] = field(default_factory=dict)
    notices: list[dict[str, Any]] = field(default_factory=list)
    #: The tokens of leases with which workers read datasets.
    lease_tokens: set[str] = field(default_factory=set)
    #: The Dask Gateways, with which datasets they were asked for, and what is wrong with that route alone: a status
    #: or "hang". Every server asks for them when it starts, so they are not among ``calls`` and ``faults``.
    gateways: list[dict[str, Any]] = field(default_factory=list)
    gateway_datasets: list[list[str]] = field(default_factory=list)
    gateways_fault: int | str | None = None
    #: What ``sites`` and ``profiles`` have; None: that route is out of order. Labs ask for them in the background,
    #: so they are not among ``calls`` and ``faults``, either.
    sites: list[dict[str, Any]] | None = field(default_factory=list)
    profiles: list[dict[str, Any]] | None = field(default_factory=list)
    #: The queries of searches, the catalogues of others, and the entries of ``linked`` datasets by id and path.
    queries: list[dict[str, list[str]]] = field(default_factory=list)
    catalogues: list[dict[str, Any]] = field(default_factory=list)
    trees: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    #: What servers said of their idleness, as (lease, message) in order.
    activities: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    #: Why no session may be kept on, or None.
    refuses_to_keep: str | None = None
    #: How many requests, by route, and all secrets given out.
    calls: Counter[str] = field(default_factory=Counter)
    secrets: list[str] = field(default_factory=list)
    #: How long vended credentials and URLs live.
    life_seconds: float = 3600.0
    #: One entry per request: a status, or "drop" (no answer), "html" (200 with a page), "junk" (200, no model).
    faults: deque[int | str] = field(default_factory=deque)

    def add(self, dataset_id: str, *replicas: FakeReplica, delivery: str = "direct", **more: Any) -> Dataset:
        """Put a dataset into the catalogue, its replicas in order of nearness."""
        views = [
            Replica(
                id=replica.id,
                site=replica.id,
                region="eu-test-1",
                url=f"s3://{replica.bucket}/{replica.prefix}",
                endpoint=replica.endpoint or replica.bed.endpoint,
                rank=rank,
                egress_cost=replica.egress_cost,
            )
            for rank, replica in enumerate(replicas)
        ]
        fields = {"title": dataset_id.title(), "description": "", "licence": "CC-BY-4.0", **more}
        dataset = Dataset.model_validate({"id": dataset_id, "delivery": delivery, "replicas": views, **fields})
        self.datasets[dataset_id] = dataset
        for replica in replicas:
            self.replicas[dataset_id, replica.id] = replica
        return dataset

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=[self._misbehave])
        app.router.add_get("/services/perijove/api/v1/datasets", self._list)
        app.router.add_get("/services/perijove/api/v1/datasets/{id}", self._dataset)
        app.router.add_get("/services/perijove/api/v1/datasets/{id}/tree", self._tree)
        app.router.add_post("/services/perijove/api/v1/datasets/{id}/credentials", self._credentials)
        app.router.add_post("/services/perijove/api/v1/datasets/{id}/presign", self._presign)
        app.router.add_post("/services/perijove/api/v1/datasets/{id}/presign-list", self._presign_list)
        app.router.add_get("/services/perijove/api/v1/quotas", self._quotas)
        app.router.add_get("/services/perijove/api/v1/gateways", self._gateways)
        app.router.add_get("/services/perijove/api/v1/sites", self._sites)
        app.router.add_get("/services/perijove/api/v1/profiles", self._profiles)
        app.router.add_get("/services/perijove/api/v1/leases", self._leases)
        app.router.add_get("/services/perijove/api/v1/leases/{id}", self._lease)
        app.router.add_post("/services/perijove/api/v1/leases/{id}/activity", self._activity)
        app.router.add_post("/services/perijove/api/v1/leases/{id}/keep", self._keep)
        app.router.add_get("/services/perijove/api/v1/notices", self._notices)
        return app

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Any) -> web.StreamResponse:
        route = request.path.removeprefix("/services/perijove/api/v1/")
        if route == "gateways":
            fault = self.gateways_fault
        elif route in ("sites", "profiles"):
            fault = None
        else:
            self.calls[f"{request.method} {route}"] += 1
            fault = self.faults.popleft() if self.faults else None
        if fault == "hang":
            await hang(request)
        if fault == "drop" and request.transport is not None:
            request.transport.abort()
        if fault == "html":
            return web.Response(text="<html>sign in</html>", content_type="text/html")
        if fault == "junk":
            return web.json_response({"unexpected": True})
        if isinstance(fault, int):
            return _problem(fault, f"Ordered by the test: {fault}.")
        said = request.headers.get("Authorization", "")
        is_worker = route.startswith("datasets") and said.removeprefix("lease ") in self.lease_tokens
        if said != f"token {TOKEN}" and not is_worker:
            return _problem(403, "You are not signed in.")
        try:
            response: web.StreamResponse = await handler(request)
        except (ValidationError, PathError) as error:  # what control refuses, this refuses
            return _problem(400, str(error))
        return response

    async def _list(self, request: web.Request) -> web.Response:
        q = request.query.get("q", "").lower()
        self.queries.append({name: request.query.getall(name) for name in request.query})
        found = [item for item in self.datasets.values() if q in f"{item.id} {item.title}".lower()]
        start, size = int(request.query.get("cursor", "0")), min(2, int(request.query.get("limit", "2")))
        more = f"{request.url.update_query(cursor=str(start + size))}" if start + size < len(found) else None
        items = [item.model_dump(mode="json") for item in found[start : start + size]]
        facets = {"licence": [{"value": "CC0", "title": "CC0", "count": len(found)}]} if not start else {}
        return _json({"items": items, "next": more, "facets": facets, "catalogues": self.catalogues})

    async def _tree(self, request: web.Request) -> web.Response:
        """A page of two entries of a ``linked`` dataset."""
        found = self.trees.get((request.match_info["id"], request.query.get("path", "")))
        if found is None:
            return _problem(503, f"{request.match_info['id']}: It did not answer in time.")
        start = int(request.query.get("cursor", "0"))
        more = f"{request.url.update_query(cursor=str(start + 2))}" if start + 2 < len(found) else None
        return _json({"items": found[start : start + 2], "next": more})

    def _find(self, request: web.Request, replica: str | None) -> tuple[Dataset, FakeReplica] | web.Response:
        dataset = self.datasets.get(request.match_info["id"])
        if dataset is None:
            return _problem(404, f"There is no dataset {request.match_info['id']} that you may read.")
        found = self.replicas.get((dataset.id, replica or dataset.replicas[0].id))
        return (dataset, found) if found else _problem(404, f"{dataset.id} has no replica {replica!r}.")

    async def _dataset(self, request: web.Request) -> web.Response:
        found = self._find(request, None)
        return found if isinstance(found, web.Response) else _json(found[0].model_dump(mode="json"))

    async def _credentials(self, request: web.Request) -> web.Response:
        found = self._find(request, CredentialsRequest.model_validate_json(await request.read()).replica)
        if isinstance(found, web.Response):
            return found
        dataset, replica = found
        if dataset.delivery != "direct":
            return _problem(403, f"The dataset {dataset.id} is delivered through the platform: no credentials for it.")
        session = replica.bed.new_session(ADMIN[0], life_seconds=self.life_seconds, policy=_policy(replica))
        self.secrets += [session.secret, session.token]
        answer = Credentials(
            dataset=dataset.id,
            replica=replica.id,
            kind="sts",
            endpoint=replica.endpoint or replica.bed.endpoint,
            region="eu-test-1",
            bucket=replica.bucket,
            prefix=replica.prefix,
            access_key_id=session.access_key,
            secret_access_key=session.secret,
            session_token=session.token,
            expires=datetime.now(UTC) + timedelta(seconds=self.life_seconds),
        )
        return _json(answer.model_dump(mode="json"))

    async def _presign(self, request: web.Request) -> web.Response:
        asked = PresignRequest.model_validate_json(await request.read())
        for path in asked.paths:
            check_object_path(path)
        found = self._find(request, asked.replica)
        if isinstance(found, web.Response):
            return found
        dataset, replica = found
        if dataset.delivery == "linked":
            if missing := [path for path in asked.paths if (dataset.id, path) not in self.links]:
                return _problem(404, f"{dataset.id}: There is no {missing[0]!r}.")
            links = [PresignedPath(path=path, url=self.links[dataset.id, path]) for path in asked.paths]
            expires = datetime.now(UTC) + timedelta(seconds=self.life_seconds)
            origin = links[0].url if self.allows_private else None
            answer = Presigned(items=links, expires=expires, private_origin=origin)
            return _json(answer.model_dump(mode="json"))
        life = timedelta(seconds=min(self.life_seconds, 900))
        urls = [PresignedPath(path=path, url=_signed(replica, path, life)) for path in asked.paths]
        self.secrets += [item.url.rsplit("Signature=", 1)[1] for item in urls]
        return _json(Presigned(items=urls, expires=datetime.now(UTC) + life).model_dump(mode="json"))

    async def _presign_list(self, request: web.Request) -> web.Response:
        asked = PresignListRequest.model_validate_json(await request.read())
        for path in (asked.path, asked.start_after):
            if path:
                check_object_path(path)
        found = self._find(request, asked.replica)
        if isinstance(found, web.Response):
            return found
        dataset, replica = found
        if dataset.delivery != "proxied":
            return _problem(400, f"{dataset.id} is listed at its store.")
        directory = replica.prefix + (f"{key_of_path(asked.path)}/" if asked.path else "")
        wish = {"Bucket": replica.bucket, "Prefix": directory + asked.begins, "MaxKeys": asked.limit}
        wish |= {"EncodingType": "url"} | ({"Delimiter": asked.delimiter} if asked.delimiter else {})
        wish |= {"ContinuationToken": asked.cursor} if asked.cursor else {}
        wish |= {"StartAfter": replica.prefix + key_of_path(asked.start_after)} if asked.start_after else {}
        client = _list_signer(replica.endpoint or replica.bed.endpoint)
        life_seconds = int(min(self.life_seconds, 900))
        url = client.generate_presigned_url("list_objects_v2", Params=wish, ExpiresIn=life_seconds)
        self.secrets.append(url.rsplit("Signature=", 1)[1])
        expires = datetime.now(UTC) + timedelta(seconds=life_seconds)
        return _json(PresignedList(url=url, expires=expires).model_dump(mode="json"))

    async def _quotas(self, request: web.Request) -> web.Response:
        return _json({"items": self.quotas, "next": None})

    async def _gateways(self, request: web.Request) -> web.Response:
        datasets = request.query.getall("dataset", [])
        self.gateway_datasets.append(datasets)
        near = {"near": f"Beside {len(datasets)} datasets", "egress_cost": 1.5} if datasets else {}
        return _json({"items": [each | near for each in self.gateways], "next": None})

    async def _sites(self, request: web.Request) -> web.Response:
        return _problem(503, "Out of order.") if self.sites is None else _json({"items": self.sites, "next": None})

    async def _profiles(self, request: web.Request) -> web.Response:
        out_of_order = self.profiles is None
        return _problem(503, "Out of order.") if out_of_order else _json({"items": self.profiles, "next": None})

    async def _lease(self, request: web.Request) -> web.Response:
        lease = self.leases.get(request.match_info["id"])
        return _json(lease) if lease else _problem(404, "There is no such lease of yours.")

    async def _leases(self, request: web.Request) -> web.Response:
        return _json({"items": list(self.leases.values())[: int(request.query["limit"])], "next": None})

    async def _activity(self, request: web.Request) -> web.Response:
        activity = Activity.model_validate_json(await request.read())
        if request.match_info["id"] in self.leases:
            said = activity.model_dump(include={"last_activity", "busy"})
            self.activities.append((request.match_info["id"], said))
        return await self._lease(request)

    async def _keep(self, request: web.Request) -> web.Response:
        asked = KeepRequest.model_validate_json(await request.read())
        lease = self.leases.get(request.match_info["id"])
        if lease is None:
            return await self._lease(request)
        if self.refuses_to_keep is not None:
            return _problem(403, self.refuses_to_keep)
        ends_at = datetime.fromisoformat(lease["ends_at"]) + timedelta(minutes=asked.minutes)
        idle_stop_at = datetime.now(UTC) + timedelta(minutes=asked.minutes)
        lease.update(ends_at=ends_at.isoformat(), idle_stop_at=idle_stop_at.isoformat())
        lease["keeps_left"] -= 1
        return _json(lease)

    async def _notices(self, request: web.Request) -> web.Response:
        size, since = int(request.query["limit"]), int(request.query["since"])
        return _json({"items": [item for item in self.notices if item["id"] > since][:size], "next": None})


async def hang(request: web.Request) -> None:
    """Answer nothing, until whoever asked has gone."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.05)


@lru_cache
def _signer(bucket: str, prefix: str, endpoint: str) -> S3Store:
    """It takes 10 ms to make one."""
    return S3Store(
        bucket,
        prefix=prefix or None,
        endpoint=endpoint,
        region="eu-test-1",
        access_key_id=ADMIN[0],
        secret_access_key=ADMIN[1],
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


def _signed(replica: FakeReplica, path: str, life: timedelta) -> str:
    endpoint = replica.endpoint or replica.bed.endpoint
    if not is_odd(path):  # faster
        return obstore.sign(_signer(replica.bucket, replica.prefix.strip("/"), endpoint), "GET", path, life)
    wish = {"Bucket": replica.bucket, "Key": replica.prefix + key_of_path(path)}
    url: str = _list_signer(endpoint).generate_presigned_url("get_object", wish, int(life.total_seconds()))
    return url


@lru_cache
def _list_signer(endpoint: str) -> Any:
    """It is kept, as control keeps its own: it takes 20 ms to make one."""
    return boto_client(endpoint, *ADMIN)


def _policy(replica: FakeReplica) -> str:
    where = f"arn:aws:s3:::{replica.bucket}"
    read = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"{where}/{replica.prefix}*"]}
    listing = {
        "Effect": "Allow",
        "Action": ["s3:ListBucket"],
        "Resource": [where],
        "Condition": {"StringLike": {"s3:prefix": [f"{replica.prefix}*"]}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [read, listing]})


def _json(body: Any) -> web.Response:
    return web.json_response(body)


def _problem(status: int, detail: str) -> web.Response:
    body = {"title": "Fake", "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")


@contextmanager
def threaded_control() -> Iterator[FakeControl]:
    """A running stand-in. Change it between requests, not during them."""
    control = FakeControl()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fake-control", daemon=True)
    thread.start()
    runner = web.AppRunner(control.application(), access_log=None, shutdown_timeout=0.1)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()

    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(timeout=10)
        control.url = f"http://127.0.0.1:{runner.addresses[0][1]}/services/perijove"
        yield control
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
