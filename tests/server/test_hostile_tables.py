"""Bytes that mean harm to the readers of tables, pictures and texts: each a preview or a sentence."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import samples
from tests.support.jupyter import JupyterServer

from .conftest import Dataset
from .test_previews import BUDGET_BYTES

FILES = samples.every_format()
FUZZ = settings(
    max_examples=int(os.environ.get("PERIJOVE_FUZZ", "12")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def assert_ends_well(server: JupyterServer, dataset: Dataset, name: str, data: bytes, first_row: int = 0) -> None:
    """It ends, within the budget, in a preview or a sentence (security, item 24)."""
    dataset.put(name, data)
    dataset.bed.reset_counters()

    answer = server.get(dataset.route("preview"), path=name, first_row=first_row)
    code = server.get(dataset.route("snippet"), path=name)

    assert answer.status_code in {200, 415, 422}, answer.text[:500]
    assert "Traceback" not in answer.text
    assert answer.status_code == 200 or answer.json()["detail"].endswith(".")
    assert dataset.bed.bytes_out <= 2 * BUDGET_BYTES
    compile(code.json()["code"], "snippet", "exec")


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=5))
def test_a_file_with_other_bytes_in_it(
    server: JupyterServer, dataset: Dataset, name: str, changes: list[tuple[float, bytes]]
) -> None:
    data = bytearray(FILES[name])
    for share, other in changes:
        at = int(share * len(data))
        data[at : at + len(other)] = other

    assert_ends_well(server, dataset, name, bytes(data))


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(stop=st.floats(0, 1), start=st.sampled_from([0.0, 0.0, 0.3]), tail=st.binary(max_size=40))
def test_a_part_of_a_file_with_another_end(
    server: JupyterServer, dataset: Dataset, name: str, stop: float, start: float, tail: bytes
) -> None:
    data = FILES[name]
    assert_ends_well(server, dataset, name, data[int(start * len(data)) : int(stop * len(data))] + tail, first_row=150)


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(data=st.binary(max_size=400))
def test_any_bytes_behind_the_beginning_of_a_file(
    server: JupyterServer, dataset: Dataset, name: str, data: bytes
) -> None:
    assert_ends_well(server, dataset, name, FILES[name][:16] + data)
    assert_ends_well(server, dataset, name, data)


def test_after_all_of_that_the_server_shows_a_good_file(server: JupyterServer, dataset: Dataset) -> None:
    for name, data in FILES.items():
        dataset.put(name, data)
        assert server.get(dataset.route("preview"), path=name).status_code == 200


SCRIPT = "<script>alert(1)</script>"
PAGES = {
    "page.html": SCRIPT.encode(),
    "drawing.svg": f"<svg xmlns='http://www.w3.org/2000/svg'>{SCRIPT}</svg>".encode(),
    "notes.md": f"# Notes\n{SCRIPT}\n[a](javascript:alert(1))\n".encode(),
    "cells.csv": f"{SCRIPT},=HYPERLINK(1)\n1,2\n".encode(),
    "fields.vot": b"<VOTABLE><RESOURCE><TABLE><DESCRIPTION>&lt;script&gt;alert(1)&lt;/script&gt;</DESCRIPTION>"
    b'<FIELD name="a" datatype="int"/></TABLE></RESOURCE></VOTABLE>',
    "book.ipynb": samples.notebook({"cell_type": "markdown", "metadata": {}, "source": SCRIPT}),
    "columns.parquet": samples.parquet(columns={SCRIPT: [SCRIPT]}),
    "facts.json": f'{{"a": "{SCRIPT}"}}'.encode(),
}


@pytest.mark.parametrize("name", PAGES)
def test_markup_of_strangers_is_told_as_text_in_json_that_no_browser_takes_for_a_page(
    server: JupyterServer, dataset: Dataset, name: str
) -> None:
    """Items 8 and 9 of the security checklist: stored scripts, and pages opened through a preview."""
    dataset.put(name, PAGES[name])

    answer = server.get(dataset.route("preview"), path=name)

    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json()["kind"] in {"text", "table"}
    assert SCRIPT in str(answer.json()["content"])
