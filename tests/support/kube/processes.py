"""What a container is here: a real process in a group of its own, or the pretence of one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

#: So that nothing is left when the bed itself is killed.
_ENDS_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"]
KILLED_CODE = 128 + signal.SIGKILL


class Process(Protocol):
    """A container that runs."""

    @property
    def container_id(self) -> str:
        """What tells it from others."""

    async def wait(self) -> int:
        """Its exit code, once it has ended; 128 and the signal for one that was killed."""

    def kill(self) -> None:
        """Ends it at once."""

    async def stop(self, grace_seconds: float) -> None:
        """Asks it to end and, when the grace is over, ends it."""


class RealProcess:
    """A process of this machine, with all that it starts."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls, command: list[str], environment: dict[str, str], directory: Path, log: Path, place: Sequence[str] = ()
    ) -> RealProcess:
        """Starts it; all that it writes goes into the log. ``place`` is a command that runs another one elsewhere.

        Raises:
            FileNotFoundError: the command is not there.
        """
        if shutil.which(command[0], path=environment["PATH"]) is None:
            raise FileNotFoundError(command[0])
        with log.open("ab") as written:
            process = await asyncio.create_subprocess_exec(
                *_ENDS_WITH_US,
                *place,
                *command,
                env=environment,
                cwd=directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                start_new_session=True,
            )
        return cls(process)

    @property
    def container_id(self) -> str:
        """Its process id as a URL."""
        return f"process://{self._process.pid}"

    async def wait(self) -> int:
        """See :class:`Process`."""
        code = await self._process.wait()
        self._signal(signal.SIGKILL)  # the container's first process takes the others with it
        return code if code >= 0 else 128 - code

    def kill(self) -> None:
        """See :class:`Process`."""
        self._signal(signal.SIGKILL)

    async def stop(self, grace_seconds: float) -> None:
        """See :class:`Process`."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._process.wait()), grace_seconds)
        self._signal(signal.SIGKILL)
        await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class PretendedProcess:
    """Nothing runs; it ends when it is told to."""

    def __init__(self, container_id: str) -> None:
        self.container_id = container_id
        self._code = 0
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """See :class:`Process`."""
        await self._ended.wait()
        return self._code

    def kill(self) -> None:
        """See :class:`Process`."""
        self._code = KILLED_CODE
        self._ended.set()

    async def stop(self, grace_seconds: float) -> None:
        """See :class:`Process`."""
        self._ended.set()
