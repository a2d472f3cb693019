"""The one way to catalogues of others: an HTTP session that reaches no private address, keeps time and counts bytes.

Whoever writes a platform file names a public address; what that address answers, redirects to or links is written by
strangers. So the address of each connection is checked when it is made, whatever a name resolved to before and
whichever redirect led there, and there is no way around: no proxies of the environment, no files, no other schemes.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, IncompleteRead, NewConnectionError
from urllib3.util import Retry

from perijove.places import Allowed, ForbiddenAddressError, resolve
from perijove_hub.catalogue.models import CatalogueError

#: What one operation (a harvest, a page of a tree) may read in all.
HARVEST_BYTES = 64 * 2**20
#: What one answer may have.
ANSWER_BYTES = 16 * 2**20
#: What JSON or XML of one answer may consist of. A parser holds all else up while it works, and makes a hundred bytes
#: of each part; of this many it takes a quarter of a second.
PARTS_MAX = 1_000_000
CONNECT_SECONDS = 5.0
#: The longest silence within an answer.
SILENCE_SECONDS = 15.0
REDIRECTS_MAX = 5


@dataclass
class Budget:
    """The time and the bytes of one operation. ``cut`` ends it from another thread, whatever it waits for."""

    seconds: float
    left_bytes: int = HARVEST_BYTES
    allowed: Allowed = field(default_factory=Allowed)
    _sockets: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_cut: bool = False

    def __post_init__(self) -> None:
        """The time runs from now."""
        self._ends = time.monotonic() + self.seconds

    def left_seconds(self) -> float:
        """What is left of the time.

        Raises:
            CatalogueError: nothing.
        """
        left = self._ends - time.monotonic()
        if left <= 0 or self._is_cut:
            raise CatalogueError(f"It did not answer within {self.seconds:g} seconds.")
        return left

    def take(self, count_bytes: int) -> None:
        """Count bytes that came.

        Raises:
            CatalogueError: they are too many.
        """
        self.left_bytes -= count_bytes
        if self.left_bytes < 0:
            raise CatalogueError("It sent more than is read of a catalogue.")

    def keep(self, sock: socket.socket) -> None:
        """Remember a connection to cut; one that was made while all were cut is cut now."""
        with self._lock:
            self._sockets.append(sock)
            if self._is_cut:
                _shut(sock)

    def cut(self) -> None:
        """End all connections of the operation."""
        with self._lock:
            self._is_cut = True
            for sock in self._sockets:
                _shut(sock)


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):  # it is closed already, which is what was wanted
        sock.shutdown(socket.SHUT_RDWR)


class GuardedSession(requests.Session):
    """A session for one operation. No credential, no cookie and no setting of the environment goes out with it."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self.trust_env = False
        self.max_redirects = REDIRECTS_MAX
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # a small answer that unfolds into a large one would have to be unfolded before it can be counted
        self.headers.update({"User-Agent": "perijove-catalogue", "Accept-Encoding": "identity"})
        self.budget = budget
        self.adapters.clear()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _GuardedAdapter(budget))

    def fetch(self, url: str, accept: str = "*/*", **params: str) -> requests.Response:
        """A good answer, whole.

        Raises:
            CatalogueError: none came; the sentence says what did.
        """
        try:
            answer = self.get(url, params=params or None, headers={"Accept": accept})
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise spoken(error) from error
        if answer.status_code != 200:
            raise CatalogueError(f"It answered {answer.status_code}.")
        return answer

    def fetch_json(self, url: str, **params: str) -> dict[str, Any]:
        """The JSON object of a good answer.

        Raises:
            CatalogueError: none came, or something else, as a page that says that the service is down.
        """
        answer = self.fetch(url, "application/json, application/geo+json", **params)
        check_parts(answer.content, b"[{,")
        try:
            found = answer.json()
        except (ValueError, RecursionError) as error:
            raise CatalogueError(f"It answered with {_kind(answer)} instead of JSON.") from error
        if not isinstance(found, dict):
            raise CatalogueError("It answered with JSON that is no object.")
        return found


def check_parts(body: bytes, marks: bytes, most: int = PARTS_MAX) -> None:
    """Refuse to parse what would become too many objects; each of ``marks`` begins one.

    Raises:
        CatalogueError: there are more than ``most``.
    """
    if sum(body.count(mark) for mark in marks) > most:
        raise CatalogueError("It sent more than is read of one answer.")


def spoken(error: BaseException) -> CatalogueError:
    """What went wrong on the way, as one sentence without addresses."""
    seen: BaseException | None = error
    for _ in range(10):
        if isinstance(seen, CatalogueError):
            return seen
        if isinstance(seen, ForbiddenAddressError):
            return CatalogueError(f"It led to a place that is not reached from here: {seen}.")
        if isinstance(seen, TimeoutError | requests.Timeout):
            return CatalogueError("It did not answer in time.")
        if isinstance(seen, IncompleteRead):
            return CatalogueError("Its answer ended before it was whole.")
        reason = getattr(seen, "reason", None)
        inner = [part for part in getattr(seen, "args", ()) if isinstance(part, BaseException)]
        following = reason if isinstance(reason, BaseException) else inner[0] if inner else None
        following = following or (seen.__cause__ or seen.__context__ if seen is not None else None)
        if following is None:
            break
        seen = following
    if isinstance(error, requests.TooManyRedirects):
        return CatalogueError(f"It redirected more than {REDIRECTS_MAX} times.")
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL | ValueError):
        return CatalogueError("It led to an address that is not http(s).")
    if isinstance(error, requests.exceptions.SSLError):
        return CatalogueError("Its certificate is not one that is trusted.")
    return CatalogueError("It cannot be reached.")


def _kind(answer: requests.Response) -> str:
    start = answer.content[:200].lstrip().lower()
    return "a page" if start.startswith((b"<!doctype html", b"<html")) else "something"


class _GuardedAdapter(HTTPAdapter):
    """Sends one request: to public addresses only, within the budget, and reads the whole answer."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        # once more, for a kept connection that the other side had just closed
        super().__init__(max_retries=Retry(1, redirect=False, status=0))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As the base, with connections that check where they go."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._budget)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """The answer, with its body read: no more of it than is allowed, in the time that is left."""
        left = self._budget.left_seconds()
        kwargs |= {"stream": True, "timeout": (min(CONNECT_SECONDS, left), min(SILENCE_SECONDS, left)), "verify": True}
        answer = super().send(request, *args, **kwargs)
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise CatalogueError("It sent a compressed answer, which was not asked for.")
        body = bytearray()
        # what has come, and not so many bytes: an answer that drips must not outlive the time
        while chunk := answer.raw.read1(65_536):
            self._budget.left_seconds()
            self._budget.take(len(chunk))
            body += chunk
            if len(body) > ANSWER_BYTES:
                raise CatalogueError("It sent more than is read of one answer.")
        answer.close()
        answer._content = bytes(body)
        # some libraries read the raw answer: it is this body, once more
        answer.raw = HTTPResponse(
            io.BytesIO(body), headers=dict(answer.headers), status=answer.status_code, preload_content=False
        )
        return answer


def _pools(budget: Budget) -> dict[str, Any]:
    """Classes of connections that belong to this budget: urllib3 makes connections by class."""

    def connected(self: HTTPConnection) -> socket.socket:
        try:
            infos = resolve(self.host, self.port or 0, budget.allowed)
            sock = _connect(infos, min(CONNECT_SECONDS, budget.left_seconds()))
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from error
        budget.keep(sock)
        return sock

    class Plain(HTTPConnection):
        _new_conn = connected

    class Secure(HTTPSConnection):
        _new_conn = connected

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _connect(infos: list[tuple[Any, ...]], seconds: float) -> socket.socket:
    """A connection to the first of the checked addresses that takes one; no name is looked up again."""
    failed: OSError = OSError("no address")
    for family, kind, protocol, _, where in infos[:4]:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(seconds)
            sock.connect(where)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            sock.close()
            failed = error
    raise failed
