"""Builds the dataset of the generated sky: the mosaic, the catalogue of what is in it, and cutouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from perijove_demo.data.mosaic import PIXEL_ARCSEC, MosaicSpec, mosaic_wcs, write_mosaic
from perijove_demo.data.sky import STAR, PlacedSpiral, Sources, great_spiral, make_sources, small_spirals

MOSAIC = "mosaic.fits"
CUTOUT_PX = 512
_SPIRAL = "spiral"


def build_sky(folder: Path, spec: MosaicSpec, report: Callable[[float], None]) -> None:
    """Writes the dataset to ``folder``; a mosaic that is there already (it appears only whole) is kept.

    ``report`` is told the share of the mosaic done, 0 to 1.
    """
    for subfolder in ("catalogue", "cutouts"):
        (folder / subfolder).mkdir(parents=True, exist_ok=True)
    mosaic = folder / MOSAIC
    sources = make_sources(spec.size_px, spec.seed) if mosaic.exists() else write_mosaic(mosaic, spec, report)
    table = _table(sources, [great_spiral(spec.size_px), *small_spirals(spec.size_px, spec.seed)], mosaic_wcs(spec))
    _write_csv(folder / "catalogue" / "sources.csv", table)
    fits.BinTableHDU(table, name="SOURCES").writeto(folder / "catalogue" / "sources.fits", overwrite=True)
    _write_cutouts(mosaic, folder / "cutouts", spec, sources)


def _table(sources: Sources, spirals: list[PlacedSpiral], wcs: WCS) -> np.ndarray:
    """One row per source, the spirals first; what does not apply is NaN."""
    count = len(spirals)
    x = np.concatenate([[placed.x for placed in spirals], sources.x])
    y = np.concatenate([[placed.y for placed in spirals], sources.y])
    unknown = np.full(count, np.nan)
    ra, dec = wcs.all_pix2world(x, y, 0)
    columns = {
        "id": (np.arange(1, len(x) + 1), "i4"),
        "kind": (np.concatenate([np.full(count, _SPIRAL), sources.kind]), "S10"),
        "ra_deg": (ra, "f8"),
        "dec_deg": (dec, "f8"),
        "x": (x, "f8"),
        "y": (y, "f8"),
        "magnitude": (np.concatenate([unknown, sources.magnitude]), "f4"),
        "flux_ujy": (np.concatenate([unknown, sources.flux_ujy]), "f4"),
        "size_arcsec": (
            PIXEL_ARCSEC * np.concatenate([[placed.spiral.radius_px for placed in spirals], sources.half_light_px]),
            "f4",
        ),
    }
    table = np.empty(len(x), dtype=[(name, form) for name, (_, form) in columns.items()])
    for name, (column, _) in columns.items():
        table[name] = column
    return table


def _write_csv(path: Path, table: np.ndarray) -> None:
    formats = "%d,%s,%.7f,%.7f,%.2f,%.2f,%.3f,%.5g,%.2f"
    rows = (formats % (row[0], row[1].decode(), *row[2:]) for row in table.tolist())
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(table.dtype.names or ()) + "\n")
        file.writelines(row.replace("nan", "") + "\n" for row in rows)


def _write_cutouts(mosaic: Path, folder: Path, spec: MosaicSpec, sources: Sources) -> None:
    size_px = min(CUTOUT_PX, spec.size_px // 4)
    # not mapped into memory: the pages around each row would count as ours
    with fits.open(mosaic, memmap=False, lazy_load_hdus=True) as file:
        science = file["SCI"]
        for number, (name, x, y) in enumerate(_sights(spec, sources), start=1):
            left, bottom = (int(np.clip(centre - size_px / 2, 0, spec.size_px - size_px)) for centre in (x, y))
            header = science.header.copy(strip=True)
            header["OBJECT"] = name
            header["CRPIX1"] -= left
            header["CRPIX2"] -= bottom
            data = science.section[bottom : bottom + size_px, left : left + size_px]
            hdu = fits.PrimaryHDU(np.ascontiguousarray(data), header)
            hdu.writeto(folder / f"{number:02d}-{name.replace(' ', '-')}.fits", overwrite=True)


def _sights(spec: MosaicSpec, sources: Sources) -> Iterator[tuple[str, float, float]]:
    """Twelve things worth a look: a name, and the pixel at the centre."""
    great = great_spiral(spec.size_px)
    yield "nucleus", great.x, great.y
    for name, radius, winding in (
        ("inner arm", 0.24, 0.0),
        ("outer arm", 0.52, 0.0),
        ("opposite arm", 0.52, np.pi),
        ("edge of an arm", 0.40, 0.36),
    ):
        x, y = great.spiral.sky_offset(np.array(radius), np.array(winding))
        yield name, great.x + float(x), great.y + float(y)
    companion = int(np.argmax(sources.half_light_px))
    yield "companion", float(sources.x[companion]), float(sources.y[companion])
    largest = sorted(small_spirals(spec.size_px, spec.seed), key=lambda placed: -placed.spiral.radius_px)
    for number, placed in enumerate(largest[:4], start=1):
        yield f"spiral {number}", placed.x, placed.y
    for number, index in enumerate(np.flatnonzero(sources.kind == STAR)[:2], start=1):
        yield f"bright star {number}", float(sources.x[index]), float(sources.y[index])
