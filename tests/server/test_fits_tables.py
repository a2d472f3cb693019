"""Rows of FITS tables: what astropy would read, and only the bytes of the rows that are shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fits import cone, fits_bytes, header_bytes
from tests.support.jupyter import JupyterServer

from .conftest import Dataset
from .test_previews import BUDGET_BYTES, look


def table(rows: int = 250) -> fits.BinTableHDU:
    number = np.arange(rows)
    names = np.array([f"star {row}" for row in number])
    lists = np.array([np.arange(row % 9, dtype="f4") for row in number], dtype=object)
    hdu = fits.BinTableHDU.from_columns(
        [
            fits.Column("id", "K", array=number),
            fits.Column("name", "12A", array=names),
            fits.Column("flux", "E", unit="Jy", array=np.where(number == 1, np.nan, number / 4)),
            fits.Column("count", "J", null=-1, array=np.where(number == 2, -1, number)),
            fits.Column("seen", "L", array=number % 2 == 0),
            fits.Column("vector", "3D", array=np.stack([number, number + 1, number + 2], 1)),
            fits.Column("long", "9I", array=np.tile(number[:, None], 9)),
            fits.Column("unsigned", "I", bzero=32768, array=np.full(rows, 65535, "u2")),
            fits.Column("list", "PE()", array=lists),
            fits.Column("words", "PA()", array=np.array([f"w{row}" for row in number], dtype=object)),
        ],
        name="STARS",
    )
    hdu.header["TCOMM3"] = "total flux"
    hdu.header["OBSERVER"] = "Caroline Herschel"
    return hdu


def test_rows_are_shown_with_types_units_and_nulls(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("stars.fits", fits_bytes(table()))

    preview = look(server, dataset, "stars.fits")

    content = preview["content"]
    assert (preview["kind"], preview["format"]) == ("table", "FITS table")
    assert [(column["name"], column["type"]) for column in content["columns"]] == [
        ("id", "int64"), ("name", "text(12)"), ("flux", "float32"), ("count", "int32"), ("seen", "boolean"),
        ("vector", "float64[3]"), ("long", "int16[9]"), ("unsigned", "uint16"), ("list", "float32[*]"),
        ("words", "text[*]"),
    ]  # fmt: skip
    flux = {"name": "flux", "type": "float32", "unit": "Jy", "description": "total flux"}
    assert content["columns"][2] == flux
    assert (len(content["rows"]), content["first_row"], content["total_rows"]) == (100, 0, 250)
    assert content["rows"][1] == [
        1, "star 1", None, 1, False, "[1.0, 2.0, 3.0]", "[1, 1, 1, 1, 1, 1, … 9 in all]", 65535, "[0]", "w1"
    ]  # fmt: skip
    assert content["rows"][2][3] is None
    assert content["rows"][8][8] == "[0, 1, 2, 3, 4, 5, … 8 in all]"
    assert [line["type"] for line in content["hdus"]] == ["PRIMARY", "BINTABLE"]
    assert content["hdu"] == 1
    assert {"name": "OBSERVER", "value": "Caroline Herschel"} in content["attributes"]


def test_later_rows_are_asked_for_by_number(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("stars.fits", fits_bytes(table()))

    last = look(server, dataset, "stars.fits", first_row=200)["content"]
    none = look(server, dataset, "stars.fits", first_row=250)["content"]

    assert (len(last["rows"]), last["first_row"], last["rows"][0][1]) == (50, 200, "star 200")
    assert (none["rows"], none["total_rows"]) == ([], 250)


def test_an_ascii_table_is_a_table(server: JupyterServer, dataset: Dataset) -> None:
    hdu = fits.TableHDU.from_columns(
        [
            fits.Column("name", "A8", ascii=True, array=np.array(["m31", "m33"])),
            fits.Column("distance", "F8.2", ascii=True, unit="kpc", array=np.array([765.0, 0.0])),
            fits.Column("ngc", "I6", ascii=True, null="-99", array=np.array([224, -99])),
        ]
    )
    dataset.put("x.fits", fits_bytes(hdu))

    content = look(server, dataset, "x.fits")["content"]

    assert content["rows"] == [["m31", 765.0, 224], ["m33", 0.0, None]]
    assert content["columns"][1]["unit"] == "kpc"


def test_units_are_chosen_and_an_image_goes_before_a_table(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.fits", fits_bytes(table(5), fits.ImageHDU(cone(16, (1, 1)))))

    assert look(server, dataset, "x.fits")["kind"] == "image"
    assert look(server, dataset, "x.fits", hdu=1)["kind"] == "table"
    header = look(server, dataset, "x.fits", hdu=0)
    assert header["kind"] == "text"
    assert server.get(dataset.route("snippet"), path="x.fits", hdu=1).json()["code"].count("hdus[1].data")


@pytest.fixture(scope="module")
def large() -> bytes:
    """A table of 200 MB: four million rows of 50 bytes."""
    rows = np.zeros(4_000_000, [("id", ">i8"), ("ra", ">f8"), ("dec", ">f8"), ("name", "S26")])
    rows["id"] = np.arange(len(rows))
    return fits_bytes(fits.BinTableHDU(rows))


def test_of_a_large_table_only_the_rows_shown_are_moved(server: JupyterServer, dataset: Dataset, large: bytes) -> None:
    dataset.put("large.fits", large)
    dataset.bed.reset_counters()

    preview = look(server, dataset, "large.fits", first_row=3_999_990)

    assert len(large) > 200_000_000
    assert [row[0] for row in preview["content"]["rows"]] == list(range(3_999_990, 4_000_000))
    assert preview["bytes_read"] == dataset.bed.bytes_out < 1 << 20
    assert preview["requests"] <= 4


def test_the_whole_rows_of_a_table_that_is_cut_off_are_shown(server: JupyterServer, dataset: Dataset) -> None:
    rows = np.zeros(1000, [("id", ">i8")])
    dataset.put("x.fits", fits_bytes(fits.BinTableHDU(rows))[: 2 * 2880 + 8 * 30 + 5])

    content = look(server, dataset, "x.fits")["content"]

    assert len(content["rows"]) == 30
    assert "cut off" in content["note"]


def cards(*more: str, row_bytes: object = 8, rows: object = 3, fields: object = 1) -> bytes:
    return header_bytes(f"SIMPLE  = {'T':>20}", f"BITPIX  = {8:>20}", f"NAXIS   = {0:>20}") + header_bytes(
        "XTENSION= 'BINTABLE'", f"BITPIX  = {8:>20}", f"NAXIS   = {2:>20}", f"NAXIS1  = {row_bytes!s:>20}",
        f"NAXIS2  = {rows!s:>20}", f"PCOUNT  = {0:>20}", f"GCOUNT  = {1:>20}", f"TFIELDS = {fields!s:>20}", *more,
    )  # fmt: skip


HOSTILE = {
    "no data": cards("TFORM1  = 'K'"),
    "no TFORM": cards() + bytes(2880),
    "a TFORM of nothing": cards("TFORM1  = 'Z'") + bytes(2880),
    "columns wider than a row": cards("TFORM1  = '1000K'") + bytes(2880),
    "a huge repeat": cards("TFORM1  = '99999999999999K'") + bytes(2880),
    "a huge row": cards("TFORM1  = 'K'", row_bytes=10**12) + bytes(2880),
    "a row larger than the budget": cards("TFORM1  = '9000000A'", row_bytes=9_000_000, rows=1) + bytes(9_000_000),
    "too many fields": cards(fields=5000) + bytes(2880),
    "negative fields": cards(fields=-1) + bytes(2880),
    "no fields": cards().replace(b"TFIELDS =", b"TFIELDZ =") + bytes(2880),
    "dimensions that do not fit": cards("TFORM1  = '8B'", "TDIM1   = '(1000,1000)'") + bytes(2880),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_table_is_a_sentence(server: JupyterServer, dataset: Dataset, name: str) -> None:
    dataset.put("x.fits", HOSTILE[name])

    answer = server.get(dataset.route("preview"), path="x.fits")

    if name == "dimensions that do not fit" and answer.status_code == 200:
        return  # astropy shows the cells without them
    assert answer.status_code == 422, answer.text[:300]
    assert answer.json()["detail"].endswith(".")
    assert "ended unexpectedly" not in answer.json()["detail"]
    assert dataset.bed.bytes_out <= BUDGET_BYTES or not dataset.bed.reset_counters()


def test_descriptors_that_point_outside_show_nothing(server: JupyterServer, dataset: Dataset) -> None:
    descriptors = np.array([[5, 0], [2**31 - 1, 0], [-1, 4], [3, -8]], ">i4").tobytes()
    dataset.put("x.fits", cards("TFORM1  = '1PD(5)'", rows=4) + descriptors.ljust(2880, b"\0"))

    assert look(server, dataset, "x.fits")["content"]["rows"] == [[None]] * 4


VALUES = st.one_of(
    st.integers(-3, 2**40).map(str),
    st.sampled_from(["'K'", "'1PB(9)'", "'0QE'", "'12A'", "'3X'", "'M'", "T", "1E400", "''", "'(2,2)'", "'F8.2'"]),
)
CARDS = st.lists(
    st.builds(
        lambda keyword, value: f"{keyword:<8}= {value}",
        st.sampled_from(
            [
                "TFORM1",
                "TFORM2",
                "TTYPE1",
                "TNULL1",
                "TSCAL1",
                "TZERO1",
                "TDIM1",
                "TBCOL1",
                "THEAP",
                "PCOUNT",
                "NAXIS1",
                "NAXIS2",
            ]
        ),
        VALUES,
    ),
    max_size=8,
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(more=CARDS, fields=st.integers(0, 4), data=st.binary(max_size=400), ascii_table=st.booleans())
def test_no_table_gets_more_than_a_preview_or_a_sentence(
    server: JupyterServer, dataset: Dataset, more: list[str], fields: int, data: bytes, ascii_table: bool
) -> None:
    raw = cards("TFORM1  = '1PJ(3)'", *more, fields=fields)
    dataset.put("x.fits", (raw.replace(b"'BINTABLE'", b"'TABLE'   ") if ascii_table else raw) + data.ljust(2880, b"\0"))

    answer: Any = server.get(dataset.route("preview"), path="x.fits")

    assert answer.status_code in {200, 422}, answer.text[:500]
    assert "ended unexpectedly" not in answer.text
