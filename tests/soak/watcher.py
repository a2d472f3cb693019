"""A witness beside the ledger: which servers really ran, and from when until when."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil

from tests.support.bed import Bed

LOOK_SECONDS = 0.2


@dataclass
class Life:
    """One attempt as it was seen: born at, and last seen alive at. ``gone`` is when it was missed first."""

    born: datetime
    seen: datetime
    gone: datetime | None = None


class Watcher:
    """Looks at the processes of the bed again and again, on a thread."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._stop = threading.Event()
        self.lives: dict[str, Life] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            now, running = datetime.now(UTC), self._bed.session_processes()
            for attempt, process in running.items():
                if attempt in self.lives:
                    self.lives[attempt].seen, self.lives[attempt].gone = now, None
                    continue
                try:
                    born = datetime.fromtimestamp(process.create_time(), UTC)
                except psutil.Error:
                    born = now
                self.lives[attempt] = Life(born, now)
            for attempt, life in self.lives.items():
                if attempt not in running and life.gone is None:
                    life.gone = datetime.now(UTC)
