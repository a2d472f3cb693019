"""What a browser must load of the built JupyterLab extension: little at the start, and each panel when it is opened."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[3] / "server_ext" / "perijove_server" / "labextension" / "static"
#: In bytes after gzip.
ENTRY_MAX_BYTES = 40_000
CHUNK_MAX_BYTES = 60_000

pytestmark = pytest.mark.skipif(not STATIC.is_dir(), reason="the extension is not built; `make test` builds it first")


def _gzipped_bytes(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), 9))


def _entry() -> list[Path]:
    """The file that JupyterLab loads first, and the chunks that it loads for the plugins and their style."""
    (remote,) = STATIC.glob("remoteEntry.*.js")
    exposed = re.search(r'"\./extension":(.*?),"\./style":(.*?)\}', remote.read_text())
    assert exposed, "the file that lists what the extension exposes looks unlike what this test knows"
    numbers = [number for part in exposed.groups() for number in re.findall(r"\.e\((\d+)\)", part)]
    # a number without a file is a package that JupyterLab brings itself
    return [remote, *(path for number in numbers for path in STATIC.glob(f"{number}.*.js"))]


def test_little_is_loaded_at_the_start() -> None:
    sizes = {path.name: _gzipped_bytes(path) for path in _entry()}

    assert len(sizes) >= 3
    assert sum(sizes.values()) <= ENTRY_MAX_BYTES, sizes


def test_each_part_that_is_loaded_later_is_small() -> None:
    sizes = {path.name: _gzipped_bytes(path) for path in STATIC.glob("*.js")}

    assert {name: size for name, size in sizes.items() if size > CHUNK_MAX_BYTES} == {}


def test_the_coasts_of_the_world_are_not_loaded_at_the_start() -> None:
    with_coasts = {path for path in STATIC.glob("*.js") if '"Topology"' in path.read_text()}

    assert with_coasts
    assert not with_coasts & set(_entry())


def test_no_second_toolkit_is_loaded() -> None:
    """JupyterLab brings its own components; Material UI and its style engine would be 67 kB more."""
    (listed,) = STATIC.glob("third-party-licenses.json")
    names = {package["name"] for package in json.loads(listed.read_text())["packages"]}

    assert "@tanstack/react-virtual" in names
    assert {name for name in names if name.startswith(("@mui/", "@material-ui/", "@emotion/"))} == set()
