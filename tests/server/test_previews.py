from __future__ import annotations

import io
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from tests.support.fits import cone, fits_bytes
from tests.support.jupyter import JupyterServer

from .conftest import Dataset, MakeDataset

BUDGET_BYTES = 8 << 20
M13 = Path(str(files("astropy"))) / "io/fits/hdu/compressed/tests/data"
AIA = Path(str(files("sunpy"))) / "data/test/aia_171_level1.fits"


@pytest.fixture(scope="module")
def big() -> np.ndarray[Any, Any]:
    """An image of 64 MiB, brightest at row 1000 from below, column 3000."""
    return cone(4096, (1000, 3000))


def look(server: JupyterServer, dataset: Dataset, path: str, **how: Any) -> dict[str, Any]:
    answer = server.get(dataset.route("preview"), path=path, **how)
    assert answer.status_code == 200, answer.text
    preview: dict[str, Any] = answer.json()
    return preview


def picture(server: JupyterServer, preview: dict[str, Any]) -> Image.Image:
    answer = server.http.get(preview["content"]["url"])
    assert answer.headers["Content-Type"] == "image/png"
    image = Image.open(io.BytesIO(answer.content))
    assert image.size == (preview["content"]["width"], preview["content"]["height"])
    return image.convert("RGBA")


def levels(server: JupyterServer, dataset: Dataset, data: bytes, **how: Any) -> np.ndarray[Any, Any]:
    """Brightness of the picture of a file, drawn linearly from its least to its largest value."""
    dataset.put("x.fits", data)
    preview = look(server, dataset, "x.fits", **({"stretch": "linear", "scale": "minmax"} | how))
    return np.asarray(picture(server, preview))


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
@pytest.mark.parametrize("name", ["m13.fits", "m13_rice.fits", "m13_gzip.fits", "m13_plio.fits"])
def test_m13_is_drawn_the_same_from_every_compression(
    server: JupyterServer, make_dataset: MakeDataset, name: str, delivery: str
) -> None:
    dataset = make_dataset(delivery=delivery)
    dataset.put(name, (M13 / name).read_bytes())

    preview = look(server, dataset, name, scale="minmax", stretch="linear")

    shown = np.asarray(picture(server, preview))[:, :, 0].astype(float)
    pixels = fits.getdata(M13 / "m13.fits").astype(float)[::-1]
    expected = (pixels - pixels.min()) / np.ptp(pixels) * 255
    assert np.abs(shown - expected).max() <= 1.5
    assert preview["content"]["shape"] == [300, 300]
    assert preview["content"]["hdus"][preview["content"]["hdu"]]["shape"] == [300, 300]
    assert preview["requests"] == 2
    assert preview["bytes_read"] == len((M13 / name).read_bytes())


def test_m13_in_lossy_hcompress_is_drawn_alike(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("m13.fits", (M13 / "m13_hcomp.fits").read_bytes())

    shown = np.asarray(picture(server, look(server, dataset, "m13.fits", scale="minmax", stretch="linear")))[:, :, 0]

    pixels = fits.getdata(M13 / "m13.fits").astype(float)[::-1]
    assert np.corrcoef(shown.ravel(), pixels.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(("tiles", "least"), [(None, 1.0), ((256, 256), 0.3)])
def test_of_a_large_compressed_image_some_tiles_are_drawn(
    server: JupyterServer, dataset: Dataset, tiles: tuple[int, int] | None, least: float
) -> None:
    noise = np.random.default_rng(1).integers(0, 500, (3000, 3000))
    pixels = (cone(3000, (1000, 2000)) + noise).astype("i2")
    data = fits_bytes(fits.CompImageHDU(pixels, compression_type="RICE_1", tile_shape=tiles))
    dataset.put("x.fits.fz", data)
    dataset.bed.reset_counters()

    preview = look(server, dataset, "x.fits.fz", stretch="linear")
    shown = np.asarray(picture(server, preview)).astype(float)

    assert preview["bytes_read"] == dataset.bed.bytes_out <= BUDGET_BYTES < len(data)
    assert "compressed tiles" in preview["content"]["note"]
    rows, columns = np.nonzero(shown[:, :, 3])
    assert len(rows) >= least * 1000 * 1000
    expected = -np.hypot(999 - rows - 1000 / 3, columns - 2000 / 3)
    assert np.corrcoef(shown[rows, columns, 0], expected)[0, 1] > 0.9


def test_the_sun_is_drawn_with_its_header(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("sun.fits", AIA.read_bytes())

    preview = look(server, dataset, "sun.fits", colormap="inferno")

    cards = {card["keyword"]: card for card in preview["content"]["header"]}
    assert (preview["kind"], preview["format"], preview["title"]) == ("image", "FITS", "sun.fits")
    assert cards["TELESCOP"]["value"] == "SDO/AIA"
    assert cards["BITPIX"]["comment"]
    assert picture(server, preview).getextrema()[0][1] > 200


def test_an_image_of_64_mib_stays_within_the_budget(server: JupyterServer, dataset: Dataset, big: Any) -> None:
    dataset.put("big.fits", fits_bytes(fits.PrimaryHDU(big)))
    dataset.bed.reset_counters()

    preview = look(server, dataset, "big.fits", scale="minmax", stretch="linear")
    shown = picture(server, preview)

    assert preview["bytes_read"] == dataset.bed.bytes_out <= BUDGET_BYTES
    assert preview["requests"] == sum(dataset.bed.counters.values()) - 1  # the picture's own look at the ETag
    assert shown.size == (1024, 1024)
    assert _brightest(shown) == pytest.approx((1023 - 250, 750), abs=6)
    assert "rows" in preview["content"]["note"]


def test_an_overview_is_drawn_instead_and_said_so(server: JupyterServer, dataset: Dataset, big: Any) -> None:
    overview = fits.ImageHDU(big[::8, ::8], name="OVERVIEW")
    overview.header["OVRFACT"] = 8
    dataset.put("big.fits", fits_bytes(fits.PrimaryHDU(big), overview))
    dataset.bed.reset_counters()

    preview = look(server, dataset, "big.fits", scale="minmax", stretch="linear")

    assert dataset.bed.bytes_out < 2 << 20
    assert preview["requests"] < 6
    assert preview["content"]["hdu"] == 0
    assert preview["content"]["shape"] == [4096, 4096]
    assert "overview, HDU 1, reduced 8 times" in preview["content"]["note"]
    assert _brightest(picture(server, preview)) == pytest.approx((511 - 125, 375), abs=1)


def test_an_overview_of_another_image_is_not_taken(server: JupyterServer, dataset: Dataset, big: Any) -> None:
    overview = fits.ImageHDU(cone(100, (10, 10)), name="OVERVIEW")
    overview.header["OVRFACT"] = 8
    dataset.put("big.fits", fits_bytes(fits.PrimaryHDU(big), overview))

    assert "rows" in look(server, dataset, "big.fits")["content"]["note"]


def test_an_overview_that_comes_first_is_not_taken_for_the_image(server: JupyterServer, dataset: Dataset) -> None:
    overview = fits.ImageHDU(cone(64, (16, 16))[::4, ::4], name="OVERVIEW")
    dataset.put("x.fits", fits_bytes(overview, fits.ImageHDU(cone(64, (16, 16)), name="SCI")))

    assert look(server, dataset, "x.fits")["content"]["hdu"] == 2
    assert look(server, dataset, "x.fits", hdu=1)["content"]["shape"] == [16, 16]
    assert "hdus[2]" in server.get(dataset.route("snippet"), path="x.fits").json()["code"]


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
def test_every_kind_of_number_is_read(server: JupyterServer, dataset: Dataset, dtype: str) -> None:
    pixels = np.array([[0, 50], [100, 100]], dtype)

    shown = levels(server, dataset, fits_bytes(fits.PrimaryHDU(pixels)))

    assert shown[:, :, 0].tolist() == [[255, 255], [0, 128]]  # the first row is the lowest


def test_pixels_without_a_value_are_transparent(server: JupyterServer, dataset: Dataset) -> None:
    hdu = fits.PrimaryHDU(np.array([[0, 1], [2, -99]], "i2"))
    hdu.header["BLANK"] = -99
    scaled = fits.PrimaryHDU(np.array([[1.0, 2.0], [np.nan, np.inf]], "f4"))

    blank = levels(server, dataset, fits_bytes(hdu))
    not_finite = levels(server, dataset, fits_bytes(scaled))

    assert blank[0, 1, 3] == 0
    assert blank[0, 0, 3] == blank[1, 0, 3] == 255
    assert not_finite[0, :, 3].tolist() == [0, 0]
    assert not_finite[1, :, 0].tolist() == [0, 255]


def test_bscale_and_bzero_set_the_limits(server: JupyterServer, dataset: Dataset) -> None:
    hdu = fits.PrimaryHDU(np.array([[0, 1], [2, 3]], "i2"))
    raw = fits_bytes(hdu)
    cards = f"BSCALE  = {0.5:>20}".ljust(80) + f"BZERO   = {-10.0:>20}".ljust(80)
    end = raw.index(b"END" + b" " * 77)
    dataset.put("x.fits", raw[:end] + cards.encode() + b"END".ljust(80) + raw[end + 240 :])

    assert look(server, dataset, "x.fits", scale="minmax")["content"]["limits"] == [-10.0, -8.5]


def test_of_a_cube_the_first_plane_is_drawn_and_nothing_else_moved(server: JupyterServer, dataset: Dataset) -> None:
    cube = np.zeros((40, 512, 512), "f4")
    cube[0, :256] = 1
    dataset.put("cube.fits", fits_bytes(fits.PrimaryHDU(cube)))

    preview = look(server, dataset, "cube.fits", scale="minmax", stretch="linear")

    shown = np.asarray(picture(server, preview))
    assert (shown[0, 0, 0], shown[511, 0, 0]) == (0, 255)
    assert preview["content"]["shape"] == [40, 512, 512]
    assert preview["content"]["note"].startswith("The first plane of 40")
    assert preview["bytes_read"] < 1.3 * 512 * 512 * 4


@pytest.mark.parametrize("stretch", ["linear", "sqrt", "log", "asinh"])
@pytest.mark.parametrize("scale", ["zscale", "minmax", "percentile"])
@pytest.mark.parametrize("colormap", ["gray", "viridis", "inferno"])
def test_every_way_to_draw_gives_a_picture(
    server: JupyterServer, dataset: Dataset, stretch: str, scale: str, colormap: str
) -> None:
    dataset.put("m13.fits", (M13 / "m13.fits").read_bytes())

    preview = look(server, dataset, "m13.fits", stretch=stretch, scale=scale, colormap=colormap)

    assert picture(server, preview).getextrema()[0] != (0, 0)
    assert [preview["content"][key] for key in ("stretch", "scale", "colormap")] == [stretch, scale, colormap]


def test_an_hdu_is_chosen_by_number_and_one_without_an_image_shows_its_header(
    server: JupyterServer, dataset: Dataset
) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])], name="STARS")
    second = fits.ImageHDU(cone(64, (5, 5)), name="SECOND")
    dataset.put("x.fits", fits_bytes(fits.ImageHDU(cone(32, (3, 3)), name="FIRST"), table, second))

    first, third = look(server, dataset, "x.fits"), look(server, dataset, "x.fits", hdu=3)
    header = look(server, dataset, "x.fits", hdu=0)
    missing = server.get(dataset.route("preview"), path="x.fits", hdu=4)

    assert (first["content"]["hdu"], first["content"]["width"]) == (1, 32)
    assert (third["content"]["hdu"], third["content"]["width"]) == (3, 64)
    assert [hdu["name"] for hdu in first["content"]["hdus"]] == ["PRIMARY", "FIRST", "STARS", "SECOND"]
    assert header["kind"] == "text"
    assert "NAXIS   =                    0" in header["content"]["text"]
    assert missing.status_code == 422
    assert missing.json()["detail"] == "There is no HDU 4: the file has 4, counted from 0."


def test_the_picture_is_not_computed_again(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("m13.fits", (M13 / "m13.fits").read_bytes())
    preview = look(server, dataset, "m13.fits")
    dataset.bed.reset_counters()

    picture(server, preview)
    look(server, dataset, "m13.fits")

    assert dataset.bed.counters == {"HeadObject": 2}


def test_a_replaced_object_is_looked_at_anew(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.txt", b"old")
    assert look(server, dataset, "x.txt")["content"]["text"] == "old"

    dataset.put("x.txt", b"new")

    assert look(server, dataset, "x.txt")["content"]["text"] == "new"


def test_of_a_long_text_the_beginning_is_shown_by_whole_lines(server: JupyterServer, dataset: Dataset) -> None:
    body = "".join(f"{number},é\n" for number in range(100_000)).encode()
    dataset.put("long.txt", body)

    preview = look(server, dataset, "long.txt")

    assert preview["kind"] == "text"
    assert body.startswith(preview["content"]["text"].encode())
    assert preview["content"]["text"].endswith("\n")
    assert (preview["content"]["truncated"], preview["content"]["total_bytes"]) == (True, len(body))
    assert preview["bytes_read"] <= 1 << 20


@pytest.mark.parametrize(
    ("name", "body", "shown"),
    [
        ("empty", b"", ""),
        ("README", "grün".encode(), "grün"),
        ("old.txt", b"gr\xfcn", "gr\ufffdn"),
        ("bom.txt", b"\xef\xbb\xbfa,b", "a,b"),
        ("page.html", b"<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("about.xml", b"<p>What a VOTABLE is</p>", "<p>What a VOTABLE is</p>"),
    ],
)
def test_text_is_text(server: JupyterServer, dataset: Dataset, name: str, body: bytes, shown: str) -> None:
    dataset.put(name, body)

    assert look(server, dataset, name)["content"]["text"] == shown


@pytest.mark.parametrize("body", [b"\x80\x05cos\nsystem\n", b"PK\x03\x04\0", b"\0" * 100])
def test_what_cannot_be_shown_is_415_and_says_what_can(server: JupyterServer, dataset: Dataset, body: bytes) -> None:
    dataset.put("x.pkl", body)

    answer: httpx.Response = server.get(dataset.route("preview"), path="x.pkl")

    assert answer.status_code == 415
    assert answer.json()["detail"].startswith("x.pkl is of no format that can be shown. Previews show FITS, HDF5, ")


@pytest.mark.parametrize("how", [{"stretch": "cubic"}, {"scale": ""}, {"colormap": "jet"}, {"hdu": "-1"}, {"hdu": "x"}])
def test_unknown_ways_to_draw_are_refused(server: JupyterServer, dataset: Dataset, how: dict[str, str]) -> None:
    dataset.put("m13.fits", (M13 / "m13.fits").read_bytes())

    assert server.get(dataset.route("preview"), path="m13.fits", **how).status_code == 400


def _brightest(image: Image.Image) -> tuple[int, int]:
    brightness = np.asarray(image)[:, :, 0].astype(int)
    rows, columns = np.nonzero(brightness == brightness.max())
    return round(rows.mean()), round(columns.mean())
