"""Packed bytes that mean harm: each a preview or a sentence, in time, and never more than the budget."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import time
import zlib

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from tests.support import samples
from tests.support.fits import cone, fits_bytes, header_bytes, image_cards
from tests.support.jupyter import JupyterServer

from .conftest import Dataset
from .test_hostile_tables import FUZZ, assert_ends_well
from .test_previews import BUDGET_BYTES, look

SAMPLES = samples.every_format()
TEXT = b"id,name\n" + b"".join(b"%d,star %d\n" % (row, row) for row in range(2000))
IMAGE = fits_bytes(fits.PrimaryHDU(cone(64, (10, 40))))
GOOD = {
    "stars.csv.gz": gzip.compress(TEXT),
    "stars.ecsv.gz": gzip.compress(SAMPLES["stars.ecsv"]),
    "stars.vot.gz": gzip.compress(SAMPLES["stars.vot"]),
    "facts.json.gz": gzip.compress(SAMPLES["facts.json"]),
    "image.fits.gz": gzip.compress(IMAGE),
    "stars.csv.bz2": bz2.compress(TEXT),
    "image.fits.xz": lzma.compress(IMAGE),
}
BROKEN = "The file is cut off or damaged"


@pytest.mark.parametrize("name", GOOD)
@FUZZ
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=5))
def test_a_packed_file_with_other_bytes_in_it(
    server: JupyterServer, dataset: Dataset, name: str, changes: list[tuple[float, bytes]]
) -> None:
    data = bytearray(GOOD[name])
    for share, other in changes:
        at = int(share * len(data))
        data[at : at + len(other)] = other

    assert_ends_well(server, dataset, name, bytes(data))


@pytest.mark.parametrize("name", GOOD)
@FUZZ
@given(stop=st.floats(0, 1), tail=st.binary(max_size=40))
def test_a_part_of_a_packed_file_with_another_end(
    server: JupyterServer, dataset: Dataset, name: str, stop: float, tail: bytes
) -> None:
    assert_ends_well(server, dataset, name, GOOD[name][: int(stop * len(GOOD[name]))] + tail, first_row=150)


@pytest.mark.parametrize("packer", [gzip.compress, bz2.compress, lzma.compress])
@FUZZ
@given(data=st.binary(max_size=400), name=st.sampled_from(["x.fits", "x.csv", "x.ecsv", "x.vot", "x.json", "x"]))
def test_any_bytes_in_a_good_packing(
    server: JupyterServer, dataset: Dataset, packer: type[object], data: bytes, name: str
) -> None:
    assert_ends_well(server, dataset, f"{name}.gz", packer(data))  # type: ignore[call-arg,arg-type]


@FUZZ
@given(data=st.binary(max_size=200))
def test_any_bytes_behind_the_beginning_of_a_packing(server: JupyterServer, dataset: Dataset, data: bytes) -> None:
    for magic in (b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0"):
        assert_ends_well(server, dataset, "x.csv.gz", magic + data)


def test_what_comes_before_the_break_is_shown_and_the_break_is_told(server: JupyterServer, dataset: Dataset) -> None:
    packed = gzip.compress(TEXT)
    wrong_sum = packed[:-8] + struct.pack("<I", zlib.crc32(TEXT) ^ 1) + packed[-4:]
    broken = {"cut": packed[: len(packed) // 2], "sum": wrong_sum, "tail": packed + b"something else"}
    for case, data in broken.items():
        dataset.put(f"{case}.csv.gz", data)
        shown = look(server, dataset, f"{case}.csv.gz")["content"]
        assert shown["rows"][:2] == [[0, "star 0"], [1, "star 1"]], case
        assert BROKEN in shown["note"], case
    dataset.put("cut.fits.gz", GOOD["image.fits.gz"][:-40])
    answer = server.get(dataset.route("preview"), path="cut.fits.gz")
    assert (answer.status_code, "The file is cut off" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gzip.compress(b""), "The file is empty: expected a table in text."),
        (gzip.compress(b"")[:12], "The file does not unpack: it is cut off or damaged."),
        (b"\x1f\x8b\x08", "The file does not unpack: it is cut off or damaged."),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\0" + b"\xff" * 100, "The file does not unpack: it is cut off or damaged."),
        (gzip.compress(gzip.compress(TEXT)), "The file holds bytes that are no text"),
        (bz2.compress(b""), "The file is empty: expected a table in text."),
    ],
)
def test_nothing_at_all_in_a_packing_is_a_sentence(
    server: JupyterServer, dataset: Dataset, data: bytes, said: str
) -> None:
    dataset.put("x.csv.gz", data)

    answer = server.get(dataset.route("preview"), path="x.csv.gz")

    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_members_one_behind_the_other_are_one_file(server: JupyterServer, dataset: Dataset) -> None:
    lines = TEXT.splitlines(keepends=True)
    dataset.put("x.csv.gz", b"".join(gzip.compress(line) for line in lines) + bytes(512))  # padded, as tapes are

    shown = look(server, dataset, "x.csv.gz", first_row=1950)["content"]

    assert (shown["rows"][0], shown["total_rows"], shown["note"]) == ([1950, "star 1950"], 2000, None)


def test_many_empty_members_end_in_time(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.csv.gz", gzip.compress(b"") * 100_000)

    assert_in_time(server, dataset, "x.csv.gz", status=422)


def bombs() -> dict[str, bytes]:
    """Little that becomes much: by name, what is in them is of the format that it says."""
    zeros = bytes(256 << 20)
    header = header_bytes(*image_cards(8, 16384, 16384))
    return {
        "zeros.txt.gz": gzip.compress(zeros, 1),
        "line.csv.gz": gzip.compress(b"1," * (128 << 20), 1),
        "spaces.json.gz": gzip.compress(b" " * (256 << 20), 1),
        "rows.csv.gz": gzip.compress(b"1,two and more words\n" * (12 << 20), 1),
        "deep.vot.gz": gzip.compress(b"<VOTABLE>" * (20 << 20), 1),
        "header.fits.gz": gzip.compress(header.replace(b"END", b"COM") + b"COMMENT ".ljust(80) * (1 << 20), 1),
        "image.fits.gz": gzip.compress(header + zeros, 1),
        "units.fits.gz": gzip.compress(header_bytes(*image_cards(8, 4096, 4096)) + zeros, 1),
        "zeros.fits.bz2": bz2.compress(header + zeros, 1),
        "zeros.fits.xz": lzma.compress(header + zeros, preset=0),
    }


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    return bombs()


@pytest.mark.parametrize(
    "name",
    [
        "zeros.txt.gz", "line.csv.gz", "spaces.json.gz", "rows.csv.gz", "deep.vot.gz", "header.fits.gz",
        "image.fits.gz", "units.fits.gz", "zeros.fits.bz2", "zeros.fits.xz",
    ],
)  # fmt: skip
def test_a_bomb_is_not_unpacked_to_its_end(
    server: JupyterServer, dataset: Dataset, made: dict[str, bytes], name: str
) -> None:
    """Security, item 24."""
    dataset.put(name, made[name])

    assert_in_time(server, dataset, name)
    assert_in_time(server, dataset, name, first_row=10_000_000)


def test_a_dictionary_larger_than_memory_is_a_sentence(server: JupyterServer, dataset: Dataset) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    packed = bytearray(lzma.compress(TEXT, filters=filters))
    at = packed.index(b"\x21\x01", 12) + 2  # LZMA2's properties: one byte, which stands for a power of two
    packed[at] = 40  # 4 GiB
    header_bytes_ = (packed[12] + 1) * 4
    packed[12 + header_bytes_ - 4 : 12 + header_bytes_] = struct.pack("<I", zlib.crc32(packed[12 : 8 + header_bytes_]))
    dataset.put("x.csv.xz", bytes(packed))

    assert_in_time(server, dataset, "x.csv.xz", status=422)


def assert_in_time(
    server: JupyterServer, dataset: Dataset, name: str, status: int | None = None, first_row: int = 0
) -> None:
    """It ends in seconds, within the budget, in a preview or a sentence; and the server shows a good file."""
    dataset.bed.reset_counters()
    began = time.monotonic()
    answer = server.get(dataset.route("preview"), path=name, first_row=first_row)
    assert time.monotonic() - began < 10
    assert answer.status_code in ({200, 415, 422} if status is None else {status}), answer.text[:500]
    assert answer.status_code == 200 or answer.json()["detail"].endswith(".")
    assert "ended unexpectedly" not in answer.text
    assert "took too long" not in answer.text
    assert dataset.bed.bytes_out <= 2 * BUDGET_BYTES
    dataset.put("good.csv.gz", GOOD["stars.csv.gz"])
    assert server.get(dataset.route("preview"), path="good.csv.gz").status_code == 200
