"""The README.txt of each dataset: what it is, whose it is, and what is in it."""

from __future__ import annotations

import textwrap
from typing import Any

from perijove_demo.data.catalogue import ARRAYS_DATASET, SKY_DATASET, TABLES_DATASET
from perijove_demo.data.samples import SAMPLES

_SKY_FILES = {
    "mosaic.fits": "the mosaic: OVERVIEW (averaged over 16 × 16 pixels) and SCI (full resolution), in microjansky",
    "catalogue/sources.csv": "everything that was put into the mosaic; x and y are zero-based pixels of SCI",
    "catalogue/sources.fits": "the same as a FITS table",
    "cutouts/*.fits": "small pieces of SCI around things worth a look",
}
_TABLES_FILES = {
    "tables/monthly.csv": "means and extremes of each month, 5° S to 4.4° N (of ostia_monthly.nc)",
    "tables/monthly.ecsv": "the same, with units and descriptions",
    "tables/monthly.vot": "the same as a VOTable",
    "tables/monthly.json": "the same as JSON",
    "tables/cells.parquet": "every value of ostia_monthly.nc: month, latitude, longitude and temperature",
    "maps/model_201502.tif": "the month modelled for February 2015, by degree, as a cloud-optimised GeoTIFF",
    "maps/model_201502.png": "the same as a picture, blue for cold and red for warm",
    "maps/model_201502.jpg": "the same picture as JPEG",
    "months.ipynb": "a notebook that draws the means and extremes of the months",
}
_ARRAYS_FILES = {
    "ostia_monthly.zarr/": "ostia_monthly.nc as Zarr of version 3",
    "ostia_2006.zarr/": "its months of 2006 as Zarr of version 2",
    "ostia_monthly.h5": "the same temperatures as HDF5, with their mean over all months",
    "model_201502.grib2": "the sea surface temperature modelled for February 2015, by degree, GRIB of edition 2",
    "temperature.grib2": "a forecast of the temperature of the air on a polar grid, 2013-05-20, GRIB of edition 2",
}
_WIDTH = 96


def readme_text(dataset_id: str, dataset: dict[str, Any]) -> str:
    """The text, in UTF-8 with lines of at most 96 characters."""
    made = {SKY_DATASET: _SKY_FILES, TABLES_DATASET: _TABLES_FILES, ARRAYS_DATASET: _ARRAYS_FILES}
    listed = made.get(dataset_id) or {
        sample.path: f"{sample.note} ({sample.package}: {sample.source})" for sample in SAMPLES[dataset_id]
    }
    paragraphs = [
        f"{dataset['title']}\n{'=' * len(dataset['title'])}",
        textwrap.fill(dataset["description"], _WIDTH),
        textwrap.fill(f"Licence: {dataset['licence']}", _WIDTH),
        textwrap.fill(f"Attribution: {dataset['attribution']}", _WIDTH),
        "Providers:\n" + "\n".join(_provider(provider) for provider in dataset["providers"]),
        "Files:\n" + "\n".join(_file(path, note) for path, note in listed.items()),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _provider(provider: dict[str, Any]) -> str:
    url = f" <{provider['url']}>" if "url" in provider else ""
    return f"  {provider['name']} ({', '.join(provider['roles'])}){url}"


def _file(path: str, note: str) -> str:
    return textwrap.fill(
        f"{path}: {note}", _WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
    )
