"""A hub that ends when another platform file is there, and only then."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from perijove_hub.policy import load_platform
from perijove_hub.spawner import PerijoveSpawner
from perijove_hub.spawning.anew import end_when_changed

PLATFORM = """\
sites: {near: {kind: local, title: Near, region: here, capacity: {cpu: 4, memory_gib: 8}}}
profiles: {small: {title: Small, cpu: 1, memory_gib: 1}}
"""
LOOK_SECONDS = 0.01


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "perijove.yaml"
    path.write_text(PLATFORM)
    monkeypatch.setattr(PerijoveSpawner, "house", SimpleNamespace(platform=load_platform(path)), raising=False)
    monkeypatch.setattr(PerijoveSpawner, "owned", {})
    return path


def put(path: Path, text: str) -> None:
    """Put a file in the place of another at once, as Kubernetes does with what it mounts."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


async def looks(number: int = 20) -> None:
    """Time for some looks at the file."""
    await asyncio.sleep(LOOK_SECONDS * number)


async def test_it_ends_once_when_another_file_is_there(path: Path) -> None:
    ended = asyncio.Event()
    end_when_changed(path, ended.set, LOOK_SECONDS)
    await looks()
    assert not ended.is_set()
    put(path, PLATFORM.replace("cpu: 4", "cpu: 5"))
    await asyncio.wait_for(ended.wait(), 10)


async def test_comments_and_order_are_no_other_file(path: Path) -> None:
    ended = asyncio.Event()
    end_when_changed(path, ended.set, LOOK_SECONDS)
    put(path, "# the same\n" + "\n".join(reversed(PLATFORM.splitlines())))
    await looks()
    assert not ended.is_set()


async def test_a_file_that_is_wrong_is_told_once_and_waited_out(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ended = asyncio.Event()
    with caplog.at_level(logging.ERROR, "perijove_hub.policy.changes"):
        end_when_changed(path, ended.set, LOOK_SECONDS)
        put(path, PLATFORM.replace("kind", "kinds"))
        async with asyncio.timeout(10):
            while not caplog.records:
                await looks(1)
        await looks()
        assert [record.message for record in caplog.records] == [
            "platform file refused, the running one stays in force"
        ]
        assert not ended.is_set()
        put(path, PLATFORM.replace("Near", "Nearer"))
        await asyncio.wait_for(ended.wait(), 10)


async def test_starts_that_are_on_their_way_are_waited_for_and_not_for_ever(path: Path) -> None:
    starting = SimpleNamespace(pending="spawn")
    PerijoveSpawner.owned["a"] = starting
    ended = asyncio.Event()
    end_when_changed(path, ended.set, LOOK_SECONDS)
    put(path, PLATFORM.replace("cpu: 4", "cpu: 5"))
    await looks(50)
    assert not ended.is_set()
    starting.pending = None
    await asyncio.wait_for(ended.wait(), 10)
    starting.pending, in_vain = "spawn", asyncio.Event()
    end_when_changed(path, in_vain.set, LOOK_SECONDS, patience_seconds=LOOK_SECONDS)
    await asyncio.wait_for(in_vain.wait(), 10)
