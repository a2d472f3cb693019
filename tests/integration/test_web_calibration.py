"""The web server of the tests and a real nginx answer the same probe, as the store of the tests and a real gateway do.

What is asked is what readers ask: parts, with ``If-Match`` where the ETag is strong. ``If-Range`` is not: a file that
has changed would come whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tests.support.nginx import running_nginx
from tests.support.plain_http import asked
from tests.support.web_server import WebFile, threaded_web_server

DATA = b"0123456789"
MODIFIED = datetime(2024, 5, 1, tzinfo=UTC)


@dataclass
class Target:
    """Where a file of ten bytes is: with a strong ETag, a weak one and none; and one that never comes in parts."""

    strong: str
    weak: str
    bare: str
    whole: str


@pytest.fixture(scope="module")
def nginx_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_nginx(tmp_path_factory.mktemp("nginx")) as server:
        (server.root / "x.bin").write_bytes(DATA)
        os.utime(server.root / "x.bin", (MODIFIED.timestamp(),) * 2)
        yield Target(*(f"{server.url}/{place}/x.bin" for place in ("files", "weak", "bare", "whole")))


@pytest.fixture(scope="module")
def own_target() -> Iterator[Target]:
    with threaded_web_server() as server:
        server.files = {
            "strong": WebFile(DATA, '"strong"', MODIFIED),
            "weak": WebFile(DATA, 'W/"weak"', MODIFIED),
            "bare": WebFile(DATA, None, MODIFIED),
            "whole": WebFile(DATA, '"strong"', MODIFIED, gives_ranges=False),
        }
        yield Target(*(f"{server.url}/{place}" for place in ("strong", "weak", "bare", "whole")))


def parts_are_sent(target: Target) -> None:
    for url in (target.strong, target.weak, target.bare):
        for wanted, body, said in (
            ("0-0", b"0", "0-0"),
            ("7-99", b"789", "7-9"),
            ("-3", b"789", "7-9"),
            ("4-", b"456789", "4-9"),
        ):
            status, headers, found = asked(url, Range=f"bytes={wanted}")
            assert (status, found, headers["content-range"]) == (206, body, f"bytes {said}/10")
            assert headers["content-length"] == str(len(body))
            assert headers["last-modified"] == "Wed, 01 May 2024 00:00:00 GMT"


def beyond_the_end_is_416(target: Target) -> None:
    status, headers, _ = asked(target.strong, Range="bytes=10-20")
    assert (status, headers["content-range"]) == (416, "bytes */10")


def etags_are_strong_weak_or_none(target: Target) -> None:
    for wanted in ({}, {"Range": "bytes=0-0"}):
        assert asked(target.strong, **wanted)[1]["etag"].startswith('"')
        assert asked(target.weak, **wanted)[1]["etag"].startswith('W/"')
        assert "etag" not in asked(target.bare, **wanted)[1]


def a_strong_etag_is_matched_and_a_weak_one_never(target: Target) -> None:
    strong, weak = (asked(url)[1]["etag"] for url in (target.strong, target.weak))
    assert asked(target.strong, If_Match=strong, Range="bytes=2-3")[::2] == (206, b"23")
    assert asked(target.strong, If_Match='"another"', Range="bytes=2-3")[0] == 412
    assert asked(target.weak, If_Match=weak, Range="bytes=2-3")[0] == 412


def one_that_gives_no_parts_sends_all(target: Target) -> None:
    status, headers, body = asked(target.whole, Range="bytes=2-3")
    assert (status, body, headers["content-length"]) == (200, DATA, "10")


def what_is_not_there_is_404(target: Target) -> None:
    assert asked(f"{target.strong}-not", Range="bytes=0-1")[0] == 404


CHECKS: tuple[Callable[[Target], None], ...] = (
    parts_are_sent,
    beyond_the_end_is_416,
    etags_are_strong_weak_or_none,
    a_strong_etag_is_matched_and_a_weak_one_never,
    one_that_gives_no_parts_sends_all,
    what_is_not_there_is_404,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("server", ["own", "nginx"])
def test_server_passes_the_probe(server: str, check: Callable[[Target], None], request: pytest.FixtureRequest) -> None:
    check(request.getfixturevalue(f"{server}_target"))
