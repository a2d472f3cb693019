"""How the hub speaks to control: with its own secret, within a deadline, and again when a process was restarting."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest, HTTPResponse

from perijove.models import (
    Dataset,
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
    SiteView,
)

log = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=BaseModel)

#: How long one try may take.
REQUEST_SECONDS = 10.0

#: Answers that say "not now" rather than "no".
PASSING_STATUSES = frozenset({429, 500, 502, 503, 504, 599})


class ControlRefused(Exception):
    """Control said no; :attr:`problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class ControlUnreachable(Exception):
    """Control did not answer within the deadline."""


class ControlClient:
    """The hub's calls to control. Every call may be repeated: leases by their attempt id, moves by their state.

    Args:
        url: of control, as ``http://127.0.0.1:8010/services/perijove``; not through the proxy, which may be down.
        secret: gives the hub's secret, anew for each call, so that a rotated one counts.
        deadline_seconds: how long a call may be repeated before it fails.
    """

    def __init__(self, url: str, secret: Callable[[], str], deadline_seconds: float = 20) -> None:
        self._base = url.rstrip("/") + "/api/v1/"
        self._secret = secret
        self._deadline_seconds = deadline_seconds
        self._http = AsyncHTTPClient(
            force_instance=True, defaults={"connect_timeout": 3, "request_timeout": REQUEST_SECONDS}
        )

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

    async def report(self, site: str, inventory: Inventory) -> InventoryAnswer:
        """``PUT sites/{site}/inventory``; raises as :meth:`ask`."""
        return await self._call(InventoryAnswer, "PUT", f"sites/{site}/inventory", inventory)

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
        """``GET datasets`` for a user, the first thousand; raises as :meth:`ask`."""
        return await self._list(Dataset, "datasets", owner, groups)

    async def _list(self, item: type[Answer], route: str, owner: str, groups: Sequence[str]) -> list[Answer]:
        query = urlencode([("user", owner), *(("group", group) for group in groups), ("limit", "1000")])
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
        request = HTTPRequest(
            self._base + route,
            method=method,
            headers={
                "Authorization": f"Bearer {self._secret()}",
                "Content-Type": "application/json",
                **(headers or {}),
            },
            body=body.model_dump_json() if body else None,
        )
        return answer.model_validate_json((await self._fetch(request, deadline_seconds)).body)

    async def _fetch(self, request: HTTPRequest, deadline_seconds: float | None) -> HTTPResponse:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._deadline_seconds if deadline_seconds is None else deadline_seconds)
        pause_seconds = 0.1
        while True:
            # one that hangs may not outlast the deadline by much
            request.request_timeout = max(1.0, min(REQUEST_SECONDS, deadline - loop.time()))
            try:
                return await self._http.fetch(request)
            except HTTPClientError as error:
                if error.code not in PASSING_STATUSES:
                    raise ControlRefused(_problem(error)) from error
                last: Exception = error
            except OSError as error:
                last = error
            if loop.time() + pause_seconds > deadline:
                log.warning("control does not answer", extra={"method": request.method, "error": str(last)})
                raise ControlUnreachable("The platform's control service does not answer now.") from last
            # jitter, so that a restarted control is not met by everybody at once
            await asyncio.sleep(pause_seconds * random.uniform(0.7, 1.3))  # noqa: S311 - no secret
            pause_seconds = min(pause_seconds * 2, 2.0)


def _problem(error: HTTPClientError) -> Problem:
    try:
        content: Any = json.loads(error.response.body) if error.response is not None else {}
        return Problem.model_validate(content)
    except (ValueError, ValidationError):
        return Problem(title="Refused", status=error.code, detail=f"Control answered {error.code}.")
