"""Catalogues behind real processes: a STAC API, and a TAP service that pyvo has judged. Found, read, and gone."""

from __future__ import annotations

import asyncio
import io
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from astropy.io.votable import parse_single_table
from pyvo.dal import DALQueryError, TAPService

import perijove
from perijove_hub.catalogue import harvest
from tests.support.catalogues import collection
from tests.support.control_bed import ControlBed
from tests.support.federated import addresses, harvested, listed, opened, tree
from tests.support.kernel import kernel_of
from tests.support.stac_server import StacApi, running_stac
from tests.support.tap_server import running_tap

TILE = random.Random(11).randbytes(2 << 20)


def read(path: str) -> bytes:
    with perijove.open(path) as file:
        data: bytes = file.read()
        return data


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
    with running_stac(tmp_path / "stac", collections, items) as api:
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
        assert await tree(control, "earth.sea~20~c3~a9") == []

        (path,) = await tree(control, "earth.sentinel-2", "S2 7")
        with kernel_of(control, control.ana, tmp_path):
            assert await asyncio.to_thread(read, f"earth.sentinel-2/{path}") == TILE

        stac.process.kill()
        stac.process.wait(timeout=10)
        # the web server before it is still there, and says 502 with a page
        assert await states_after_failures(control, "earth") == ["stale", "stale", "dead"]
        answer = await opened(control, "earth.sentinel-2", "S2 9")
        assert (answer.status, "502" in answer.detail) == (503, True)


def test_the_tap_service_is_one_by_pyvos_judgement() -> None:
    with running_tap() as (url, _):
        service = TAPService(url)
        assert service.maxrec == 2000
        assert service.get_tap_capability().get_adql().name == "ADQL"
        stars = service.run_sync("SELECT TOP 2 name, dec FROM public.stars WHERE ra > 100 ORDER BY ra").to_table()
        assert list(stars["name"]) == ["Sirius", "Vega"]
        assert float(stars["dec"][0]) == -16.716
        assert len(service.run_sync("SELECT * FROM public.stars WHERE ra < 0")) == 0
        with warnings.catch_warnings(record=True):
            cut = service.run_sync("SELECT * FROM public.stars", maxrec=1)
        assert (len(cut), cut.query_status) == (1, "OVERFLOW")
        for wrong in ("SELECT nothing", "SELECT * FROM public.none", "DROP TABLE public.stars"):
            with pytest.raises(DALQueryError):
                service.run_sync(wrong)


async def test_a_tap_service_is_searched_read_and_outlived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running_tap() as (url, process):
        spec: dict[str, Any] = {"kind": "tap", "title": "Stars", "url": url, "allow_private": True}
        async with harvested(tmp_path, caplog, {"stars": spec}) as control:
            assert await listed(control, keyword="public") == ["stars.all"]
            assert await tree(control, "stars.all") == ["TAP_SCHEMA", "public"]
            files = await tree(control, "stars.all", "public")
            assert files == ["public/public.~22my galaxies~22.vot", "public/public.stars.vot"]
            assert (await opened(control, "stars.all", "it's")).status == 404

            (address,) = await addresses(control, "stars.all", files[0])
            async with control.http.get(address) as answer:
                table = parse_single_table(io.BytesIO(await answer.read())).to_table()
            assert list(table["name"]) == ["M 31 <Andromeda> & friends é"]

            process.kill()
            process.wait(timeout=10)
            assert await states_after_failures(control, "stars") == ["stale", "stale", "dead"]
