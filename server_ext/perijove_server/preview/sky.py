"""Where on the sky the pixels of a picture are: coordinates at the crossings of a grid, for a read-out."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from astropy.coordinates import FK4, FK5, ICRS, FK4NoETerms, Galactic, SkyCoord
from astropy.io.fits import Header
from astropy.wcs import WCS
from astropy.wcs import WcsError as AstropyWcsError
from astropy.wcs.utils import wcs_to_celestial_frame
from numpy.typing import NDArray

#: Crossings along each side.
CROSSINGS = 17
#: Degrees are said so finely: 0.04 milliarcseconds.
DECIMALS = 8

#: What astropy raises for headers that it does not understand.
BAD_WCS = (
    AstropyWcsError, ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, AssertionError,
    MemoryError, NotImplementedError, OSError,
)  # fmt: skip
#: What is turned into ICRS; other coordinates, as those on the Sun, are given as they are.
_STELLAR = (ICRS, FK4, FK4NoETerms, FK5, Galactic)

_Degrees = NDArray[np.float64]


def has_sky(header: Header) -> bool:
    """Whether the header gives the image coordinates on the sky that astropy understands."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(WCS(header).has_celestial)
        except BAD_WCS:
            return False


def sky_grid(header: Header, box: tuple[float, float, float, float], width: int, height: int) -> dict[str, Any] | None:
    """A ``contents.SkyGrid`` for a picture of ``width`` × ``height``, or None where the header gives no sky.

    ``box`` is the part of the header's image that the picture spans: its first row, which is drawn lowest, its first
    column, rows and columns.
    Longitudes may pass 0 or 360, so that those of neighbours are near each other.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return _grid(WCS(header), box, width, height)
        except BAD_WCS:
            return None


def _grid(wcs: WCS, box: tuple[float, float, float, float], width: int, height: int) -> dict[str, Any] | None:
    if not wcs.has_celestial or {wcs.wcs.lng, wcs.wcs.lat} != {0, 1}:
        return None  # the plane that is drawn has another axis than the sky's
    sky = wcs.celestial
    shares = np.linspace(0.0, 1.0, CROSSINGS)
    # 0 is the middle of the first pixel to astropy, and the picture's upper edge is the image's last row
    columns, rows = np.meshgrid(box[1] + shares * box[3] - 0.5, box[0] + (1 - shares) * box[2] - 0.5)
    world = sky.all_pix2world(columns.ravel(), rows.ravel(), 0)
    longitude, latitude = (np.asarray(world[axis], float) for axis in (sky.wcs.lng, sky.wcs.lat))
    valid = np.isfinite(longitude) & np.isfinite(latitude) & (np.abs(latitude) <= 90)
    if not valid.any():
        return None
    longitude[~valid] = latitude[~valid] = np.nan
    frame, longitude, latitude = _in_icrs(sky, longitude, latitude)
    first = longitude[np.flatnonzero(valid)[np.count_nonzero(valid) // 2]]
    longitude = first + (longitude - first + 180) % 360 - 180
    return {
        "frame": frame,
        "x": (shares * width).tolist(),
        "y": (shares * height).tolist(),
        "longitude": _listed(longitude),
        "latitude": _listed(latitude),
    }


def _in_icrs(sky: WCS, longitude: _Degrees, latitude: _Degrees) -> tuple[str, _Degrees, _Degrees]:
    """The name of the frame, and the coordinates in it."""
    try:
        frame = wcs_to_celestial_frame(sky)
    except ValueError:
        frame = None
    if not isinstance(frame, _STELLAR):
        # from -180 to 180, as on the Sun's disc
        return "/".join(str(name)[:4].rstrip("-") for name in sky.wcs.ctype), (longitude + 180) % 360 - 180, latitude
    icrs = SkyCoord(longitude, latitude, unit="deg", frame=frame).icrs
    return "ICRS", np.asarray(icrs.ra.deg), np.asarray(icrs.dec.deg)


def _listed(values: _Degrees) -> list[list[float | None]]:
    grid = np.round(values, DECIMALS).reshape(CROSSINGS, CROSSINGS)
    return [[value if np.isfinite(value) else None for value in row] for row in grid.tolist()]
