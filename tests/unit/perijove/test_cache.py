"""Blocks on disk: what is a hit, what never is, and who may have it."""

from __future__ import annotations

import os
import pwd
import random
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import perijove
from perijove.cache import BlockCache, BlockKey, block_cache, cache_scope
from perijove.filesystem import close_connections
from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import S3Bed

BODY = random.Random(5).randbytes(3 << 20)
DATA = b"0123456789" * 1000
KEY = BlockKey("platform\nada", "demo", "x.bin", '"etag"', 1 << 20, 0, len(DATA))


@pytest.fixture
def cache(tmp_path: Path) -> BlockCache:
    return BlockCache(tmp_path / "blocks", 1 << 20)


def block_files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_what_was_put_is_found_by_the_same_key_only(cache: BlockCache) -> None:
    cache.put(KEY, DATA)

    assert cache.get(KEY) == DATA
    for other in (
        replace(KEY, scope="platform\neve"),
        replace(KEY, dataset="demo2"),
        replace(KEY, path="y.bin"),
        replace(KEY, etag='"other"'),
        replace(KEY, size_bytes=(1 << 20) + 1),
        replace(KEY, start=1, stop=len(DATA) + 1),
    ):
        assert cache.get(other) is None


@given(st.tuples(*[st.text(max_size=4)] * 4), st.tuples(*[st.text(max_size=4)] * 4))
def test_two_keys_are_never_written_alike(one: tuple[str, str, str, str], other: tuple[str, str, str, str]) -> None:
    same = BlockKey(*one, 1, 0, 1).digest() == BlockKey(*other, 1, 0, 1).digest()

    assert same == (one == other)


def poisons() -> dict[str, object]:
    def swapped(file: Path, other: Path) -> None:
        file.write_bytes(other.read_bytes())  # a block of another tenant under this one's name

    return {
        "cut": lambda file, other: file.write_bytes(file.read_bytes()[:-1]),
        "longer": lambda file, other: file.write_bytes(file.read_bytes() + b"x"),
        "empty": lambda file, other: file.write_bytes(b""),
        "one bit": lambda file, other: file.write_bytes(file.read_bytes()[:-1] + b"\x00"),
        "another's": swapped,
        "a link": lambda file, other: (file.unlink(), file.symlink_to(other)),
        "a directory": lambda file, other: (file.unlink(), file.mkdir()),
    }


@pytest.mark.parametrize("poison", list(poisons()))
def test_a_poisoned_block_is_a_miss_and_never_bytes(cache: BlockCache, tmp_path: Path, poison: str) -> None:
    """Security, item 23."""
    elsewhere = BlockCache(tmp_path / "other", 1 << 20)
    elsewhere.put(replace(KEY, scope="platform\neve"), DATA[::-1])
    cache.put(KEY, DATA)
    (file,) = block_files(tmp_path / "blocks")
    (other,) = block_files(tmp_path / "other")

    poisons()[poison](file, other)  # type: ignore[operator] # one of the functions above

    assert cache.get(KEY) is None


def test_a_part_of_a_block_is_not_kept(cache: BlockCache) -> None:
    cache.put(KEY, DATA[:-1])

    assert cache.get(KEY) is None


def test_it_is_the_user_s_alone(cache: BlockCache, tmp_path: Path) -> None:
    cache.put(KEY, DATA)
    directory = tmp_path / "blocks"

    for path in (directory, *directory.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for file in block_files(directory):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    directory.chmod(0o777)
    cache.get(KEY)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_directory_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    """Security, item 20."""
    (tmp_path / "real").mkdir(mode=0o777)
    (tmp_path / "blocks").symlink_to(tmp_path / "real")
    cache = BlockCache(tmp_path / "blocks", 1 << 20)

    cache.put(KEY, DATA)

    assert block_files(tmp_path) == []


def test_it_stays_within_its_limit_and_what_was_used_last_stays(cache: BlockCache, tmp_path: Path) -> None:
    cache.put(KEY, DATA)
    for number in range(1, 200):
        cache.put(replace(KEY, path=str(number)), DATA)
        for file in block_files(tmp_path / "blocks"):
            os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 1))  # a second goes by
        assert cache.get(KEY) == DATA
        assert sum(file.stat().st_blocks * 512 for file in block_files(tmp_path / "blocks")) <= 1 << 20

    assert cache.get(replace(KEY, path="1")) is None
    assert cache.get(replace(KEY, path="199")) == DATA


def test_a_directory_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = BlockCache(tmp_path / "file" / "blocks", 1 << 20)

    cache.put(KEY, DATA)

    assert cache.get(KEY) is None


@pytest.mark.parametrize("said", ["0", "-1", "many", "", "9" * 40])
def test_no_size_no_cache(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("PERIJOVE_CACHE_BYTES", said)

    assert block_cache() is None


def test_no_home_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")

    def nobody(uid: int) -> None:
        raise KeyError(uid)  # a container's account that has no name

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert block_cache() is None


def test_two_clusters_on_one_machine_share_no_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    monkeypatch.setenv("PERIJOVE_LEASE_ID", "lease-1")
    first = cache_scope("https://control.example")
    monkeypatch.setenv("PERIJOVE_LEASE_ID", "lease-2")
    assert cache_scope("https://control.example") != first
    monkeypatch.setenv("JUPYTERHUB_USER", "ana")
    at_home = cache_scope("https://control.example")
    monkeypatch.setenv("PERIJOVE_LEASE_ID", "lease-3")
    assert cache_scope("https://control.example") == at_home, "the sessions of a user share theirs"


def another_kernel() -> None:
    """What is in memory is gone; what is on disk is not."""
    close_connections()


def test_the_next_kernel_reads_from_disk_what_the_first_has_read(control: FakeControl, bed: S3Bed) -> None:
    control.add("demo", FakeReplica("near", bed, "bucket"))
    bed.put("bucket", "x.bin", BODY)
    with perijove.open("demo/x.bin") as file:
        assert file.read() == BODY
    another_kernel()
    bed.reset_counters()

    with perijove.open("demo/x.bin") as file:
        assert file.read() == BODY
        assert file.counts.cache_hits == 2
        assert file.counts.cache_bytes == len(BODY)
        assert file.counts.bytes == 0

    assert [request.status for request in bed.requests] == [304]
    assert bed.bytes_out == 0


def test_who_may_not_open_it_any_more_gets_nothing_from_the_cache(control: FakeControl, bed: S3Bed) -> None:
    control.add("demo", FakeReplica("near", bed, "bucket"))
    bed.put("bucket", "x.bin", BODY)
    with perijove.open("demo/x.bin") as file:
        file.read()
    another_kernel()
    del control.datasets["demo"]

    with pytest.raises(perijove.NotFound):
        perijove.open("demo/x.bin")


def test_a_new_version_is_never_mixed_with_kept_blocks_of_the_old(control: FakeControl, bed: S3Bed) -> None:
    control.add("demo", FakeReplica("near", bed, "bucket"))
    bed.put("bucket", "x.bin", BODY)
    with perijove.open("demo/x.bin") as file:
        file.read()
    bed.put("bucket", "x.bin", BODY[::-1])

    with perijove.open("demo/x.bin") as file:
        assert file.read() == BODY[::-1]
        assert file.counts.cache_hits == 0


def test_another_user_of_the_same_account_gets_nothing(
    control: FakeControl, bed: S3Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.add("demo", FakeReplica("near", bed, "bucket"))
    bed.put("bucket", "x.bin", BODY)
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    with perijove.open("demo/x.bin") as file:
        file.read()
    monkeypatch.setenv("JUPYTERHUB_USER", "eve")

    with perijove.open("demo/x.bin") as file:
        file.read()
        assert file.counts.cache_hits == 0
