"""Measures and cleans up a home, off the server's event loop and one thing at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perijove.errors import PerijoveError, Refused

from .measure import Bounds, HomeSizes, measure_home
from .remove import Doomed, look_up, remove

#: How long the page tells of the last deletion, in seconds.
TOLD_SECONDS = 600.0


@dataclass(frozen=True)
class Cleaned:
    """What one deletion has done: how much it freed, and a sentence for each thing that stayed."""

    items: int
    freed_bytes: int
    failures: list[str]


class HomeService:
    """The home of this session's user."""

    def __init__(self, home: Path, bounds: Bounds) -> None:
        self._home = home
        self._bounds = bounds
        self._busy = asyncio.Lock()
        self._sizes: HomeSizes | None = None
        self._begun_at = self._cleaned_at = 0.0
        self._cleaned: Cleaned | None = None

    async def sizes(self) -> HomeSizes:
        """What takes the room now. Who asks while it is being measured for others waits for the next measurement.

        Raises:
            Refused: the home cannot be read.
        """
        asked_at = time.monotonic()
        async with self._busy:
            if self._sizes is None or self._begun_at < asked_at:
                begun_at = time.monotonic()
                try:
                    self._sizes = await asyncio.to_thread(measure_home, self._home, self._bounds)
                except OSError as error:
                    raise Refused(f"Your home cannot be read: {error.strerror}.") from error
                self._begun_at = begun_at
            return self._sizes

    async def look_up(self, paths: Sequence[str]) -> list[Doomed]:
        """What deleting ``paths`` would delete.

        Raises:
            PerijoveError: one of them is not there, or not to be deleted.
        """
        return await asyncio.to_thread(lambda: [look_up(self._home, path) for path in paths])

    async def remove(self, paths: Sequence[str]) -> Cleaned:
        """Delete ``paths`` for good, as many of them as can be."""
        async with self._busy:
            self._cleaned = await asyncio.to_thread(self._remove, paths)
            self._cleaned_at = time.monotonic()
            self._sizes = None
            return self._cleaned

    def last_cleaned(self) -> Cleaned | None:
        """What the last deletion has done, for a while after it."""
        return self._cleaned if time.monotonic() - self._cleaned_at < TOLD_SECONDS else None

    def _remove(self, paths: Sequence[str]) -> Cleaned:
        items, freed_bytes, failures = 0, 0, []
        for path in paths:
            try:
                freed_bytes += remove(self._home, path).size_bytes
                items += 1
            except PerijoveError as error:
                failures.append(error.detail)
        return Cleaned(items, freed_bytes, failures)
