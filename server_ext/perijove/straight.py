"""Reading straight on: one long answer of a store, from which piece after piece is taken as it comes.

A link that gives one stream as much as it gives eight, as within a data centre, is read fastest so: each further range
would wait for its first byte. Bytes come from the socket straight into what the reader gets, in a thread that waits
for them, and are copied nowhere else; obstore copies them three times, which costs more than twice the processor time.

Nothing depends on it. An answer that is not exactly what was asked for, that breaks off, or that is slower than ranges
in parallel would be, is let go of, and what it did not give is read as everything else is, with all its tries.

Source: RFC 9110, sections 13 (conditions) and 14 (ranges).
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import queue
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

from .web import proxy_for

#: One stream of a cloud store gives some 60 MB/s. One that gives as much as eight of them is left alone.
ENOUGH_BYTES_PER_SECOND = 8 * 60e6
#: The pace is judged by so much time of receiving: a moment tells nothing, and a machine has other things to do.
JUDGED_SECONDS = 0.25
#: A piece may come so much later than at that pace; connection and first byte are within it.
LATE_SECONDS = 0.5
#: No answer lasts longer: what is read by it later than this after it was allowed needs to be allowed anew. With the
#: time for which addresses are kept and that for which control believes the hub, it is less than a minute.
LASTS_SECONDS = 3.0
CONNECT_SECONDS = 3.0
#: The thread that receives is woken when so much has come: to wake it for each packet costs the store as much as it
#: costs us, and a third of the pace.
WAKE_BYTES = 256 << 10
#: A reader that has taken less than this of an answer that lasted has no use for more speed; what was on its way to it
#: was sent in vain.
WORTH_BYTES = 64 << 20


@dataclass
class Pace:
    """How fast an answer comes, while it is waited for. Pure: times come with each call."""

    received_bytes: int = 0
    seconds: float = 0.0

    def is_slow(self, received_bytes: int, seconds: float) -> bool:
        """``received_bytes`` have come within ``seconds``; whether ranges in parallel would come faster."""
        self.received_bytes += received_bytes
        self.seconds += seconds
        if self.seconds < JUDGED_SECONDS:
            return False
        slow = self.received_bytes < ENOUGH_BYTES_PER_SECOND * self.seconds
        self.received_bytes, self.seconds = 0, 0.0
        return slow


def late_after_seconds(length_bytes: int) -> float:
    """How long so much is waited for before it is asked for otherwise. Pure."""
    return LATE_SECONDS + length_bytes / ENOUGH_BYTES_PER_SECOND


@dataclass(frozen=True)
class Asked:
    """The bytes ``start`` up to ``stop`` of the object at ``url``, which has this strong ETag and this size.

    ``url`` may be secret and is in no error.
    """

    url: str
    start: int
    stop: int
    etag: str
    size_bytes: int

    @property
    def headers(self) -> dict[str, str]:
        """Those that ask for it."""
        return {
            "Range": f"bytes={self.start}-{self.stop - 1}",
            "If-Match": self.etag,
            "Accept-Encoding": "identity",
            "Connection": "close",
        }

    def is_answered_by(self, response: http.client.HTTPResponse) -> bool:
        """Whether an answer is of exactly these bytes of this very object."""
        return (
            response.status == 206
            and response.getheader("Content-Range") == f"bytes {self.start}-{self.stop - 1}/{self.size_bytes}"
            and response.getheader("ETag") == self.etag
            and response.getheader("Content-Encoding", "identity") == "identity"
            and response.length == self.stop - self.start
        )


class LongAnswer:
    """One answer; pieces are taken from it in order. Belongs to one event loop, beside a thread of its own.

    Args:
        asked: what is asked for.
        when_slow: called once, when ranges in parallel would be faster or it did not come as asked for.
    """

    def __init__(self, asked: Asked, when_slow: Callable[[], None]) -> None:
        self.next = asked.start
        self.taken_bytes = 0
        self.is_over = False
        self._asked = asked
        self._when_slow = when_slow
        self._loop = asyncio.get_running_loop()
        self._pace = Pace()
        self._lengths: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        #: Of those pieces that have not come, with their lengths.
        self._waiting: deque[tuple[asyncio.Future[bytes | None], int]] = deque()
        self._socket: socket.socket | None = None
        self._late: asyncio.TimerHandle | None = None
        self._end = self._loop.call_later(LASTS_SECONDS, self.close)
        try:
            # a daemon: Python must not wait for a store at its end
            threading.Thread(target=self._receive, name="perijove-straight", daemon=True).start()
        except RuntimeError:  # a container may have no more of them
            self.close()

    def take(self, stop: int) -> asyncio.Future[bytes | None]:
        """The bytes from where the piece before ended up to ``stop``, or None: it is over."""
        future: asyncio.Future[bytes | None] = self._loop.create_future()
        if self.is_over or not self.next < stop <= self._asked.stop:
            future.set_result(None)
            return future
        length, self.next = stop - self.next, stop
        self._waiting.append((future, length))
        if len(self._waiting) == 1:
            self._watch()
        self._lengths.put(length)
        return future

    def close(self) -> None:
        """Let go of the connection; what has not come is None."""
        if self.is_over:
            return
        self.is_over = True
        self._end.cancel()
        if self._late is not None:
            self._late.cancel()
        self._lengths.put(None)
        if self._socket is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # wakes the thread; by TLS only it may not
        for future, _ in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    def _watch(self) -> None:
        """The piece that comes next may come late."""
        if self._late is not None:
            self._late.cancel()
        self._late = None
        if self._waiting:
            self._late = self._loop.call_later(late_after_seconds(self._waiting[0][1]), self._give_up)

    def _give_up(self) -> None:
        if not self.is_over:
            self.close()
            self._when_slow()

    def _deliver(self, data: bytes, seconds: float) -> None:
        if self.is_over:
            return
        future, length = self._waiting.popleft()
        if len(data) != length:
            self._waiting.appendleft((future, length))
            self._give_up()
            return
        self.taken_bytes += length
        if not future.done():
            future.set_result(data)
        if self.next == self._asked.stop and not self._waiting:
            self.close()
        elif self._pace.is_slow(length, seconds):
            self._give_up()
        else:
            self._watch()

    def _receive(self) -> None:
        """In the thread: connect, ask, and read as much as is wanted."""
        connection = None
        try:
            connection = _connection(self._asked.url)
            connection.connect()
            self._socket = connection.sock
            if self.is_over:  # while there was nothing to wake
                return
            connection.sock.settimeout(LASTS_SECONDS)
            place = urlsplit(self._asked.url)
            connection.request("GET", urlunsplit(("", "", *place[2:4], "")), headers=self._asked.headers)
            with connection.getresponse() as response:
                if self._asked.is_answered_by(response):
                    self._read(response)
        except (OSError, ValueError, http.client.HTTPException, queue.Empty):
            pass  # it is read otherwise, which tells what is wrong
        finally:
            if connection is not None:
                connection.close()
            self._tell(self._give_up)

    def _read(self, response: http.client.HTTPResponse) -> None:
        left = self._asked.stop - self._asked.start
        self._wake_by(WAKE_BYTES)
        # the loop may be gone, and with it who would close this
        while (length := self._lengths.get(timeout=2 * LASTS_SECONDS)) is not None:
            if length == left:
                self._wake_by(1)  # after its end nothing comes, and the server may leave the connection open
            began = time.perf_counter()
            data = response.read(length)
            left -= length
            self._tell(self._deliver, data, time.perf_counter() - began)

    def _wake_by(self, least_bytes: int) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # not all systems can: then it is woken more often
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least_bytes)

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed since
            self._loop.call_soon_threadsafe(what, *arguments)


class Straight:
    """The long answers of one opened object, one after the other. Belongs to one event loop."""

    def __init__(self) -> None:
        #: Pieces are asked for in the order in which they follow each other.
        self.turn = asyncio.Lock()
        self.is_of_use = True
        self._answer: LongAnswer | None = None

    def continues_at(self, start: int) -> bool:
        """Whether there is an answer whose next byte that of ``start`` is."""
        answer = self._answer
        if answer is None or not answer.is_over:
            return answer is not None and answer.next == start
        self.is_of_use = self.is_of_use and answer.taken_bytes >= WORTH_BYTES
        self._answer = None
        return False

    def begin(self, asked: Asked, when_slow: Callable[[], None]) -> None:
        """Ask for a new answer instead of the one at hand."""
        self.close()
        self._answer = LongAnswer(asked, when_slow)

    def take(self, stop: int) -> asyncio.Future[bytes | None]:
        """See :meth:`LongAnswer.take`."""
        if self._answer is None:
            raise AssertionError("nothing was asked for")
        return self._answer.take(stop)

    def leave(self) -> None:
        """Some of the object is at hand otherwise: an answer up to its end would bring that again."""
        self.is_of_use = False
        self.close()

    def close(self) -> None:
        """Let go of what is at hand."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None


def is_straight_way(url: str) -> bool:
    """Whether a server is asked itself and not a proxy of the environment."""
    place = urlsplit(url)
    host = place.hostname or ""
    return bool(host) and proxy_for(place.scheme, host) is None and proxy_for("all", host) is None


def _connection(url: str) -> http.client.HTTPConnection:
    place = urlsplit(url)
    if place.scheme == "https":
        return http.client.HTTPSConnection(place.netloc, timeout=CONNECT_SECONDS, context=tls_context())
    return http.client.HTTPConnection(place.netloc, timeout=CONNECT_SECONDS)


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """It takes 20 ms to make one."""
    return ssl.create_default_context()
