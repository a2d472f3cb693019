"""Tables of Parquet, CSV, TSV, ECSV and VOTable: the rows that their own libraries read, within the budget."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.support import samples
from tests.support.jupyter import JupyterServer

from .conftest import Dataset
from .test_previews import BUDGET_BYTES, look


def content(server: JupyterServer, dataset: Dataset, path: str, data: bytes, **how: Any) -> dict[str, Any]:
    dataset.put(path, data)
    preview = look(server, dataset, path, **how)
    assert preview["kind"] == "table"
    shown: dict[str, Any] = preview["content"]
    return shown


def problem(server: JupyterServer, dataset: Dataset, path: str, data: bytes) -> str:
    dataset.put(path, data)
    answer = server.get(dataset.route("preview"), path=path)
    assert answer.status_code == 422, answer.text[:300]
    detail: str = answer.json()["detail"]
    return detail


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("stars.parquet", samples.parquet()),
        ("groups.parquet", samples.parquet(row_group_size=30)),
        ("stars.ecsv", samples.ecsv()),
        ("ecsv.csv", samples.ecsv()),
        ("stars.vot", samples.votable()),
        ("stars.xml", samples.votable(serialisation="binary2")),
    ],
)
def test_the_same_table_is_shown_from_every_format(
    server: JupyterServer, dataset: Dataset, path: str, data: bytes
) -> None:
    first = content(server, dataset, path, data)
    last = content(server, dataset, path, data, first_row=200)

    assert [column["name"] for column in first["columns"]] == ["id", "flux", "name", "count"]
    assert (len(first["rows"]), first["first_row"], first["total_rows"]) == (100, 0, 250)
    assert first["rows"][:3] == [[0, 0.0, "star 0", 0], [1, None, "star 1", 1], [2, 0.5, "star 2", None]]
    assert (len(last["rows"]), last["rows"][0]) == (50, [200, 50.0, "star 200", 200])
    assert first["note"] is None


@pytest.mark.parametrize("data", [samples.ecsv(), samples.votable(), samples.votable(serialisation="binary")])
def test_units_and_descriptions_are_shown(server: JupyterServer, dataset: Dataset, data: bytes) -> None:
    flux = content(server, dataset, "stars.ecsv", data)["columns"][1]

    assert flux == {"name": "flux", "type": flux["type"], "unit": "Jy", "description": "total flux"}
    assert flux["type"] in {"float64", "double"}


def test_every_kind_of_parquet_column_becomes_a_cell(server: JupyterServer, dataset: Dataset) -> None:
    moment = datetime.datetime(2020, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    columns = {
        "moment": pa.array([moment], pa.timestamp("ns", "UTC")),
        "day": pa.array([moment.date()]),
        "span": pa.array([5_000_000_000], pa.duration("ns")),
        "list": pa.array([[1.5, None, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]]),
        "struct": pa.array([{"a": 1, "b": "x"}]),
        "decimal": pa.array(["1.50"]).cast(pa.decimal128(5, 2)),
        "large": pa.array([2**60 + 1]),
        "bytes": pa.array([b"\xff\x00"]),
        "category": pa.array(["x"]).dictionary_encode(),
        "none": pa.nulls(1),
        "a.b": pa.array([True]),
        "infinite": pa.array([float("inf")]),
    }
    shown = content(server, dataset, "x.parquet", samples.parquet(columns=columns))

    assert shown["rows"] == [[
        "2020-02-03T04:05:06Z", "2020-02-03", "0:00:05", "[1.5, null, 3.0, 4.0, 5.0, 6.0, … 8 in all]",
        "{a: 1, b: x}", "1.50", str(2**60 + 1), "0xff00", "x", None, True, "inf",
    ]]  # fmt: skip
    assert shown["columns"][0]["type"] == "timestamp[ns, tz=UTC]"


def test_a_csv_is_read_as_it_is_written(server: JupyterServer, dataset: Dataset) -> None:
    text = 'code;value;note\r\n007;1.5;"two; parts"\r\n010;;plain\r\n'
    shown = content(server, dataset, "x.csv", text.encode())
    bare = content(server, dataset, "x.tsv", b"# by hand\n1\tone\n2\ttwo\n")

    assert [(column["name"], column["type"]) for column in shown["columns"]] == [
        ("code", "text"), ("value", "number"), ("note", "text")
    ]  # fmt: skip
    assert shown["rows"] == [["007", 1.5, "two; parts"], ["010", None, "plain"]]
    assert shown["total_rows"] == 2
    assert [column["name"] for column in bare["columns"]] == ["column 1", "column 2"]
    assert bare["rows"] == [[1, "one"], [2, "two"]]
    assert bare["attributes"] == [{"name": "comment", "value": "by hand"}]


def test_lines_of_another_length_are_shown_and_said(server: JupyterServer, dataset: Dataset) -> None:
    shown = content(server, dataset, "x.csv", b"a,b\n1,2\n3\n4,5,6\n")

    assert shown["rows"] == [[1, 2], [3, None], [4, 5]]
    assert "another number of values" in shown["note"]


def test_more_columns_than_can_be_said_are_cut(server: JupyterServer, dataset: Dataset) -> None:
    header = ",".join(f"c{number}" for number in range(600))
    row = ",".join("x" * 150 for _ in range(600))
    shown = content(server, dataset, "x.csv", "\n".join([header, *[row] * 30]).encode())

    assert len(shown["columns"]) == len(shown["rows"][0]) == 500
    assert "The first 500 of 600 columns" in shown["note"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of 200 MB."""
    folder = tmp_path_factory.mktemp("large")
    random = np.random.default_rng(4)
    values = {f"c{number}": random.random(2_100_000) for number in range(12)}
    (folder / "large.parquet").write_bytes(samples.parquet(columns=values, compression="none"))
    block = b"".join(b"%d,%.3f\n" % (row, row / 3) for row in range(300_000))
    (folder / "large.csv").write_bytes(b"id,third\n" + block * 41)
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("first_row", [0, 200_000])
@pytest.mark.parametrize("name", ["large.parquet", "large.csv"])
def test_of_a_large_table_only_what_is_shown_is_moved(
    server: JupyterServer, dataset: Dataset, large: dict[str, Path], name: str, first_row: int
) -> None:
    assert large[name].stat().st_size > 200_000_000
    dataset.bed.put_file("bucket", dataset.prefix + name, large[name])
    dataset.bed.reset_counters()

    answer = server.get(dataset.route("preview"), path=name, first_row=first_row)

    assert dataset.bed.bytes_out <= BUDGET_BYTES
    shown = answer.json()
    assert len(shown["content"]["rows"]) == 100
    assert shown["content"]["rows"][0][0] is not None
    assert shown["bytes_read"] == dataset.bed.bytes_out
    if name == "large.parquet":
        assert "columns are not read" in shown["content"]["note"]
        assert shown["content"]["total_rows"] == 2_100_000


def test_the_whole_rows_of_a_votable_that_is_cut_off_are_shown(server: JupyterServer, dataset: Dataset) -> None:
    for serialisation in ("tabledata", "binary2"):
        data = samples.votable(80, serialisation)
        shown = content(server, dataset, "x.vot", data[: len(data) * 2 // 3])

        assert 20 < len(shown["rows"]) < 80
        assert shown["rows"][-1][2] == f"star {len(shown['rows']) - 1}"
        assert "rows that are whole" in shown["note"]


VOTABLE = '<?xml version="1.0"?>{doctype}<VOTABLE><RESOURCE>{before}<TABLE>{field}{data}</TABLE></RESOURCE></VOTABLE>'
FIELD = '<FIELD name="a" datatype="int"/>'
ROW = "<DATA><TABLEDATA><TR><TD>1</TD></TR></TABLEDATA></DATA>"
STREAM = "<DATA><{kind}><STREAM {how}>{text}</STREAM></{kind}></DATA>"


def of(doctype: str = "", before: str = "", field: str = FIELD, data: str = ROW) -> bytes:
    return VOTABLE.format(doctype=doctype, before=before, field=field, data=data).encode()


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE VOTABLE [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE VOTABLE [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE VOTABLE [<!ENTITY % a SYSTEM "http://127.0.0.1/x.dtd"> %a;]>',
    ],
)
def test_a_votable_with_entities_is_refused(server: JupyterServer, dataset: Dataset, doctype: str) -> None:
    detail = problem(server, dataset, "x.vot", of(doctype))

    assert detail == "This VOTable defines entities or names things outside of it, which is refused."


@pytest.mark.parametrize("kind", ["BINARY", "BINARY2", "FITS"])
@pytest.mark.parametrize("how", ['href="file:///etc/passwd"', 'href="http://127.0.0.1:9/x"', 'encoding="gzip"'])
def test_rows_that_are_elsewhere_are_not_fetched(server: JupyterServer, dataset: Dataset, kind: str, how: str) -> None:
    shown = content(server, dataset, "x.vot", of(data=STREAM.format(kind=kind, how=how, text="AAAA")))

    assert shown["rows"] == []
    assert "does not open" in shown["note"]


def test_an_old_doctype_and_prefixes_do_no_harm(server: JupyterServer, dataset: Dataset) -> None:
    old = of('<!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd">')
    prefixed = samples.votable(3).replace(b"</", b"</v:").replace(b"<", b"<v:").replace(b"<v:/v:", b"</v:")
    prefixed = prefixed.replace(b"<v:?", b"<?").replace(b"<v:!", b"<!").replace(b"xmlns=", b"xmlns:v=")

    assert content(server, dataset, "x.vot", old)["rows"] == [[1]]
    assert len(content(server, dataset, "y.vot", prefixed)["rows"]) == 3


def test_an_error_of_a_service_is_told(server: JupyterServer, dataset: Dataset) -> None:
    error = '<VOTABLE><RESOURCE><INFO name="QUERY_STATUS" value="ERROR">no column x</INFO></RESOURCE></VOTABLE>'

    detail = problem(server, dataset, "x.xml", error.encode())

    assert detail == "This VOTable holds no table, but the error of a service: no column x."


PARQUET = samples.parquet()
BROKEN: dict[str, tuple[str, bytes]] = {
    "a Parquet without its end": ("x.parquet", PARQUET[:-50]),
    "a Parquet of another end": ("x.parquet", PARQUET[:-4] + b"PAR2"),
    "a Parquet with an endless footer": ("x.parquet", PARQUET[:-8] + b"\xff\xff\xff\x7fPAR1"),
    "a Parquet of nothing": ("x.parquet", b"PAR1PAR1"),
    "an encrypted Parquet": ("x.parquet", b"PARE" + bytes(100) + b"PARE"),
    "a Parquet of other bytes": ("x.parquet", b"hello"),
    "a Parquet whose pages are gone": ("x.parquet", PARQUET[:4] + bytes(len(PARQUET) - 1500) + PARQUET[-1496:]),
    "a CSV of bytes": ("x.csv", bytes(range(256))),
    "a CSV of one long line": ("x.csv", b"x" * 300_000),
    "a CSV of an endless value": ("x.csv", b'a,b\n"' + b"x" * 150_000 + b'",2\n'),
    "a CSV of comments": ("x.csv", b"# one\n# two\n"),
    "an ECSV without columns": ("x.ecsv", b"# %ECSV 1.0\n# ---\n# a: 1\nx\n1\n"),
    "an ECSV of bad YAML": ("x.ecsv", b"# %ECSV 1.0\n# ---\n# a: [\nx\n1\n"),
    "an ECSV of deep YAML": ("x.ecsv", b"# %ECSV 1.0\n# " + b"[" * 5000 + b"\nx\n1\n"),
    "an ECSV with other columns": ("x.ecsv", b"# %ECSV 1.0\n# datatype: [{name: a, datatype: int64}]\nx y\n1 2\n"),
    "an ECSV that runs code": ("x.ecsv", b"# %ECSV 1.0\n# !!python/object/apply:os.abort []\nx\n1\n"),
    "a VOTable cut off early": ("x.vot", samples.votable()[:200]),
    "a VOTable of an unknown encoding": ("x.vot", b'<?xml version="1.0" encoding="x-9"?><VOTABLE/>'),
    "a VOTable of other XML": ("x.vot", b"<html></html>"),
    "a VOTable that is no XML": ("x.vot", b"hello"),
    "a VOTable too deep": ("x.vot", b"<VOTABLE>" * 5000),
    "a VOTable of an unknown type": ("x.vot", of(field='<FIELD name="a" datatype="quark"/>')),
    "a VOTable of words for numbers": ("x.vot", of(data=ROW.replace("1", "one"))),
    "a VOTable without fields": ("x.vot", of(field="")),
    "a VOTable of huge cells": ("x.vot", of(field='<FIELD name="a" datatype="int" arraysize="999999999"/>')),
    "a VOTable of bad base64": ("x.vot", of(data=STREAM.format(kind="BINARY", how='encoding="base64"', text="AAA="*9))),
    **{f"an empty {name}": (f"x.{name}", b"") for name in ("parquet", "csv", "tsv", "ecsv", "vot")},
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_table_is_a_sentence(server: JupyterServer, dataset: Dataset, name: str) -> None:
    path, data = BROKEN[name]
    if name == "a VOTable of bad base64":
        dataset.put(path, data)
        assert server.get(dataset.route("preview"), path=path).status_code in {200, 422}
        return

    detail = problem(server, dataset, path, data)

    assert detail.endswith(".")
    assert "ended unexpectedly" not in detail
    assert len(detail) < 400


def test_yaml_that_grows_without_end_is_not_written_out(server: JupyterServer, dataset: Dataset) -> None:
    lines = ["# %ECSV 1.0", "# ---", "# a0: &a0 x"]
    lines += [f"# a{row + 1}: &a{row + 1} [{', '.join([f'*a{row}'] * 9)}]" for row in range(30)]
    lines += ["# datatype: [{name: id, datatype: int64, unit: *a30, description: *a30}]", "# meta: {x: *a30}"]
    shown = content(server, dataset, "x.ecsv", "\n".join([*lines, "id", "1", ""]).encode())

    assert shown["rows"] == [[1]]
