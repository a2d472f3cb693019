"""Trees of files of arrays, and what is drawn of a variable: from little, with north up, in the words of CF."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr

from tests.support import arrays
from tests.support.jupyter import JupyterServer

from .conftest import Dataset, MakeDataset
from .test_previews import BUDGET_BYTES, look, picture

IRIS = Path(str(files("iris_sample_data"))) / "sample_data"
LINEAR = {"stretch": "linear", "scale": "minmax"}


def put_directory(dataset: Dataset, name: str, folder: Path) -> None:
    for path, data in arrays.files_below(folder).items():
        dataset.put(f"{name}/{path}", data)


def drawn(server: JupyterServer, dataset: Dataset, path: str, **how: Any) -> tuple[dict[str, Any], Any]:
    """The content of a tree with a picture, and its pixels."""
    preview = look(server, dataset, path, **(LINEAR | how))
    assert preview["kind"] == "tree"
    content = preview["content"]
    flat = {"content": content["drawing"] | {"url": content["url"]}}
    return content, np.asarray(picture(server, flat)).astype(int)


def nodes(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["path"]: node for node in content["nodes"]}


def assert_sea(content: dict[str, Any], pixels: Any) -> None:
    drawing = content["drawing"]
    assert [axis["name"] for axis in drawing["axes"]] == ["time", "latitude", "longitude"]
    assert [axis["index"] for axis in drawing["axes"]] == [0, None, None]
    assert drawing["extent"] == pytest.approx([-180, -90, 180, 90])
    assert drawing["unit"] == "degC"
    assert drawing["limits"] == pytest.approx([11.25, 28.75], abs=0.01)
    assert pixels.shape[:2] == (36, 72)
    assert pixels[1, 5, 0] > pixels[34, 5, 0]  # north is up, and warm
    assert pixels[0, 0, 3] == 0  # missing
    assert nodes(content)["/sst"]["shape"] == [3, 36, 72]


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
@pytest.mark.parametrize(
    ("data", "file_format"),
    [
        (arrays.netcdf4(), "NetCDF-4"),
        (arrays.netcdf4(zlib=True, chunksizes=(1, 10, 30)), "NetCDF-4"),
        (arrays.netcdf3(), "NetCDF-3"),
        (arrays.netcdf3(version="NETCDF3_CLASSIC", records=False), "NetCDF-3"),
    ],
    ids=["netcdf4", "chunked", "records", "classic"],
)
def test_a_variable_of_netcdf_is_drawn_as_a_map(
    server: JupyterServer, make_dataset: MakeDataset, delivery: str, data: bytes, file_format: str
) -> None:
    dataset = make_dataset(delivery=delivery)
    dataset.put("sea.nc", data)

    content, pixels = drawn(server, dataset, "sea.nc")

    assert_sea(content, pixels)
    assert look(server, dataset, "sea.nc")["format"] == file_format
    assert {"name": "title", "value": "A sea"} in nodes(content)["/"]["attributes"]
    later = look(server, dataset, "sea.nc", index="2")["content"]["drawing"]
    assert later["axes"][0]["index"] == 2
    assert later["limits"] == pytest.approx([13.25, 30.75], abs=0.01)


def test_latitudes_from_the_south_are_turned_so_that_north_is_up(server: JupyterServer, dataset: Dataset) -> None:
    sea = arrays.sea()
    dataset.put("sea.nc", arrays.netcdf4(sea.isel(latitude=slice(None, None, -1), longitude=slice(None, None, -1))))

    content, pixels = drawn(server, dataset, "sea.nc")

    assert_sea(content, pixels)


def test_an_index_outside_and_a_node_that_is_not_there_are_sentences(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("sea.nc", arrays.netcdf4())

    outside = server.get(dataset.route("preview"), path="sea.nc", index="7")
    absent = server.get(dataset.route("preview"), path="sea.nc", node="/nothing")

    assert (outside.status_code, absent.status_code) == (422, 422)
    assert outside.json()["detail"] == "The index 7 of axis 0 is outside of sst: the axis has 3."
    assert absent.json()["detail"] == "There is no node '/nothing' in this file."


def test_a_line_is_a_plot_and_a_number_is_in_its_note(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("plain.h5", arrays.hdf5())

    content = look(server, dataset, "plain.h5", node="/detector/line")["content"]

    plot = content["drawing"]["plot"]
    assert (len(plot["x"]), plot["y"][0], plot["y"][-1], plot["y_label"]) == (200, 0.0, 1.0, "line")
    assert "url" not in content
    listed = nodes(content)
    assert listed["/detector/exposure"]["note"] == "value 2.5"
    assert listed["/detector/image"]["note"] == "chunks 10 × 20, gzip"
    assert listed["/detector/image"]["unit"] == "counts"
    assert listed["/names"]["type"] == "text"
    assert listed["/detector"]["kind"] == "group"
    told = look(server, dataset, "plain.h5", node="/names")["content"]
    assert told["drawing"] is None
    assert told["note"] == "names holds no numbers, so it is not drawn."


def test_a_line_of_netcdf_is_drawn_over_its_coordinate(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("soi.nc", (IRIS / "SOI_Darwin.nc").read_bytes())

    drawing = look(server, dataset, "soi.nc")["content"]["drawing"]

    assert drawing["node"] == "/SOI_Darwin"
    assert drawing["plot"]["x"][:2] == [24106.0, 24137.0]
    assert drawing["plot"]["x_label"].startswith("time [days since 1800")
    assert len(drawing["plot"]["y"]) == 1776
    assert drawing["plot"]["y"].count(None) == 12  # a year without pressures


def test_the_ocean_on_a_grid_of_its_own_has_north_up_and_no_extent(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("nemo.nc", (IRIS / "NEMO/nemo_1m_20150101-20150201_grid-T.nc").read_bytes())

    content, pixels = drawn(server, dataset, "nemo.nc")

    assert (content["drawing"]["node"], content["drawing"]["extent"]) == ("/tos", None)
    assert (pixels[:30, :, 3] > 0).mean() > (pixels[-30:, :, 3] > 0).mean()  # Antarctica is land, the Arctic is sea


def test_cdf5_is_read(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("five.nc", arrays.cdf5(np.arange(20.0).reshape(4, 5)))

    content, pixels = drawn(server, dataset, "five.nc")

    assert content["drawing"]["limits"] == [0.0, 19.0]
    assert (pixels.shape[:2], pixels[0, 0, 0], pixels[3, 4, 0]) == ((4, 5), 0, 255)


@pytest.mark.parametrize(
    ("edition", "grid"), [(1, "regular_ll"), (2, "regular_ll"), (1, "reduced_gg"), (2, "reduced_gg")]
)
def test_fields_of_grib_are_listed_and_drawn_on_a_map(
    server: JupyterServer, dataset: Dataset, edition: int, grid: str
) -> None:
    dataset.put("two.grib", arrays.grib(edition, grid))

    content, pixels = drawn(server, dataset, "two.grib")

    assert [(node["path"], node["name"], node["kind"]) for node in content["nodes"]] == [
        ("/1", "2t", "field"),
        ("/2", "2t", "field"),
    ]
    west, south, east, north = content["drawing"]["extent"]
    assert (east - west, content["drawing"]["unit"]) == (pytest.approx(360, abs=0.1), "K")
    assert (-90 <= south < -80, 80 < north <= 90) == (True, True)
    assert pixels[2, 5, 0] > pixels[-3, 5, 0]
    assert pixels[0, 0, 3] == 0  # missing by its bitmap
    second = look(server, dataset, "two.grib", node="/2")["content"]["drawing"]
    assert second["limits"][0] == pytest.approx(content["drawing"]["limits"][0] + 1, abs=0.1)


def test_a_real_field_on_a_polar_grid_is_drawn_as_it_is(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("polar.grib2", (IRIS / "polar_stereo.grib2").read_bytes())

    content, pixels = drawn(server, dataset, "polar.grib2")

    assert content["nodes"][0]["name"] == "t"
    assert content["nodes"][0]["shape"] == [200, 247]
    assert content["drawing"]["note"] == "On its own grid (polar_stereographic), not on a map."
    assert pixels[:20, :, 0].mean() < pixels[-20:, :, 0].mean()  # the north is cold


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
@pytest.mark.parametrize("version", [2, 3])
def test_a_directory_of_zarr_is_drawn_as_a_map(
    server: JupyterServer, make_dataset: MakeDataset, tmp_path: Path, version: int, delivery: str
) -> None:
    dataset = make_dataset(delivery=delivery)
    put_directory(dataset, "a/sea.zarr", arrays.zarr_directory(tmp_path, version))
    dataset.bed.reset_counters()

    content, pixels = drawn(server, dataset, "a/sea.zarr")

    assert_sea(content, pixels)
    preview = look(server, dataset, "a/sea.zarr/")
    assert preview["format"] == f"Zarr {version}"
    assert preview["bytes_read"] <= dataset.bed.bytes_out
    assert content["truncated"] is False


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_that_is_not_consolidated_is_walked(
    server: JupyterServer, dataset: Dataset, tmp_path: Path, version: int
) -> None:
    put_directory(dataset, "sea.zarr", arrays.zarr_directory(tmp_path, version, consolidated=False))

    content, pixels = drawn(server, dataset, "sea.zarr")

    assert_sea(content, pixels)
    assert set(nodes(content)) == {"/", "/sst", "/time", "/latitude", "/longitude"}


def test_a_whole_dataset_may_be_a_zarr(server: JupyterServer, dataset: Dataset, tmp_path: Path) -> None:
    for path, data in arrays.files_below(arrays.zarr_directory(tmp_path)).items():
        dataset.put(path, data)

    assert_sea(*drawn(server, dataset, ""))


def test_a_directory_that_is_no_zarr_is_not_there_to_preview(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("a/b.txt", b"x")

    assert server.get(dataset.route("preview"), path="a").status_code == 404
    assert server.get(dataset.route("preview"), path="").status_code == 400


def cone() -> Any:
    rows, columns = np.mgrid[:6000, :6000].astype("f4")
    return rows + columns


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Planes of 144 MB: in one piece, in chunks, and as Zarr in shards and in chunks."""
    folder = tmp_path_factory.mktemp("large")
    with h5py.File(folder / "whole.h5", "w") as file:
        file["x"] = cone()
    with h5py.File(folder / "chunks.h5", "w") as file:
        file.create_dataset("x", data=cone(), chunks=(200, 300))
    group = zarr.open_group(folder / "x.zarr", mode="w")
    group.create_array("shards", data=cone(), shards=(1500, 1500), chunks=(250, 250), compressors=None)
    group.create_array("chunks", data=cone(), chunks=(500, 500), compressors=None)
    return folder


@pytest.mark.parametrize(
    ("name", "node"), [("whole.h5", "/x"), ("chunks.h5", "/x"), ("x.zarr", "/shards"), ("x.zarr", "/chunks")]
)
def test_of_a_large_array_pieces_are_moved_within_the_budget(
    server: JupyterServer, dataset: Dataset, large: Path, name: str, node: str
) -> None:
    if name.endswith(".h5"):
        dataset.bed.put_file("bucket", dataset.prefix + name, large / name)
    else:
        put_directory(dataset, name, large / name)
    dataset.bed.reset_counters()

    first = look(server, dataset, name, node=node, **LINEAR)
    assert first["bytes_read"] == dataset.bed.bytes_out <= BUDGET_BYTES
    content, pixels = drawn(server, dataset, name, node=node)

    assert "within the budget" in content["drawing"]["note"]
    rows, columns = np.nonzero(pixels[:, :, 3])
    assert np.corrcoef(pixels[rows, columns, 0], rows + columns)[0, 1] > 0.999
    assert len(rows) > 0.02 * pixels.shape[0] * pixels.shape[1]


def test_of_very_many_messages_the_first_are_listed_and_what_follows_is_told(
    server: JupyterServer, dataset: Dataset
) -> None:
    message = arrays.grib(messages=1)
    dataset.put("many.grib2", message * 250)
    dataset.put("gap.grib2", message + b"junk" * 10 + message + b"x" * 9000)

    many = look(server, dataset, "many.grib2")["content"]
    gap = look(server, dataset, "gap.grib2", node="/2")["content"]

    assert (len(many["nodes"]), many["truncated"]) == (200, True)
    assert many["note"] == "The first 200 messages are listed; the file has more."
    assert (len(gap["nodes"]), gap["drawing"]["node"]) == (2, "/2")
    assert gap["note"] == "After the last message that is listed come bytes that are none."


def test_messages_of_one_length_are_found_many_at_a_time(server: JupyterServer, dataset: Dataset) -> None:
    short, long = arrays.grib(messages=1), arrays.grib(messages=1, degrees=2)
    assert len(long) > 20_000
    dataset.put("even.grib2", long * 60)
    dataset.put("odd.grib2", long * 3 + short + long * 30 + short * 3 + long)
    dataset.bed.latency_seconds = 0.03
    try:
        even = look(server, dataset, "even.grib2")["content"]
        at_once = dataset.bed.most_at_once
        odd = look(server, dataset, "odd.grib2", node="/34")["content"]
    finally:
        dataset.bed.latency_seconds = 0

    assert [node["path"] for node in even["nodes"]] == [f"/{number}" for number in range(1, 61)]
    assert at_once >= 16
    assert [node["shape"] for node in odd["nodes"]] == [
        *[[91, 180]] * 3, [19, 36], *[[91, 180]] * 30, *[[19, 36]] * 3, [91, 180],
    ]  # fmt: skip
    assert odd["drawing"]["node"] == "/34"
