"""Inside Perijove's hub that is measured: a site that starts nothing, and the calls to control."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.echo import recorded_path
from benchmarks.hub_spawners import COUNTED, start_seconds
from perijove_hub.admission.client import ControlClient
from perijove_hub.sites import Ending, Handle, StartSpec, Status


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

    async def silent_since(self, attempt_id: str) -> datetime | None:
        """It is always heard of."""
        return None

    async def stop(self, handle: Handle) -> None:
        """There is nothing to stop."""
        await self._light()
        self._attempts.discard(handle.attempt_id)

    async def list(self) -> Sequence[str]:
        """What was started here."""
        await self._light()
        return sorted(self._attempts)

    async def ending(self, attempt_id: str) -> Ending:
        """It says nothing."""
        return Ending()

    async def log_tail(self, attempt_id: str) -> str:
        """It says nothing."""
        return ""

    async def home_bytes(self, owner: str) -> int | None:
        """It has no homes to measure."""
        return None

    async def _light(self) -> None:
        while self._darkness is not None and self._darkness.exists():  # noqa: ASYNC110 - a file is how another process tells it
            await asyncio.sleep(0.5)


def count_calls(elsewhere_url: str | None, directory: Path) -> None:
    """Count what a start asks control for, apart from the tries that one call may take.

    With ``elsewhere_url`` only the first call of each kind goes to control. Its answer is put into ``directory``, and
    all others go to the echo server at that address, which answers with it, see ``echo.py``.
    """
    for name, method in (("ask", "POST"), ("move", "PATCH")):
        call = getattr(ControlClient, name)
        if elsewhere_url is not None:
            call = _elsewhere(call, elsewhere_url, recorded_path(directory, method))
        setattr(ControlClient, name, _counted(call))


def _counted(call: Any) -> Any:
    async def counted(*arguments: Any, **named: Any) -> Any:
        COUNTED["calls"] += 1
        return await call(*arguments, **named)

    return counted


def _elsewhere(call: Any, url: str, recorded: Path) -> Any:
    echo = ControlClient(f"{url}/services/perijove", lambda: "none")
    is_begun = is_recorded = False

    async def asked_elsewhere(control: ControlClient, *arguments: Any, **named: Any) -> Any:
        nonlocal is_begun, is_recorded
        if is_recorded:
            return await call(echo, *arguments, **named)
        answer = await call(control, *arguments, **named)
        if not is_begun:
            # of the first ones that come together one is written: who reads would find the next one half done
            is_begun = True
            await asyncio.to_thread(recorded.write_text, answer.model_dump_json())
            is_recorded = True
        return answer

    return asked_elsewhere
