"""The generated mosaic: a correct FITS file whose sky coordinates hold, the same for the same seed."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from perijove_demo.data.generated import build_sky
from perijove_demo.data.mosaic import OVERVIEW_FACTOR, MosaicSpec, write_mosaic

SPEC = MosaicSpec(size_px=1024, seed=7)


def ignore(_: float) -> None:
    """Nobody looks at the progress."""


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sky")
    build_sky(folder, SPEC, ignore)
    return folder


@pytest.fixture
def mosaic(sky: Path) -> Iterator[fits.HDUList]:
    with fits.open(sky / "mosaic.fits") as file:
        yield file


def catalogue(sky: Path) -> list[dict[str, str]]:
    with (sky / "catalogue" / "sources.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def brightest_stars(sky: Path, count: int) -> list[dict[str, str]]:
    inside = [row for row in catalogue(sky) if row["kind"] == "star" and all(20 < float(row[c]) < 1000 for c in "xy")]
    return sorted(inside, key=lambda row: float(row["magnitude"]))[:count]


def test_the_file_is_valid_fits_in_the_agreed_order(mosaic: fits.HDUList) -> None:
    mosaic.verify("exception")
    assert [hdu.name for hdu in mosaic] == ["PRIMARY", "OVERVIEW", "SCI"]
    assert mosaic["SCI"].data.shape == (1024, 1024)
    assert mosaic["SCI"].data.dtype.kind == "f"
    assert mosaic["SCI"].header["BUNIT"] == "uJy"
    assert mosaic["OVERVIEW"].header["OVRFACT"] == OVERVIEW_FACTOR
    assert np.isfinite(mosaic["SCI"].data).all()


def test_injected_stars_are_where_the_coordinates_say(sky: Path, mosaic: fits.HDUList) -> None:
    wcs = WCS(mosaic["SCI"].header)
    for star in brightest_stars(sky, 5):
        x, y = wcs.all_world2pix(float(star["ra_deg"]), float(star["dec_deg"]), 0)
        assert (float(x), float(y)) == pytest.approx((float(star["x"]), float(star["y"])), abs=0.02)
        row, column = round(float(y)), round(float(x))
        around = mosaic["SCI"].data[row - 6 : row + 7, column - 6 : column + 7]
        peak = np.unravel_index(np.argmax(around), around.shape)
        assert max(abs(int(peak[0]) - 6), abs(int(peak[1]) - 6)) <= 1


def test_a_star_has_the_flux_of_the_catalogue(sky: Path, mosaic: fits.HDUList) -> None:
    star = brightest_stars(sky, 1)[0]
    row, column = round(float(star["y"])), round(float(star["x"]))
    found = float(mosaic["SCI"].data[row - 8 : row + 9, column - 8 : column + 9].sum())
    assert found == pytest.approx(float(star["flux_ujy"]), rel=0.15)


def test_the_overview_is_the_mosaic_averaged_and_has_its_own_coordinates(mosaic: fits.HDUList) -> None:
    science, overview = mosaic["SCI"], mosaic["OVERVIEW"]
    averaged = science.data.reshape(64, 16, 64, 16).mean(axis=(1, 3))
    np.testing.assert_allclose(overview.data, averaged, rtol=1e-4, atol=1e-6)
    for x, y in ((0.0, 0.0), (511.5, 511.5), (1000.0, 3.0)):
        world = WCS(science.header).all_pix2world(x, y, 0)
        small = WCS(overview.header).all_world2pix(*world, 0)
        assert [float(value) for value in small] == pytest.approx(
            [(x + 0.5) / 16 - 0.5, (y + 0.5) / 16 - 0.5], abs=1e-3
        )


def test_a_pixel_is_a_tenth_of_an_arcsecond_and_east_is_left(mosaic: fits.HDUList) -> None:
    wcs = WCS(mosaic["SCI"].header)
    assert [scale.to_value("arcsec") for scale in wcs.proj_plane_pixel_scales()] == pytest.approx([0.1, 0.1])
    assert np.linalg.det(wcs.wcs.cd) < 0
    assert wcs.wcs.radesys == "ICRS"


def test_the_spiral_is_in_the_middle_and_the_corners_are_dark(mosaic: fits.HDUList) -> None:
    overview = mosaic["OVERVIEW"].data
    nucleus = overview[30:34, 30:34].mean()
    arms = np.median(overview[20:44, 20:44])
    corner = np.median(overview[:8, :8])
    assert nucleus > 5 * arms > 20 * abs(corner)


def test_cutouts_are_pieces_of_the_mosaic_with_its_coordinates(sky: Path, mosaic: fits.HDUList) -> None:
    paths = sorted((sky / "cutouts").glob("*.fits"))
    assert len(paths) == 12
    for path in paths:
        with fits.open(path) as file:
            file.verify("exception")
            assert file[0].header["OBJECT"].replace(" ", "-") in path.name
            world = WCS(file[0].header).all_pix2world(10, 20, 0)
            x, y = (round(float(value)) for value in WCS(mosaic["SCI"].header).all_world2pix(*world, 0))
            assert file[0].data[20, 10] == mosaic["SCI"].data[y, x]


def test_the_table_and_the_csv_agree(sky: Path) -> None:
    rows = catalogue(sky)
    with fits.open(sky / "catalogue" / "sources.fits") as file:
        table = file["SOURCES"].data
        assert len(table) == len(rows)
        assert [row["kind"] for row in rows] == list(table["kind"])
        assert rows[0]["magnitude"] == ""
        np.testing.assert_allclose([float(row["ra_deg"]) for row in rows], table["ra_deg"], atol=1e-7)
    assert {row["kind"] for row in rows} == {"spiral", "star", "galaxy", "elliptical", "cluster"}


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    files = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_mosaic(tmp_path / name, MosaicSpec(size_px=512, seed=seed), ignore)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_a_mosaic_that_is_stopped_leaves_nothing_under_its_name_and_can_be_made_again(tmp_path: Path) -> None:
    def stop(_: float) -> None:
        raise InterruptedError

    path = tmp_path / "mosaic.fits"
    with pytest.raises(InterruptedError):
        write_mosaic(path, SPEC, stop)
    assert not path.exists()
    shares: list[float] = []
    write_mosaic(path, SPEC, shares.append)
    assert path.exists()
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize("size_px", [0, -256, 1000])
def test_a_size_that_does_not_divide_is_refused_in_words(size_px: int) -> None:
    with pytest.raises(ValueError, match="multiple of 256"):
        MosaicSpec(size_px=size_px)
