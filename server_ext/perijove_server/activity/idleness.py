"""What counts as somebody working, as rules over plain data; the time is passed in.

Counts: code that runs in a kernel, what is typed and written in a terminal, a saved file. Does not count: an open tab
that polls or connects, and a dashboard that only redraws itself.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from perijove.models import Activity

#: Requests by which code of the user runs in a kernel: cells, and callbacks of widgets.
EXECUTE = "execute_request"
WIDGET_MESSAGES = frozenset({"comm_open", "comm_msg", "comm_close"})

#: A widget's callback counts from this length on: a click that computes does, a redraw does not.
WIDGET_BUSY = timedelta(seconds=10)

#: Of how many notebooks it is remembered what was last saved.
NOTEBOOKS_KEPT = 256


@dataclass(frozen=True)
class _Running:
    """A request that a kernel is working on."""

    request_id: str
    kind: str
    since: datetime

    def counts(self, now: datetime) -> bool:
        return self.kind == EXECUTE or now - self.since >= WIDGET_BUSY


@dataclass
class KernelActivity:
    """What the status messages of one kernel say about it.

    A kernel, and each of its subshells, works on one request after the other: a newer one proves that the one before
    is over, even if the message that says so was lost.
    """

    _running: dict[str | None, _Running] = field(default_factory=dict)

    @property
    def knows_something(self) -> bool:
        """Whether a request is known to be under way, of whatever length."""
        return bool(self._running)

    def hear(self, state: str, parent: dict[str, Any], now: datetime) -> bool:
        """Take in a status message, ``state`` and the header of the request it answers; whether it counts."""
        kind, request_id, shell = parent.get("msg_type"), str(parent.get("msg_id")), parent.get("subshell_id")
        if state == "starting":
            self.restart()
            return False
        if kind != EXECUTE and kind not in WIDGET_MESSAGES:
            return False
        executes = bool(kind == EXECUTE)
        if state == "busy":
            self._running[shell] = _Running(request_id, kind, now)
            return executes
        # a cell counts also if its beginning was not heard
        return self.finish(shell, request_id, now) or executes

    def under_way(self) -> dict[str | None, str]:
        """The id of the request that each shell works on; None is the main shell."""
        return {shell: running.request_id for shell, running in self._running.items()}

    def finish(self, shell: str | None, request_id: str, now: datetime) -> bool:
        """A request is over, whatever the messages say; whether it was under way and counts."""
        running = self._running.get(shell)
        if running is None or running.request_id != request_id:
            return False
        del self._running[shell]
        return running.counts(now)

    def restart(self) -> None:
        """The kernel has begun anew: nothing is under way."""
        self._running.clear()

    def busy(self, now: datetime) -> bool:
        """Whether it runs code that counts."""
        return any(running.counts(now) for running in self._running.values())


class SavedNotebooks:
    """Tells a notebook that somebody has edited from one whose outputs alone have changed.

    The Lab saves an open notebook by itself whenever it has changed, and the outputs of an open dashboard change
    without anybody there.
    """

    def __init__(self) -> None:
        self._sources: OrderedDict[str, bytes] = OrderedDict()

    def edited(self, path: str, notebook: Any) -> bool:
        """Whether the cells' sources differ from those of the last save of ``path``; true for the first."""
        digest = _digest_of_sources(notebook)
        known = self._sources.pop(path, None)
        self._sources[path] = digest
        if len(self._sources) > NOTEBOOKS_KEPT:
            self._sources.popitem(last=False)
        return digest != known


class Idleness:
    """When somebody last did something in this session, and whether code runs now."""

    def __init__(self, started: datetime) -> None:
        self.last_activity = started
        self.kernels: dict[str, KernelActivity] = {}

    def touch(self, now: datetime) -> None:
        """Somebody has just done something."""
        self.last_activity = max(self.last_activity, now)

    def said(self, now: datetime, *, busy: bool) -> Activity:
        """What to tell control. ``busy``: code runs that the kernels' messages did not tell of."""
        running = busy or any(kernel.busy(now) for kernel in self.kernels.values())
        return Activity(last_activity=now if running else self.last_activity, busy=running, sent_at=now)


def _digest_of_sources(notebook: Any) -> bytes:
    """A digest of what people write into a notebook, which may be malformed."""
    digest = hashlib.sha256()
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    for cell in cells if isinstance(cells, list) else []:
        source = cell.get("source") if isinstance(cell, dict) else None
        text = "".join(map(str, source)) if isinstance(source, list) else str(source)
        digest.update(f"{len(text)}:".encode())
        digest.update(text.encode(errors="surrogatepass"))
    return digest.digest()
