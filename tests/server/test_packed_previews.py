"""Files that are compressed as a whole: shown as far as their beginning goes, and opened by code that unpacks them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.support import samples
from tests.support.control import FakeControl
from tests.support.fits import cone, fits_bytes
from tests.support.jupyter import JupyterServer

from .conftest import Dataset, MakeDataset
from .test_previews import BUDGET_BYTES, look, picture
from .test_usage_and_snippets import run, snippet

PACKERS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
BEGINNING_ONLY = "This file is compressed as a whole: only its beginning can be read without moving all of it"
SAMPLES = samples.every_format()
RISING = fits_bytes(fits.PrimaryHDU(cone(64, (10, 40))))
STARS = fits_bytes(fits.BinTableHDU.from_columns([fits.Column("stars", "J", array=[41, 42])]))
#: What is in each file, what is asked of the names that its code leaves behind, and what is then printed.
FILES: dict[str, tuple[bytes, str, str]] = {
    "image.fits": (RISING, "image.shape", "(64, 64)"),
    "image.fit": (RISING, "image.shape", "(64, 64)"),
    "table.fits": (STARS, "table['stars'].tolist()", "[41, 42]"),
    "header.fits": (fits_bytes(fits.PrimaryHDU()), "header['NAXIS']", "0"),
    "stars.csv": (SAMPLES["stars.csv"], "len(table), table['flux'][249]", "(250, np.float64(62.25))"),
    "stars.tsv": (SAMPLES["stars.tsv"], "table.values.tolist()", "[[1, 'one'], [2, 'two']]"),
    "stars.ecsv": (SAMPLES["stars.ecsv"], "len(table), str(table['flux'].unit)", "(250, 'Jy')"),
    "stars.vot": (SAMPLES["stars.vot"], "len(table), str(table['flux'].unit)", "(250, 'Jy')"),
    "stars.xml": (SAMPLES["stars-2.xml"], "len(table), table.colnames", "(250, ['id', 'flux', 'name', 'count'])"),
    "facts.json": (SAMPLES["facts.json"], "data['primes']", "[2, 3, 5]"),
    "notes.txt": (b"first line\nsecond line\n", "line", "'second line\\n'"),
}


def content(preview: dict[str, Any]) -> dict[str, Any]:
    """What a preview shows, without what differs with the name of the file."""
    return {name: value for name, value in preview["content"].items() if name not in ("url", "note")}


@pytest.mark.parametrize("ending", PACKERS)
def test_what_is_packed_is_shown_as_it_is_unpacked_and_its_code_runs_as_it_stands(
    server: JupyterServer, control: FakeControl, dataset: Dataset, tmp_path: Path, ending: str
) -> None:
    codes = []
    for name, (data, asked, _) in FILES.items():
        dataset.put(name, data)
        packed = f"a 'b'/{name}.{ending}"
        dataset.put(packed, PACKERS[ending](data))

        plain, shown = look(server, dataset, name), look(server, dataset, packed)

        assert (shown["kind"], content(shown)) == (plain["kind"], content(plain))
        assert shown["title"] == f"{name}.{ending}"
        assert shown["format"].startswith(f"{plain['format']}, compressed (")
        assert not shown["content"].get("note") or shown["content"]["note"] == plain["content"]["note"]
        if shown["kind"] == "image":
            assert np.array_equal(picture(server, shown), picture(server, plain))
        codes.append(f"{snippet(server, dataset, path=packed)}\nprint('= ' + repr(({asked})))\n")

    said = run("import matplotlib.pyplot as plt\n" + "plt.close()\n".join(codes), control, tmp_path)

    assert [line.removeprefix("= ") for line in said.splitlines() if line.startswith("= ")] == [
        answer for _, _, answer in FILES.values()
    ]


def test_the_code_for_packed_files_of_proxied_datasets_runs_as_it_stands(
    server: JupyterServer, control: FakeControl, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    dataset = make_dataset(delivery="proxied")
    dataset.put("stars.csv.gz", gzip.compress(SAMPLES["stars.csv"]))
    dataset.put("image.fits.gz", gzip.compress(RISING))
    codes = [snippet(server, dataset, path=path) for path in ("stars.csv.gz", "image.fits.gz")]

    assert run("".join(codes) + "print(len(table), image.shape)\n", control, tmp_path).endswith("250 (64, 64)\n")


def test_packed_bytes_are_known_by_what_they_are_and_not_by_their_name(
    server: JupyterServer, control: FakeControl, dataset: Dataset, tmp_path: Path
) -> None:
    dataset.put("image.fits", gzip.compress(RISING))
    dataset.put("stars.csv", gzip.compress(SAMPLES["stars.csv"]))
    dataset.put("plain.fits.gz", RISING)  # as servers give it that unpack on the way

    assert look(server, dataset, "image.fits")["kind"] == "image"
    assert look(server, dataset, "plain.fits.gz")["format"] == "FITS"
    codes = [snippet(server, dataset, path=path) for path in ("image.fits", "stars.csv", "plain.fits.gz")]
    assert run("".join(codes) + "print(len(table), image.shape)\n", control, tmp_path).endswith("250 (64, 64)\n")


def test_of_a_large_packed_table_only_the_beginning_is_moved(server: JupyterServer, dataset: Dataset) -> None:
    chance = random.Random(5)
    rows = "".join(f"{row},{chance.random()},{chance.random()}\n" for row in range(600_000))
    dataset.put("large.csv.gz", gzip.compress(f"id,x,y\n{rows}".encode(), 1))
    dataset.bed.reset_counters()

    first = look(server, dataset, "large.csv.gz")

    assert (len(first["content"]["rows"]), first["content"]["total_rows"]) == (100, None)
    assert first["content"]["note"] is None
    assert first["bytes_read"] < 1 << 20
    deeper = look(server, dataset, "large.csv.gz", first_row=50_000)
    assert deeper["content"]["rows"][0][0] == 50_000
    last = look(server, dataset, "large.csv.gz", first_row=599_000)
    assert last["content"]["rows"] == []
    assert "lie deeper in the file than a preview reads" in last["content"]["note"]
    assert last["bytes_read"] <= BUDGET_BYTES


def test_a_long_packed_text_is_shown_by_its_beginning(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("long.txt.gz", gzip.compress(b"a line of text\n" * 1_000_000))

    shown = look(server, dataset, "long.txt.gz")["content"]

    assert (shown["truncated"], shown["total_bytes"]) == (True, None)
    assert shown["text"].startswith("a line of text\n")


def test_a_packed_image_that_fits_is_drawn_whole_or_from_its_rows_and_a_part_of_it_is_sharper(
    server: JupyterServer, dataset: Dataset
) -> None:
    steps = np.repeat(np.arange(2048, dtype=">i4"), 2048).reshape(2048, 2048)  # 16 MiB that become little
    dataset.put("steps.fits.gz", gzip.compress(fits_bytes(fits.PrimaryHDU(steps), fits.ImageHDU(cone(64, (1, 1))))))

    whole = look(server, dataset, "steps.fits.gz")

    assert whole["content"]["shape"] == [2048, 2048]
    assert [each["shape"] for each in whole["content"]["hdus"]] == [[2048, 2048], [64, 64]]
    assert whole["content"]["note"] == "Drawn from 512 of 2048 rows, to stay within the budget of a preview."
    part = look(server, dataset, "steps.fits.gz", window="0,0,512,512")
    assert part["content"]["part"]["partial"] is False
    assert part["bytes_read"] == 0  # what was moved before is at hand


def test_of_a_packed_image_that_does_not_fit_the_header_is_shown_and_why(
    server: JupyterServer, dataset: Dataset
) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (4096, 4096), "u1")
    small, large = fits.ImageHDU(cone(64, (1, 1)), name="SMALL"), fits.ImageHDU(noise, name="LARGE")
    dataset.put("noise.fits.gz", gzip.compress(fits_bytes(fits.PrimaryHDU(noise)), 1))
    dataset.put("both.fits.gz", gzip.compress(fits_bytes(fits.PrimaryHDU(), small, large), 1))

    shown = look(server, dataset, "noise.fits.gz")

    assert shown["format"] == "FITS header of HDU 0, whose image is not reached, compressed (gzip)"
    assert "NAXIS1  =                 4096" in shown["content"]["text"]
    assert shown["content"]["note"] == f"{BEGINNING_ONLY}, and what lies deeper is not shown."
    assert shown["bytes_read"] <= BUDGET_BYTES
    both = look(server, dataset, "both.fits.gz")
    assert [each["name"] for each in both["content"]["hdus"]] == ["PRIMARY", "SMALL", "LARGE"]
    assert both["content"]["note"].startswith(BEGINNING_ONLY)
    header = look(server, dataset, "both.fits.gz", hdu=2)
    assert (header["kind"], header["content"]["hdu"]) == ("text", 2)
    assert header["content"]["hdus"] == both["content"]["hdus"]  # the way to what is reached
    answer = server.get(dataset.route("preview"), path="both.fits.gz", hdu=3)
    assert (answer.status_code, BEGINNING_ONLY in answer.json()["detail"]) == (422, True)


def test_nothing_is_moved_for_an_image_that_would_be_too_large_whatever_it_was_packed_to(
    server: JupyterServer, dataset: Dataset
) -> None:
    sparse = fits_bytes(fits.PrimaryHDU(np.zeros((16384, 8192), "u1")))
    dataset.put("sparse.fits.gz", gzip.compress(sparse + bytes(2 << 20)) + random.Random(1).randbytes(2 << 20))

    shown = look(server, dataset, "sparse.fits.gz")

    assert "whose image is not reached" in shown["format"]
    assert shown["bytes_read"] <= 256 << 10


@pytest.mark.parametrize("name", ["map.tif", "stars.parquet", "picture.png", "sum.ipynb", "x.h5", "x.nc", "x.grib"])
def test_packed_files_of_other_formats_are_refused_with_what_to_do(
    server: JupyterServer, dataset: Dataset, name: str
) -> None:
    dataset.put(f"{name}.gz", gzip.compress(SAMPLES.get(name, b"other")))

    answer = server.get(dataset.route("preview"), path=f"{name}.gz")

    assert answer.status_code == 415
    assert answer.json()["detail"].startswith(f"{name}.gz is compressed as a whole (gzip), and what is in it is read")
    assert "file.read(256)" in snippet(server, dataset, path=f"{name}.gz")
