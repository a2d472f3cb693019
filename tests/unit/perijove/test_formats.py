"""Libraries read the formats of science from perijove:// and move little. Bounds are in bytes that left the store."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import fsspec
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
import rasterio
import xarray as xr
import zarr
from astropy.io import fits
from rasterio.enums import Resampling
from zarr.storage import FsspecStore

import perijove
from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import S3Bed

MB = 1_000_000
Put = Callable[[str, bytes], None]


@pytest.fixture
def put(control: FakeControl, bed: S3Bed, monkeypatch: pytest.MonkeyPatch) -> Put:
    monkeypatch.setenv("PERIJOVE_CACHE_BYTES", "0")
    control.add("demo", FakeReplica("near", bed, "bucket", "demo/"))
    return lambda path, data: (bed.put("bucket", f"demo/{path}", data), None)[1]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).random(shape, dtype=np.float32)


@pytest.fixture
def image(put: Put) -> np.ndarray:
    """100 MB at i.fits."""
    pixels = noise(5000, 5000)
    raw = io.BytesIO()
    fits.PrimaryHDU(pixels).writeto(raw)
    put("i.fits", raw.getvalue())
    return pixels


@pytest.fixture
def cube(put: Put, tmp_path: Path) -> np.ndarray:
    """125 MB of NetCDF at d.nc."""
    data = noise(30, 721, 1440)
    xr.Dataset({"t": (("time", "lat", "lon"), data)}).to_netcdf(
        tmp_path / "d.nc", engine="h5netcdf", encoding={"t": {"chunksizes": (1, 361, 720)}}
    )
    put("d.nc", (tmp_path / "d.nc").read_bytes())
    return data


@pytest.fixture
def table(put: Put) -> pa.Table:
    """64 MB of Parquet in eight groups of eight columns at t.parquet."""
    rows = np.random.default_rng(1).random((8, 1_000_000))
    table = pa.table({f"c{number}": rows[number] for number in range(8)})
    raw = io.BytesIO()
    pq.write_table(table, raw, row_group_size=125_000, compression="none", use_dictionary=False)
    put("t.parquet", raw.getvalue())
    return table


def test_astropy_cuts_out_of_an_image_by_url(image: np.ndarray, bed: S3Bed) -> None:
    with fits.open("perijove://demo/i.fits", use_fsspec=True) as hdus:
        cutout = hdus[0].section[2000:2256, 2000:2256]

    assert np.array_equal(cutout, image[2000:2256, 2000:2256])
    assert bed.bytes_out < 20 * MB  # the rows that it crosses are 5 MB


def test_astropy_opens_a_header_in_one_block(image: np.ndarray, bed: S3Bed) -> None:
    with perijove.open("demo/i.fits") as file, fits.open(file) as hdus:
        assert hdus[0].header["NAXIS1"] == 5000

    assert bed.bytes_out <= 2 << 20


def test_h5py_looks_at_metadata(cube: np.ndarray, bed: S3Bed) -> None:
    with perijove.open("demo/d.nc") as file, h5py.File(file) as tree:
        assert tree["t"].shape == cube.shape

    assert bed.bytes_out < 1 * MB


def test_h5py_slices(cube: np.ndarray, bed: S3Bed) -> None:
    with perijove.open("demo/d.nc") as file, h5py.File(file) as tree:
        assert np.array_equal(tree["t"][7, 100:200], cube[7, 100:200])

    assert bed.bytes_out < 8 * MB  # two chunks of 1 MB


@pytest.mark.parametrize("by", ["url", "file"])
def test_xarray_slices(cube: np.ndarray, bed: S3Bed, by: str) -> None:
    source = "perijove://demo/d.nc" if by == "url" else perijove.open("demo/d.nc")
    with xr.open_dataset(source, engine="h5netcdf") as dataset:
        assert np.array_equal(dataset.t[7, 100:200].values, cube[7, 100:200])

    assert bed.bytes_out < (16 * MB if by == "url" else 8 * MB)  # by URL xarray asks for blocks of 4 MiB


def test_pyarrow_reads_one_column_of_eight(table: pa.Table, bed: S3Bed) -> None:
    files = fsspec.filesystem("perijove")

    assert pq.read_schema("demo/t.parquet", filesystem=files).names == table.column_names
    assert bed.bytes_out < 0.3 * MB
    assert pq.read_table("demo/t.parquet", columns=["c3"], filesystem=files).equals(table.select(["c3"]))
    assert bed.bytes_out < 11 * MB


def test_pyarrow_reads_by_its_own_filesystem(table: pa.Table, bed: S3Bed) -> None:
    files = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(fsspec.filesystem("perijove")))

    head = pyarrow.dataset.dataset("demo/t.parquet", filesystem=files).head(100, columns=["c1"])

    assert head.equals(table.select(["c1"]).slice(0, 100))
    assert bed.bytes_out < 11 * MB


def test_pandas_reads_parquet_by_url(table: pa.Table, bed: S3Bed) -> None:
    frame = pd.read_parquet("perijove://demo/t.parquet", columns=["c3"])

    assert np.array_equal(frame.c3, table["c3"])
    assert bed.bytes_out < 11 * MB


def test_pandas_reads_csv_the_head_and_all_of_it(put: Put, bed: S3Bed) -> None:
    text = "\n".join(["a,b,c", *(f"{row},{row * 2},{row * 3}" for row in range(700_000))]).encode()
    put("t.csv", text)

    assert len(pd.read_csv("perijove://demo/t.csv", nrows=100)) == 100
    assert bed.bytes_out <= 1 << 20
    bed.wait_until_idle()  # what was read ahead is no part of what comes now
    bed.reset_counters()
    frame = pd.read_csv("perijove://demo/t.csv")
    assert frame.c.sum() == 3 * sum(range(700_000))
    assert bed.bytes_out <= len(text)
    assert bed.counters["GetObject"] < 40


@pytest.fixture
def store(put: Put, tmp_path: Path) -> np.ndarray:
    """A Zarr store at z.zarr: ``a`` in chunks of 8 MB, ``s`` in shards of chunks of 1 MB."""
    data = noise(32, 361, 720)
    group = zarr.open_group(tmp_path / "z.zarr", mode="w")
    layout = {"shape": data.shape, "dtype": "f4", "compressors": None, "dimension_names": ["t", "y", "x"]}
    group.create_array("a", chunks=(8, 361, 720), **layout)[:] = data
    group.create_array("s", chunks=(1, 361, 720), shards=(16, 361, 720), **layout)[:] = data
    for path in (tmp_path / "z.zarr").rglob("*"):
        if path.is_file():
            put(f"z.zarr/{path.relative_to(tmp_path / 'z.zarr').as_posix()}", path.read_bytes())
    return data


def test_zarr_reads_the_chunks_it_needs(store: np.ndarray, bed: S3Bed) -> None:
    group = zarr.open_group(FsspecStore.from_url("perijove://demo/z.zarr", read_only=True), mode="r")

    assert np.array_equal(group["a"][10, :5], store[10, :5])
    assert bed.bytes_out < 9 * MB


def test_zarr_reads_one_chunk_of_a_shard_by_url(store: np.ndarray, bed: S3Bed) -> None:
    group = zarr.open_group("perijove://demo/z.zarr", mode="r")

    assert np.array_equal(group["s"][20, :5], store[20, :5])
    assert bed.bytes_out < 2 * MB


def test_xarray_opens_a_zarr_store_by_url(store: np.ndarray, bed: S3Bed) -> None:
    with xr.open_zarr("perijove://demo/z.zarr", consolidated=False) as dataset:
        assert dataset.a.shape == store.shape
        assert bed.bytes_out < 0.1 * MB
        assert np.array_equal(dataset.a[3, :5].values, store[3, :5])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_rasterio_reads_an_overview_and_a_window_with_the_filesystem_as_opener(
    put: Put, bed: S3Bed, tmp_path: Path
) -> None:
    pixels = (noise(8192, 8192) * 255).astype("uint8")
    layout = {"height": 8192, "width": 8192, "count": 1, "dtype": "uint8", "tiled": True}
    with rasterio.open(tmp_path / "m.tif", "w", driver="GTiff", blockxsize=256, blockysize=256, **layout) as raster:
        raster.write(pixels, 1)
        raster.build_overviews([2, 4, 8, 16], Resampling.nearest)
    put("m.tif", (tmp_path / "m.tif").read_bytes())

    alone = rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR")
    with alone, rasterio.open("demo/m.tif", opener=fsspec.filesystem("perijove").open) as raster:
        assert raster.read(1, out_shape=(512, 512)).shape == (512, 512)
        window = raster.read(1, window=((4000, 4256), (4000, 4256)))

    assert np.array_equal(window, pixels[4000:4256, 4000:4256])
    assert bed.bytes_out < 3 * MB  # of 89 MB
    assert sum(bed.counters.values()) < 20


def test_an_open_file_travels_to_another_process_as_it_is(image: np.ndarray) -> None:
    with perijove.open("demo/i.fits") as file:
        file.seek(12)
        with pickle.loads(pickle.dumps(file)) as copy:
            assert copy.tell() == 12
            assert copy.read(5) == file.read(5)


def test_what_was_read_is_told_by_dataset_and_by_file(image: np.ndarray, bed: S3Bed) -> None:
    before = perijove.stats().get("demo", perijove.Counts())
    with perijove.open("demo/i.fits") as file:
        file.read(10)
        assert file.counts == perijove.Counts(bytes=1 << 20, requests=1)

    stats = perijove.stats()
    assert stats["demo"].bytes == before.bytes + (1 << 20)
    assert stats["demo"].requests == before.requests + 1
    assert stats.total.bytes >= stats["demo"].bytes
    assert "fail-overs" in repr(stats)
    assert "demo" in repr(stats)
    assert "<td>demo</td>" in stats._repr_html_()
