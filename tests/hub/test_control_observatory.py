"""Services of the Virtual Observatory as control shows them: tables as files, positions on the sky as directories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.catalogues import FakeCatalogues, running_catalogues
from tests.support.federated import addresses, harvested, opened, spec, tree


@pytest.fixture
def fake() -> Iterator[FakeCatalogues]:
    with running_catalogues() as fake:
        yield fake


async def test_the_tables_of_a_tap_service_are_files(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with harvested(tmp_path, caplog, {"tap": spec(fake, "tap")}) as control:
        assert (await control.get("datasets/tap.all", control.ana)).body["keywords"] == ["public"]
        assert await tree(control, "tap.all") == ["public"]
        files = await tree(control, "tap.all", "public")
        assert files == ["public/public.~22my galaxies~22.vot", "public/public.stars.vot"]
        (url,) = await addresses(control, "tap.all", files[0])
        async with control.http.get(url) as answer:
            assert b"Vega" in await answer.read()
        answer = await opened(control, "tap.all", "x' OR 1=1 --")
        assert answer.status == 404


async def test_positions_on_the_sky_are_directories(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalogues = {"images": spec(fake, "sia", positions=["83.633,22.014,0.1"]), "cones": spec(fake, "scs")}
    async with harvested(tmp_path, caplog, catalogues) as control:
        assert await tree(control, "images.all") == ["@83.633,22.014,0.1"]
        folder = "@83.633,22.014,0.1"
        assert await tree(control, "images.all", folder) == [
            f"{folder}/results.vot", f"{folder}/Crab.fits", f"{folder}/Crab-2.fits",
        ]  # fmt: skip
        assert await addresses(control, "images.all", f"{folder}/Crab-2.fits") == [f"{fake.url}/files/crab2.fits"]
        assert await tree(control, "cones.all", "@10,-5,0.5") == ["@10,-5,0.5/results.vot"]
        assert await addresses(control, "cones.all", "@10,-5,0.5/results.vot") == [
            f"{fake.url}/scs?RA=10&DEC=-5&SR=0.5"
        ]
        for wrong in ("@400,0,1", "@1,2", "@1,2,11", "@nan,0,1", "x"):
            answer = await opened(control, "cones.all", wrong)
            assert answer.status == 404
            assert "expected @ra,dec,radius in degrees" in answer.detail


async def test_a_service_of_the_second_version_is_known_by_its_capabilities(
    fake: FakeCatalogues, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = "@83.633,22.014,0.1"
    async with harvested(tmp_path, caplog, {"images": spec(fake, "sia2")}) as control:
        assert await tree(control, "images.all", folder) == [
            f"{folder}/results.vot", f"{folder}/Crab nebula.fits", f"{folder}/M 1.vot",
        ]  # fmt: skip
        assert await addresses(control, "images.all", f"{folder}/Crab nebula.fits", f"{folder}/results.vot") == [
            f"{fake.url}/files/crab.fits",
            f"{fake.url}/sia2/find?POS=CIRCLE+83.633+22.014+0.1&MAXREC=5000",
        ]
    assert fake.calls["sia"] == 0
