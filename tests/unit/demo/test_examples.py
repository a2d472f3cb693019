"""The examples that a new home of the demo gets."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from perijove_demo.examples import FOLDER, HERE, put_examples


def test_a_new_home_gets_them_once(tmp_path: Path) -> None:
    assert put_examples(tmp_path) == ["dask-near-the-data.ipynb"]
    (tmp_path / FOLDER / "dask-near-the-data.ipynb").write_text("changed")
    assert put_examples(tmp_path) == []
    assert (tmp_path / FOLDER / "dask-near-the-data.ipynb").read_text() == "changed"


def test_they_are_code_without_results_and_without_secrets() -> None:
    for path in HERE.glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        for cell in cells:
            if cell["cell_type"] == "code":
                ast.parse(cell["source"])
                assert cell["outputs"] == []
            assert "token" not in cell["source"]
