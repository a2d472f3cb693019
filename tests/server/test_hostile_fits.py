"""Files made to harm: every one is a sentence with 422 (or 415), in time, and the server goes on."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import psutil
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fits import cone, fits_bytes, header_bytes, image_cards
from tests.support.jupyter import JupyterServer
from tests.support.s3 import Fault, FaultKind

from .conftest import Dataset

RICE = (Path(str(files("astropy"))) / "io/fits/hdu/compressed/tests/data/m13_rice.fits").read_bytes()
HUGE = 10**15

HOSTILE = {
    "not FITS": b"GIF89a",
    "an empty file": b"",
    "only a first card": b"SIMPLE  =                    T".ljust(80),
    "no END": header_bytes(*image_cards(8, 10, 10), end=False),
    "a header without end": header_bytes(*image_cards(8, 10, 10), *["COMMENT for ever"] * 20_000, end=False),
    "huge axes": header_bytes(*image_cards(8, HUGE, HUGE)),
    "a row wider than the budget": header_bytes(*image_cards(-64, 1 << 28, 100)) + bytes(2880),
    "axes whose product overflows": header_bytes(*image_cards(8, *[2**40] * 10)),
    "axes larger than any number": header_bytes(*image_cards(8, "9" * 60, 10)),
    "a negative axis": header_bytes(*image_cards(8, -10, 10)),
    "a fractional axis": header_bytes(*image_cards(8, 1.5, 10)),
    "an axis of text": header_bytes(*image_cards(8, "'ten'", 10)),
    "a missing axis": header_bytes(*image_cards(8, 10, 10)[:-1]),
    "999 axes": header_bytes(*image_cards(8)[:2], f"NAXIS   = {999:>20}"),
    "a negative number of axes": header_bytes(*image_cards(8)[:2], f"NAXIS   = {-1:>20}"),
    "an unknown BITPIX": header_bytes(*image_cards(7, 10, 10)) + bytes(2880),
    "BITPIX of zero": header_bytes(*image_cards(0, 10, 10)) + bytes(2880),
    "BITPIX of truth": header_bytes(*image_cards("T", 10, 10)) + bytes(2880),
    "a negative PCOUNT": header_bytes(*image_cards(8, 10, 10), f"PCOUNT  = {-(10**9):>20}") + bytes(2880),
    "bytes that are not ASCII": header_bytes(*image_cards(8, 10, 10), b"OBJECT  = '\xff\xfe\0'") + bytes(2880),
    "data cut off": fits_bytes(fits.PrimaryHDU(cone(256, (1, 1))))[:100_000],
    "a second header cut off": fits_bytes(fits.ImageHDU(cone(16, (1, 1))))[: 2880 + 1000],
    "compressed data cut off": RICE[:-20_000],
    "compressed tiles of noise": RICE[:-60_000] + bytes(range(256)) * 230 + RICE[-1120:],
    "a bomb of tiles": RICE.replace(b"ZNAXIS1 =                  300", b"ZNAXIS1 =            300000000"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_a_sentence_and_harms_nothing(server: JupyterServer, dataset: Dataset, name: str) -> None:
    """Security, item 24."""
    dataset.put("x.fits", HOSTILE[name])
    dataset.put("good.fits", fits_bytes(fits.PrimaryHDU(cone(16, (3, 3)))))
    dataset.bed.reset_counters()

    answer = server.get(dataset.route("preview"), path="x.fits")

    assert answer.status_code == 422, answer.text[:300]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"].endswith((".", "else."))
    assert "Traceback" not in answer.text
    assert dataset.bed.bytes_out <= 8 << 20
    assert server.get(dataset.route("preview"), path="good.fits").status_code == 200


KEYWORDS = """
    BITPIX NAXIS NAXIS1 NAXIS2 NAXIS3 PCOUNT GCOUNT GROUPS BSCALE BZERO BLANK BUNIT XTENSION EXTNAME ZIMAGE ZNAXIS
    CTYPE1 CRVAL1 CD1_1 CUNIT1
"""
CARDS = st.lists(
    st.one_of(
        st.builds(
            lambda keyword, value: f"{keyword:<8}= {value}",
            st.sampled_from(KEYWORDS.split()),
            st.one_of(
                st.integers().map(str),
                st.floats().map(str),
                st.sampled_from(["T", "F", "''", "'RA---TAN'", "'IMAGE'", "(1, 2)", "1D400", "", "/", "'open"]),
            ),
        ),
        st.binary(max_size=80),
        st.sampled_from([b"END", b"CONTINUE  'x&'", b"HIERARCH a b c = 1", b"COMMENT \x01", b""]),
    ),
    max_size=12,
)


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cards=CARDS, at=st.integers(0, 4), data=st.binary(max_size=600), tail=st.sampled_from([b"", RICE[:9000]]))
def test_no_header_gets_more_than_a_preview_or_a_sentence(
    server: JupyterServer, dataset: Dataset, cards: list[str | bytes], at: int, data: bytes, tail: bytes
) -> None:
    good = image_cards(16, 10, 10)
    dataset.put("x.fits", header_bytes(*good[:at], *cards, *good[at:]) + data + tail)

    answer = server.get(dataset.route("preview"), path="x.fits")

    assert answer.status_code in {200, 415, 422}, answer.text[:500]
    assert answer.json()


def test_a_slow_store_is_not_the_files_fault_and_ends_in_words(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.fits", fits_bytes(fits.PrimaryHDU(cone(16, (3, 3)))))
    dataset.bed.faults.add(Fault(FaultKind.DROP, op="GetObject", times=None))

    answer = server.get(dataset.route("preview"), path="x.fits")

    assert answer.status_code == 503
    assert dataset.bed.endpoint in answer.json()["detail"]


def test_an_object_that_changes_during_a_preview_is_not_drawn_from_two_versions(
    server: JupyterServer, dataset: Dataset
) -> None:
    dataset.put("x.fits", fits_bytes(fits.PrimaryHDU(cone(2000, (3, 3)))))
    dataset.bed.faults.add(Fault(FaultKind.REPLACE, op="GetObject", skip=1))

    answer = server.get(dataset.route("preview"), path="x.fits")

    assert answer.status_code == 409
    assert "has changed" in answer.json()["detail"]


def test_a_killed_preview_process_is_replaced(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.txt", b"1")
    dataset.put("y.txt", b"2")
    assert server.get(dataset.route("preview"), path="x.txt").status_code == 200

    for child in psutil.Process(server.pid).children():
        child.kill()
        child.wait(5)
    answers = [server.get(dataset.route("preview"), path="y.txt").status_code for _ in range(2)]

    assert answers[-1] == 200
