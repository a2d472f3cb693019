"""What people do today to see what a preview shows: the library of each format over s3fs, or the whole file.

Each runs in a process of its own, ``python -m benchmarks.previews_peers SAMPLE``, whose libraries are loaded: GDAL
takes its settings from the environment of a process, and does not bear all of the others beside it. It opens its file
anew, as somebody does who comes to it. Nothing here draws a picture.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import s3fs

from benchmarks.measure import ROOT

KEY, SECRET, REGION = "admin", "admin-secret", "eu-test-1"
ROWS = 100
SECTION_SIDE = 512


@dataclass(frozen=True)
class Peer:
    """A way to look at a file of the format ``title``: ``name``, what it reads, and how at a store and a path."""

    title: str
    name: str
    work: str
    look: Callable[[str, str], Any]


def _filesystem(endpoint: str) -> Any:
    told = {"endpoint_url": endpoint, "region_name": REGION}
    return s3fs.S3FileSystem(key=KEY, secret=SECRET, client_kwargs=told, skip_instance_cache=True)


@contextmanager
def _fits(endpoint: str, path: str) -> Iterator[Any]:
    from astropy.io import fits

    with (
        _filesystem(endpoint).open(f"data/{path}", "rb") as file,
        fits.open(file, lazy_load_hdus=True, memmap=False) as opened,
    ):
        yield opened


def _section(endpoint: str, path: str) -> Any:
    with _fits(endpoint, path) as opened:
        hdu = opened[0] if opened[0].header["NAXIS"] else opened[1]
        start = hdu.shape[0] // 2
        part = slice(start, min(start + SECTION_SIDE, hdu.shape[0]))
        return hdu.section[part, part]


def _first_fits_rows(endpoint: str, path: str) -> Any:
    with _fits(endpoint, path) as opened:
        return [tuple(row) for row in opened[1].data[:ROWS]]


def _netcdf_slice(endpoint: str, path: str) -> Any:
    import xarray as xr

    with (
        _filesystem(endpoint).open(f"data/{path}", "rb") as file,
        xr.open_dataset(file, engine="h5netcdf") as opened,
    ):
        return opened["t2m"].isel(time=0).values


def _zarr_slice(endpoint: str, path: str) -> Any:
    import xarray as xr

    told = {"endpoint_url": endpoint, "region_name": REGION}
    options = {"key": KEY, "secret": SECRET, "client_kwargs": told, "skip_instance_cache": True, "asynchronous": True}
    with xr.open_zarr(f"s3://data/{path}", storage_options=options) as opened:
        return opened["t2m"].isel(time=0).values


def _grib_field(endpoint: str, path: str) -> Any:
    import eccodes  # type: ignore[import-untyped] # published without types

    with tempfile.TemporaryDirectory() as directory:
        local = Path(directory) / "field.grib2"
        _filesystem(endpoint).get_file(f"data/{path}", str(local))
        with local.open("rb") as file:
            handle = eccodes.codes_grib_new_from_file(file)
            values = eccodes.codes_get_values(handle)
            eccodes.codes_release(handle)
            return values


def _first_parquet_rows(endpoint: str, path: str) -> Any:
    import pyarrow.parquet as pq

    with _filesystem(endpoint).open(f"data/{path}", "rb") as file:
        return next(pq.ParquetFile(file).iter_batches(ROWS)).to_pylist()


def _first_csv_rows(endpoint: str, path: str) -> Any:
    import pandas as pd  # type: ignore[import-untyped] # published without types

    with _filesystem(endpoint).open(f"data/{path}", "rb") as file:
        return pd.read_csv(file, nrows=ROWS)


def _first_packed_rows(endpoint: str, path: str) -> Any:
    import pandas as pd

    with _filesystem(endpoint).open(f"data/{path}", "rb") as file:
        return pd.read_csv(file, nrows=ROWS, compression="gzip")


def _first_ecsv_rows(endpoint: str, path: str) -> Any:
    import pandas as pd

    with _filesystem(endpoint).open(f"data/{path}", "rb") as file:
        return pd.read_csv(file, sep=" ", comment="#", nrows=ROWS)


def _first_votable_rows(endpoint: str, path: str) -> Any:
    from astropy.utils.xml.iterparser import get_xml_iterator

    rows: list[list[str]] = []
    with (
        _filesystem(endpoint).open(f"data/{path}", "rb") as file,
        get_xml_iterator(file) as elements,
    ):
        for starts, tag, data, _ in elements:
            if starts and tag == "TR":
                if len(rows) == ROWS:
                    break
                rows.append([])
            elif not starts and tag == "TD":
                rows[-1].append(data)
    return rows


def _first_records(endpoint: str, path: str) -> Any:
    import ijson

    with _filesystem(endpoint).open(f"data/{path}", "rb") as file:
        return list(islice(ijson.items(file, "item"), ROWS))


def _thumbnail(endpoint: str, path: str) -> Any:
    from PIL import Image

    with _filesystem(endpoint).open(f"data/{path}", "rb") as file:
        picture = Image.open(file)
        picture.thumbnail((SECTION_SIDE, SECTION_SIDE))
        return picture


def _overview(endpoint: str, path: str) -> Any:
    os.environ |= {
        "AWS_S3_ENDPOINT": endpoint.removeprefix("http://"), "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION,
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    }  # fmt: skip
    import rasterio

    with rasterio.open(f"/vsis3/data/{path}") as file:
        return file.read(1, out_shape=(SECTION_SIDE, SECTION_SIDE))


#: By the path of the file.
PEERS: Mapping[str, Peer] = {
    "image.fits": Peer("FITS image", "astropy + s3fs", "512 × 512 of its middle, by .section", _section),
    "table.fits": Peer(
        "FITS table", "astropy + s3fs", "its first 100 rows, for which it reads the whole table", _first_fits_rows
    ),
    "tiles.fits": Peer("tile-compressed FITS", "astropy + s3fs", "512 × 512 of its middle, by .section", _section),
    "field.nc": Peer("NetCDF-4 (HDF5)", "xarray + h5netcdf + s3fs", "its first field", _netcdf_slice),
    "field.zarr": Peer("Zarr", "xarray + zarr + s3fs", "its first field", _zarr_slice),
    "field.grib2": Peer("GRIB", "s3fs + ecCodes", "its first field, from a copy of the whole file", _grib_field),
    "table.parquet": Peer("Parquet", "pyarrow + s3fs", "its first 100 rows", _first_parquet_rows),
    "table.csv": Peer("CSV", "pandas + s3fs", "its first 100 rows", _first_csv_rows),
    "packed.csv.gz": Peer("CSV in gzip", "pandas + s3fs", "its first 100 rows", _first_packed_rows),
    "table.ecsv": Peer(
        "ECSV", "pandas + s3fs", "its first 100 rows without their units; astropy reads all rows", _first_ecsv_rows
    ),
    "table.vot": Peer(
        "VOTable",
        "astropy's XML reader + s3fs",
        "the texts of its first 100 rows; its parse() reads all rows",
        _first_votable_rows,
    ),
    "records.json": Peer("JSON", "ijson + s3fs", "its first 100 records; json reads all of them", _first_records),
    "map.tif": Peer("cloud-optimised GeoTIFF", "rasterio /vsis3/", "512 × 512 of its overview", _overview),
    "picture.png": Peer(
        "PNG",
        "Pillow + s3fs",
        "a thumbnail, for which it reads the whole file, of 512 MiB at most: a preview unpacks no more pixels",
        _thumbnail,
    ),
}


class PeerProcess:
    """The peer of a sample, in its process.

    Args:
        sample: the path of the sample.
        logs: the directory for what it says beside its answers.
    """

    def __init__(self, sample: str, logs: Path) -> None:
        self._log = logs / f"{sample}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, sample], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True,
            )  # fmt: skip

    def look(self, endpoint: str, path: str) -> float:
        """Look at an object; how many seconds that took.

        Raises:
            RuntimeError: it failed, as its output tells.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("The process of a peer has no pipes.")
        self._process.stdin.write(json.dumps([endpoint, path]) + "\n")
        self._process.stdin.flush()
        told = self._process.stdout.readline()
        if not told:
            raise RuntimeError(f"The peer did not manage to look at {path}: {self._log.read_text()[-200:]}")
        return float(told)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Look at what each line of the input names; say the seconds."""
    look = PEERS[sys.argv[1]].look
    for line in sys.stdin:
        endpoint, path = json.loads(line)
        begun = time.perf_counter()
        look(endpoint, path)
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    main()
