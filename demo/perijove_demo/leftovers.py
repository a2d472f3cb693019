"""Processes of a demo that outlived their supervisor: children and sessions, found by the mark they carry."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import psutil

from perijove_demo.problem import DemoProblem

#: Marks every process of a demo with its state directory; whatever a marked process starts inherits the mark.
STATE_VARIABLE = "PERIJOVE_DEMO_STATE"

STORE_PROGRAM = "juicefs"

KILL_SECONDS = 2.0
_POLL_SECONDS = 0.05


def find_leftovers(state_dir: Path) -> list[psutil.Process]:
    """The processes of the demo on this state directory, which is absolute; never the caller or its parents."""
    this = psutil.Process()
    spared = {this.pid, *(parent.pid for parent in this.parents())}
    found = []
    for process in psutil.process_iter():
        # gone meanwhile, or another account's
        with contextlib.suppress(psutil.Error):
            if process.pid not in spared and _belongs_to(process, state_dir):
                found.append(process)
    return found


def _belongs_to(process: psutil.Process, state_dir: Path) -> bool:
    environment = process.environ()
    if STATE_VARIABLE in environment:
        return bool(environment[STATE_VARIABLE] == str(state_dir))
    # a gateway writes its title over its environment; the supervisor has started it in the state directory
    return bool(process.name() == STORE_PROGRAM and process.cwd() == str(state_dir.resolve()))


async def end_leftovers(state_dir: Path, *, term_seconds: float = 5.0) -> int:
    """End these processes and say how many there were; kills what has not ended after ``term_seconds``.

    The process table is read on the loop: the threads may all be waiting for the very processes that are ended here.

    Raises:
        DemoProblem: one does not end even when it is killed.
    """
    found = find_leftovers(state_dir)
    if not found:
        return 0
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    if await _comes_to_pass(lambda: not find_leftovers(state_dir), term_seconds):
        return len(found)

    def gone_when_killed() -> bool:
        # looked up each time: a dying process may have started one more
        survivors = find_leftovers(state_dir)
        for survivor in survivors:
            with contextlib.suppress(psutil.Error):
                survivor.kill()
        return not survivors

    if not await _comes_to_pass(gone_when_killed, KILL_SECONDS):
        pids = ", ".join(str(process.pid) for process in find_leftovers(state_dir))
        raise DemoProblem(f"Processes of an earlier demo on {state_dir} do not end: {pids}; end them first.")
    return len(found)


async def _comes_to_pass(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while not (holds := condition()) and loop.time() < deadline:  # noqa: ASYNC110 - other programs have no event
        await asyncio.sleep(_POLL_SECONDS)
    return holds
