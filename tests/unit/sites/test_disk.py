"""How much a home takes up, with the links, holes and locked doors that people have in theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from perijove_hub.sites import disk as disk_module
from perijove_hub.sites.disk import directory_bytes

MIB = 2**20
#: What directories and rounding to blocks may add.
SLACK = 64 * 1024


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "ana"
    home.mkdir()
    return home


def size(directory: Path) -> int:
    found = directory_bytes(directory)
    assert found is not None
    return found


def test_all_that_is_below_counts_hidden_or_not(home: Path) -> None:
    before = size(home)
    (home / "data").write_bytes(os.urandom(MIB))
    (home / ".hidden").mkdir()
    (home / ".hidden/more").write_bytes(os.urandom(MIB))
    assert 2 * MIB <= size(home) - before < 2 * MIB + SLACK


def test_a_hard_link_counts_once(home: Path) -> None:
    (home / "data").write_bytes(os.urandom(MIB))
    before = size(home)
    (home / "again").hardlink_to(home / "data")
    assert size(home) - before < SLACK


def test_a_symbolic_link_is_not_followed(home: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(os.urandom(MIB))
    (home / "elsewhere").symlink_to(tmp_path)
    (home / "loop").symlink_to(home)
    (home / "nowhere").symlink_to("/no/such/file")
    assert size(home) < SLACK


def test_a_hole_takes_no_room(home: Path) -> None:
    with (home / "hole").open("wb") as file:
        file.truncate(2**30)
    assert size(home) < SLACK


def test_a_home_that_is_itself_a_link_is_measured(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    home.rename(elsewhere)
    home.symlink_to(elsewhere)
    (elsewhere / "data").write_bytes(os.urandom(MIB))
    assert MIB <= size(home) < MIB + SLACK


def test_what_may_not_be_read_is_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "data").write_bytes(os.urandom(MIB))
    tools = home.parent / "tools"
    tools.mkdir()
    # root may read everything, so the complaint is made up: the sum with a fault is what `du` gives then
    for name, program in (("nice", 'shift 2; exec "$@"'), ("du", '/usr/bin/du "$@"; echo "cannot read" >&2; exit 1')):
        (tools / name).write_text(f"#!/bin/sh\n{program}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    assert MIB <= size(home) < MIB + SLACK


def test_what_is_not_there_has_no_size(home: Path) -> None:
    assert directory_bytes(home / "nothing") is None
    (home / "file").write_bytes(b"")
    assert directory_bytes(home / "file") is None


def test_what_takes_too_long_to_walk_has_no_size(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = home.parent / "nice"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o700)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(disk_module, "WALK_SECONDS", 0.05)
    assert directory_bytes(home) is None


def test_a_machine_that_cannot_measure_has_no_sizes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    assert directory_bytes(home) is None
