"""What the controller asks of the hub: who is in which group, and to stop a server."""

from __future__ import annotations

import os
from collections.abc import Collection
from enum import StrEnum
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

#: How long one request may take; a hub that is busy with a thousand starts answers late.
REQUEST_SECONDS = 15.0
CONNECT_SECONDS = 3.0

#: Users per page: the most that a hub gives unless it is told otherwise.
PAGE_SIZE = 200

#: No hub has more pages of active users than this; one that says so is broken.
MOST_PAGES = 500

#: Answers of a proxy in the place of the hub, or of a hub that has too much to do.
PASSING_STATUSES = frozenset({429, 502, 503, 504})

#: With it, the hub says whether there are more pages.
PAGINATED = "application/jupyterhub-pagination+json"


class HubUnavailable(Exception):
    """The hub did not answer, or not sensibly. That is no verdict on anything.

    ``is_certain`` is false when it may have done what it was asked to.
    """

    def __init__(self, message: str, *, is_certain: bool = True) -> None:
        super().__init__(message)
        self.is_certain = is_certain


class HubRefused(Exception):
    """The hub answered that it does not do it."""


class HubNotConfigured(Exception):
    """The process was not told where the hub is; the message says what is missing."""


class Stopped(StrEnum):
    """What the hub says to a request to stop a server."""

    DONE = "done"
    PENDING = "pending"
    UNKNOWN = "unknown"


class _User(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str
    # absent when the token may not read it: then nobody knows
    groups: list[str] | None = None


class _Next(BaseModel):
    offset: int


class _Pagination(BaseModel):
    model_config = ConfigDict(extra="ignore")

    next: _Next | None = None


class _Page(BaseModel):
    model_config = ConfigDict(extra="ignore")

    items: list[_User]
    pagination: _Pagination = Field(alias="_pagination")


class HubClient:
    """The hub's API, with the controller's own token.

    Args:
        url: of the API, as ``http://127.0.0.1:8081/hub/api``.
        token: the controller's.
        request_seconds: how long one request may take.
    """

    def __init__(self, url: str, token: str, request_seconds: float = REQUEST_SECONDS) -> None:
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/") + "/",
            headers={"Authorization": f"token {token}"},
            timeout=httpx.Timeout(request_seconds, connect=CONNECT_SECONDS),
            # the token goes to the hub and nowhere else
            trust_env=False,
            follow_redirects=False,
        )

    @classmethod
    def from_environment(cls) -> HubClient:
        """The hub that JUPYTERHUB_API_URL and JUPYTERHUB_API_TOKEN name.

        Raises:
            HubNotConfigured: one of them is not set, or the address is none.
        """
        values = {name: os.environ.get(name, "") for name in ("JUPYTERHUB_API_URL", "JUPYTERHUB_API_TOKEN")}
        if missing := [name for name, value in values.items() if not value]:
            raise HubNotConfigured(f"{' and '.join(missing)} must be set: the controller stops servers through the hub")
        url = values["JUPYTERHUB_API_URL"]
        if not url.startswith(("http://", "https://")):
            raise HubNotConfigured(f"JUPYTERHUB_API_URL is {url!r}: expected an address as http://hub:8081/hub/api")
        return cls(url, values["JUPYTERHUB_API_TOKEN"])

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def groups_of(self, owners: Collection[str]) -> dict[str, frozenset[str]]:
        """The groups of these users, of those who have a server; the others are absent.

        The hub lists the users with servers page by page until all are found.

        Raises:
            HubUnavailable: nobody could say.
        """
        missing, found, offset = set(owners), dict[str, frozenset[str]](), 0
        for _ in range(MOST_PAGES):
            if not missing:
                break
            query = {"state": "active", "offset": str(offset), "limit": str(PAGE_SIZE)}
            answer = await self._ask("GET", "users", params=query, headers={"Accept": PAGINATED})
            page = _read_page(answer)
            for user in page.items:
                if user.name in missing and user.groups is not None:
                    found[user.name] = frozenset(user.groups)
                    missing.discard(user.name)
            if page.pagination.next is None or page.pagination.next.offset <= offset:
                break
            offset = page.pagination.next.offset
        return found

    async def stop(self, owner: str, server: str) -> Stopped:
        """Ask the hub to stop a server; ``server`` is empty for the default one. May be asked again and again.

        Raises:
            HubUnavailable: the hub did not say.
            HubRefused: it said no.
        """
        route = f"users/{_part(owner)}/" + (f"servers/{_part(server)}" if server else "server")
        answer = await self._ask("DELETE", route)
        match answer.status_code:
            case 204:
                return Stopped.DONE
            case 202:
                return Stopped.PENDING
            case 404:
                return Stopped.UNKNOWN
        if answer.status_code in PASSING_STATUSES:
            raise HubUnavailable(f"the hub answered {answer.status_code} to a stop")
        raise HubRefused(f"it answered {answer.status_code}")

    async def _ask(
        self,
        method: str,
        route: str,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        try:
            return await self._http.request(method, route, params=params, headers=headers)
        except httpx.ConnectError as error:
            raise HubUnavailable("the hub cannot be reached") from error
        except httpx.HTTPError as error:
            raise HubUnavailable(f"the hub did not answer: {type(error).__name__}", is_certain=False) from error


def _part(name: str) -> str:
    """A name as one part of a path, whatever it holds."""
    return quote(name, safe="").replace(".", "%2E")


def _read_page(answer: httpx.Response) -> _Page:
    if answer.status_code != 200:
        raise HubUnavailable(f"the hub answered {answer.status_code} to a list of users")
    try:
        return _Page.model_validate_json(answer.content)
    except ValidationError as error:
        # the content is not repeated: it may be anything
        raise HubUnavailable("the hub's list of users is none") from error
