"""How the hub speaks to control: with its own secret, within a deadline, and again when a process was restarting."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlencode

import aiohttp
from pydantic import BaseModel, ValidationError

from perijove.models import (
    PLATFORM_CATALOGUE,
    ClusterLease,
    ClusterRequest,
    Dataset,
    GatewayPatch,
    Inventory,
    InventoryAnswer,
    Lease,
    LeaseOffer,
    LeasePatch,
    LeaseRequest,
    Page,
    Placement,
    PlacementRequest,
    Problem,
    ProfileView,
    QuotaView,
    Silence,
    SiteView,
    SpawnNews,
)
from perijove_hub.policy.secrets import SecretError

log = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=BaseModel)

#: How long one try may take.
REQUEST_SECONDS = 10.0

#: How long a connection may take to come about.
CONNECT_SECONDS = 3.0

#: Answers that say "not now" rather than "no".
PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})

#: The name of the secret that the hub and control share.
HUB_SECRET = "hub-to-control"  # noqa: S105 - a name, no secret


class ControlRefused(Exception):
    """Control said no; :attr:`problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class ControlUnreachable(Exception):
    """Control did not answer within the deadline, or not in words that the hub understands."""


class ControlClient:
    """The hub's calls to control. Every call may be repeated: leases by their attempt id, moves by their state.

    Args:
        url: of control, as ``http://127.0.0.1:8010/services/perijove``; not through the proxy, which may be down.
        secret: gives the hub's secret; asked again when control no longer takes the one that is known.
        deadline_seconds: how long a call may be repeated before it fails.
        scheme: who asks: ``Bearer`` is the hub, ``gateway`` the Dask Gateway of a site.
    """

    def __init__(
        self, url: str, secret: Callable[[], str], deadline_seconds: float = 20, scheme: str = "Bearer"
    ) -> None:
        self._base = url.rstrip("/") + "/api/v1/"
        self._read_secret = secret
        self._secret = ""
        self._scheme = scheme
        self.deadline_seconds = deadline_seconds
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(self, request: LeaseRequest) -> LeaseOffer:
        """``POST leases``.

        Raises:
            ControlRefused: no lease, and why.
            ControlUnreachable: nobody could say.
        """
        return await self._call(LeaseOffer, "POST", "leases", request, {"Idempotency-Key": request.attempt_id})

    async def move(self, lease_id: str, patch: LeasePatch, deadline_seconds: float | None = None) -> Lease:
        """``PATCH leases/{id}``; raises as :meth:`ask`."""
        return await self._call(Lease, "PATCH", f"leases/{lease_id}", patch, deadline_seconds=deadline_seconds)

    async def tell_silence(self, lease_id: str, silence: Silence, deadline_seconds: float) -> Lease:
        """``POST leases/{id}/silence``; raises as :meth:`ask`."""
        route = f"leases/{lease_id}/silence"
        return await self._call(Lease, "POST", route, silence, deadline_seconds=deadline_seconds)

    async def report(self, site: str, inventory: Inventory) -> InventoryAnswer:
        """``PUT sites/{site}/inventory``; raises as :meth:`ask`."""
        return await self._call(InventoryAnswer, "PUT", f"sites/{site}/inventory", inventory)

    async def ask_cluster(self, request: ClusterRequest) -> LeaseOffer:
        """``POST leases`` by a gateway; raises as :meth:`ask`."""
        return await self._call(LeaseOffer, "POST", "leases", request)

    async def patch_cluster(self, lease_id: str, patch: GatewayPatch) -> ClusterLease:
        """``PATCH leases/{id}`` by a gateway; raises as :meth:`ask`."""
        return await self._call(ClusterLease, "PATCH", f"leases/{lease_id}", patch)

    async def lease(self, lease_id: str) -> Lease:
        """``GET leases/{id}``; raises as :meth:`ask`."""
        return await self._call(Lease, "GET", f"leases/{lease_id}")

    async def report_clusters(self, site: str, inventory: Inventory) -> InventoryAnswer:
        """``PUT gateways/{site}/inventory``; raises as :meth:`ask`."""
        return await self._call(InventoryAnswer, "PUT", f"gateways/{site}/inventory", inventory)

    async def place(self, request: PlacementRequest) -> Placement:
        """``POST placements`` on behalf of a user; raises as :meth:`ask`."""
        return await self._call(Placement, "POST", "placements", request, deadline_seconds=5)

    async def sites(self, owner: str, groups: Sequence[str]) -> list[SiteView]:
        """``GET sites`` for a user; raises as :meth:`ask`."""
        return await self._list(SiteView, "sites", owner, groups)

    async def profiles(self, owner: str, groups: Sequence[str]) -> list[ProfileView]:
        """``GET profiles`` for a user; raises as :meth:`ask`."""
        return await self._list(ProfileView, "profiles", owner, groups)

    async def quotas(self, owner: str, groups: Sequence[str]) -> list[QuotaView]:
        """``GET quotas`` for a user; raises as :meth:`ask`."""
        return await self._list(QuotaView, "quotas", owner, groups)

    async def datasets(self, owner: str, groups: Sequence[str]) -> list[Dataset]:
        """The platform's own datasets for a user, the first thousand; raises as :meth:`ask`."""
        return await self._list(Dataset, "datasets", owner, groups, ("catalogue", PLATFORM_CATALOGUE))

    async def news(self, owner: str, groups: Sequence[str]) -> SpawnNews:
        """``GET news`` for a user; raises as :meth:`ask`."""
        query = urlencode([("user", owner), *(("group", group) for group in groups)])
        return await self._call(SpawnNews, "GET", f"news?{query}", deadline_seconds=5)

    async def _list(
        self, item: type[Answer], route: str, owner: str, groups: Sequence[str], *more: tuple[str, str]
    ) -> list[Answer]:
        query = urlencode([("user", owner), *(("group", group) for group in groups), ("limit", "1000"), *more])
        page = await self._call(Page[item], "GET", f"{route}?{query}", deadline_seconds=5)  # type: ignore[valid-type]  # a generic made from a variable: pydantic allows it
        return page.items

    async def _call(
        self,
        answer: type[Answer],
        method: str,
        route: str,
        body: BaseModel | None = None,
        headers: dict[str, str] | None = None,
        deadline_seconds: float | None = None,
    ) -> Answer:
        content = await self._fetch(
            method,
            route,
            # without what is as usual: a control of before refuses keys that it does not know
            body.model_dump_json(exclude_defaults=True) if body else None,
            {"Content-Type": "application/json", **(headers or {})},
            self.deadline_seconds if deadline_seconds is None else deadline_seconds,
        )
        try:
            return answer.model_validate_json(content)
        except ValidationError as error:
            log.warning("control answers in words of another version", extra={"route": route}, exc_info=True)
            raise ControlUnreachable("The platform's control service answers in words of another version.") from error

    async def _fetch(
        self, method: str, route: str, body: str | None, headers: Mapping[str, str], deadline_seconds: float
    ) -> bytes:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_seconds
        pause_seconds = 0.1
        while True:
            # one that hangs may not outlast the deadline by much
            seconds = max(1.0, min(REQUEST_SECONDS, deadline - loop.time()))
            try:
                secret = self._secret or self._renewed_secret()
                signed = {**headers, "Authorization": f"{self._scheme} {secret}"}
                status, content = await self._send(method, route, body, signed, seconds)
                if status < 300:
                    return content
                if status == HTTPStatus.UNAUTHORIZED and self._renewed_secret() != secret:
                    continue
                if status not in PASSING_STATUSES:
                    raise ControlRefused(_problem(status, content))
                last = f"status {status}"
            # a secret's file that is being replaced is not there for a moment
            except (aiohttp.ClientError, OSError, TimeoutError, SecretError) as error:
                last = repr(error)
            if loop.time() + pause_seconds > deadline:
                log.warning("control does not answer", extra={"method": method, "error": last})
                raise ControlUnreachable("The platform's control service does not answer now.")
            # jitter, so that a restarted control is not met by everybody at once
            await asyncio.sleep(pause_seconds * random.uniform(0.7, 1.3))  # noqa: S311 - no secret
            pause_seconds = min(pause_seconds * 2, 2.0)

    def _renewed_secret(self) -> str:
        self._secret = self._read_secret()
        return self._secret

    async def _send(
        self, method: str, route: str, body: str | None, headers: Mapping[str, str], seconds: float
    ) -> tuple[int, bytes]:
        if self._session is None:
            # no cookies: what control sets is for browsers
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        async with self._session.request(
            # a redirect would take the secret elsewhere
            method,
            self._base + route,
            data=body,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
        ) as answer:
            return answer.status, await answer.read()


def _problem(status: int, content: bytes) -> Problem:
    try:
        return Problem.model_validate_json(content)
    except ValidationError:
        return Problem(title="Refused", status=status, detail=f"Control answered {status}.")
