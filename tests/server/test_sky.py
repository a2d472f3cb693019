"""The coordinates under the cursor: interpolated between a grid's crossings, they are those of astropy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from tests.support.fits import cone, fits_bytes
from tests.support.jupyter import JupyterServer

from .conftest import Dataset
from .test_previews import AIA, M13, look


def header(ctype: str = "RA---TAN,DEC--TAN", value: tuple[float, float] = (10.0, 20.0), **cards: Any) -> fits.Header:
    made = fits.Header()
    made["CTYPE1"], made["CTYPE2"] = ctype.split(",")
    made["CRPIX1"], made["CRPIX2"], made["CRVAL1"], made["CRVAL2"] = 100.0, 50.0, *value
    made["CDELT1"], made["CDELT2"] = -1e-4, 1e-4
    made.update(cards)
    return made


def under(sky: dict[str, Any], x: float, y: float) -> SkyCoord:
    """What a read-out says at a place of the picture, by linear interpolation."""
    columns, rows = np.array(sky["x"]), np.array(sky["y"])
    found = []
    for name in ("longitude", "latitude"):
        by_row = [np.interp(x, columns, np.array(row, float)) for row in sky[name]]
        found.append(np.interp(y, rows, by_row))
    return SkyCoord(*found, unit="deg")


def sky_of(server: JupyterServer, dataset: Dataset, data: bytes) -> dict[str, Any]:
    dataset.put("x.fits", data)
    sky: dict[str, Any] = look(server, dataset, "x.fits")["content"]["sky"]
    return sky


@pytest.mark.parametrize("ctype", ["RA---TAN,DEC--TAN", "GLON-SIN,GLAT-SIN", "DEC--TAN,RA---TAN"])
@pytest.mark.parametrize("cards", [{}, {"RADESYS": "FK5", "EQUINOX": 1975.0}, {"RADESYS": "FK4", "EQUINOX": 1950.0}])
def test_every_stellar_frame_is_told_in_icrs(
    server: JupyterServer, dataset: Dataset, ctype: str, cards: dict[str, Any]
) -> None:
    made = header(ctype, **cards)
    sky = sky_of(server, dataset, fits_bytes(fits.PrimaryHDU(cone(200, (9, 9))[:120], made)))

    # the middle of the FITS pixel in column 30 and row 7, both counted from 0, in a picture of 200 × 120
    expected = WCS(made).pixel_to_world(30, 7).icrs
    assert sky["frame"] == "ICRS"
    assert under(sky, 30.5, 120 - 7.5).separation(expected) < 0.01 * u.arcsec


def test_a_picture_that_is_reduced_covers_the_pixels_that_it_shows(server: JupyterServer, dataset: Dataset) -> None:
    made = header(CRPIX1=1000.0)
    sky = sky_of(server, dataset, fits_bytes(fits.PrimaryHDU(cone(2500, (9, 9))[:1201].astype("i2"), made)))

    assert (sky["x"][-1], sky["y"][-1]) == (833, 400)
    expected = WCS(made).pixel_to_world(832 * 3 + 1, 3 * 100 + 1).icrs
    assert under(sky, 832.5, 400 - 100.5).separation(expected) < 0.01 * u.arcsec


def test_an_overview_has_the_sky_of_its_image(server: JupyterServer, dataset: Dataset) -> None:
    big = cone(2048, (1000, 1000))
    overview = fits.ImageHDU(big[::8, ::8], name="OVERVIEW")
    overview.header["OVRFACT"] = 8
    made = header()
    sky = sky_of(server, dataset, fits_bytes(fits.PrimaryHDU(big, made), overview))

    assert under(sky, sky["x"][-1], 0).separation(WCS(made).pixel_to_world(2047.5, 2047.5)) < 0.1 * u.arcsec


def test_longitudes_of_neighbours_are_near_each_other_across_zero(server: JupyterServer, dataset: Dataset) -> None:
    sky = sky_of(server, dataset, fits_bytes(fits.PrimaryHDU(cone(200, (9, 9)), header(value=(0.0, 20.0)))))

    assert np.ptp(np.array(sky["longitude"])) < 1


def test_on_the_sun_coordinates_are_the_suns_and_nothing_is_said_off_a_sphere(
    server: JupyterServer, dataset: Dataset
) -> None:
    sun = sky_of(server, dataset, AIA.read_bytes())
    whole_sky = header("RA---AIT,DEC--AIT", (0.0, 0.0), CDELT1=-2.0, CDELT2=2.0, CRPIX2=60.0)
    corner = sky_of(server, dataset, fits_bytes(fits.PrimaryHDU(cone(200, (9, 9))[:120], whole_sky)))

    assert sun["frame"] == "HPLN/HPLT"
    assert np.abs(np.array(sun["longitude"])).max() < 0.5
    assert corner["longitude"][0][0] is None
    assert corner["latitude"][8][8] is not None


def test_a_compressed_image_has_its_sky_too(server: JupyterServer, dataset: Dataset) -> None:
    plain, rice = (sky_of(server, dataset, (M13 / name).read_bytes()) for name in ("m13.fits", "m13_rice.fits"))

    assert plain == rice
    assert plain["longitude"][8][8] == pytest.approx(250.42, abs=0.05)


def test_no_sky_where_there_is_none(server: JupyterServer, dataset: Dataset) -> None:
    spectra = header("WAVE,DEC--TAN")
    broken = header(CTYPE1="RA---XYZ")

    for made in (fits.Header(), spectra, broken):
        assert sky_of(server, dataset, fits_bytes(fits.PrimaryHDU(cone(20, (9, 9)), made))) is None
