"""The client of Perijove's control service, blocking and asynchronous, with one policy for both.

What to ask is a :class:`Call`; :func:`_exchange` holds the whole HTTP policy (which failures are tried again, how long
to wait, how answers become errors) as a generator that yields what to send and how long to pause. The two clients
only carry out what it yields.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError

from .errors import (
    BadRequest,
    ControlUnavailable,
    NoDataset,
    NotConfigured,
    NotFound,
    PerijoveError,
    Refused,
    StoreUnavailable,
)
from .models import (
    STORE_UNREACHABLE,
    Activity,
    Credentials,
    Dataset,
    DatasetPage,
    GatewayView,
    KeepRequest,
    Lease,
    Notice,
    Page,
    Presigned,
    PresignedList,
    PresignListRequest,
    ProfileView,
    QuotaView,
    SiteView,
    TreeEntry,
)
from .paths import check_dataset_id
from .ways import TIMEOUT as TIMEOUT
from .ways import StoreWays

if TYPE_CHECKING:
    from .proxied import PageAddresses

Answer = TypeVar("Answer")
Params = dict[str, str | list[str]]

#: How often one call is tried in all.
TRIES = 4
#: The first pause between tries, in seconds; it doubles, with jitter, up to the longest.
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
#: More items than this are not collected from pages: nobody reads them.
ITEMS_MAX = 10_000
#: How many are asked for at once.
PAGE_ITEMS = 500

_PASSING_STATUSES = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One request to control: what to send and what its answer must look like.

    ``tries`` is how often it is sent at most; 1 for a call that must not happen twice when only its answer was lost.
    ``missing`` is what a 404 means.
    """

    method: str
    path: str
    answer: TypeAdapter[Answer]
    params: Mapping[str, str | list[str]] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    tries: int = TRIES
    missing: type[NotFound] = NotFound


def _site() -> Params:
    """Where this session runs: a user with sessions on two sites has another nearest replica in each."""
    site = os.environ.get("PERIJOVE_SITE", "")
    return {"site": site} if site else {}


@dataclass(frozen=True)
class Search:
    """What is looked for among datasets. Values of one facet are alternatives; all else must hold together.

    ``q`` is searched in titles, descriptions, keywords and names; ``bbox`` is ``west,south,east,north`` in degrees,
    on the Earth unless ``frame`` is ``sky``; ``since`` and ``until`` are days or moments in ISO 8601.
    """

    q: str = ""
    catalogue: tuple[str, ...] = ()
    format: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    licence: tuple[str, ...] = ()
    keyword: tuple[str, ...] = ()
    bbox: str = ""
    frame: str = ""
    since: str = ""
    until: str = ""

    def params(self) -> dict[str, str | list[str]]:
        """The arguments of the query that are not empty."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value}


def datasets_call(
    search: Search | None = None, cursor: str | None = None, limit: int | None = None
) -> Call[DatasetPage]:
    """One page of the datasets that this user may see, with the facets on the first and all catalogues."""
    params = (search or Search()).params() | ({"cursor": cursor} if cursor else {})
    params |= {"limit": str(limit)} if limit else {}
    return Call("GET", "datasets", TypeAdapter(DatasetPage), params | _site())


def tree_call(dataset_id: str, path: str, cursor: str | None = None, limit: int | None = None) -> Call[Page[TreeEntry]]:
    """One page of a directory of a ``linked`` dataset, which control lists."""
    params: Params = {"path": path} if path else {}
    params |= {name: str(value) for name, value in (("cursor", cursor), ("limit", limit)) if value}
    return Call("GET", f"datasets/{check_dataset_id(dataset_id)}/tree", TypeAdapter(Page[TreeEntry]), params, tries=1)


def dataset_call(dataset_id: str) -> Call[Dataset]:
    """One dataset, its replicas ranked for this user's site."""
    path = f"datasets/{check_dataset_id(dataset_id)}"
    return Call("GET", path, TypeAdapter(Dataset), _site(), missing=NoDataset)


def credentials_call(dataset_id: str, replica: str | None = None) -> Call[Credentials]:
    """Short-lived read-only credentials for one replica; without ``replica``, the nearest."""
    path, body = f"datasets/{check_dataset_id(dataset_id)}/credentials", {"replica": replica} if replica else {}
    return Call("POST", path, TypeAdapter(Credentials), _site(), body, missing=NoDataset)


def presign_call(dataset_id: str, paths: list[str], replica: str | None = None) -> Call[Presigned]:
    """URLs that read single objects for at most 15 minutes."""
    body: dict[str, Any] = {"paths": paths} | ({"replica": replica} if replica else {})
    return Call("POST", f"datasets/{check_dataset_id(dataset_id)}/presign", TypeAdapter(Presigned), _site(), body)


def presign_list_call(dataset_id: str, request: PresignListRequest) -> Call[PresignedList]:
    """A URL that sends one page of a listing of a ``proxied`` dataset, for at most 15 minutes."""
    path, body = f"datasets/{check_dataset_id(dataset_id)}/presign-list", request.model_dump(exclude_none=True)
    return Call("POST", path, TypeAdapter(PresignedList), _site(), body, missing=NoDataset)


def quotas_call() -> Call[Page[QuotaView]]:
    """This user's limits and what is used of them."""
    return Call("GET", "quotas", TypeAdapter(Page[QuotaView]))


def sites_call() -> Call[Page[SiteView]]:
    """The sites that this user may use."""
    return Call("GET", "sites", TypeAdapter(Page[SiteView]), tries=1)


def profiles_call() -> Call[Page[ProfileView]]:
    """The profiles of the platform, each with whether this user may take it."""
    return Call("GET", "profiles", TypeAdapter(Page[ProfileView]), tries=1)


def lease_call(lease_id: str) -> Call[Lease]:
    """One lease of this user.

    Raises:
        BadRequest: the id cannot be one; it comes from the environment and goes into a URL.
    """
    return Call("GET", f"leases/{_check_lease_id(lease_id)}", TypeAdapter(Lease))


def leases_call(limit: int) -> Call[Page[Lease]]:
    """The newest leases of this user, ``limit`` of them at most."""
    return Call("GET", "leases", TypeAdapter(Page[Lease]), {"limit": str(limit)})


def gateways_call(datasets: Sequence[str] = ()) -> Call[Page[GatewayView]]:
    """The Dask Gateways that this user may use, and where each would read these datasets."""
    params: Params = {"dataset": [check_dataset_id(each) for each in datasets]} if datasets else {}
    return Call("GET", "gateways", TypeAdapter(Page[GatewayView]), params)


def activity_call(lease_id: str, activity: Activity) -> Call[Lease]:
    """Tell how idle the session of a lease is; the lease as it then is.

    Raises:
        BadRequest: see :func:`lease_call`.
    """
    # the next report is better than this one again
    path, body = f"leases/{_check_lease_id(lease_id)}/activity", activity.model_dump(mode="json")
    return Call("POST", path, TypeAdapter(Lease), body=body, tries=1)


def keep_call(lease_id: str, request: KeepRequest) -> Call[Lease]:
    """Put off the end of the session of a lease; the lease as it then is.

    Raises:
        BadRequest: see :func:`lease_call`.
    """
    # twice would use up two of the times that the owner has
    path, body = f"leases/{_check_lease_id(lease_id)}/keep", request.model_dump(mode="json")
    return Call("POST", path, TypeAdapter(Lease), body=body, tries=1)


def notices_call(since: int, limit: int) -> Call[Page[Notice]]:
    """The first notices in force to this user with ids above ``since``, oldest first; ``limit`` is 1000 at most."""
    return Call("GET", "notices", TypeAdapter(Page[Notice]), {"since": str(since), "limit": str(limit)})


def _check_lease_id(lease_id: str) -> str:
    if not lease_id.replace("-", "").replace("_", "").isalnum() or not lease_id.isascii():
        raise BadRequest("The lease id of this session is malformed: expected letters, digits, dashes.")
    return lease_id


class ControlClient:
    """Blocking client, for kernels. Address and token come from the environment, or both are given.

    Raises:
        NotConfigured: the environment has no address, or one is given without its token.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self.url, headers = _settings(url, token)
        self._http = httpx.Client(headers=headers, timeout=TIMEOUT)

    def send(self, call: Call[Answer]) -> Answer:
        """Carry out ``call``.

        Raises:
            PerijoveError: the subclass that fits control's answer; ``ControlUnavailable``; or ``StoreUnavailable``.
        """
        steps = _exchange(self.url, call, self._http.build_request)
        step = next(steps)
        try:
            while True:
                if isinstance(step, float):
                    time.sleep(step)
                    step = steps.send(None)
                else:
                    step = steps.send(self._attempt(step))
        except StopIteration as done:
            return _parse(self.url, call, done.value)

    def all_datasets(self, search: Search | None = None) -> list[Dataset]:
        """Every dataset that this user may see and that fits the search, all pages of it."""
        items: list[Dataset] = []
        cursor: str | None = None
        while len(items) < ITEMS_MAX:
            page = self.send(datasets_call(search, cursor, PAGE_ITEMS))
            items += page.items
            cursor = next_cursor(page.next)
            if cursor is None:
                break
        return items

    def __enter__(self) -> Self:
        """For ``with``: the connections are closed at its end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._http.close()

    def _attempt(self, request: httpx.Request) -> httpx.Response | httpx.TransportError:
        try:
            return self._http.send(request)
        except httpx.TransportError as exc:
            return exc


class AsyncControlClient(StoreWays):
    """Asynchronous client, for the server extension and the filesystem. Use it in one event loop only.

    Address, token and errors are as in :class:`ControlClient`.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        super().__init__()
        self.url, headers = _settings(url, token)
        self._http = httpx.AsyncClient(headers=headers, timeout=TIMEOUT)
        self._page_addresses: PageAddresses | None = None

    def page_addresses(self) -> PageAddresses:
        """The signed addresses of pages of listings."""
        if self._page_addresses is None:
            from .proxied import PageAddresses  # which asks by this client

            self._page_addresses = PageAddresses(self)
        return self._page_addresses

    async def send(self, call: Call[Answer]) -> Answer:
        """Carry out ``call``.

        Raises:
            PerijoveError: the subclass that fits control's answer; ``ControlUnavailable``; or ``StoreUnavailable``.
        """
        steps = _exchange(self.url, call, self._http.build_request)
        step = next(steps)
        try:
            while True:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                    step = steps.send(None)
                else:
                    step = steps.send(await self._attempt(step))
        except StopIteration as done:
            return _parse(self.url, call, done.value)

    async def some_datasets(
        self, limit: int, cursor: str | None = None, search: Search | None = None
    ) -> tuple[list[Dataset], str | None]:
        """Up to ``limit`` datasets after ``cursor``, and the cursor of the rest; None: there is no more."""
        items: list[Dataset] = []
        while True:
            page = await self.send(datasets_call(search, cursor, min(limit - len(items), PAGE_ITEMS)))
            items += page.items
            cursor = next_cursor(page.next)
            if cursor is None or len(items) >= limit:
                return items, cursor

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self.close_ways()

    async def _attempt(self, request: httpx.Request) -> httpx.Response | httpx.TransportError:
        try:
            return await self._http.send(request)
        except httpx.TransportError as exc:
            return exc


def next_cursor(url: str | None) -> str | None:
    """The cursor in a page's ``next``. Only the cursor is taken, so that no answer can send our token elsewhere."""
    values = parse_qs(urlsplit(url).query).get("cursor") if url else None
    return values[0] if values else None


def _settings(url: str | None, token: str | None) -> tuple[str, dict[str, str]]:
    """Where control is, and the headers to send there.

    The environment's token is for the environment's address only: whoever names another brings a token for it. A user's
    server has one of the hub; a worker of a cluster has that of its lease instead.
    """
    if url and not token:
        raise NotConfigured("The control service was given by its address alone: give the token that is meant for it.")
    url = url or os.environ.get("PERIJOVE_CONTROL_URL", "")
    scheme, token = "token", token or os.environ.get("JUPYTERHUB_API_TOKEN", "")
    if not token:
        scheme, token = "lease", os.environ.get("PERIJOVE_LEASE_TOKEN", "")
    if not url:
        raise NotConfigured(
            "Perijove is not set up here: PERIJOVE_CONTROL_URL is not set, as it is in a session of the platform."
        )
    if urlsplit(url).scheme not in {"http", "https"}:
        raise NotConfigured("PERIJOVE_CONTROL_URL must be the http or https address of the control service.")
    return url.rstrip("/"), {"Authorization": f"{scheme} {token}", "Accept": "application/json"} if token else {}


Step = httpx.Request | float
Outcome = httpx.Response | httpx.TransportError | None


def _exchange(
    url: str, call: Call[Answer], build: Callable[..., httpx.Request]
) -> Generator[Step, Outcome, httpx.Response]:
    """Yield requests to send and seconds to pause; return the answer that counts.

    Connection failures and 502, 503 and 504 are tried again with doubling pauses and jitter, or after control's own
    ``Retry-After``; but not when it is a store that does not answer control, which has tried that already: another copy
    may do.
    """
    pause_seconds = FIRST_PAUSE_SECONDS
    for attempt in range(1, call.tries + 1):
        outcome = yield build(call.method, f"{url}/api/v1/{call.path}", params=call.params, json=call.body)
        if isinstance(outcome, httpx.Response) and (
            outcome.status_code not in _PASSING_STATUSES or _problem(outcome).get("type") == STORE_UNREACHABLE
        ):
            return outcome
        if attempt == call.tries:
            break
        yield _retry_after_seconds(outcome) or pause_seconds * random.uniform(0.5, 1.0)  # noqa: S311 (jitter)
        pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)
    if isinstance(outcome, httpx.Response):
        return outcome
    kind = "in time" if isinstance(outcome, httpx.TimeoutException) else "at all"
    tried = "tried once" if call.tries == 1 else f"tried {call.tries} times"
    raise ControlUnavailable(f"The control service at {url} did not answer {kind} ({tried}): try again in a minute.")


def _retry_after_seconds(outcome: Outcome) -> float | None:
    asked = outcome.headers.get("Retry-After", "") if isinstance(outcome, httpx.Response) else ""
    return float(min(int(asked), LONGEST_PAUSE_SECONDS)) if asked.isdecimal() else None


def _parse(url: str, call: Call[Answer], response: httpx.Response) -> Answer:
    """The answer as its model, or the error that it stands for."""
    if response.status_code >= 300:
        raise _error(url, response, call.missing)
    try:
        return call.answer.validate_json(response.content)
    except ValidationError:
        raise ControlUnavailable(
            f"The control service at {url} answered {call.method} {call.path} with something that is not understood: "
            "it may be newer or older than this image."
        ) from None


def _error(url: str, response: httpx.Response, missing: type[NotFound]) -> PerijoveError:
    status, problem = response.status_code, _problem(response)
    said, unexplained = problem.get("detail"), f"The control service at {url} answered {status} without an explanation."
    detail = said[:2000] if isinstance(said, str) and said else unexplained
    if status in {401, 403}:
        return Refused(detail)
    if status == 404:
        return missing(detail)
    if 400 <= status < 500:
        return BadRequest(detail)
    return StoreUnavailable(detail) if problem.get("type") == STORE_UNREACHABLE else ControlUnavailable(detail)


def _problem(response: httpx.Response) -> dict[str, object]:
    """A problem+json answer, if it is one."""
    if "json" not in response.headers.get("Content-Type", ""):
        return {}
    try:
        said = response.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
