"""What comes plainly is given whole; whatever else a server does is None, and the server is left alone for a while."""

from __future__ import annotations

import asyncio
import itertools
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from perijove import connection, connections
from perijove.connection import ROOM_BYTES, Connection, NotPlain, Reply, parsed_head
from perijove.connections import Connections

BODY = b"0123456789"
MOST_BYTES = 1 << 20
RANGE = {"Range": "bytes=0-9"}


def plain(body: bytes = BODY, *lines: str, status: str = "206 Partial Content") -> bytes:
    """An answer as stores send it."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", 'ETag: "x"', *lines, "", ""]
    return "\r\n".join(head).encode() + body


CHUNKED = b"HTTP/1.1 206 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#: Answers that are not for here, whatever they hold.
NOT_PLAIN = {
    "in chunks without their sizes": CHUNKED + b"abc\r\n0\r\n\r\n",
    "in chunks longer than they say": CHUNKED + b"2\r\nabc\r\n0\r\n\r\n",
    "in chunks of no end": CHUNKED + b"f" * 1000,
    "in chunks with lines after the last": CHUNKED + b"0\r\nX-A: 1\r\n\r\n",
    "in chunks and longer than it says": CHUNKED + b"0\r\n\r\nmore",
    "in chunks longer than was asked for": CHUNKED + b"100001\r\n" + bytes(0x100001) + b"\r\n0\r\n\r\n",
    "in chunks that are packed": CHUNKED.replace(b"chunked", b"gzip, chunked") + b"0\r\n\r\n",
    "of no length": b"HTTP/1.1 206 OK\r\n\r\n",
    "of two lengths": plain(BODY, "content-length: 2"),
    "of a length that is no number": b"HTTP/1.1 206 OK\r\nContent-Length: +10\r\n\r\n0123456789",
    "both in chunks and of a length": plain(BODY, "Transfer-Encoding: chunked"),
    "longer than it says": plain() + b"more",
    "longer than was asked for": plain(bytes(MOST_BYTES + 1)),
    "an error without end": plain(bytes(1 << 20), status="404 Not Found"),
    "on its way": b"HTTP/1.1 100 Continue\r\n\r\n" + plain(),
    "of an older HTTP": plain().replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a header without a name": plain(BODY, ": x"),
    "a header without a colon": plain(BODY, "x"),
    "a folded header": plain(BODY, "X-A: 1", " 2"),
    "a header with a line in it": plain(BODY, "X-A: 1\nX-B: 2"),
    "a head without end": b"HTTP/1.1 206 OK\r\n" + b"X-A: 1\r\n" * 10_000,
}


@dataclass(eq=False)
class Server:
    """Answers each connection by a script: an answer for each request, after which it is closed."""

    scripts: list[Sequence[bytes]]
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connected: int = 0
    pause_seconds: float = 0.0
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    #: What is sent after the last answer of a script.
    afterwards: bytes = b""
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/bucket/key?X-Amz-Signature=1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        self.serving.add(cast(asyncio.Task[None], asyncio.current_task()))
        script = self.scripts.pop(0) if self.scripts else [plain()] * 100
        try:
            for answer in script:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                self.was_asked.set()
                await asyncio.sleep(self.pause_seconds)
                writer.write(answer)
                await writer.drain()
            if self.afterwards:
                await asyncio.sleep(0.05)
                writer.write(self.afterwards)
                await asyncio.sleep(10)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    *scripts: Sequence[bytes], tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Server, Connections]]:
    server, pool = Server(list(scripts)), Connections()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server, pool
    finally:
        pool.close()
        listening.close()
        for task in server.serving:
            task.cancel()
        await asyncio.gather(*server.serving, return_exceptions=True)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(bounded())


def test_requests_one_after_the_other_go_by_one_connection() -> None:
    async def test() -> None:
        async with serving() as (server, pool):
            replies = [await pool.get(server.url, RANGE, MOST_BYTES) for _ in range(3)]

            assert replies == [Reply(206, {"content-length": "10", "etag": '"x"'}, BODY)] * 3
            assert server.connected == 1
            host = f"127.0.0.1:{server.port}"
            assert (
                server.requests
                == [f"GET /bucket/key?X-Amz-Signature=1 HTTP/1.1\r\nHost: {host}\r\nRange: bytes=0-9\r\n\r\n".encode()]
                * 3
            )

    run(test)


def test_requests_at_once_go_by_as_many_connections() -> None:
    async def test() -> None:
        async with serving() as (server, pool):
            server.pause_seconds = 0.05
            replies = await asyncio.gather(*(pool.get(server.url, RANGE, MOST_BYTES) for _ in range(5)))

            assert [reply and reply.body for reply in replies] == [BODY] * 5
            assert server.connected == 5

    run(test)


def test_a_connection_that_the_server_has_closed_meanwhile_is_made_anew() -> None:
    async def test() -> None:
        async with serving([plain()], [plain()]) as (server, pool):
            for _ in range(2):
                reply = await pool.get(server.url, RANGE, MOST_BYTES)
                assert reply is not None
                assert reply.body == BODY
            assert server.connected == 2

    run(test)


def test_a_server_that_says_so_is_asked_by_another_connection() -> None:
    async def test() -> None:
        async with serving([plain(BODY, "Connection: close")] * 2) as (server, pool):
            for _ in range(2):
                assert await pool.get(server.url, RANGE, MOST_BYTES) is not None
            assert server.connected == 2

    run(test)


def test_a_body_longer_than_the_room_of_a_connection_is_whole() -> None:
    body = random.Random(1).randbytes(3 * ROOM_BYTES)

    async def test() -> None:
        async with serving([plain(body), plain()]) as (server, pool):
            long, short = [await pool.get(server.url, RANGE, MOST_BYTES) for _ in range(2)]

            assert long is not None
            assert long.body == body
            assert short is not None
            assert short.body == BODY

    run(test)


def test_a_body_in_chunks_is_whole_and_its_connection_kept() -> None:
    answer = CHUNKED + b"3\r\nabc\r\nA ; x=y\r\n0123456789\r\n0\r\n\r\n"

    async def test() -> None:
        async with serving([answer, plain()]) as (server, pool):
            replies = [await pool.get(server.url, RANGE, MOST_BYTES) for _ in range(2)]

            assert [reply and reply.body for reply in replies] == [b"abc0123456789", BODY]
            assert server.connected == 1

    run(test)


@pytest.mark.parametrize("extra", [plain(b"forged"), b"x"])
def test_what_comes_after_an_answer_is_not_the_next(extra: bytes) -> None:
    async def test() -> None:
        async with serving([plain()]) as (server, pool):
            server.afterwards = extra
            first = await pool.get(server.url, RANGE, MOST_BYTES)
            await asyncio.sleep(0.1)
            second = await pool.get(server.url, RANGE, MOST_BYTES)

            assert [reply and reply.body for reply in (first, second)] == [BODY, BODY]
            assert server.connected == 2

    run(test)


def test_a_body_where_there_must_be_none_is_not_the_next_answer() -> None:
    async def test() -> None:
        async with serving([b"HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\n", plain(b"forged")]) as (
            server,
            pool,
        ):
            await pool.get(server.url, RANGE, MOST_BYTES)
            second = await pool.get(server.url, RANGE, MOST_BYTES)

            assert second is not None
            assert second.body == BODY
            assert server.connected == 2

    run(test)


@pytest.mark.parametrize("status", ["304 Not Modified", "204 No Content"])
def test_an_answer_without_a_body_needs_no_length(status: str) -> None:
    async def test() -> None:
        async with serving([f"HTTP/1.1 {status}\r\n\r\n".encode(), plain()]) as (server, pool):
            assert await pool.get(server.url, RANGE, MOST_BYTES) == Reply(int(status[:3]), {}, b"")
            assert await pool.get(server.url, RANGE, MOST_BYTES) is not None
            assert server.connected == 1

    run(test)


@pytest.mark.parametrize("answer", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_is_none_and_the_server_left_alone_for_a_while(answer: bytes) -> None:
    async def test() -> None:
        async with serving([answer]) as (server, pool):
            assert await pool.get(server.url, RANGE, MOST_BYTES) is None
            assert await pool.get(server.url, RANGE, MOST_BYTES) is None
            assert server.connected == 1

    run(test)


@pytest.mark.parametrize("cut", [1, 20, len(plain()) - len(BODY), len(plain()) - 1])
def test_an_answer_that_breaks_off_is_none(cut: int) -> None:
    async def test() -> None:
        async with serving([plain()[:cut]]) as (server, pool):
            assert await pool.get(server.url, RANGE, MOST_BYTES) is None

    run(test)


def test_a_server_that_does_not_answer_is_given_up_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PACE_SECONDS", 0.2)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.05)

    async def test() -> None:
        async with serving() as (server, pool):
            server.pause_seconds = 20
            assert await pool.get(server.url, RANGE, MOST_BYTES) is None
            assert await pool.get(server.url, RANGE, MOST_BYTES) is None
            assert server.connected == 1

    run(test)


def test_a_server_that_was_left_alone_is_asked_again_after_a_while() -> None:
    now = [0.0]

    async def test() -> None:
        async with serving([NOT_PLAIN["no HTTP"]]) as (server, _):
            pool = Connections(lambda: now[0])
            assert await pool.get(server.url, RANGE, MOST_BYTES) is None
            now[0] = connections.REST_SECONDS - 1
            assert await pool.get(server.url, RANGE, MOST_BYTES) is None
            now[0] = connections.REST_SECONDS
            assert await pool.get(server.url, RANGE, MOST_BYTES) is not None
            pool.close()

    run(test)


def test_a_server_that_closes_without_a_word_is_left_alone() -> None:
    async def test() -> None:
        async with serving([], [], []) as (server, pool):
            for _ in range(3):
                assert await pool.get(server.url, RANGE, MOST_BYTES) is None
            assert server.connected == 1

    run(test)


def test_a_server_that_is_not_there_says_nothing_of_others() -> None:
    async def test() -> None:
        async with serving() as (server, _):
            gone = server.url
        async with serving() as (server, pool):
            assert await pool.get(gone, RANGE, MOST_BYTES) is None
            assert await pool.get(server.url, RANGE, MOST_BYTES) is not None

    run(test)


def test_who_does_not_wait_any_more_leaves_no_answer_to_the_next() -> None:
    async def test() -> None:
        async with serving([plain(b"of another")]) as (server, pool):
            server.pause_seconds = 0.2
            asking = asyncio.create_task(pool.get(server.url, RANGE, MOST_BYTES))
            await server.was_asked.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            reply = await pool.get(server.url, RANGE, MOST_BYTES)

            assert reply is not None
            assert reply.body == BODY
            assert server.connected == 2

    run(test)


def test_connections_with_nothing_to_do_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.05)

    async def test() -> None:
        async with serving() as (server, pool):
            await pool.get(server.url, RANGE, MOST_BYTES)
            await asyncio.sleep(0.5)
            await pool.get(server.url, RANGE, MOST_BYTES)
            assert server.connected == 2

    run(test)


def test_one_tries_a_server_again_and_the_others_wait_for_what_it_finds() -> None:
    now = [0.0]

    async def test() -> None:
        async with serving([NOT_PLAIN["no HTTP"]]) as (server, _):
            pool = Connections(lambda: now[0])
            await pool.get(server.url, RANGE, MOST_BYTES)
            now[0] = connections.REST_SECONDS
            server.pause_seconds = 0.05
            replies = await asyncio.gather(*(pool.get(server.url, RANGE, MOST_BYTES) for _ in range(5)))

            assert [reply is not None for reply in replies] == [True, False, False, False, False]
            assert await pool.get(server.url, RANGE, MOST_BYTES) is not None
            pool.close()

    run(test)


def test_no_more_are_under_way_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BUSY_MAX", 3)

    async def test() -> None:
        async with serving() as (server, pool):
            replies = await asyncio.gather(*(pool.get(server.url, RANGE, MOST_BYTES) for _ in range(5)))

            assert sum(reply is not None for reply in replies) == 3
            assert server.connected == 3

    run(test)


def test_a_second_loop_has_connections_of_its_own() -> None:
    pool = Connections()

    async def test() -> None:
        async with serving() as (server, _):
            for _ in range(2):
                assert await pool.get(server.url, RANGE, MOST_BYTES) is not None

    run(test)
    run(test)
    pool.close()  # its loop is closed, too


def test_who_waits_when_it_is_closed_gets_nothing_and_asks_nobody_else() -> None:
    async def test() -> None:
        async with serving([plain(), plain()]) as (server, pool):
            await pool.get(server.url, RANGE, MOST_BYTES)
            server.pause_seconds = 5
            asking = asyncio.create_task(pool.get(server.url, RANGE, MOST_BYTES))
            while len(server.requests) < 2:  # noqa: ASYNC110 - there is no event for the second
                await asyncio.sleep(0.01)
            pool.close()

            assert await asking is None
            assert server.connected == 1

    run(test)


def test_nothing_is_asked_once_it_is_closed() -> None:
    async def test() -> None:
        async with serving() as (server, pool):
            pool.close()
            assert await pool.get(server.url, RANGE, MOST_BYTES) is None
            assert server.connected == 0

    run(test)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@{}/x",
        "ftp://{}/x",
        "http://{}/a b",
        "http://{}/ä",
        "http:///x",
        f"http://{'a' * 70}.invalid/x",
        "http://127.0.0.1:99999/x",
        "http://[::1/x",
        "http://[foo]/x",
        "http://a℀b:secret@h/x",
        "",
    ],
)
def test_addresses_that_are_not_for_here_are_not_asked(url: str) -> None:
    async def test() -> None:
        async with serving() as (server, pool):
            assert await pool.get(url.format(f"127.0.0.1:{server.port}"), RANGE, MOST_BYTES) is None
            assert server.connected == 0

    run(test)


@pytest.mark.parametrize("value", ['"x"\r\nX-Evil: 1', '"x"\n', "with space", '"ä"', ""])
def test_what_a_store_once_said_cannot_begin_a_line_of_a_request(value: str) -> None:
    async def test() -> None:
        async with serving() as (server, pool):
            assert await pool.get(server.url, {"If-Match": value}, MOST_BYTES) is None
            assert server.connected == 0

    run(test)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of 127.0.0.1, signed by itself, with its key in the same file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = tmp_path / "store.pem"
    path.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()) + made.public_bytes(pem))
    return path


@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_server_of_https_is_asked_if_its_certificate_is_trusted(
    certificate: Path, is_trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    trusted = ssl.create_default_context(cafile=certificate if is_trusted else None)
    monkeypatch.setattr(connections, "tls_context", lambda: trusted)
    body = random.Random(2).randbytes(2 * ROOM_BYTES)

    async def test() -> None:
        async with serving([plain(body), plain()], tls=served) as (server, pool):
            url = server.url.replace("http:", "https:")
            replies = [await pool.get(url, RANGE, MOST_BYTES) for _ in range(2)]

            assert [reply and reply.body for reply in replies] == ([body, BODY] if is_trusted else [None, None])
            assert server.connected == (1 if is_trusted else 0)

    run(test)


class _Transport(asyncio.Transport):
    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def abort(self) -> None:
        pass


def _fed(pieces: Sequence[bytes]) -> Reply | None:
    """What a connection gives that gets these pieces one after the other."""

    async def feed() -> Reply | None:
        connection = Connection()
        connection.connection_made(_Transport())
        reply = connection.ask(b"", MOST_BYTES, 0.0)
        for piece in pieces:
            left = piece
            while left and not connection.is_lost:
                room = connection.get_buffer(-1)
                length = min(len(room), len(left))
                room[:length] = left[:length]
                left = left[length:]
                connection.buffer_updated(length)
        connection.connection_lost(None)
        return await reply

    return asyncio.run(feed())


@given(st.binary(max_size=200_000), st.lists(st.integers(1, 200_500), max_size=6))
def test_an_answer_is_the_same_however_it_is_cut_on_its_way(body: bytes, cuts: list[int]) -> None:
    answer = plain(body)
    edges = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})

    reply = _fed([answer[start:stop] for start, stop in itertools.pairwise(edges)])

    assert reply is not None
    assert reply.body == body


@given(st.lists(st.binary(min_size=1, max_size=50_000), max_size=6), st.lists(st.integers(1, 300_500), max_size=6))
def test_chunks_are_put_together_however_they_are_cut_on_their_way(chunks: list[bytes], cuts: list[int]) -> None:
    answer = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in [*chunks, b""])
    edges = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})

    reply = _fed([answer[start:stop] for start, stop in itertools.pairwise(edges)])

    assert reply is not None
    assert reply.body == b"".join(chunks)


@given(st.lists(st.binary(max_size=300), max_size=5), st.binary(max_size=40))
def test_no_server_can_do_more_than_not_answer(pieces: list[bytes], line: bytes) -> None:
    for sent in (pieces, [b"HTTP/1.1 206 OK\r\n", line, *pieces], [plain()[:-1], *pieces], [CHUNKED, line, *pieces]):
        reply = _fed(sent)
        assert reply is None or len(reply.body) <= MOST_BYTES


@given(st.binary(max_size=400))
def test_a_head_is_understood_or_not_plain(head: bytes) -> None:
    try:
        status, headers = parsed_head(b"HTTP/1.1 200 OK\r\n" + head)
    except NotPlain:
        return
    assert status == 200
    assert all(name == name.lower() for name in headers)
