"""The first look at an object of a web server that packs what it sends, though it was not asked to."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import perijove
from perijove import web as looks
from perijove.web import Asked, Seen, look, new_session

BODY = random.Random(4).randbytes(100_000) + bytes(3 << 20)


async def seen_of(packed: bytes) -> Seen | None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    app = web.Application()
    app.router.add_get("/x.vot", answer)
    async with TestServer(app) as server, new_session() as http:
        url = str(server.make_url("/x.vot"))
        return await look(http, Asked(url, "d/x.vot", "copy near", 0, 10, None, 8 << 20, is_store=False))


@pytest.mark.parametrize(
    ("packed", "body"),
    [
        (gzip.compress(BODY), BODY),
        (zlib.compress(BODY), BODY),
        (gzip.compress(BODY) + gzip.compress(b"") + gzip.compress(b"more"), BODY + b"more"),
        (b"", b""),
    ],
    ids=["gzip", "zlib", "several in a row", "nothing"],
)
async def test_a_packed_answer_is_unpacked_to_its_end(packed: bytes, body: bytes) -> None:
    seen = await seen_of(packed)

    assert seen is not None
    assert seen.whole is not None
    assert seen.whole.read(0, seen.size_bytes) == body


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(BODY)[:-1], gzip.compress(BODY)[:9], b"not packed"],
    ids=["cut at its end", "cut in its head", "not packed"],
)
async def test_what_is_packed_and_not_whole_is_not_taken_for_the_file(
    packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "FIRST_PAUSE_SECONDS", 0.0)
    with pytest.raises(perijove.StoreUnavailable, match=r"did not give a whole answer when reading d/x\.vot"):
        await seen_of(packed)
