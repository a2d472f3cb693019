from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.errors import Refused
from perijove_server.home.measure import Bounds, disk_bytes, measure_home
from perijove_server.home.remove import key_of, look_up, outermost, path_of, remove

KIB = 1024


def put(home: Path, path: str, size_bytes: int) -> int:
    """A file; what it takes on the disk."""
    file = home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size_bytes)
    return disk_bytes(file.stat())


def test_a_directory_holds_what_is_in_it_at_all_levels(tmp_path: Path) -> None:
    put(tmp_path, "a/b/c.bin", 100 * KIB)
    put(tmp_path, "a/d.bin", 50 * KIB)
    put(tmp_path, "e.bin", 20 * KIB)

    sizes = measure_home(tmp_path, Bounds())

    assert [item.path for item in sizes.files] == ["a/b/c.bin", "a/d.bin", "e.bin"]
    assert [(item.path, item.files) for item in sizes.directories] == [("a", 2), ("a/b", 1)]
    everything = [tmp_path, *tmp_path.rglob("*")]
    assert sizes.total_bytes == sum(disk_bytes(path.stat()) for path in everything)
    assert sizes.complete


def test_of_nested_directories_that_hold_the_same_only_the_innermost_is_listed(tmp_path: Path) -> None:
    put(tmp_path, ".local/share/Trash/files/large.bin", 4000 * KIB)

    assert [item.path for item in measure_home(tmp_path, Bounds()).directories] == [".local/share/Trash/files"]


def test_a_file_with_two_names_counts_once_and_frees_nothing_until_both_are_gone(tmp_path: Path) -> None:
    taken = put(tmp_path, "one.bin", 100 * KIB)
    os.link(tmp_path / "one.bin", tmp_path / "two.bin")

    assert sum(item.size_bytes for item in measure_home(tmp_path, Bounds()).files) == taken
    assert remove(tmp_path, "one.bin").size_bytes == 0
    assert remove(tmp_path, "two.bin").size_bytes == taken


def test_only_the_largest_are_listed(tmp_path: Path) -> None:
    for number in range(10):
        put(tmp_path, f"{number}.bin", (number + 1) * 8 * KIB)

    sizes = measure_home(tmp_path, Bounds(shown=3))

    assert [item.path for item in sizes.files] == ["9.bin", "8.bin", "7.bin"]


@pytest.mark.parametrize(("bounds", "ticks"), [(Bounds(entries=5), 0.0), (Bounds(seconds=5.0), 1.0)])
def test_looking_ends_at_its_bounds_and_says_so(tmp_path: Path, bounds: Bounds, ticks: float) -> None:
    for number in range(20):
        put(tmp_path, f"d{number}/file", KIB)
    time = [0.0]

    def clock() -> float:
        time[0] += ticks
        return time[0]

    sizes = measure_home(tmp_path, bounds, clock)

    assert not sizes.complete
    assert 0 < sizes.looked_at <= 6


def test_a_sparse_file_counts_what_it_takes(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)

    assert measure_home(tmp_path, Bounds()).total_bytes < 1 << 20


def test_what_is_deleted_is_counted_as_it_was_looked_up(tmp_path: Path) -> None:
    put(tmp_path, "a/b/c.bin", 100 * KIB)
    put(tmp_path, "a/d.bin", 50 * KIB)
    before = measure_home(tmp_path, Bounds()).total_bytes

    seen = look_up(tmp_path, "a")
    assert remove(tmp_path, "a") == seen

    after = measure_home(tmp_path, Bounds()).total_bytes
    assert seen.files == 2
    # the home's own entry may shrink besides
    assert before - after >= seen.size_bytes


@pytest.fixture
def deep_home(tmp_path: Path) -> Iterator[Path]:
    """A home with a directory that is deeper than Python's own functions can go."""
    handle = os.open(tmp_path, os.O_RDONLY)
    for _ in range(2500):
        os.mkdir("deep", dir_fd=handle)
        inner = os.open("deep", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    yield tmp_path
    subprocess.run(["rm", "-rf", str(tmp_path / "deep")], check=True)


def test_a_directory_deeper_than_can_be_gone_through_is_refused(deep_home: Path) -> None:
    assert not measure_home(deep_home, Bounds()).complete
    with pytest.raises(Refused, match=r"too deep|cannot be read"):
        remove(deep_home, "deep")
    assert (deep_home / "deep").exists()


@given(st.binary(min_size=1, max_size=80).filter(lambda name: b"\0" not in name and b"/" not in name))
def test_every_name_that_a_file_may_have_comes_back_from_a_form(name: bytes) -> None:
    path = os.fsdecode(b"folder/" + name)
    if name not in {b".", b".."}:
        assert path_of(key_of(path)) == path


@given(st.lists(st.sampled_from(["a", "a/b", "a/b/c", "ab", "ab/c", "d"]), max_size=8))
def test_of_what_is_ticked_nothing_lies_in_anything_else(paths: list[str]) -> None:
    kept = outermost(paths)

    assert all(any(path == one or path.startswith(f"{one}/") for one in kept) for path in paths)
    assert not any(path != one and path.startswith(f"{one}/") for path in kept for one in kept)
    assert len(kept) == len(set(kept))
