"""Bytes that mean harm to the readers of arrays: each a preview or a sentence, and nothing outside is read or run."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from tests.support import arrays
from tests.support.jupyter import JupyterServer

from .conftest import Dataset
from .test_array_previews import look, nodes, put_directory
from .test_hostile_tables import FUZZ, assert_ends_well

FILES = arrays.every_format()
ARRAY_3 = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [4, 4],
    "data_type": "float64",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 0,
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    "attributes": {},
}
ARRAY_2 = {
    "zarr_format": 2, "shape": [4, 4], "chunks": [4, 4], "dtype": "<f8", "fill_value": 0, "order": "C",
    "filters": None, "compressor": None,
}  # fmt: skip


def sentence(server: JupyterServer, dataset: Dataset, name: str, data: bytes) -> str:
    dataset.put(name, data)
    answer = server.get(dataset.route("preview"), path=name)
    assert answer.status_code == 422, answer.text[:300]
    detail: str = answer.json()["detail"]
    return detail


@pytest.mark.parametrize("name", ["x.h5", "x.nc", "x.grib2"])
def test_an_empty_file_is_told_to_be_empty(server: JupyterServer, dataset: Dataset, name: str) -> None:
    assert sentence(server, dataset, name, b"").startswith("The file is empty: expected ")


@pytest.mark.parametrize("name", FILES)
def test_of_a_file_that_is_cut_off_this_is_told(server: JupyterServer, dataset: Dataset, name: str) -> None:
    for share in (0.01, 0.4):
        data = FILES[name][: max(12, int(len(FILES[name]) * share))]
        dataset.put(name, data)
        answer = server.get(dataset.route("preview"), path=name)

        said = answer.json()
        told = said["detail"] if answer.status_code == 422 else said["content"]["note"]
        assert "cut off" in told or "does not read" in told or "does not decode" in told, told


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
@given(data=st.binary(max_size=400), kept=st.sampled_from([4, 16, 600]))
def test_any_bytes_behind_the_beginning_of_a_file(
    server: JupyterServer, dataset: Dataset, name: str, data: bytes, kept: int
) -> None:
    assert_ends_well(server, dataset, name, FILES[name][:kept] + data)


@pytest.mark.parametrize("name", ["zarr.json", ".zarray", ".zmetadata"])
@FUZZ
@given(
    key=st.sampled_from(sorted({*ARRAY_3, *ARRAY_2, "metadata", "consolidated_metadata"})),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["name", "a/../b", "id"]), below),
        max_leaves=5,
    ),
)
def test_metadata_of_zarr_with_something_else_in_them(
    server: JupyterServer, dataset: Dataset, name: str, key: str, value: Any
) -> None:
    dataset.put(f"x.zarr/{name}", json.dumps((ARRAY_3 if name == "zarr.json" else ARRAY_2) | {key: value}).encode())

    answer = server.get(dataset.route("preview"), path="x.zarr")

    assert answer.status_code in {200, 422}, answer.text[:300]
    assert "could not be understood" not in answer.text


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "|O", "filters": [{"id": "pickle"}]},
        {"filters": [{"id": "pickle"}]},
        {"filters": [{"id": "json2"}], "dtype": "|O"},
        {"compressor": {"id": "exec"}},
    ],
)
def test_codecs_that_make_objects_are_refused(server: JupyterServer, dataset: Dataset, change: dict[str, Any]) -> None:
    """Security, item 24."""
    dataset.put("x.zarr/.zarray", json.dumps(ARRAY_2 | change).encode())
    dataset.put("x.zarr/0.0", b"cos\nsystem\n(S'touch /tmp/perijove-was-here'\ntR.")

    content = look(server, dataset, "x.zarr", node="/")["content"]

    assert content["drawing"] is None
    assert "which a preview does not run" in content["note"] or "holds objects" in content["note"]
    assert not Path("/tmp/perijove-was-here").exists()


def test_an_array_of_text_is_listed_and_not_drawn(server: JupyterServer, dataset: Dataset, tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path, mode="w")
    array = group.create_array("names", shape=(2,), dtype=str)
    array[:] = ["a", "b"]
    put_directory(dataset, "x.zarr", tmp_path)

    content = look(server, dataset, "x.zarr", node="/names")["content"]

    assert content["drawing"] is None
    assert content["note"].endswith("which a preview does not run.")


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/secret", "%2e%2e/secret", "..\\secret"])
def test_names_in_metadata_do_not_lead_out_of_the_directory(server: JupyterServer, dataset: Dataset, name: str) -> None:
    metadata = {f"{name}/.zarray": ARRAY_2, "good/.zarray": ARRAY_2, ".zgroup": {"zarr_format": 2}}
    dataset.put("x.zarr/.zmetadata", json.dumps({"metadata": metadata, "zarr_consolidated_format": 1}).encode())
    dataset.put("x.zarr/good/0.0", np.arange(16.0).tobytes())
    dataset.put("secret/0.0", np.ones(16).tobytes())

    content = look(server, dataset, "x.zarr")["content"]

    assert set(nodes(content)) == {"/", "/good"}
    assert content["drawing"]["limits"][1] == pytest.approx(15, abs=0.2)


def test_a_chunk_that_unfolds_to_too_much_is_a_sentence(server: JupyterServer, dataset: Dataset) -> None:
    huge = ARRAY_3 | {
        "shape": [1 << 20, 1 << 20],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1 << 20, 1 << 20]}},
    }
    dataset.put("x.zarr/zarr.json", json.dumps(huge).encode())

    content = look(server, dataset, "x.zarr", node="/")["content"]

    assert content["note"].endswith("too large for a preview.")


def test_a_chunk_that_is_missing_broken_or_short(server: JupyterServer, dataset: Dataset) -> None:
    dataset.put("x.zarr/zarr.json", json.dumps(ARRAY_3 | {"fill_value": 7}).encode())
    assert look(server, dataset, "x.zarr")["content"]["drawing"]["limits"][0] == 7

    dataset.put("y.zarr/zarr.json", json.dumps(ARRAY_3).encode())
    dataset.put("y.zarr/c/0/0", b"short")
    content = look(server, dataset, "y.zarr")["content"]
    assert content["drawing"] is None
    assert "does not read" in content["note"]


def test_links_of_hdf5_to_other_files_are_not_followed(server: JupyterServer, dataset: Dataset, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["x"] = np.ones((4, 4))
    (tmp_path / "raw").write_bytes(np.ones(16).tobytes())
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        made["linked"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "x")
        made["soft"] = h5py.SoftLink("/good")
        made["loop"] = made["/"]
        made["good"] = np.zeros((4, 4))
        made.create_dataset("raw", (4, 4), "f8", external=[(str(tmp_path / "raw"), 0, 128)])
        layout = h5py.VirtualLayout((4, 4), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "x", (4, 4))
        made.create_virtual_dataset("virtual", layout)
    dataset.put("x.h5", file.getvalue())

    content = look(server, dataset, "x.h5")["content"]

    assert set(nodes(content)) == {"/", "/good", "/raw", "/virtual"}
    assert content["drawing"]["node"] == "/good"
    for node in ("/raw", "/virtual"):
        told = look(server, dataset, "x.h5", node=node)["content"]
        assert (told["drawing"], "in other files" in told["note"]) == (None, True)


def test_a_file_of_very_many_nodes_is_listed_in_part(server: JupyterServer, dataset: Dataset) -> None:
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        for number in range(6000):
            made.create_group(f"group-{number}")
    dataset.put("x.h5", file.getvalue())

    content = look(server, dataset, "x.h5")["content"]

    assert content["truncated"] is True
    assert "budget" in content["note"]


def test_numbers_that_are_none_do_not_end_the_drawing(server: JupyterServer, dataset: Dataset) -> None:
    values = np.array([[math.nan, math.inf], [-math.inf, 1e308]])
    dataset.put("x.h5", arrays.hdf5(x=values, empty=np.zeros((0, 3))))

    assert look(server, dataset, "x.h5", node="/x")["content"]["drawing"]["limits"][0] == 1e308
    assert look(server, dataset, "x.h5", node="/empty")["content"]["drawing"] is None


def test_after_all_of_that_the_server_shows_a_good_file(server: JupyterServer, dataset: Dataset) -> None:
    for name, data in FILES.items():
        dataset.put(name, data)
        assert look(server, dataset, name)["content"]["drawing"] is not None
