"""The supervisor and what is done about processes that outlived one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from perijove_demo.leftovers import STATE_VARIABLE, end_leftovers, find_leftovers
from perijove_demo.supervisor import Child, Supervisor

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"


async def _until(condition: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - processes have no event
            await asyncio.sleep(0.02)


def _sleeper(folder: Path) -> Child:
    return Child("sleeper", ["sleep", "60"], {"PATH": os.defpath}, folder / "logs" / "sleeper.log", folder)


def _failing(error: Exception) -> Callable[[dict[str, int]], Awaitable[None]]:
    async def changed(_pids: dict[str, int]) -> None:
        raise error

    return changed


async def _ignored(_pids: dict[str, int]) -> None:
    pass


async def test_child_is_kept_alive_when_nobody_can_be_told(tmp_path: Path) -> None:
    supervisor = Supervisor(_failing(ValueError("no room for demo.json")))
    await supervisor.start(_sleeper(tmp_path))
    for _ in range(2):
        before = supervisor.pids["sleeper"]
        os.kill(before, signal.SIGKILL)
        await _until(lambda before=before: supervisor.pids["sleeper"] != before)
    last = supervisor.pids["sleeper"]
    assert psutil.pid_exists(last)
    await supervisor.stop("sleeper")
    assert not psutil.pid_exists(last)


async def test_child_that_cannot_be_started_again_is_tried_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = Supervisor(_ignored)
    await supervisor.start(_sleeper(tmp_path))
    before = supervisor.pids["sleeper"]
    logs, aside = tmp_path / "logs", tmp_path / "aside"
    logs.rename(aside)
    logs.write_text("in the way")
    os.kill(before, signal.SIGKILL)
    await _until(lambda: "sleeper could not be started and is tried again" in caplog.text)
    logs.unlink()
    await _until(lambda: supervisor.pids["sleeper"] != before)
    assert psutil.pid_exists(supervisor.pids["sleeper"])
    await supervisor.stop("sleeper")


async def test_stop_of_a_child_that_was_never_started_is_no_error() -> None:
    supervisor = Supervisor(_ignored)
    await supervisor.stop("hub")
    assert supervisor.pids == {}


@pytest.fixture
def marked(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN],
        env={**os.environ, STATE_VARIABLE: str(tmp_path)}, start_new_session=True, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


async def test_leftover_that_heeds_nothing_is_killed(tmp_path: Path, marked: subprocess.Popen[bytes]) -> None:
    begun = time.monotonic()
    assert await end_leftovers(tmp_path, term_seconds=0.2) == 1
    assert time.monotonic() - begun < 2
    assert marked.wait(1) == -signal.SIGKILL
    assert find_leftovers(tmp_path) == []


async def test_processes_of_another_state_directory_are_left_alone(
    tmp_path: Path, marked: subprocess.Popen[bytes]
) -> None:
    assert await end_leftovers(tmp_path / "other") == 0
    assert marked.poll() is None
