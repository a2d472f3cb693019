"""Arrays of a dataset that was taken back: what may not be read must not read as fill values."""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pytest
import xarray as xr

import perijove
from perijove import filesystem
from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import S3Bed


@pytest.fixture
def sea(control: FakeControl, bed: S3Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """A Zarr store of four chunks at sea.zarr of the datasets ``direct`` and ``proxied``."""
    monkeypatch.setenv("PERIJOVE_CACHE_BYTES", "0")
    values = np.arange(1.0, 65.0).reshape(8, 8)
    encoding = {"sst": {"chunks": (4, 4)}}
    xr.Dataset({"sst": (("y", "x"), values)}).to_zarr(
        tmp_path / "sea.zarr", zarr_format=2, encoding=encoding, consolidated=True
    )
    for path in (tmp_path / "sea.zarr").rglob("*"):
        if path.is_file():
            bed.put("bucket", f"d/sea.zarr/{path.relative_to(tmp_path / 'sea.zarr')}", path.read_bytes())
    for delivery in ("direct", "proxied"):
        control.add(delivery, FakeReplica("near", bed, "bucket", "d/"), delivery=delivery)
    return values


@pytest.mark.parametrize(("delivery", "believed_seconds"), [("direct", 0.0), ("proxied", 0.0), ("proxied", 60.0)])
def test_chunks_that_may_not_be_read_any_more_are_refused_and_not_zero(
    sea: np.ndarray, control: FakeControl, monkeypatch: pytest.MonkeyPatch, delivery: str, believed_seconds: float
) -> None:
    monkeypatch.setattr(filesystem, "DATASET_SECONDS", believed_seconds)
    with xr.open_zarr(f"perijove://{delivery}/sea.zarr") as opened:
        assert float(opened.sst[0, 0]) == 1.0
        del control.datasets[delivery]
        with pytest.raises(perijove.Refused, match="that you may read"):
            opened.sst.values  # noqa: B018 - it reads


def test_chunks_that_were_never_written_are_fill_values_as_ever(sea: np.ndarray, bed: S3Bed) -> None:
    bed.buckets["bucket"].delete("d/sea.zarr/sst/1.1")

    with xr.open_zarr("perijove://direct/sea.zarr") as opened:
        assert float(opened.sst[0, 0]) == 1.0
        assert not np.any(opened.sst.values[4:, 4:] == sea[4:, 4:])


def test_ranges_say_so_too_and_a_look_still_says_that_there_is_none(sea: np.ndarray) -> None:
    files = fsspec.filesystem("perijove")

    [found] = files.cat_ranges(["nope/x"], [0], [1])
    assert isinstance(found, perijove.Refused)
    with pytest.raises(perijove.Refused):
        files.cat("nope/x")
    assert not files.exists("nope/x")
    with pytest.raises(perijove.NotFound):
        perijove.open("nope/x")
