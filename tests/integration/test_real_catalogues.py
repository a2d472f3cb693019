"""Catalogues of real services: a STAC API, and one of the Virtual Observatory. Found, read, and gone."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from astropy.io.votable import parse_single_table
from astropy.table import Table

import perijove
from perijove_hub.catalogue import harvest
from tests.support.catalogues import collection
from tests.support.control_bed import ControlBed
from tests.support.dachs import STARS, Dachs, running_dachs
from tests.support.federated import addresses, harvested, listed, opened, tree
from tests.support.kernel import kernel_of, read
from tests.support.postgres import PostgresServer
from tests.support.stac_server import StacApi, running_stac

TILE = random.Random(11).randbytes(2 << 20)


async def states_after_failures(control: ControlBed, name: str) -> list[str]:
    """How the catalogue is said to be after each of three harvests; its datasets stay in the list all the while."""
    before = await listed(control)
    states = []
    for _ in range(harvest.DEAD_AFTER):
        control.clock.advance(4000)
        await control.state.catalogue.harvester.settle()
        assert await listed(control) == before
        views = (await control.get("datasets", control.ana)).body["catalogues"]
        (view,) = (view for view in views if view["id"] == name)
        assert bool(view["error"]) == (view["state"] != "live")
        states.append(view["state"])
    return states


@pytest.fixture
def stac(tmp_path: Path) -> Iterator[StacApi]:
    (tmp_path / "stac").mkdir()
    collections = [
        collection("sentinel-2", keywords=["land"], **{"sci:doi": "10.5270/s2"}),
        collection("sea é", title="Sea surface", license="CC0-1.0"),
    ]
    items = {f"sentinel-2/S2 {number}": {f"red {number}.tif": TILE} for number in range(30)}
    in_buckets = {
        "sea é/stored": {
            "key": {"href": "s3://sentinel-2/red 3.tif"},
            "web": {"href": "s3://far/red.tif", "alternate": {"https": {"href": "{files}/sentinel-2/red%204.tif"}}},
            "far": {"href": "s3://far/B02.tif"},
        }
    }
    with running_stac(tmp_path / "stac", collections, items, in_buckets) as api:
        yield api


async def test_a_stac_api_is_searched_read_and_outlived(
    stac: StacApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "control").mkdir()
    spec = {"kind": "stac", "title": "Earth", "url": stac.url, "allow_private": True}
    async with harvested(tmp_path / "control", caplog, {"earth": spec}) as control:
        assert await listed(control, catalogue="earth") == ["earth.sea~20~c3~a9", "earth.sentinel-2"]
        assert await listed(control, q="land") == ["earth.sentinel-2"]
        assert await listed(control, licence="CC0-1.0") == ["earth.sea~20~c3~a9"]
        assert "earth.sentinel-2" in await listed(control, bbox="0,40,1,41")
        assert (await control.get("datasets/earth.sentinel-2", control.ana)).body["doi"] == "10.5270/s2"

        found = []
        page = await control.get("datasets/earth.sentinel-2/tree", control.ana, limit=12)
        while True:
            found += [each["name"] for each in page.body["items"]]
            if page.body["next"] is None:
                break
            page = await control.get(page.body["next"], control.ana)
        assert sorted(found) == sorted(f"S2 {number}" for number in range(30))
        assert await tree(control, "earth.sea~20~c3~a9") == ["stored"]

        (path,) = await tree(control, "earth.sentinel-2", "S2 7")
        with kernel_of(control, control.ana, tmp_path):
            assert await asyncio.to_thread(read, f"earth.sentinel-2/{path}") == TILE

        stac.process.kill()
        stac.process.wait(timeout=10)
        # the web server before it is still there, and says 502 with a page
        assert await states_after_failures(control, "earth") == ["stale", "stale", "dead"]
        answer = await opened(control, "earth.sentinel-2", "S2 9")
        assert (answer.status, "502" in answer.detail) == (503, True)


async def test_files_of_a_stac_api_that_lie_in_buckets_are_read_or_say_why_not(
    stac: StacApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "control").mkdir()
    spec = {"kind": "stac", "title": "Earth", "url": stac.url, "allow_private": True}
    spec |= {"s3_endpoints": {"sentinel-2": f"{stac.url}files/{{bucket}}"}}
    async with harvested(tmp_path / "control", caplog, {"earth": spec}) as control:
        paths = await tree(control, "earth.sea~20~c3~a9", "stored")
        assert sorted(paths) == ["stored/B02.tif", "stored/red 3.tif", "stored/red 4.tif"]
        with kernel_of(control, control.ana, tmp_path):
            for path in ("stored/red 3.tif", "stored/red 4.tif"):
                assert await asyncio.to_thread(read, f"earth.sea~20~c3~a9/{path}") == TILE
            with pytest.raises(perijove.errors.Refused, match=r"This file lies at s3://far/B02\.tif, and"):
                await asyncio.to_thread(read, "earth.sea~20~c3~a9/stored/B02.tif")


@pytest.fixture(scope="module")
def observatory(postgres_server: PostgresServer) -> Iterator[Dachs]:
    with running_dachs(postgres_server) as service:
        yield service


@pytest.fixture
def dachs(observatory: Dachs) -> Dachs:
    observatory.start()
    return observatory


async def rows(control: ControlBed, dataset_id: str, path: str) -> Table:
    """A VOTable file of a dataset, as whoever opens it gets it."""
    (address,) = await addresses(control, dataset_id, path)
    async with control.http.get(address) as answer:
        assert answer.status == 200, await answer.text()
        return parse_single_table(io.BytesIO(await answer.read())).to_table()


async def test_a_tap_service_is_searched_read_and_outlived(
    dachs: Dachs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec: dict[str, Any] = {"kind": "tap", "title": "Stars", "url": dachs.tap_url, "allow_private": True}
    async with harvested(tmp_path, caplog, {"sky": spec}) as control:
        assert await listed(control, keyword="stars") == ["sky.all"]
        assert {"ivoa", "stars", "tap_schema"} <= set(await tree(control, "sky.all"))
        assert await tree(control, "sky.all", "stars") == ["stars/stars.bright.vot", "stars/stars.images.vot"]
        assert (await opened(control, "sky.all", "it's")).status == 404

        table = await rows(control, "sky.all", "stars/stars.bright.vot")
        assert sorted((row["name"], row["ra"], row["dec"]) for row in table) == sorted(star[1:] for star in STARS)
        described = await rows(control, "sky.all", "tap_schema/tap_schema.columns.vot")
        assert {"ra", "dec"} <= set(described["column_name"])

        dachs.kill()
        assert await states_after_failures(control, "sky") == ["stale", "stale", "dead"]


async def test_a_cone_search_gives_the_rows_of_a_position(
    dachs: Dachs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = {"kind": "scs", "title": "Cone", "url": dachs.cone_url, "allow_private": True}
    async with harvested(tmp_path, caplog, {"cone": {**spec, "positions": ["101.2,-16.7,0.5"]}}) as control:
        assert await tree(control, "cone.all") == ["@101.2,-16.7,0.5"]
        assert await tree(control, "cone.all", "@101.2,-16.7,0.5") == ["@101.2,-16.7,0.5/results.vot"]

        assert list((await rows(control, "cone.all", "@101.2,-16.7,0.5/results.vot"))["name"]) == ["Sirius"]
        assert len(await rows(control, "cone.all", "@10,60,0.5/results.vot")) == 0


@pytest.mark.parametrize("version", ["1", "2"])
async def test_an_image_service_gives_the_images_of_a_position(
    dachs: Dachs, version: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "control").mkdir()
    url = dachs.sia_url if version == "1" else dachs.sia2_url
    spec = {"kind": "sia", "title": "Images", "url": url, "allow_private": True}
    async with harvested(tmp_path / "control", caplog, {"images": spec}) as control:
        assert await tree(control, "images.all", "@10,60,0.1") == ["@10,60,0.1/results.vot"]
        path = "@83.6,22,0.2"
        results, image = await tree(control, "images.all", path)
        assert (results, image) == (f"{path}/results.vot", f"{path}/M 1 ~3cCrab~3e ~26 co.fits")

        assert len(await rows(control, "images.all", results)) == 1
        with kernel_of(control, control.ana, tmp_path):
            assert await asyncio.to_thread(read, f"images.all/{image}") == dachs.files["M 1 <Crab> & co"]
