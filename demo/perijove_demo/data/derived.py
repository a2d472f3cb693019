"""Tables and maps made of the sea surface temperatures in iris-sample-data: one file of each of several formats."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
from astropy import units as u
from astropy.table import Table
from PIL import Image

from perijove_demo.data.seas import FILL, OSTIA, Values, arrays, modelled_by_degree

_NOTEBOOK_CODE = """\
import pandas as pd

months = pd.read_csv("perijove://sea-surface-tables/tables/monthly.csv")
months.plot(x="month", y=["minimum", "mean", "maximum"])"""


def build_tables(folder: Path) -> None:
    """Writes the dataset to ``folder``: the files that ``readme`` lists.

    Raises:
        DemoProblem: iris-sample-data is missing or does not hold what it should.
    """
    for name in ("tables", "maps"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    months, latitude, longitude, kelvin = _ostia()
    _write_months(folder / "tables", months, kelvin)
    _write_cells(folder / "tables" / "cells.parquet", months, latitude, longitude, kelvin)
    celsius = modelled_by_degree()
    _write_map(folder / "maps" / "model_201502.tif", celsius)
    _write_pictures(folder / "maps", celsius)
    _write_notebook(folder / "months.ipynb")


def _ostia() -> tuple[list[str], Values, Values, Values]:
    """The months as ``2006-04``, latitudes, longitudes, and temperatures in kelvin with NaN on land."""
    hours, latitude, longitude, kelvin = arrays(OSTIA, "time", "latitude", "longitude", "surface_temperature")
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    months = [f"{epoch + timedelta(hours=float(hour)):%Y-%m}" for hour in hours]
    return months, latitude, longitude, np.where(kelvin < FILL / 2, kelvin, np.nan).astype("f4")


def _write_months(folder: Path, months: list[str], kelvin: Values) -> None:
    sea = kelvin.reshape(len(months), -1)
    table = Table(
        {
            "month": months,
            "mean": np.round(np.nanmean(sea, axis=1, dtype="f8"), 3) * u.K,
            "minimum": np.round(np.nanmin(sea, axis=1).astype("f8"), 3) * u.K,
            "maximum": np.round(np.nanmax(sea, axis=1).astype("f8"), 3) * u.K,
            "cells": np.isfinite(sea).sum(axis=1).astype("i4"),
        }
    )
    table["month"].description = "year and month of the analysis"
    table["mean"].description = "mean sea surface temperature of all cells"
    table["minimum"].description = "that of the coldest cell"
    table["maximum"].description = "that of the warmest cell"
    table["cells"].description = "cells of the grid that are sea"
    table.meta["source"] = "OSTIA sea surface temperature analysis, Met Office"
    table.write(folder / "monthly.csv", format="ascii.csv", overwrite=True)
    table.write(folder / "monthly.ecsv", format="ascii.ecsv", overwrite=True)
    table.write(folder / "monthly.vot", format="votable", overwrite=True)
    document = {
        "source": table.meta["source"],
        "units": {name: str(table[name].unit) for name in table.colnames if table[name].unit is not None},
        "months": [dict(zip(table.colnames, row, strict=True)) for row in table.as_array().tolist()],
    }
    (folder / "monthly.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _write_cells(path: Path, months: list[str], latitude: Values, longitude: Values, kelvin: Values) -> None:
    """One row for each month and cell that is sea."""
    month, row, column = np.nonzero(np.isfinite(kelvin))
    starts = np.array(months, "datetime64[D]")
    table = pa.table(
        {
            "month": starts[month],
            "latitude": latitude[row],
            "longitude": longitude[column],
            "temperature": kelvin[month, row, column],
        }
    )
    units = {"latitude": "degrees_north", "longitude": "degrees_east", "temperature": "K"}
    fields = [
        field.with_metadata({"unit": units[field.name]} if field.name in units else None) for field in table.schema
    ]
    pq.write_table(table.cast(pa.schema(fields)), path, compression="zstd", row_group_size=100_000)


def _write_map(path: Path, celsius: Values) -> None:
    place = {"crs": "EPSG:4326", "transform": rasterio.Affine(1, 0, -180, 0, -1, 90), "nodata": float("nan")}
    how = {"blocksize": 128, "compress": "deflate", "predictor": 3, "overview_resampling": "average"}
    with rasterio.open(
        path, "w", driver="COG", height=180, width=360, count=1, dtype="float32", **place, **how
    ) as file:
        file.write(celsius, 1)
        file.set_band_description(1, "sea surface temperature")
        file.update_tags(units="degree_Celsius")


def _write_pictures(folder: Path, celsius: Values) -> None:
    share = np.clip((celsius + 2) / 34, 0, 1)
    stops = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    colours = np.array([[24, 36, 120], [40, 130, 200], [170, 220, 190], [245, 190, 80], [190, 30, 40]], float)
    pixels = np.stack([np.interp(np.nan_to_num(share), stops, colours[:, band]) for band in range(3)], -1)
    pixels[~np.isfinite(celsius)] = 110
    image = Image.fromarray(pixels.astype(np.uint8)).resize((1440, 720), Image.Resampling.NEAREST)
    image.save(folder / "model_201502.png", optimize=True)
    image.save(folder / "model_201502.jpg", quality=85)


def _write_notebook(path: Path) -> None:
    """A notebook as somebody might leave it beside the data: it draws the means of all months."""
    text = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# The months of the equatorial oceans"}
    code = {"cell_type": "code", "id": "plot", "metadata": {}, "source": _NOTEBOOK_CODE, "outputs": []}
    document = {"cells": [text, {**code, "execution_count": None}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
