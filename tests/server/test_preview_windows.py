"""Windows: a part of a picture, drawn as sharp as it can be from no more than that part needs."""

from __future__ import annotations

import io
from typing import Any, Literal

import h5py
import numpy as np
import pytest
import zarr
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio import Affine
from rasterio.io import MemoryFile

from perijove_server.preview.source import PreviewProblem
from perijove_server.preview.windows import Mosaic, Window, cut, part
from tests.support import arrays, samples
from tests.support.fits import fits_bytes
from tests.support.jupyter import JupyterServer

from .conftest import Dataset
from .test_array_previews import LINEAR, drawn, put_directory
from .test_previews import BUDGET_BYTES, look, picture

SIDE = 2000
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype("f4")
#: Told apart within a few pixels in each direction, so that a shift of one is seen.
PIXELS = ((ROWS * 7 + COLUMNS * 3) % 256).astype("f4")
LIMITS = {**LINEAR, "limits": "0,255"}
WINDOW = (1100, 400, 300, 200)


def celestial() -> Any:
    header = fits.Header()
    header.update(
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 1000.0, "CRPIX2": 1000.0,
         "CDELT1": -1e-4, "CDELT2": 1e-4, "CUNIT1": "deg", "CUNIT2": "deg"}
    )  # fmt: skip
    return header


def fits_image() -> bytes:
    return fits_bytes(fits.PrimaryHDU(PIXELS, celestial()))


def tiled_image(tiles: tuple[int, int] | None) -> bytes:
    noise = np.random.default_rng(1).integers(0, 2000, PIXELS.shape)  # which does not compress
    hdu = fits.CompImageHDU((PIXELS + 256 * noise).astype("i4"), compression_type="GZIP_1", tile_shape=tiles)
    return fits_bytes(hdu)


def arr_hdf5(upward: bool = False, **how: Any) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        made.create_dataset("image", data=PIXELS, **how)
        if upward:
            made["y"] = np.arange(SIDE, dtype="f8")
            made["y"].attrs.update({"standard_name": "projection_y_coordinate", "units": "m"})
            made["y"].make_scale("y")
            made["image"].dims[0].attach_scale(made["y"])
    return file.getvalue()


def window_of(server: JupyterServer, dataset: Dataset, path: str, **how: Any) -> tuple[dict[str, Any], Any]:
    """What is said of the picture of ``WINDOW``, and its pixels."""
    preview = look(server, dataset, path, **({"window": ",".join(map(str, WINDOW))} | LIMITS | how))
    content = preview["content"]
    said = content.get("drawing") or content
    pixels = np.asarray(picture(server, {"content": said | {"url": content["url"]}})).astype(int)
    return preview | {"said": said}, pixels


def expected(plane: Any, window: tuple[int, int, int, int] = WINDOW) -> Any:
    """The pixels of a window of a plane as it is drawn, its upper row first."""
    x, y, width, height = window
    return plane[y : y + height, x : x + width]


def cases() -> dict[str, tuple[Any, Any, bool]]:
    """The file, the plane as it is drawn, and whether its first row is the lowest."""
    return {
        "x.fits": (fits_image, PIXELS[::-1], True),
        "strips.tif": (lambda: samples.geotiff(PIXELS, "GTiff"), PIXELS, False),
        "tiles.tif": (lambda: samples.geotiff(PIXELS, "GTiff", tiled=True), PIXELS, False),
        "cog.tif": (lambda: samples.geotiff(PIXELS, "COG", compress="none"), PIXELS, False),
        "plain.h5": (arr_hdf5, PIXELS, False),
        "upward.h5": (lambda: arr_hdf5(upward=True), PIXELS[::-1], True),
        "chunks.h5": (lambda: arr_hdf5(chunks=(128, 200), shuffle=True), PIXELS, False),
        "five.nc": (lambda: arrays.cdf5(PIXELS), PIXELS, False),
    }


@pytest.mark.parametrize("name", list(cases()))
def test_a_window_shows_its_own_pixels_and_moves_no_more(server: JupyterServer, dataset: Dataset, name: str) -> None:
    make, plane, upward = cases()[name]
    data = make()
    dataset.put(name, data)
    dataset.bed.reset_counters()

    preview, pixels = window_of(server, dataset, name)

    assert preview["bytes_read"] == dataset.bed.bytes_out < len(data) / 3
    assert np.abs(pixels[:, :, 0] - expected(plane)).max() <= 1.5
    assert pixels.shape[:2] == (200, 300)
    assert preview["said"]["part"] == {
        "columns": SIDE, "rows": SIDE, "x": 1100, "y": 400, "width": 300, "height": 200, "upward": upward,
        "partial": False,
    }  # fmt: skip


@pytest.mark.parametrize("tiles", [None, (256, 256)])
def test_of_a_compressed_image_only_the_tiles_of_a_window_are_read(
    server: JupyterServer, dataset: Dataset, tiles: tuple[int, int] | None
) -> None:
    data = tiled_image(tiles)
    dataset.put("x.fits.fz", data)
    dataset.bed.reset_counters()

    preview, pixels = window_of(server, dataset, "x.fits.fz", limits="0,65536")

    assert preview["bytes_read"] == dataset.bed.bytes_out < len(data) / 3
    assert preview["content"]["part"]["partial"] is False
    shown = fits.open(io.BytesIO(data))[1].data[::-1].clip(0, 65536) / 65536 * 255
    assert np.abs(pixels[:, :, 0] - expected(shown)).max() <= 1.5


@pytest.mark.parametrize("version", [2, 3])
def test_a_window_of_a_zarr_reads_only_its_pieces(
    server: JupyterServer, dataset: Dataset, tmp_path: Any, version: Literal[2, 3]
) -> None:
    zarr.create_array(str(tmp_path / "x.zarr"), data=PIXELS, chunks=(250, 250), zarr_format=version)
    put_directory(dataset, "x.zarr", tmp_path / "x.zarr")

    preview, pixels = window_of(server, dataset, "x.zarr")

    assert preview["bytes_read"] < 2 << 20
    assert preview["content"]["nodes"] == []
    assert np.abs(pixels[:, :, 0] - expected(PIXELS)).max() <= 1.5


def test_rows_of_a_window_are_read_at_the_same_time(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.fits", fits_bytes(fits.PrimaryHDU(np.tile(PIXELS[:800], 3))))
    dataset.bed.reset_counters()
    dataset.bed.latency_seconds = 0.01
    try:
        preview, _ = window_of(server, dataset, "x.fits")
    finally:
        dataset.bed.latency_seconds = 0.0

    assert preview["requests"] <= 202
    assert preview["bytes_read"] <= 200 * 300 * 4 + (64 << 10)
    assert dataset.bed.most_at_once > 16


def test_a_window_of_one_tile_of_very_many_pixels_is_cut_out_of_the_whole(
    server: JupyterServer, dataset: Dataset
) -> None:
    plane = np.kron(PIXELS[:420, :420].astype("u1"), np.ones((10, 10), "u1"))  # 17.6 million pixels
    plane[-600:-400, 1100:1400] = PIXELS[:200, :300]
    hdu = fits.CompImageHDU(plane, compression_type="GZIP_1", tile_shape=plane.shape)
    dataset.put("x.fits", fits_bytes(hdu))
    assert look(server, dataset, "x.fits")["bytes_read"] > 0

    preview, pixels = window_of(server, dataset, "x.fits")

    assert preview["bytes_read"] == 0  # the first picture has read it
    assert np.abs(pixels[:, :, 0] - expected(plane[::-1])).max() <= 1.5
    assert preview["said"]["part"]["partial"] is False
    _, coarse = window_of(server, dataset, "x.fits", window="0,0,4200,4200")
    assert max(coarse.shape) <= 1024


@pytest.mark.parametrize("name", ["plain.h5", "five.nc"])
def test_bytes_between_rows_are_no_reason_to_pass_the_budget(
    server: JupyterServer, dataset: Dataset, name: str
) -> None:
    doubles = PIXELS[:1000, :1110].astype("f8")  # all that is wanted fits, with what lies between it does not
    dataset.put(name, arrays.cdf5(doubles) if name == "five.nc" else arrays.hdf5(image=doubles))

    preview, pixels = window_of(server, dataset, name, window="0,0,900,1000")

    assert preview["bytes_read"] <= BUDGET_BYTES
    assert preview["said"]["part"]["partial"] is False
    assert np.abs(pixels[:, :, 0] - expected(doubles, (0, 0, 900, 1000))).max() <= 1.5


def test_positions_in_a_window_are_those_of_the_whole(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.fits", fits_image())

    preview, _ = window_of(server, dataset, "x.fits")

    sky, wcs = preview["content"]["sky"], WCS(celestial())
    # the upper left corner: the left edge of the first column, the upper edge of the row 400 below the highest
    corners = wcs.all_pix2world([[1099.5, SIDE - 400 - 0.5], [1399.5, SIDE - 600 - 0.5]], 0)
    assert (sky["longitude"][0][0], sky["latitude"][0][0]) == pytest.approx(tuple(corners[0]), abs=1e-7)
    assert (sky["longitude"][-1][-1], sky["latitude"][-1][-1]) == pytest.approx(tuple(corners[1]), abs=1e-7)
    assert preview["content"]["header"] == preview["content"]["hdus"] == []


def test_a_wide_window_of_a_large_image_is_thinned_within_the_budget(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.fits", fits_image())
    dataset.bed.reset_counters()

    preview, pixels = window_of(server, dataset, "x.fits", window="0,100,2000,1900")

    assert preview["bytes_read"] == dataset.bed.bytes_out <= BUDGET_BYTES
    assert max(pixels.shape) <= 1024
    assert "rows of this part" in preview["content"]["note"]
    shown = preview["content"]["part"]
    assert (shown["x"], shown["width"]) == (0, 2000)
    assert shown["y"] + shown["height"] == SIDE


def test_a_coarse_window_is_drawn_from_the_overview_of_the_file(server: JupyterServer, dataset: Dataset) -> None:
    small = fits.ImageHDU(PIXELS.reshape(1000, 2, 1000, 2).mean(axis=(1, 3)), name="OVERVIEW")
    small.header["OVRFACT"] = 2
    dataset.put("x.fits", fits_bytes(fits.PrimaryHDU(PIXELS), small))

    preview, pixels = window_of(server, dataset, "x.fits", window="0,0,1800,1800")

    assert "own overview" in preview["content"]["note"]
    assert preview["bytes_read"] < 4 << 20
    assert pixels.shape[:2] == (900, 900)
    assert np.abs(pixels[:, :, 0] - expected(small.data[::-1], (0, 0, 900, 900))).max() <= 1.5


def test_a_map_with_its_west_on_the_right_is_turned_in_windows_too(server: JupyterServer, dataset: Dataset) -> None:
    data = arrays.sea(1200, 1600, 1)
    mirrored = data.isel(longitude=slice(None, None, -1))
    dataset.put("east.nc", arrays.netcdf4(data))
    dataset.put("west.nc", arrays.netcdf4(mirrored))

    how = {"window": "1100,100,200,150", "limits": "0,30"}
    east, of_east = drawn(server, dataset, "east.nc", **how)
    west, of_west = drawn(server, dataset, "west.nc", **how)

    assert (of_east == of_west).all()
    for content in (east, west):
        assert content["drawing"]["extent"] == pytest.approx([67.5, 52.5, 112.5, 75.0])
        assert content["drawing"]["part"]["x"] == 1100


def test_a_window_of_a_field_of_grib_is_the_part_of_the_whole(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.grib", arrays.grib())
    whole, pixels = drawn(server, dataset, "x.grib", node="/2")
    limits = ",".join(map(str, whole["drawing"]["limits"]))

    content, window = drawn(server, dataset, "x.grib", node="/2", window="2,1,5,4", limits=limits)

    assert (window == pixels[1:5, 2:7]).all()
    west, _, east, _ = whole["drawing"]["extent"]
    step = (east - west) / whole["drawing"]["part"]["columns"]
    assert content["drawing"]["extent"][0] == pytest.approx(west + 2 * step)
    assert whole["drawing"]["part"]["partial"] is False


def test_for_a_window_of_the_first_field_no_other_is_looked_for(server: JupyterServer, dataset: Dataset) -> None:
    one = arrays.grib(messages=1, degrees=2)
    dataset.put("x.grib", one * 60)

    preview = look(server, dataset, "x.grib", window="2,1,5,4")

    assert preview["content"]["drawing"]["node"] == "/1"
    assert preview["bytes_read"] <= len(one) + (64 << 10)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_window_of_a_picture_has_its_pixels(server: JupyterServer, dataset: Dataset, kind: str) -> None:
    smooth = Image.merge("RGB", [Image.linear_gradient("L").resize((2000, 1500))] * 3)
    file = io.BytesIO()
    smooth.save(file, kind, quality=95)
    dataset.put("x", file.getvalue())

    preview, pixels = window_of(server, dataset, "x", window="100,300,50,40")

    assert preview["content"]["part"]["columns"] == 2000
    assert np.abs(pixels[:, :, :3] - np.asarray(smooth)[300:340, 100:150]).max() <= 4


def test_colours_of_a_tiff_are_those_of_the_window(server: JupyterServer, dataset: Dataset) -> None:
    colours = np.stack([COLUMNS % 256, ROWS % 256, PIXELS]).astype("u1")
    for how in ({"interleave": "pixel"}, {"interleave": "band", "tiled": True}):
        dataset.put("x.tif", samples.geotiff(colours, "GTiff", photometric="RGB", **how))

        _, pixels = window_of(server, dataset, "x.tif")

        assert (pixels[:, :, :3] == colours[:, 400:600, 1100:1400].transpose(1, 2, 0)).all()


def test_of_very_many_bands_only_the_drawn_one_is_put_together(server: JupyterServer, dataset: Dataset) -> None:
    how = {"compress": "deflate", "tiled": True, "blockxsize": 64, "blockysize": 64, "interleave": "pixel"}
    how |= {"sparse_ok": True, "transform": Affine.scale(0.01)}
    with MemoryFile() as memory:
        # 500 bands of a megapixel take 2 GiB; tiles that are not written are left out of the file
        with memory.open(driver="GTiff", count=500, height=1024, width=1024, dtype="f4", **how) as file:
            file.write(np.full((500, 64, 64), 128, "f4"), window=((0, 64), (0, 64)))
        dataset.put("x.tif", memory.read())

    preview, pixels = window_of(server, dataset, "x.tif", window="0,0,1024,1024")

    assert "The first of 500 bands." in preview["content"]["note"]
    assert pixels.shape[:2] == (1024, 1024)
    assert np.abs(pixels[:64, :64, 0] - 128).max() <= 1.5
    assert pixels[64:, :, 3].max() == 0


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"window": "30,0,10,10"}, 422, "30 × 20 pixels"),
        ({"window": "0,9007199254740992,10,10"}, 422, "is not in the picture"),
        ({"window": "0,0,0,10"}, 400, "width and height"),
        ({"window": "0,0,10"}, 400, "x, y, width and height"),
        ({"window": "-1,0,10,10"}, 400, "whole numbers"),
        ({"window": "nan,0,10,10"}, 400, "whole numbers"),
        ({"window": "1e3,0,10,10"}, 400, "whole numbers"),
        ({"window": "0,0,99999999999999999999,1"}, 400, "whole numbers"),
        ({"limits": "nan,1"}, 400, "two numbers"),
        ({"limits": "2,1"}, 400, "two numbers"),
        ({"limits": "-inf,1"}, 400, "two numbers"),
        ({"limits": "1"}, 400, "two numbers"),
    ],
)
def test_a_window_that_cannot_be_is_refused_in_a_sentence(
    server: JupyterServer, dataset: Dataset, asked: dict[str, str], status: int, said: str
) -> None:
    dataset.put("x.fits", fits_bytes(fits.PrimaryHDU(np.zeros((20, 30)))))

    answer = server.get(dataset.route("preview"), path="x.fits", headers=None, **asked)

    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


def test_what_has_no_picture_has_no_windows(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.txt", b"hello")
    dataset.put("line.h5", arrays.hdf5())

    for path, node in (("x.txt", ""), ("line.h5", "/detector/line")):
        answer = server.get(dataset.route("preview"), path=path, window="0,0,1,1", node=node)
        assert (answer.status_code, "no picture" in answer.json()["detail"]) == (422, True)


def test_a_huge_window_is_cut_to_the_picture(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.fits", fits_bytes(fits.PrimaryHDU(np.zeros((20, 30)))))

    preview, _ = window_of(server, dataset, "x.fits", window="20,15,9007199254740992,9007199254740992")

    assert {side: preview["content"]["part"][side] for side in ("x", "y", "width", "height")} == {
        "x": 20, "y": 15, "width": 10, "height": 5,
    }  # fmt: skip


sides = st.integers(1, 40)


@given(sides, sides, st.integers(-5, 50), st.integers(-5, 50), st.integers(-5, 60), st.integers(-5, 60))
def test_what_is_cut_is_within_the_plane(rows: int, columns: int, x: int, y: int, width: int, height: int) -> None:
    try:
        window = cut((x, y, width, height), rows, columns)
    except PreviewProblem:
        assert not (0 <= x < columns and 0 <= y < rows and width > 0 and height > 0)
        return
    assert 0 <= window.x < window.x + window.width <= columns
    assert 0 <= window.y < window.y + window.height <= rows
    assert window.upside_down(rows).upside_down(rows) == window


@given(sides, sides, sides, sides, st.integers(1, 7), st.integers(1, 7), st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_mosaic_of_all_its_blocks_is_every_nth_pixel_of_the_window(
    rows: int, columns: int, block_rows: int, block_columns: int, down: int, across: int, data: st.DataObject
) -> None:
    x, y = data.draw(st.integers(0, columns - 1)), data.draw(st.integers(0, rows - 1))
    window = Window(x, y, data.draw(st.integers(1, columns - x)), data.draw(st.integers(1, rows - y)))
    plane = np.arange(rows * columns).reshape(rows, columns)
    mosaic = Mosaic(window, down, across, plane.dtype)

    for row, column in mosaic.blocks(block_rows, block_columns):
        top, left = row * block_rows, column * block_columns
        mosaic.put(top, left, plane[top : top + block_rows, left : left + block_columns])

    assert mosaic.seen.all()
    assert (mosaic.values == plane[y : y + window.height : down, x : x + window.width : across]).all()
    shown = part((rows, columns), mosaic.box, upward=True)
    assert shown["y"] + shown["height"] == rows - y
