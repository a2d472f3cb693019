from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from astropy.io import fits
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from perijove_demo.archive import make_app, write_archive
from perijove_hub.catalogue.harvest import Asker
from perijove_hub.policy.catalogues import CatalogueSpec


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    await asyncio.to_thread(write_archive, tmp_path / "archive")
    (tmp_path / "secret.txt").write_text("not served")
    server = HTTPServer(make_app(tmp_path / "archive"))
    socket, port = bind_unused_port()
    server.add_socket(socket)
    yield f"http://127.0.0.1:{port}"
    server.stop()
    await server.close_all_connections()


@pytest.mark.parametrize(
    ("kind", "path", "folder", "found"),
    [
        ("stac", "/catalog.json", "Crab", "Crab/crab.fits"),
        ("http", "/", "fields/Crab", "fields/Crab/crab.fits"),
    ],
)
async def test_the_archive_is_a_catalogue_of_others(url: str, kind: str, path: str, folder: str, found: str) -> None:
    asker = Asker()
    said = {"kind": kind, "title": "Archive", "url": url + path, "allow_private": True}
    spec = CatalogueSpec.model_validate(said)
    (dataset,) = await asker.harvest(spec)
    leaves = await asker.ask(
        "archive", spec, lambda each, session: each.branch(session, dataset, folder, "", 100).leaves
    )
    assert found in [leaf.entry.path for leaf in leaves]
    address = await asker.ask("archive", spec, lambda each, session: each.url(session, dataset, found))
    assert address == f"{url}/fields/Crab/crab.fits"
    asker.close()


async def test_its_files_are_read_by_ranges_and_nothing_beside_them(url: str, tmp_path: Path) -> None:
    async with httpx.AsyncClient() as client:
        part = await client.get(f"{url}/fields/Crab/crab.fits", headers={"Range": "bytes=0-5"})
        assert (part.status_code, part.content) == (206, b"SIMPLE")
        for outside in ("/../secret.txt", "/%2e%2e/secret.txt", "/fields/../../secret.txt"):
            assert (await client.get(url + outside)).status_code in (403, 404)
    assert fits.getheader(tmp_path / "archive/fields/Orion/orion.fits")["CRVAL1"] == 83.822


async def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    write_archive(tmp_path)
    (tmp_path / "README.txt").write_text("mine")
    write_archive(tmp_path)
    assert (tmp_path / "README.txt").read_text() == "mine"
