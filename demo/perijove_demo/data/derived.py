"""Tables and maps made of the sea surface temperatures in iris-sample-data: one file of each of several formats."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
from astropy import units as u
from astropy.table import Table
from numpy.typing import NDArray
from PIL import Image

from perijove_demo.problem import DemoProblem

_SOURCE = ("iris_sample_data", "sample_data")
_OSTIA = "ostia_monthly.nc"
_NEMO = "NEMO/nemo_1m_20150201-20150301_grid-T.nc"
_FILL = 1e20
#: Kelvin at 0 °C.
_ZERO_C = 273.15
_Values = NDArray[np.float32]
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
    celsius = _by_degree(*_nemo())
    _write_map(folder / "maps" / "model_201502.tif", celsius)
    _write_pictures(folder / "maps", celsius)
    _write_notebook(folder / "months.ipynb")


def _arrays(path: str, *names: str) -> list[NDArray[Any]]:
    package, folder = _SOURCE
    try:
        with as_file(files(package).joinpath(folder, path)) as source, h5py.File(source) as file:
            return [np.asarray(file[name][()]) for name in names]
    except (ModuleNotFoundError, OSError, KeyError) as error:
        raise DemoProblem(
            f"The package {package} does not hold {path}, which the demo makes tables of; install the demo's packages "
            "with `pip install perijove[demo]`."
        ) from error


def _ostia() -> tuple[list[str], _Values, _Values, _Values]:
    """The months as ``2006-04``, latitudes, longitudes, and temperatures in kelvin with NaN on land."""
    hours, latitude, longitude, kelvin = _arrays(_OSTIA, "time", "latitude", "longitude", "surface_temperature")
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    months = [f"{epoch + timedelta(hours=float(hour)):%Y-%m}" for hour in hours]
    return months, latitude, longitude, np.where(kelvin < _FILL / 2, kelvin, np.nan).astype("f4")


def _write_months(folder: Path, months: list[str], kelvin: _Values) -> None:
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


def _write_cells(path: Path, months: list[str], latitude: _Values, longitude: _Values, kelvin: _Values) -> None:
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


def _nemo() -> tuple[_Values, _Values, _Values]:
    """Latitudes, longitudes and temperatures in °C, NaN on land, of the cells of the model's own grid."""
    latitude, longitude, celsius = _arrays(_NEMO, "nav_lat", "nav_lon", "tos")
    return latitude.ravel(), longitude.ravel(), np.where(celsius < _FILL / 2, celsius, np.nan).ravel()


def _by_degree(latitude: _Values, longitude: _Values, celsius: _Values) -> _Values:
    """Means on a grid of one degree, from the north-west; where the model has no cell, the mean of the neighbours."""
    row = np.clip((90 - latitude).astype(int), 0, 179)
    column = np.clip((longitude + 180) % 360, 0, 359.999).astype(int)
    cell = row * 360 + column
    sea = np.isfinite(celsius)
    known = np.bincount(cell, minlength=180 * 360) > 0
    count = np.bincount(cell[sea], minlength=180 * 360)
    total = np.bincount(cell[sea], celsius[sea], minlength=180 * 360)
    grid = np.divide(total, count, out=np.full(180 * 360, np.nan), where=count > 0).reshape(180, 360)
    known = known.reshape(180, 360)
    for _ in range(3):
        around = np.stack([np.roll(grid, shift, axis) for shift, axis in ((1, 1), (-1, 1), (1, 0), (-1, 0))])
        valid = np.isfinite(around).sum(axis=0)
        mean = np.divide(np.nansum(around, axis=0), valid, out=np.full(grid.shape, np.nan), where=valid > 1)
        grid = np.where(known, grid, mean)
        known = known | np.isfinite(mean)
    by_degree: _Values = grid.astype("f4")
    return by_degree


def _write_map(path: Path, celsius: _Values) -> None:
    place = {"crs": "EPSG:4326", "transform": rasterio.Affine(1, 0, -180, 0, -1, 90), "nodata": float("nan")}
    how = {"blocksize": 128, "compress": "deflate", "predictor": 3, "overview_resampling": "average"}
    with rasterio.open(
        path, "w", driver="COG", height=180, width=360, count=1, dtype="float32", **place, **how
    ) as file:
        file.write(celsius, 1)
        file.set_band_description(1, "sea surface temperature")
        file.update_tags(units="degree_Celsius")


def _write_pictures(folder: Path, celsius: _Values) -> None:
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
