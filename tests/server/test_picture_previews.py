"""Pictures of TIFF, PNG, JPEG and GIF, and texts of JSON and notebooks: shown as they are, and nothing is run."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support import samples
from tests.support.jupyter import JupyterServer

from .conftest import Dataset
from .test_previews import BUDGET_BYTES, look, picture

ROWS, COLUMNS = np.mgrid[:600, :800]
COLOURS = np.stack([COLUMNS % 256, ROWS % 256, (ROWS + COLUMNS) % 256]).astype("u1")


def shown(server: JupyterServer, dataset: Dataset, path: str, data: bytes, **how: Any) -> tuple[dict[str, Any], Any]:
    """The preview of a picture, and its pixels."""
    dataset.put(path, data)
    preview = look(server, dataset, path, **how)
    assert preview["kind"] == "image"
    return preview, np.asarray(picture(server, preview)).astype(int)


@pytest.mark.parametrize(
    "how",
    [
        {"compress": "jpeg", "quality": 95},
        {"compress": "webp", "quality": 95},
        {"compress": "lzw"},
        {"compress": "zstd", "predictor": 2},
        {"compress": "lerc"},
        {"driver": "GTiff"},
        {"driver": "GTiff", "interleave": "pixel"},
        {"driver": "GTiff", "interleave": "band", "tiled": True, "compress": "deflate", "photometric": "RGB"},
    ],
    ids=str,
)
def test_colours_of_a_geotiff_are_shown_from_every_compression(
    server: JupyterServer, dataset: Dataset, how: dict[str, Any]
) -> None:
    smooth = np.stack([COLUMNS // 4, ROWS // 3, (ROWS + COLUMNS) // 8]).astype("u1")
    preview, pixels = shown(server, dataset, "x.tif", samples.geotiff(smooth, **how))

    assert preview["format"] == "GeoTIFF"
    assert preview["content"]["shape"] == [600, 800, 3]
    step = 600 // pixels.shape[0]
    expected = smooth[:, ::step, ::step].transpose(1, 2, 0).astype(int)
    assert np.abs(pixels[:, :, :3] - expected[: pixels.shape[0], : pixels.shape[1]]).mean() < 4


def test_numbers_of_a_geotiff_are_drawn_like_an_image_with_its_tags(server: JupyterServer, dataset: Dataset) -> None:
    numbers = (ROWS + COLUMNS).astype("f4")
    numbers[:100, :100] = -999
    data = samples.geotiff(numbers, nodata=-999, compress="deflate", predictor=3, overviews="none")
    preview, pixels = shown(server, dataset, "x.tif", data, scale="minmax", stretch="linear")

    cards = {card["keyword"]: card["value"] for card in preview["content"]["header"]}
    assert (pixels.shape[:2], pixels[50, 50, 3], pixels[599, 799, 0]) == ((600, 800), 0, 255)
    assert preview["content"]["limits"] == [100.0, 1398.0]
    assert cards["GeographicTypeGeoKey"] == "WGS_84"
    assert cards["ModelPixelScale"] == "0.01, 0.01, 0.0"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A TIFF of 200 MB: in strips, in tiles, and with overviews."""
    folder = tmp_path_factory.mktemp("large")
    rows, columns = np.mgrid[:10_000:1, :10_000:1].astype("u2")
    pixels = rows // 4 + columns // 4
    (folder / "strips.tif").write_bytes(samples.geotiff(pixels, "GTiff"))
    (folder / "tiles.tif").write_bytes(samples.geotiff(pixels, "GTiff", tiled=True))
    (folder / "cog.tif").write_bytes(samples.geotiff(pixels, "COG", compress="none"))
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("name", "note"), [("strips.tif", "strips"), ("tiles.tif", "tiles"), ("cog.tif", "own overview")]
)
def test_of_a_large_tiff_an_overview_or_a_part_is_moved(
    server: JupyterServer, dataset: Dataset, large: dict[str, Path], name: str, note: str
) -> None:
    assert large[name].stat().st_size >= 200_000_000
    dataset.bed.put_file("bucket", dataset.prefix + name, large[name])
    dataset.bed.reset_counters()

    preview = look(server, dataset, name, scale="minmax", stretch="linear")

    assert preview["bytes_read"] == dataset.bed.bytes_out <= BUDGET_BYTES
    assert note in preview["content"]["note"]
    pixels = np.asarray(picture(server, preview)).astype(float)
    rows, columns = np.nonzero(pixels[:, :, 3])
    height, width = pixels.shape[:2]
    assert np.corrcoef(pixels[rows, columns, 0], rows / height + columns / width)[0, 1] > 0.999
    assert len(rows) > 0.02 * height * width


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_a_picture_is_shown_as_it_is(server: JupyterServer, dataset: Dataset, kind: str) -> None:
    preview, pixels = shown(server, dataset, "no-name", samples.picture(kind))

    assert (preview["format"], preview["content"]["shape"]) == (kind, [40, 60])
    assert np.abs(pixels[20, 5, :3] - [255, 0, 0]).max() < 10
    assert np.abs(pixels[20, 55, :3] - [0, 0, 255]).max() < 10


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_every_mode_of_a_png_is_shown(server: JupyterServer, dataset: Dataset, mode: str) -> None:
    data = samples.picture(mode=mode)
    _, pixels = shown(server, dataset, "x.png", data)

    assert pixels.shape == (40, 60, 4)
    assert pixels[:, :30, 0].mean() > pixels[:, 30:, 0].mean()  # red is brighter than blue


def test_a_photo_is_turned_as_it_was_taken_and_scaled(server: JupyterServer, dataset: Dataset) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned: a quarter to the right is upright
    exif[0x010F] = "Hasselblad"
    preview, pixels = shown(server, dataset, "x.jpg", samples.picture("JPEG", (3000, 1500), exif=exif))

    assert pixels.shape[:2] == (1024, 512)
    assert pixels[10, 256, 0] > 200
    assert pixels[1000, 256, 2] > 200
    assert preview["content"]["shape"] == [1500, 3000]
    assert {"keyword": "Make", "value": "Hasselblad", "comment": ""} in preview["content"]["header"]


def test_of_a_large_picture_the_upper_part_is_shown(server: JupyterServer, dataset: Dataset) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (2500, 2500, 3), np.uint8)
    noise[:100] = 255
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    preview, pixels = shown(server, dataset, "x.png", file.getvalue())

    assert len(file.getvalue()) > 2 * BUDGET_BYTES
    assert preview["bytes_read"] <= BUDGET_BYTES
    assert pixels[5, :, :3].min() > 250
    assert "Drawn from the first" in preview["content"]["note"]


def png(width: int, height: int, pixels: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tag(number: int, kind: int, value: int) -> bytes:
    return struct.pack("<HHII", number, kind, 1, value)


TIFF = samples.geotiff(ROWS.astype("f4"), compress="deflate")
BROKEN: dict[str, tuple[str, bytes]] = {
    "a PNG that is a bomb": ("x.png", png(60_000, 60_000)),
    "a PNG whose bomb is packed": ("x.png", png(20_000, 20_000, zlib.compress(bytes(60_001 * 2000)))),
    "a PNG without pixels": ("x.png", png(0, 0)),
    "a PNG cut off": ("x.png", samples.picture(size=(500, 500))[:-200]),
    "a JPEG cut off": ("x.jpg", samples.picture("JPEG", (500, 500))[:-600]),
    "a GIF cut off": ("x.gif", samples.picture("GIF", (500, 500), mode="P")[:-200]),
    "a PNG of other bytes": ("x.png", b"hello"),
    "a JPEG of noise": ("x.jpg", b"\xff\xd8\xff" + bytes(range(256)) * 8),
    "a TIFF of noise": ("x.tif", b"II*\0" + bytes(range(256)) * 8),
    "a TIFF cut off in its header": ("x.tif", TIFF[:60]),
    "a TIFF cut off in its tiles": ("x.tif", TIFF[:3000]),
    "a TIFF of huge sides": ("x.tif", TIFF.replace(tag(256, 3, 800), tag(256, 4, 2**31))),
    "a notebook of other JSON": ("x.ipynb", b'{"a": 1}'),
    "a notebook of broken JSON": ("x.ipynb", b'{"cells": ['),
    "a notebook of deep JSON": ("x.ipynb", b"[" * 100_000),
    "a notebook of cells that are none": ("x.ipynb", b'{"cells": [1, 2]}'),
    **{f"an empty {name}": (f"x.{name}", b"") for name in ("png", "jpg", "gif", "tif", "json", "ipynb")},
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_picture_or_text_is_a_sentence(server: JupyterServer, dataset: Dataset, name: str) -> None:
    path, data = BROKEN[name]
    dataset.put(path, data)

    answer = server.get(dataset.route("preview"), path=path)

    assert answer.status_code == 422, answer.text[:300]
    detail = answer.json()["detail"]
    assert detail.endswith(".")
    assert "ended unexpectedly" not in detail


def text_of(server: JupyterServer, dataset: Dataset, path: str, data: bytes) -> tuple[str, str]:
    dataset.put(path, data)
    preview = look(server, dataset, path)
    assert preview["kind"] == "text"
    return preview["format"], preview["content"]["text"]


def test_json_is_laid_out_with_its_own_numbers_and_names(server: JupyterServer, dataset: Dataset) -> None:
    said = text_of(server, dataset, "x.json", b'{"a":[1.10,2e400,{"b":[]}],"c":{},"a":"x,{\\"y\\u00e9"}')

    lines = ["{", '  "a": [', "    1.10,", "    2e400,", "    {", '      "b": []', "    }", "  ],", '  "c": {},']
    assert said == ("JSON", "\n".join([*lines, '  "a": "x,{\\"y\\u00e9"', "}", ""]))


@pytest.mark.parametrize("body", ['{"a": ', "[" * 5000, '{"a": 1} x', "NaN-sense"])
def test_json_that_does_not_parse_is_shown_as_it_stands(server: JupyterServer, dataset: Dataset, body: str) -> None:
    kind, text = text_of(server, dataset, "x.json", body.encode())

    assert kind.startswith("JSON that does not parse")
    assert text == body


def test_a_long_json_is_shown_by_its_beginning(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.json", json.dumps(list(range(200_000))).encode())

    assert look(server, dataset, "x.json")["content"]["truncated"] is True


def test_a_notebook_is_plain_text_with_its_numbers(server: JupyterServer, dataset: Dataset) -> None:
    hostile = {
        "cell_type": "code", "execution_count": 4, "metadata": {}, "source": "show()", "outputs": [
            {"output_type": "display_data", "data": {"text/html": ["<script>alert(1)</script>"], "image/png": "AAAA"}},
            {"output_type": "stream", "name": "stdout", "text": ["\x1b[31mred\x1b[0m\n", "x" * 9000]},
            {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["<b>"]},
        ],
    }  # fmt: skip
    kind, plain = text_of(server, dataset, "x.ipynb", samples.notebook())
    _, shown_text = text_of(server, dataset, "y.ipynb", samples.notebook(hostile))

    assert kind == "Notebook"
    assert plain == "[ ] markdown\n    # A sum\n    of two\n\n[3] code\n    1 + 1\n[3] output\n    2\n    (text/html)\n"
    assert "<script>" not in shown_text
    assert "(text/html, image/png)" in shown_text
    assert "    red\n" in shown_text
    assert "ValueError: no" in shown_text
    assert len(shown_text) < 5000
