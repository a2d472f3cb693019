"""A real nginx as a catalogue: its index pages are a tree, and its files are read in parts, each from one version."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

import perijove
from perijove_hub.catalogue import harvest
from tests.support.federated import harvested, listed, opened, tree
from tests.support.kernel import kernel_of
from tests.support.nginx import Nginx, running_nginx

BODY = random.Random(7).randbytes(8 << 20)
TREE = {
    "big.fits": BODY,
    "README.txt": b"the sky",
    "empty.dat": b"",
    "tiles/a 1.fits": b"one",
    "tiles/ünï & <b>#50%+'\".txt": b"odd",
    f"tiles/{'long' * 40}.csv": b"long",
    "tiles/~deep/er/x.nc": b"deep",
}


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with running_nginx(tmp_path_factory.mktemp("nginx")) as server:
        put_back(server)
        yield server


def put_back(server: Nginx) -> None:
    for path, body in TREE.items():
        replaced(server, path, body, 1_700_000_000)


def replaced(server: Nginx, path: str, body: bytes, modified: int) -> None:
    """Put a file there as archives do it: written aside, then renamed."""
    target, aside = server.root / path, server.state / "aside"
    target.parent.mkdir(parents=True, exist_ok=True)
    aside.write_bytes(body)
    os.utime(aside, (modified, modified))
    aside.replace(target)


def spec(nginx: Nginx, path: str, **more: Any) -> dict[str, Any]:
    url = f"{nginx.url}/{path}/"
    return {"kind": "http", "title": "The archive", "url": url, "allow_private": True, **more}


def read(path: str) -> bytes:
    with perijove.open(path) as file:
        data: bytes = file.read()
        return data


def contents() -> dict[str, bytes]:
    """What a kernel finds below the dataset, by path."""
    files = fsspec.filesystem("perijove")
    found = {}
    for path in files.find("archive.all"):
        found[path.removeprefix("archive.all/")] = read(path)
    return found


@pytest.mark.parametrize("form", ["files", "json"])
async def test_every_file_of_an_index_is_found_and_read(
    nginx: Nginx, tmp_path: Path, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    async with harvested(tmp_path, caplog, {"archive": spec(nginx, form)}) as control:
        assert await listed(control, catalogue="archive", q="archive") == ["archive.all"]
        top = await opened(control, "archive.all")
        sizes = {each["name"]: each["size_bytes"] for each in top.body["items"]}
        assert sizes == {"big.fits": len(BODY), "README.txt": 7, "empty.dat": 0, "tiles": None}
        with kernel_of(control, control.ana, tmp_path):
            found = await asyncio.to_thread(contents)
        assert sorted(found.values()) == sorted(TREE.values())
        assert found["tiles/a 1.fits"] == b"one"
        assert "tiles/~7edeep/er/x.nc" in found
        answer = await opened(control, "archive.all", "tiles/none")
        assert answer.status in (404, 503)


@pytest.mark.parametrize("etags", ["files", "weak", "bare"])
async def test_a_file_is_read_in_parts_and_refused_once_it_is_another(
    nginx: Nginx, tmp_path: Path, caplog: pytest.LogCaptureFixture, etags: str
) -> None:
    def use() -> None:
        with perijove.open("archive.all/big.fits") as file:
            assert file.size == len(BODY)
            file.seek(6_000_000)
            assert file.read(7) == BODY[6_000_000:6_000_007]
            assert file.counts.bytes <= 4 << 20
        with perijove.open("archive.all/big.fits", cache_type="none") as file:
            assert file.read(10) == BODY[:10]
            replaced(nginx, "big.fits", BODY[::-1], 1_700_000_001)  # of the same size
            file.seek(-10, 2)
            with pytest.raises(perijove.ObjectChanged, match="open it again"):
                file.read(10)
        with perijove.open("archive.all/big.fits") as file:
            assert file.read(10) == BODY[::-1][:10]

    asked = nginx.asked()
    try:
        async with harvested(tmp_path, caplog, {"archive": spec(nginx, etags)}) as control:
            with kernel_of(control, control.ana, tmp_path):
                await asyncio.to_thread(use)
    finally:
        put_back(nginx)
    statuses = {status for (path, status) in nginx.asked() - asked if path.endswith("big.fits")}
    # a strong ETag goes out as If-Match, which nginx answers with 412; by HTTP's rules a weak one matches nothing
    assert ("412" in statuses) == (etags == "files")
    assert statuses <= {"206", "304", "412"}


async def test_a_server_that_gives_no_parts_gives_all(
    nginx: Nginx, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with harvested(tmp_path, caplog, {"archive": spec(nginx, "whole")}) as control:
        with kernel_of(control, control.ana, tmp_path):
            assert await asyncio.to_thread(read, "archive.all/big.fits") == BODY


async def test_an_index_that_is_gone_stays_in_the_list(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "nginx").mkdir()
    (tmp_path / "control").mkdir()
    with running_nginx(tmp_path / "nginx") as nginx:
        put_back(nginx)
        async with harvested(tmp_path / "control", caplog, {"archive": spec(nginx, "files")}) as control:
            assert await tree(control, "archive.all", "tiles/~7edeep") == ["tiles/~7edeep/er"]
            nginx.kill()
            states = []
            for _ in range(harvest.DEAD_AFTER):
                control.clock.advance(4000)
                await control.state.catalogue.harvester.settle()
                (view,) = (await control.get("datasets", control.ana)).body["catalogues"]
                states.append(view["state"])
                assert await listed(control, catalogue="archive") == ["archive.all"]
            assert states == ["stale", "stale", "dead"]
            assert view["error"] == "It cannot be reached."
            answer = await opened(control, "archive.all", "tiles")
            assert (answer.status, "cannot be reached" in answer.detail) == (503, True)
