"""Inside Perijove's hub that is measured: a site that starts nothing, and the counter of calls to control."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.hub_spawners import COUNTED, start_seconds
from perijove_hub.admission.client import ControlClient
from perijove_hub.sites import Handle, StartSpec, Status


class EchoSite:
    """A site that starts nothing: every workload is the echo server. While it is dark, it answers nothing.

    Args:
        name: of the site.
        url: of the echo server.
        pace: how long a start takes, see :func:`benchmarks.hub_spawners.start_seconds`.
        darkness: a file; while it is there, this site hangs. None: it never does.
    """

    def __init__(self, name: str, url: str, pace: Path, darkness: Path | None) -> None:
        self._name, self._url, self._pace, self._darkness = name, url, pace, darkness
        self._attempts: set[str] = set()

    async def start(self, spec: StartSpec, attempt_id: str) -> Handle:
        """See :class:`perijove_hub.sites.models.SiteInterface`, as for the other methods."""
        self._attempts.add(attempt_id)
        await asyncio.sleep(start_seconds(self._pace))
        return Handle(self._name, attempt_id, self._url)

    async def poll(self, handle: Handle) -> Status:
        """It runs, as far as anybody can tell."""
        await self._light()
        self._attempts.add(handle.attempt_id)  # it was there before this hub was
        return Status.RUNNING

    async def stop(self, handle: Handle) -> None:
        """There is nothing to stop."""
        await self._light()
        self._attempts.discard(handle.attempt_id)

    async def list(self) -> Sequence[str]:
        """What was started here."""
        await self._light()
        return sorted(self._attempts)

    async def log_tail(self, attempt_id: str) -> str:
        """It says nothing."""
        return ""

    async def home_bytes(self, owner: str) -> int | None:
        """It has no homes to measure."""
        return None

    async def _light(self) -> None:
        while self._darkness is not None and self._darkness.exists():  # noqa: ASYNC110 - a file is how another process tells it
            await asyncio.sleep(0.5)


def count_calls(*, answers_at_hand: bool) -> None:
    """Count what a start asks control for, apart from the tries that one call may take.

    With ``answers_at_hand`` only the first call of each kind is made, and its answer given to all: what a start costs
    then, it costs without the calls.
    """
    for name in ("ask", "move"):
        call = getattr(ControlClient, name)
        setattr(ControlClient, name, _counted(_from_memory(call) if answers_at_hand else call))


def _counted(call: Any) -> Any:
    async def counted(*arguments: Any, **named: Any) -> Any:
        COUNTED["calls"] += 1
        return await call(*arguments, **named)

    return counted


def _from_memory(call: Any) -> Any:
    answers: list[Any] = []

    async def remembered(*arguments: Any, **named: Any) -> Any:
        if not answers:
            answers.append(await call(*arguments, **named))
        return answers[0]

    return remembered
