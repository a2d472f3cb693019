"""The code for tables, pictures and texts is run as it stands, in a Python of its own, with the bed behind it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support import samples
from tests.support.control import FakeControl
from tests.support.jupyter import JupyterServer

from .conftest import Dataset, MakeDataset
from .test_usage_and_snippets import run, snippet

FILES = samples.every_format()
#: What is asked of the names that the code leaves behind, and what is then printed.
ASKED = {
    "stars.parquet": ("len(table), list(table.columns)", "(250, ['id', 'flux', 'name', 'count'])"),
    "stars.csv": ("len(table), table['flux'][249]", "(250, np.float64(62.25))"),
    "stars.tsv": ("table.values.tolist()", "[[1, 'one'], [2, 'two']]"),
    "stars.ecsv": ("len(table), str(table['flux'].unit)", "(250, 'Jy')"),
    "stars.vot": ("len(table), str(table['flux'].unit)", "(250, 'Jy')"),
    "stars-2.xml": ("len(table), table.colnames", "(250, ['id', 'flux', 'name', 'count'])"),
    "map.tif": ("band.shape, float(band.max())", "((300, 400), 698.0)"),
    "picture.png": ("image.size", "(60, 40)"),
    "photo.jpg": ("image.size", "(60, 40)"),
    "moving.gif": ("image.size", "(60, 40)"),
    "facts.json": ("data['primes']", "[2, 3, 5]"),
    "sum.ipynb": ("len(notebook.cells)", "2"),
}


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
def test_the_code_for_every_format_runs_as_it_stands(
    server: JupyterServer, control: FakeControl, make_dataset: MakeDataset, tmp_path: Path, delivery: str
) -> None:
    dataset = make_dataset(delivery=delivery)
    codes = []
    for name, data in FILES.items():
        dataset.put(f"a 'b'/{name}", data)
        code = snippet(server, dataset, path=f"a 'b'/{name}")
        codes.append(f"{code}\nprint('= ' + repr(({ASKED[name][0]})))\n")

    said = run("import matplotlib.pyplot as plt\n" + "plt.close()\n".join(codes), control, tmp_path)

    assert [line.removeprefix("= ") for line in said.splitlines() if line.startswith("= ")] == [
        answer for _, answer in ASKED.values()
    ]


def test_an_empty_parquet_and_a_large_one_are_opened_by_their_code(
    server: JupyterServer, control: FakeControl, dataset: Dataset, tmp_path: Path
) -> None:
    dataset.put("empty.parquet", samples.parquet(0))
    dataset.put("large.parquet", samples.parquet(columns={"x": np.arange(200_000)}))
    codes = [snippet(server, dataset, path=path) + "print(len(table))\n" for path in ("empty.parquet", "large.parquet")]

    assert run("\n".join(codes), control, tmp_path) == "0 rows\n0\n200,000 rows\n1000\n"


def test_the_code_for_a_large_geotiff_reads_its_overview(
    server: JupyterServer, control: FakeControl, dataset: Dataset, tmp_path: Path
) -> None:
    rows, columns = np.mgrid[:4096, :4096].astype("u2")
    dataset.put("x.tif", samples.geotiff(rows + columns, compress="none"))
    code = snippet(server, dataset, path="x.tif")
    dataset.bed.reset_counters()

    said = run(code + "print(band.shape)\n", control, tmp_path)

    assert said.endswith("(1024, 1024)\n")
    assert dataset.bed.bytes_out < 16 << 20


@pytest.mark.parametrize("name", ["x.parquet", "x.csv", "x.ecsv", "x.vot", "x.tif", "x.png", "x.json", "x.ipynb"])
def test_the_code_for_a_file_that_is_none_shows_its_first_bytes(
    server: JupyterServer, dataset: Dataset, name: str
) -> None:
    dataset.put(name, b"\0\xff\xfe{")

    assert "file.read(256)" in snippet(server, dataset, path=name)


def test_names_of_columns_and_files_do_not_enter_code_but_as_literals(server: JupyterServer, dataset: Dataset) -> None:
    evil = "x') ; __import__('os').abort() #"
    dataset.put(f"{evil}.parquet", samples.parquet(columns={evil: [1]}))
    dataset.put(f"{evil}.csv", f"{evil}|b\n1|2\n".encode())

    for name in (f"{evil}.parquet", f"{evil}.csv"):
        code = snippet(server, dataset, path=name)
        compile(code, "snippet", "exec")
        assert code.count("__import__") == code.count(repr(f"{dataset.id}/{name}")) + code.count(
            repr(f"perijove://{dataset.id}/{name}")
        )
