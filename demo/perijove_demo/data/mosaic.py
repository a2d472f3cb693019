"""Writes the mosaic of the generated sky: a FITS file of a gibibyte, made in strips so that memory stays small.

The file holds a primary HDU with metadata, ``OVERVIEW`` (the mosaic averaged over 16×16 pixels, for a quick look) and
``SCI``, both float32 with a world coordinate system. Layout after the FITS Standard 4.0.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from perijove_demo.data.painting import StripPainter
from perijove_demo.data.sky import NOISE_UJY, ZERO_POINT, Sources, great_spiral, make_sources, small_spirals
from perijove_demo.data.spiral import Image

OVERVIEW_FACTOR = 16
PIXEL_ARCSEC = 0.1
#: Where the mosaic points: the Euclid Deep Field North. Its north is turned a little from up, as real ones are.
CENTRE_RA, CENTRE_DEC, ROTATION_DEGREES = 269.733, 66.018, 12.0

_BLOCK_BYTES = 2880
_STRIP_ROWS = 256
_WORKERS = 2


@dataclass(frozen=True)
class MosaicSpec:
    """Which mosaic: its side in pixels, a multiple of 256, and the seed of everything in it."""

    size_px: int = 16384
    seed: int = 1610

    def __post_init__(self) -> None:
        """Refuses a size that does not divide into strips."""
        if self.size_px <= 0 or self.size_px % _STRIP_ROWS:
            raise ValueError(f"size_px is {self.size_px}; it must be a positive multiple of {_STRIP_ROWS}")

    @property
    def overview_px(self) -> int:
        """The side of the overview."""
        return self.size_px // OVERVIEW_FACTOR


def mosaic_wcs(spec: MosaicSpec, factor: int = 1) -> WCS:
    """The tangential projection of the mosaic, or of it averaged over ``factor``×``factor`` pixels."""
    scale = PIXEL_ARCSEC / 3600 * factor
    angle = np.deg2rad(ROTATION_DEGREES)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval = [CENTRE_RA, CENTRE_DEC]
    wcs.wcs.crpix = [(spec.size_px / factor + 1) / 2] * 2
    wcs.wcs.cd = scale * np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


def write_mosaic(path: Path, spec: MosaicSpec, report: Callable[[float], None]) -> Sources:
    """Writes the mosaic to ``path`` and returns what was injected. ``report`` is told the share done, 0 to 1.

    The file appears under its name only when it is whole; the same spec gives the same bytes.
    """
    sources = make_sources(spec.size_px, spec.seed)
    painter = StripPainter(sources, [great_spiral(spec.size_px), *small_spirals(spec.size_px, spec.seed)])
    primary, overview_header, science_header = _headers(spec)
    overview = np.zeros((spec.overview_px, spec.overview_px), np.float32)
    overview_at = len(primary) + len(overview_header)
    science_at = overview_at + _padded(overview.nbytes) + len(science_header)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        file.truncate(science_at + _padded(4 * spec.size_px**2))
        descriptor = file.fileno()
        os.pwrite(descriptor, primary + overview_header, 0)
        os.pwrite(descriptor, science_header, science_at - len(science_header))

        def write_strip(first_row: int) -> None:
            strip = _paint_strip(spec, painter, first_row)
            rows = first_row // OVERVIEW_FACTOR
            overview[rows : rows + _STRIP_ROWS // OVERVIEW_FACTOR] = _averaged(strip)
            _write_all(
                descriptor, strip.byteswap(inplace=True).data.cast("B"), science_at + 4 * spec.size_px * first_row
            )

        _in_threads(write_strip, range(0, spec.size_px, _STRIP_ROWS), report)
        _write_all(descriptor, overview.byteswap().data.cast("B"), overview_at)
    unfinished.replace(path)
    return sources


def _in_threads(work: Callable[[int], None], items: range, report: Callable[[float], None]) -> None:
    """NumPy lets go of the interpreter lock for most of a strip, so two threads use two cores."""
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="mosaic") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                report(done / len(futures))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _paint_strip(spec: MosaicSpec, painter: StripPainter, first_row: int) -> Image:
    rng = np.random.Generator(np.random.SFC64([spec.seed, 3, first_row]))  # by row: threads may come in any order
    strip = rng.standard_normal((_STRIP_ROWS, spec.size_px), dtype=np.float32)
    strip *= np.float32(NOISE_UJY)
    painter.paint(strip, first_row)
    return strip


def _averaged(strip: Image) -> Image:
    rows, columns = (length // OVERVIEW_FACTOR for length in strip.shape)
    averaged: Image = strip.reshape(rows, OVERVIEW_FACTOR, columns, OVERVIEW_FACTOR).mean(axis=(1, 3), dtype=np.float32)
    return averaged


def _headers(spec: MosaicSpec) -> tuple[bytes, bytes, bytes]:
    primary = fits.PrimaryHDU().header
    primary["EXTEND"] = True
    primary["ORIGIN"] = ("Perijove", "generated by the demo data builder")
    primary["TELESCOP"] = ("SIMULATED", "no telescope has seen this sky")
    primary["OBJECT"] = ("Perijove demonstration mosaic", "a sky by random numbers")
    primary["SEED"] = (spec.seed, "the same seed gives the same sky")
    primary["PIXSCALE"] = (PIXEL_ARCSEC, "[arcsec] side of a pixel")
    primary["COMMENT"] = "OVERVIEW is SCI averaged over 16x16 pixels, for a quick look."
    overview = _image_header(spec, "OVERVIEW", OVERVIEW_FACTOR)
    overview["OVRFACT"] = (OVERVIEW_FACTOR, "pixels of SCI averaged, along each axis")
    science = _image_header(spec, "SCI", 1)
    science["NOISE"] = (NOISE_UJY, "[uJy] deviation of the noise of one pixel")
    return primary.tostring().encode(), overview.tostring().encode(), science.tostring().encode()


def _image_header(spec: MosaicSpec, name: str, factor: int) -> fits.Header:
    header = fits.Header()
    header["XTENSION"] = ("IMAGE", "image extension")
    header["BITPIX"] = (-32, "IEEE single precision")
    header["NAXIS"] = 2
    header["NAXIS1"] = header["NAXIS2"] = spec.size_px // factor
    header["PCOUNT"], header["GCOUNT"] = 0, 1
    header["EXTNAME"] = name
    header["BUNIT"] = ("uJy", "per pixel; OVERVIEW: mean of pixels of SCI")
    header["MAGZERO"] = (ZERO_POINT, "AB magnitude of 1 uJy")
    header.extend(_cd_header(spec, factor))
    return header


def _cd_header(spec: MosaicSpec, factor: int) -> fits.Header:
    header = mosaic_wcs(spec, factor).to_header()
    # astropy writes PC and CDELT; most programs that read survey images look for CD
    cards = [card for card in header.cards if not card.keyword.startswith(("PC", "CDELT", "WCSAXES", "MJDREF"))]
    cd = mosaic_wcs(spec, factor).wcs.cd
    names = [(row, column) for row in (1, 2) for column in (1, 2)]
    cards += [fits.Card(f"CD{row}_{column}", float(cd[row - 1, column - 1])) for row, column in names]
    return fits.Header(cards)


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written
