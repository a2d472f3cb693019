"""A small supervisor: starts children, starts them again when they die, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

#: A child that lives shorter than this is started again only after a pause.
SHORT_LIFE_SECONDS = 5.0
PAUSE_SECONDS = (0.0, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Child:
    """A process to keep alive. Its output goes to ``log_path``; ``stop_seconds`` is how long it may take to end."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log_path: Path
    cwd: Path
    stop_seconds: float = 3.0


class Supervisor:
    """Keeps children alive.

    Args:
        changed: called after each start of a child, with the process ids by name.
    """

    def __init__(self, changed: Callable[[dict[str, int]], Awaitable[None]]) -> None:
        self._changed = changed
        self._children: dict[str, Child] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the children by name."""
        return {name: process.pid for name, process in self._processes.items()}

    async def start(self, child: Child) -> None:
        """Start a child and keep it alive from now on."""
        self._children[child.name] = child
        await self._launch(child)
        self._keepers[child.name] = asyncio.create_task(self._keep(child))

    def has_died(self, name: str) -> bool:
        """Whether the child is not running just now."""
        return self._processes[name].returncode is not None

    async def stop(self, name: str, patience_seconds: float | None = None) -> None:
        """Stop a child, if it was started; kills it when it does not end in time, its own or ``patience_seconds``."""
        if keeper := self._keepers.pop(name, None):
            keeper.cancel()
            # it may be about to start the child once more
            await asyncio.wait([keeper])
        if process := self._processes.pop(name, None):
            child = self._children[name]
            await self._end(process, child.stop_seconds if patience_seconds is None else patience_seconds)

    async def _launch(self, child: Child) -> None:
        child.log_path.parent.mkdir(parents=True, exist_ok=True)
        with child.log_path.open("ab") as output:
            # a session of its own: Ctrl-C in the terminal is for the supervisor, which stops the children in order
            self._processes[child.name] = await asyncio.create_subprocess_exec(
                *child.command,
                env=dict(child.env),
                cwd=child.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def _keep(self, child: Child) -> None:
        loop, short_lives = asyncio.get_running_loop(), 0
        while True:
            begun = loop.time()
            code = await self._processes[child.name].wait()
            short_lives = short_lives + 1 if loop.time() - begun < SHORT_LIFE_SECONDS else 0
            log.warning("%s ended with code %s and is started again", child.name, code)
            await asyncio.sleep(_pause_seconds(short_lives))
            while not await self._launched(child):
                short_lives += 1
                await asyncio.sleep(_pause_seconds(short_lives))
            try:
                await self._changed(self.pids)
            except Exception as error:  # noqa: BLE001 - whatever it was, the child is kept alive
                log.warning("%s is back, which could not be told: %s", child.name, error)

    async def _launched(self, child: Child) -> bool:
        try:
            await self._launch(child)
        except OSError as error:
            # a full disk or process table may pass
            log.warning("%s could not be started and is tried again: %s", child.name, error)
            return False
        return True

    @staticmethod
    async def _end(process: asyncio.subprocess.Process, patience_seconds: float) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), patience_seconds)
        except TimeoutError:
            # its own children are in its session and must not survive it
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _pause_seconds(short_lives: int) -> float:
    return PAUSE_SECONDS[min(short_lives, len(PAUSE_SECONDS) - 1)]
