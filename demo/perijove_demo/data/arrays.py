"""The sea surface temperatures of iris-sample-data as arrays in other formats, and a forecast as it came in GRIB."""

from __future__ import annotations

import shutil
import sqlite3  # noqa: F401 - before ecCodes, whose libraries hold an old SQLite that this process would get instead
import warnings
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

import eccodes  # type: ignore[import-untyped] # published without types
import h5py
import numpy as np
import xarray as xr

from perijove_demo.data.seas import OSTIA, SOURCE, modelled_by_degree
from perijove_demo.problem import DemoProblem

_GRIB = "polar_stereo.grib2"
#: Kelvin at 0 °C.
_ZERO_C = 273.15


def build_arrays(folder: Path) -> None:
    """Writes the dataset to ``folder``: the files that ``readme`` lists.

    Raises:
        DemoProblem: iris-sample-data is missing or does not hold what it should.
    """
    package, below = SOURCE
    try:
        source = files(package).joinpath(below)
        with as_file(source.joinpath(_GRIB)) as grib:
            shutil.copyfile(grib, folder / "temperature.grib2")
        _write_grib(folder / "model_201502.grib2")
        with as_file(source.joinpath(OSTIA)) as path:
            _write_zarr(path, folder / "ostia_monthly.zarr", version=3)
            _write_zarr(path, folder / "ostia_2006.zarr", version=2, months=9)
            _write_hdf5(path, folder / "ostia_monthly.h5")
    except (ModuleNotFoundError, OSError, KeyError) as error:
        raise DemoProblem(
            f"The package {package} does not hold {OSTIA} and {_GRIB}, which the demo makes arrays of; install the "
            "demo's packages with `pip install perijove[demo]`."
        ) from error


def _write_zarr(source: Path, target: Path, version: Literal[2, 3], months: int | None = None) -> None:
    """Its first ``months``, or all of them."""
    with warnings.catch_warnings(), xr.open_dataset(source, engine="h5netcdf") as data:
        warnings.simplefilter("ignore")  # consolidated metadata of version 3 are not in its specification yet
        sea = data[["surface_temperature"]].isel(time=slice(months)).load()
        how = {"surface_temperature": {"chunks": (6, 18, 432)}}
        sea.drop_encoding().to_zarr(target, mode="w", zarr_format=version, consolidated=True, encoding=how)


def _write_hdf5(source: Path, target: Path) -> None:
    """A group for the analysis and one for what was made of it, as instruments' files have them."""
    with h5py.File(source) as netcdf, h5py.File(target, "w") as file:
        kelvin = netcdf["surface_temperature"][()]
        file.attrs["title"] = "Sea surface temperature of the equatorial oceans"
        analysis = file.create_dataset(
            "analysis/temperature", data=kelvin, chunks=(6, 18, 432), compression="gzip", shuffle=True
        )
        analysis.attrs.update({"units": "K", "_FillValue": netcdf["surface_temperature"].attrs["_FillValue"]})
        mean = file.create_dataset("derived/mean", data=kelvin.mean(axis=0))
        mean.attrs.update({"units": "K", "long_name": "mean of all months", "missing_value": mean[()].max()})


def _write_grib(path: Path) -> None:
    """The month modelled for February 2015 as one field on a regular grid, missing on land."""
    kelvin = modelled_by_degree().ravel() + _ZERO_C
    missing = 9999.0
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    try:
        grid = {"Ni": 360, "Nj": 180, "iDirectionIncrementInDegrees": 1, "jDirectionIncrementInDegrees": 1}
        corners = {
            "latitudeOfFirstGridPointInDegrees": 89.5,
            "latitudeOfLastGridPointInDegrees": -89.5,
            "longitudeOfFirstGridPointInDegrees": -179.5,
            "longitudeOfLastGridPointInDegrees": 179.5,
        }
        what = {"discipline": 10, "parameterCategory": 3, "parameterNumber": 0, "dataDate": 20150201}
        how = {"bitsPerValue": 12, "bitmapPresent": 1, "missingValue": missing}
        for key, value in (grid | corners | what | how).items():
            eccodes.codes_set(handle, key, value)
        eccodes.codes_set_values(handle, np.where(np.isfinite(kelvin), kelvin, missing).astype("f8"))
        path.write_bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)
