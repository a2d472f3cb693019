"""The parent of the preview processes: starts them bare, feeds them ranges, and ends those that overstep.

A child is a new Python, not a fork: nothing of the server's memory, open files or environment is in it. Loading NumPy
and astropy takes it about a second, so one is kept ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from perijove.errors import NotFound, NotSupported, PerijoveError

from . import frames
from .answers import (
    LISTINGS_MAX,
    OBJECTS_MAX,
    READY,
    Asks,
    Done,
    ListNames,
    Made,
    Operation,
    Read,
    ReadObjects,
    Trouble,
)
from .folder import Folder
from .source import NOT_AFFORDED, NOT_THERE

Fetch = Callable[[list[tuple[int, int]]], Awaitable[list[bytes]]]
Message = TypeVar("Message")

#: A child serves so many wishes and is then replaced, so that what leaks does not add up.
USES_MAX = 50
#: The child is given so long to load its libraries.
START_SECONDS = 30.0
#: A child's messages may not be longer; a picture of 1024 × 1024 takes about one MiB.
MESSAGE_MAX_BYTES = 2 << 20
PICTURE_MAX_BYTES = 8 << 20

_PACKAGES = [str(Path(__file__).resolve().parents[2])]


class PreviewFailed(PerijoveError):
    """The file cannot be previewed: it is of a kind that is not shown (415) or broken (422)."""

    status = 422
    title = "No preview"

    def __init__(self, detail: str, status: int = 422) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """What one preview may take: bytes from the store, seconds of computing, seconds in all, bytes of memory."""

    budget_bytes: int
    compute_seconds: float
    total_seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class Outcome(Generic[Made]):
    """What the child made."""

    preview: Made
    picture: bytes


class _Overstepped(Exception):
    """The child broke the rules of the pipe or ended."""


class PreviewPool:
    """At most ``size`` children at work, one kept ready. Belongs to one event loop."""

    def __init__(self, limits: Limits, size: int = 2) -> None:
        self._limits = limits
        self._gate = asyncio.Semaphore(size)
        self._ready: list[_Child] = []
        self._warming: asyncio.Task[None] | None = None
        self._closed = False

    def warm(self) -> None:
        """Start a child in the background unless one is ready: somebody is about to want a preview."""
        if not self._ready and not self._closed and (self._warming is None or self._warming.done()):
            self._warming = asyncio.ensure_future(self._warm())

    async def run(
        self,
        operation: Operation[Made],
        wish: dict[str, Any],
        size_bytes: int,
        fetch: Fetch,
        folder: Folder | None = None,
    ) -> Outcome[Made]:
        """Let a child do ``operation`` on an object of ``size_bytes`` read by ``fetch``, or on a ``folder``.

        Raises:
            PreviewFailed: the file cannot be shown, took too long or too much, or ended the child; or the child's
                answer is none, and it is ended.
            PerijoveError: what ``fetch`` raised.
        """
        ask = {
            "op": operation.name,
            "wish": wish,
            "size_bytes": size_bytes,
            "budget_bytes": self._limits.budget_bytes,
            "is_directory": folder is not None,
        }
        async with self._gate:
            child = await self._take()
            healthy = False
            try:
                async with asyncio.timeout(self._limits.total_seconds):
                    outcome = await _Conversation(child, self._limits, fetch, folder, operation).hold(ask, size_bytes)
                healthy = True
                return outcome
            except PreviewFailed:
                healthy = True  # the child has said so itself and waits for the next wish
                raise
            except TimeoutError:
                raise PreviewFailed("The preview took too long: open the file in a notebook instead.") from None
            except _Overstepped:
                raise PreviewFailed(
                    "The file could not be understood: its preview ended unexpectedly, which harmed nothing else."
                ) from None
            finally:
                self._give_back(child, healthy)

    async def close(self) -> None:
        """End all children."""
        self._closed = True
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        await asyncio.gather(*(child.end() for child in self._ready))
        self._ready.clear()

    async def _warm(self) -> None:
        with contextlib.suppress(PreviewFailed):
            self._ready.append(await _Child.start(self._limits))

    async def _take(self) -> _Child:
        if self._warming is not None and not self._ready:
            await asyncio.shield(self._warming)
        while self._ready:
            child = self._ready.pop()
            if child.is_alive:
                return child
        return await _Child.start(self._limits)

    def _give_back(self, child: _Child, healthy: bool) -> None:
        child.uses += 1
        if healthy and child.uses < USES_MAX and not self._ready and not self._closed:
            self._ready.append(child)
            return
        child.kill()
        self.warm()


class _Child:
    """One process and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.uses = 0

    @classmethod
    async def start(cls, limits: Limits) -> _Child:
        """A child that has loaded its libraries."""
        try:
            child = cls(await _start_process(limits))
        except OSError:
            raise PreviewFailed("Previews do not work now: this machine cannot start another process.", 503) from None
        try:
            async with asyncio.timeout(START_SECONDS):
                await child.receive(READY)
        except (TimeoutError, _Overstepped):
            child.kill()
            raise PreviewFailed(
                "Previews do not work here: their process does not start. Are astropy and Pillow installed, and is "
                "preview_memory_bytes large enough?",
                503,
            ) from None
        except BaseException:
            child.kill()
            raise
        return child

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def send(self, message: frames.Message, parts: list[bytes] | None = None) -> None:
        """Send one frame."""
        stdin = self._process.stdin
        if stdin is None:
            raise _Overstepped
        payload = parts or []
        try:
            stdin.write(frames.pack(message, sum(map(len, payload))))
            for part in payload:
                stdin.write(part)
                await stdin.drain()
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise _Overstepped from None

    async def receive(self, messages: TypeAdapter[Message]) -> tuple[Message, bytes]:
        """Read one frame, which must hold one of ``messages``; nothing that it says is believed unchecked."""
        stdout = self._process.stdout
        if stdout is None:
            raise _Overstepped
        try:
            text_bytes, payload_bytes = frames.LENGTHS.unpack(await stdout.readexactly(frames.LENGTHS.size))
            if text_bytes > MESSAGE_MAX_BYTES or payload_bytes > PICTURE_MAX_BYTES:
                raise _Overstepped
            message = messages.validate_json(await stdout.readexactly(text_bytes))
            return message, await stdout.readexactly(payload_bytes)
        except (asyncio.IncompleteReadError, ValidationError):
            raise _Overstepped from None

    def kill(self) -> None:
        """End it now."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> None:
        """End it and wait for that."""
        self.kill()
        await self._process.wait()


class _Conversation(Generic[Made]):
    """One wish, from asking to the outcome, within its budgets."""

    def __init__(
        self, child: _Child, limits: Limits, fetch: Fetch, folder: Folder | None, operation: Operation[Made]
    ) -> None:
        self._child = child
        self._messages = operation.messages
        self._left_bytes = limits.budget_bytes
        self._left_seconds = limits.compute_seconds
        self._fetch = fetch
        self._folder = folder
        self._left_objects, self._left_listings = OBJECTS_MAX, LISTINGS_MAX

    async def hold(self, ask: frames.Message, size_bytes: int) -> Outcome[Made]:
        await self._child.send(ask)
        while True:
            message, payload = await self._next()
            match message:
                case Read(ranges=ranges) if not payload:
                    await self._serve(_checked(ranges, size_bytes))
                case ReadObjects(wanted=wanted) if not payload and self._folder is not None:
                    await self._serve_objects(self._folder, wanted)
                case ListNames(directory=directory) if not payload and self._folder is not None:
                    await self._serve_names(self._folder, directory)
                case Done(preview=made) if made.goes_with(payload):
                    return Outcome(made, payload)
                case Trouble(status=status, detail=detail) if not payload:
                    raise PreviewFailed(detail[:1000], status)
                case _:
                    raise _Overstepped

    async def _next(self) -> tuple[Asks | Trouble | Done[Made], bytes]:
        """The child's next message; only the time that the child takes is counted."""
        clock = asyncio.get_running_loop().time
        began = clock()
        async with asyncio.timeout(self._left_seconds):
            answer = await self._child.receive(self._messages)
        self._left_seconds -= clock() - began
        return answer

    async def _serve(self, ranges: list[tuple[int, int]]) -> None:
        wanted_bytes = sum(stop - start for start, stop in ranges)
        if wanted_bytes > self._left_bytes:
            raise _Overstepped  # the child knows its budget
        self._left_bytes -= wanted_bytes
        parts = await self._fetch(ranges)
        await self._child.send({"op": "bytes", "sizes": [len(part) for part in parts]}, parts)

    async def _serve_objects(self, folder: Folder, wanted: list[tuple[str, int, int | None]]) -> None:
        """Parts of objects, in their order, up to the first that the budget does not allow."""
        self._left_objects -= len(wanted)
        if self._left_objects < 0 or not all(folder.may_hold(name) for name, _, _ in wanted):
            raise _Overstepped
        opened = await folder.open([name for name, _, _ in wanted])
        spans, sizes = [], []
        for info, (_, start, stop) in zip(opened, wanted, strict=True):
            if info is None:
                sizes.append(NOT_THERE)
                continue
            begin = max(0, start + info.size_bytes if start < 0 else min(start, info.size_bytes))
            end = info.size_bytes if stop is None else max(begin, min(stop, info.size_bytes))
            if end - begin > self._left_bytes:
                sizes += [NOT_AFFORDED] * (len(wanted) - len(sizes))
                break
            self._left_bytes -= end - begin
            spans.append((info, begin, end))
            sizes.append(end - begin)
        parts = await folder.read(spans)
        if [len(part) for part in parts] != [size for size in sizes if size >= 0]:
            raise PreviewFailed("An object of this directory changed while it was read: try again.")
        await self._child.send({"op": "bytes", "sizes": sizes}, parts)

    async def _serve_names(self, folder: Folder, directory: str) -> None:
        self._left_listings -= 1
        if self._left_listings < 0 or not folder.may_hold(directory or "any"):
            raise _Overstepped
        try:
            answer: frames.Message = {"op": "names", "names": await folder.names(directory)}
        except (NotFound, NotSupported) as error:
            answer = {"op": "refused", "status": 422, "detail": error.detail}
        await self._child.send(answer)


async def _start_process(limits: Limits) -> asyncio.subprocess.Process:
    cpu_seconds = int(limits.compute_seconds * USES_MAX + START_SECONDS)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "perijove_server.preview.child", str(limits.memory_bytes), str(cpu_seconds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_bare_environment(),
        start_new_session=True,  # Ctrl-C in the server's terminal is for the server
    )


def _checked(ranges: list[tuple[int, int]], size_bytes: int) -> list[tuple[int, int]]:
    if any(not start <= stop <= size_bytes for start, stop in ranges):
        raise _Overstepped
    return ranges


def _bare_environment() -> dict[str, str]:
    """What Python needs to start, and nothing of ours: no token, no address."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV") if name in os.environ}
    one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return kept | one_thread | {"PYTHONPATH": os.pathsep.join([*_PACKAGES, *filter(None, paths)])}
