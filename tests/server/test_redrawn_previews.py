"""What a look has read serves the next look at the same: no byte moves twice, of no other version, for nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import zarr
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from perijove.objects import ObjectInfo
from perijove.stores import DatasetReader
from perijove_server.preview.recent import SPAN_BYTES, RecentBytes
from tests.support import arrays, samples
from tests.support.control import TOKEN, FakeControl
from tests.support.fits import cone, fits_bytes
from tests.support.jupyter import JupyterServer, jupyter_server
from tests.support.s3 import Fault, FaultKind

from .conftest import Dataset, MakeDataset
from .test_array_previews import put_directory
from .test_preview_windows import PIXELS, arr_hdf5, fits_image, tiled_image
from .test_previews import look, picture

OTHERWISE = {"stretch": "log", "scale": "minmax", "colormap": "inferno"}
#: Files of more than the budget, but for those that are read whole.
FILES: dict[str, Callable[[], bytes]] = {
    "x.fits": fits_image,
    "tiles.fits": lambda: tiled_image((256, 256)),
    "strips.tif": lambda: samples.geotiff(PIXELS, "GTiff"),
    "cog.tif": lambda: samples.geotiff(PIXELS, "COG", compress="deflate"),
    "chunks.h5": lambda: arr_hdf5(chunks=(128, 200), shuffle=True),
    "plain.h5": arr_hdf5,
    "five.nc": lambda: arrays.cdf5(PIXELS),
    "x.grib": lambda: arrays.grib(messages=20, degrees=2),
}


def pixels_of(server: JupyterServer, preview: dict[str, Any]) -> Any:
    content = preview["content"]
    return np.asarray(picture(server, {"content": (content.get("drawing") or content) | {"url": content["url"]}}))


@pytest.mark.parametrize("name", list(FILES))
def test_another_stretch_scale_or_colour_map_moves_nothing(
    server: JupyterServer, make_dataset: MakeDataset, name: str
) -> None:
    dataset, other = make_dataset(), make_dataset()
    data = FILES[name]()
    dataset.put(name, data)
    other.put(name, data)
    first = look(server, dataset, name)
    assert first["bytes_read"] > 0
    dataset.bed.reset_counters()

    again = look(server, dataset, name, **OTHERWISE)

    assert (again["bytes_read"], again["requests"], again["kept"]) == (0, 1, False)
    assert dataset.bed.bytes_out == 0
    assert set(dataset.bed.counters) == {"HeadObject"}
    # and is what somebody sees who has it from the store, who moves as much as ever
    fresh = look(server, other, name, **OTHERWISE)
    assert fresh["bytes_read"] == first["bytes_read"]
    assert (pixels_of(server, again) == pixels_of(server, fresh)).all()
    assert again["content"] | {"url": ""} == fresh["content"] | {"url": ""}


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
def test_of_a_zarr_each_object_is_asked_for_and_none_is_moved(
    server: JupyterServer, make_dataset: MakeDataset, tmp_path: Path, delivery: str
) -> None:
    dataset = make_dataset(delivery)
    zarr.create_array(str(tmp_path / "x.zarr"), data=PIXELS, chunks=(500, 500))
    put_directory(dataset, "x.zarr", tmp_path / "x.zarr")
    first = look(server, dataset, "x.zarr")
    assert first["bytes_read"] > 0
    dataset.bed.reset_counters()

    again = look(server, dataset, "x.zarr", **OTHERWISE)

    assert again["bytes_read"] == 0
    assert again["requests"] < first["requests"]
    # objects of proxied datasets are opened by their first byte
    most_bytes = again["requests"] if delivery == "proxied" else 0
    assert dataset.bed.bytes_out - dataset.bed.counters["ListObjectsV2"] * 4096 <= most_bytes
    # a chunk that is another one now is read anew, and no other
    changed = {path: data for path, data in arrays.files_below(tmp_path / "x.zarr").items() if path.startswith("c/")}
    path = sorted(changed)[0]
    dataset.put(f"x.zarr/{path}", next(data for data in changed.values() if data != changed[path]))
    assert 0 < look(server, dataset, "x.zarr", stretch="sqrt")["bytes_read"] <= 500 * 500 * 4 + 1000


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("x.grib", lambda: arrays.grib(messages=3, degrees=2)),
        ("x.png", lambda: samples.picture("PNG", (1500, 1200))),
        ("x.jpeg", lambda: samples.picture("JPEG", (1500, 1200))),
    ],
    ids=["grib", "png", "jpeg"],
)
def test_a_part_of_what_was_read_whole_moves_nothing(
    server: JupyterServer, dataset: Dataset, name: str, make: Callable[[], bytes]
) -> None:
    dataset.put(name, make())
    assert look(server, dataset, name)["bytes_read"] > 0
    dataset.bed.reset_counters()

    for window in ("20,10,100,60", "40,20,50,30"):
        part = look(server, dataset, name, window=window)
        assert (part["bytes_read"], part["requests"]) == (0, 1)

    assert dataset.bed.bytes_out == 0


def test_another_unit_or_slice_moves_only_what_no_look_has_read(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.fits", fits_bytes(fits.PrimaryHDU(PIXELS[:1000]), fits.ImageHDU(PIXELS[1000:1400])))
    dataset.put("x.h5", arrays.hdf5(image=PIXELS.reshape(4, 1000, 1000)))
    of_units = [look(server, dataset, "x.fits", hdu=str(hdu))["bytes_read"] for hdu in (0, 1, 0)]
    of_slices = [look(server, dataset, "x.h5", node="/image", index=str(index)) for index in (0, 1)]

    again = look(server, dataset, "x.fits", hdu="1", stretch="sqrt")["bytes_read"]

    assert 0 < of_units[1] <= 400 * 2000 * 4  # where it begins was seen by whoever looked for it
    assert (of_units[2], again) == (0, 0)
    assert of_slices[1]["bytes_read"] < of_slices[0]["bytes_read"]
    assert look(server, dataset, "x.h5", node="/image", index="0", **OTHERWISE)["bytes_read"] == 0


def test_an_object_that_is_another_one_now_is_read_anew(server: JupyterServer, make_dataset: MakeDataset) -> None:
    dataset, other = make_dataset(), make_dataset()
    dataset.put("x.fits", fits_image())
    other.put("x.fits", fits_bytes(fits.PrimaryHDU(PIXELS.T.copy())))  # of the same size
    first = look(server, dataset, "x.fits")
    dataset.put("x.fits", fits_bytes(fits.PrimaryHDU(PIXELS.T.copy())))

    again = look(server, dataset, "x.fits", **OTHERWISE)

    assert again["bytes_read"] == first["bytes_read"]
    assert (pixels_of(server, again) == pixels_of(server, look(server, other, "x.fits", **OTHERWISE))).all()


def test_what_is_at_hand_is_not_mixed_with_what_has_come_since(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.fits", fits_image())
    look(server, dataset, "x.fits", window="0,0,300,200")
    # it is opened as it was, and replaced before more of it is read
    dataset.bed.faults.add(Fault(FaultKind.REPLACE, op="GetObject", times=1))

    refused = server.get(dataset.route("preview"), path="x.fits", window="0,100,300,200")

    assert refused.status_code == 409, refused.text
    assert "changed" in refused.json()["detail"]
    # what came has no FITS at its beginning, of which the bytes of before are at hand
    anew = server.get(dataset.route("preview"), path="x.fits", window="0,0,300,200", stretch="log")
    assert (anew.status_code, "SIMPLE" in anew.json()["detail"]) == (422, True)


def test_files_of_one_name_in_two_datasets_share_nothing(server: JupyterServer, make_dataset: MakeDataset) -> None:
    one, other = make_dataset(), make_dataset()
    data = fits_bytes(fits.PrimaryHDU(cone(300, (10, 10))))
    for dataset in (one, other):
        dataset.put("x.fits", data)
        assert look(server, dataset, "x.fits")["bytes_read"] == len(data)
    other.put("y.fits", data)

    assert look(server, other, "y.fits", **OTHERWISE)["bytes_read"] == len(data)


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
def test_who_may_not_open_it_any_more_sees_nothing_of_what_is_at_hand(
    server: JupyterServer, make_dataset: MakeDataset, delivery: str
) -> None:
    dataset = make_dataset(delivery)
    dataset.put("x.fits", fits_image())
    look(server, dataset, "x.fits")
    dataset.bed.faults.add(Fault(FaultKind.ERROR, code="AccessDenied", times=None))

    for how in (OTHERWISE, {"window": "0,0,30,20"}, {}):
        refused = server.get(dataset.route("preview"), None, path="x.fits", **how)
        assert refused.status_code == 403, refused.text

    dataset.bed.faults.clear()
    assert look(server, dataset, "x.fits", **OTHERWISE)["bytes_read"] == 0


def test_a_broken_file_is_told_in_the_same_sentence_again(server: JupyterServer, dataset: Dataset) -> None:
    tiles = bytearray(tiled_image((256, 256)))
    tiles[-len(tiles) // 2 :] = bytes(len(tiles) // 2)
    for name, data in (("cut.fits", fits_image()[: 9 << 20]), ("tiles.fits", bytes(tiles)), ("x.png", b"\x89PNG" * 9)):
        dataset.put(name, data)
        said = [server.get(dataset.route("preview"), None, path=name, **how) for how in ({}, OTHERWISE)]
        assert [answer.status_code for answer in said] == [422, 422], name
        assert said[0].json()["detail"] == said[1].json()["detail"]


def test_a_server_that_keeps_none_reads_again(session_control: FakeControl, dataset: Dataset, tmp_path: Path) -> None:
    environment = {"PERIJOVE_CONTROL_URL": session_control.url, "JUPYTERHUB_API_TOKEN": TOKEN}
    dataset.put("x.fits", fits_image())
    with jupyter_server(tmp_path, environment, "--PerijoveServer.preview_recent_bytes=0") as server:
        first = look(server, dataset, "x.fits")

        assert look(server, dataset, "x.fits", **OTHERWISE)["bytes_read"] == first["bytes_read"] > 0


class CountingReader:
    """Stands in for a dataset's reader: its objects are the bytes that their version says, and reads are counted."""

    def __init__(self) -> None:
        self.dataset = type("Dataset", (), {"id": "data"})
        self.bytes_read = 0
        self.reads: list[tuple[int, int]] = []

    async def read(self, info: ObjectInfo, start: int, stop: int) -> bytes:
        await asyncio.sleep(0)  # others get in between
        self.bytes_read += stop - start
        self.reads.append((start, stop))
        return content_of(info)[start:stop]


SIZE_BYTES = 300
ranges = st.tuples(st.integers(0, SIZE_BYTES), st.integers(0, SIZE_BYTES)).map(lambda ends: (min(ends), max(ends)))


def opened(version: str | None = '"1"', path: str = "x") -> ObjectInfo:
    return ObjectInfo(path, SIZE_BYTES, version, None, "near")


def content_of(info: ObjectInfo) -> bytes:
    seed = sum(map(ord, f"{info.path}{info.etag}"))
    return bytes((at * 7 + seed) % 256 for at in range(info.size_bytes))


@given(st.lists(st.tuples(st.sampled_from('ab"'), st.lists(ranges, max_size=4)), max_size=30), st.integers(0, 4))
def test_reads_in_any_order_and_at_once_give_the_bytes_of_their_version_within_the_bound(
    looks: list[tuple[str, list[tuple[int, int]]]], spans_kept: int
) -> None:
    reader = CountingReader()
    recent = RecentBytes(limit_bytes := spans_kept * (SPAN_BYTES + SIZE_BYTES))

    async def work() -> None:
        for version, wanted in looks:
            info = opened(version)
            asked = [recent.read(cast("DatasetReader", reader), info, *ends) for ends in wanted]
            parts = await asyncio.gather(*asked)
            assert parts == [content_of(info)[start:stop] for start, stop in wanted]
            assert recent.size_bytes <= limit_bytes

    asyncio.run(work())


async def test_of_a_range_only_what_is_between_the_parts_at_hand_is_read() -> None:
    reader, recent, info = CountingReader(), RecentBytes(1 << 20), opened()
    for start, stop in ((0, 50), (50, 60), (150, 160), (200, 300), (10, 55), (20, 250), (0, 300)):
        assert await recent.read(cast("DatasetReader", reader), info, start, stop) == content_of(info)[start:stop]

    assert reader.reads == [(0, 50), (50, 60), (150, 160), (200, 300), (60, 200)]
    assert recent.size_bytes == SIZE_BYTES + 6 * SPAN_BYTES  # nothing is kept twice


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
async def test_of_an_object_without_a_version_nothing_is_kept(etag: str | None) -> None:
    reader, recent = CountingReader(), RecentBytes(1 << 20)
    for _ in range(2):
        await recent.read(cast("DatasetReader", reader), opened(etag), 0, 100)

    assert (reader.bytes_read, recent.size_bytes) == (200, 0)


async def test_what_was_used_least_lately_goes_first() -> None:
    reader, recent = CountingReader(), RecentBytes(3 * (SPAN_BYTES + 100))
    for path in ("a", "b", "c", "a", "d", "a", "d", "b"):
        await recent.read(cast("DatasetReader", reader), opened(path=path), 0, 100)

    assert reader.bytes_read == 500  # a, b, c, d, and b again
