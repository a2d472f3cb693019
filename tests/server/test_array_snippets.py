"""The code for files of arrays is run as it stands, in a Python of its own, with the bed behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
import zarr

from tests.support import arrays
from tests.support.control import FakeControl
from tests.support.jupyter import JupyterServer

from .conftest import Dataset, MakeDataset
from .test_array_previews import put_directory
from .test_usage_and_snippets import run, snippet

FILES = arrays.every_format()
#: The node, what is asked of the names that the code leaves behind, and what is then printed.
ASKED = [
    ("sea.nc", "", "data['sst'].shape, str(data['sst'].units)", "((3, 36, 72), 'degC')"),
    ("plain.h5", "", "data.shape, float(data.max())", "((50, 60), 108.0)"),
    ("plain.h5", "/detector/exposure", "float(data)", "2.5"),
    ("plain.h5", "/detector", "sorted(data)", "['exposure', 'image', 'line']"),
    ("classic.nc", "", "data['sst'].shape", "(3, 36, 72)"),
    ("sea3.nc", "/latitude", "float(data['latitude'][0])", "87.5"),
    ("two.grib2", "/2", "round(float(values.max() if values.max() < 9999 else 0))", "0"),
    ("two.grib", "", "len(values)", "684"),
]


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
def test_the_code_for_every_format_runs_as_it_stands(
    server: JupyterServer, control: FakeControl, make_dataset: MakeDataset, tmp_path: Path, delivery: str
) -> None:
    dataset = make_dataset(delivery=delivery)
    for name, data in FILES.items():
        dataset.put(f"a 'b'/{name}", data)
    codes = []
    for name, node, asked, _ in ASKED:
        code = snippet(server, dataset, path=f"a 'b'/{name}", node=node)
        codes.append(f"{code}\nprint('= ' + repr(({asked})))\n")

    said = run("\n".join(codes), control, tmp_path)

    assert [line.removeprefix("= ") for line in said.splitlines() if line.startswith("= ")] == [
        answer for *_, answer in ASKED
    ]


@pytest.mark.parametrize("version", [2, 3])
def test_the_code_for_zarr_runs_as_it_stands(
    server: JupyterServer, control: FakeControl, dataset: Dataset, tmp_path: Path, version: int
) -> None:
    put_directory(dataset, "a 'b'/sea.zarr", arrays.zarr_directory(tmp_path / "sea", version))
    group = zarr.open_group(tmp_path / "plain", mode="w", zarr_format=2 if version == 2 else 3)
    group.create_group("deep").create_array("x", data=arrays.sea().sst.values[0])
    put_directory(dataset, "plain.zarr", tmp_path / "plain")
    sea = snippet(server, dataset, path="a 'b'/sea.zarr") + "print(data['sst'].shape, float(data['sst'][0, 1, 1]))\n"
    plain = snippet(server, dataset, path="plain.zarr") + "print(data.shape)\n"

    assert "xr.open_zarr(" in sea
    assert "zarr.open(" in plain
    assert run(sea + plain, control, tmp_path) == "(3, 36, 72) 28.25\n(36, 72)\n"


@pytest.mark.parametrize("name", ["x.h5", "x.nc", "x.grib2"])
def test_the_code_for_a_file_that_is_none_shows_its_first_bytes(
    server: JupyterServer, dataset: Dataset, name: str
) -> None:
    dataset.put(name, b"\0\xff\xfe{")

    assert "file.read(256)" in snippet(server, dataset, path=name)


def test_names_within_files_do_not_enter_code_but_as_literals(server: JupyterServer, dataset: Dataset) -> None:
    evil = "x') ; __import__('os').abort() #"
    dataset.put("x.h5", arrays.hdf5(**{evil: arrays.sea().sst.values[0]}))

    code = snippet(server, dataset, path="x.h5")

    compile(code, "snippet", "exec")
    assert code.count("__import__") == code.count(repr(f"/{evil}"))
