"""Files and directories of arrays that previews show, made on the fly."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import eccodes
import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray


def sea(latitudes: int = 36, longitudes: int = 72, times: int = 3) -> xr.Dataset:
    """A temperature on a regular grid, from the north down and from 180° W on: 20 + latitude / 10, missing at 0, 0."""
    step = 180 / latitudes
    latitude = 90 - step / 2 - step * np.arange(latitudes)
    longitude = -180 + 360 / longitudes * (np.arange(longitudes) + 0.5)
    values = np.broadcast_to((20 + latitude / 10)[:, None], (times, latitudes, longitudes)).copy()
    values += np.arange(times)[:, None, None]
    values[:, 0, 0] = np.nan
    return xr.Dataset(
        {"sst": (("time", "latitude", "longitude"), values, {"units": "degC", "long_name": "sea temperature"})},
        {
            "time": ("time", np.arange(times), {"long_name": "time", "units": "1"}),
            "latitude": ("latitude", latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", longitude, {"units": "degrees_east"}),
        },
        {"title": "A sea"},
    )


def packed(data: xr.Dataset, **more: Any) -> dict[str, dict[str, Any]]:
    """How it is stored in whole numbers of two bytes, to hundredths."""
    how = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 20.0, "_FillValue": np.int16(-32768)}
    return {"sst": {**how, **more}}


def netcdf4(data: xr.Dataset | None = None, **how: Any) -> bytes:
    """A NetCDF-4."""
    data = sea() if data is None else data
    file = io.BytesIO()
    data.to_netcdf(file, engine="h5netcdf", encoding=packed(data, **how))
    return file.getvalue()


def netcdf3(data: xr.Dataset | None = None, version: str = "NETCDF3_64BIT", records: bool = True) -> bytes:
    """A NetCDF-3, whose times are records."""
    data = sea() if data is None else data
    made: bytes | memoryview = data.to_netcdf(
        format=version,
        engine="scipy",
        encoding=packed(data),
        unlimited_dims=["time"] if records else None,
    )
    return bytes(made)


def hdf5(**datasets: NDArray[Any]) -> bytes:
    """An HDF5 of these datasets, or of a plane, a line and a number in groups."""
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        if datasets:
            for name, values in datasets.items():
                made[name] = values
            return _closed(made, file)
        rows, columns = np.mgrid[:50, :60]
        plane = made.create_dataset(
            "detector/image", data=(rows + columns).astype("f4"), chunks=(10, 20), compression=4
        )
        plane.attrs["units"] = "counts"
        made["detector/line"] = np.linspace(0, 1, 200)
        made["detector/exposure"] = 2.5
        made["names"] = ["a", "b"]
    return file.getvalue()


def _closed(made: h5py.File, file: io.BytesIO) -> bytes:
    made.close()
    return file.getvalue()


def grib(edition: int = 2, grid: str = "regular_ll", messages: int = 2, degrees: int = 10) -> bytes:
    """Messages of a temperature, 280 + latitude, on a grid of so many degrees, or on a reduced Gaussian one."""
    made = []
    for number in range(messages):
        sample = f"reduced_gg_pl_32_grib{edition}" if grid == "reduced_gg" else f"regular_ll_sfc_grib{edition}"
        handle = eccodes.codes_grib_new_from_samples(sample)
        if grid == "regular_ll":
            keys = {"Ni": 360 // degrees, "Nj": 180 // degrees + 1,
                    "iDirectionIncrementInDegrees": degrees, "jDirectionIncrementInDegrees": degrees}  # fmt: skip
            east = 360 - degrees
            corners = {"latitudeOfFirstGridPointInDegrees": 90, "latitudeOfLastGridPointInDegrees": -90,
                       "longitudeOfFirstGridPointInDegrees": 0, "longitudeOfLastGridPointInDegrees": east}  # fmt: skip
            for key, value in {**keys, **corners}.items():
                eccodes.codes_set(handle, key, value)
        eccodes.codes_set(handle, "shortName", "2t")
        eccodes.codes_set(handle, "dataDate", 20260101 + number)
        if grid == "regular_ll":
            latitudes = np.repeat(np.arange(90.0, -91, -degrees), 360 // degrees)
        else:
            latitudes = eccodes.codes_get_array(handle, "latitudes")
        values = 280 + latitudes + number
        values[0] = 9999
        eccodes.codes_set(handle, "bitmapPresent", 1)
        eccodes.codes_set(handle, "missingValue", 9999)
        eccodes.codes_set_values(handle, values)
        made.append(eccodes.codes_get_message(handle))
        eccodes.codes_release(handle)
    return b"".join(made)


def zarr_directory(folder: Path, version: int = 3, consolidated: bool = True, data: xr.Dataset | None = None) -> Path:
    """A Zarr of ``sea`` in ``folder``."""
    data = sea() if data is None else data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # consolidated metadata of version 3 are not in its specification
        data.to_zarr(folder, mode="w", zarr_format=version, consolidated=consolidated)
    return folder


def files_below(folder: Path) -> dict[str, bytes]:
    """All files of a directory, by their paths below it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def every_format() -> dict[str, bytes]:
    """One good file of each, by its name."""
    return {
        "sea.nc": netcdf4(),
        "plain.h5": hdf5(),
        "classic.nc": netcdf3(version="NETCDF3_CLASSIC"),
        "sea3.nc": netcdf3(),
        "two.grib2": grib(),
        "two.grib": grib(1),
    }


def cdf5(values: NDArray[Any]) -> bytes:
    """A CDF-5 of one array of eight-byte numbers, ``x``, written by hand: few libraries write it."""

    def name(text: str) -> bytes:
        return struct.pack(">q", len(text)) + text.encode() + b"\0" * (-len(text) % 4)

    dimensions = b"".join(name(f"d{at}") + struct.pack(">q", size) for at, size in enumerate(values.shape))
    numbers = struct.pack(f">{values.ndim}q", *range(values.ndim))
    head = b"CDF\5" + struct.pack(">q", 0) + struct.pack(">iq", 10, values.ndim) + dimensions + struct.pack(">iq", 0, 0)
    head += struct.pack(">iq", 11, 1) + name("x") + struct.pack(">q", values.ndim) + numbers + struct.pack(">iq", 0, 0)
    head += struct.pack(">iq", 6, values.nbytes)
    return head + struct.pack(">q", len(head) + 8) + values.astype(">f8").tobytes()
