"""Listens where people work in a Jupyter server: kernels, terminals and saved files.

The server's own ``last_activity`` of kernels and terminals will not do: it moves with every message of a widget and
with every tab that connects.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from jupyter_client.session import Session

from .doubt import Doubts
from .idleness import WIDGET_BUSY, Idleness, KernelActivity, SavedNotebooks

#: The event by which Jupyter server tells that a kernel was started or restarted.
KERNEL_EVENT = "https://events.jupyter.org/jupyter_server/kernel_actions/v1"

Clock = Callable[[], datetime]


class KernelWatch:
    """Hears the status messages of every kernel, over a connection of its own to each."""

    def __init__(self, manager: Any, idleness: Idleness, clock: Clock) -> None:
        self._manager = manager
        self._idleness = idleness
        self._clock = clock
        self._streams: dict[str, Any] = {}
        self._unheard_since: dict[str, datetime] = {}
        self._doubts = Doubts(idleness.touch)

    async def on_event(self, *, data: dict[str, Any], **_: Any) -> None:
        """A listener of :data:`KERNEL_EVENT`."""
        action, kernel_id = data.get("action"), str(data.get("kernel_id"))
        if data.get("status") == "success" and action in {"start", "restart"}:
            self._idleness.touch(self._clock())
            if action == "restart":
                self._forget(kernel_id)  # it may answer at other ports now
            self.sync()

    def sync(self) -> None:
        """Connect to the kernels that are new, forget those that are gone, and ask those whose messages seem lost."""
        running = set(self._manager.list_kernel_ids())
        for kernel_id in set(self._streams) - running:
            self._forget(kernel_id)
        for kernel_id in running - set(self._streams):
            self._connect(kernel_id)
        heard = {each: (self._manager.get_kernel(each), self._idleness.kernels[each]) for each in self._streams}
        self._doubts.look(heard, self._clock())

    def unheard_busy(self) -> bool:
        """Whether the server has known for a while of a busy kernel that we have heard nothing of.

        Then its request came before our connection. Not at once: the server also calls a kernel busy that completes a
        word for somebody.
        """
        now = self._clock()
        unheard = {
            kernel_id
            for kernel_id in self._manager.list_kernel_ids()
            if getattr(self._manager.get_kernel(kernel_id), "execution_state", None) == "busy"
            and (kernel_id not in self._idleness.kernels or not self._idleness.kernels[kernel_id].knows_something)
        }
        self._unheard_since = {kernel_id: self._unheard_since.get(kernel_id, now) for kernel_id in unheard}
        return any(now - since >= WIDGET_BUSY for since in self._unheard_since.values())

    def close(self) -> None:
        """Close all connections."""
        for kernel_id in list(self._streams):
            self._forget(kernel_id)

    def _connect(self, kernel_id: str) -> None:
        kernel = self._manager.get_kernel(kernel_id)
        # kernels behind a gateway have no sockets here, and a new one has none yet
        if not hasattr(kernel, "connect_iopub") or not kernel.has_kernel:
            return
        activity = self._idleness.kernels[kernel_id] = KernelActivity()
        session = Session(config=kernel.session.config, key=kernel.session.key)
        stream = self._streams[kernel_id] = kernel.connect_iopub()

        def hear(parts: list[Any]) -> None:
            try:
                _, framed = session.feed_identities(parts)
                message = session.deserialize(framed, content=False)
                if message["header"]["msg_type"] != "status":
                    return
                state = session.unpack(message["content"])["execution_state"]
            except (ValueError, KeyError, TypeError):
                return  # a malformed message, or one that was not signed for us
            if activity.hear(state, message["parent_header"] or {}, self._clock()):
                self._idleness.touch(self._clock())

        stream.on_recv(hear)

    def _forget(self, kernel_id: str) -> None:
        self._idleness.kernels.pop(kernel_id, None)
        self._doubts.forget(kernel_id)
        stream = self._streams.pop(kernel_id, None)
        if stream is not None and not stream.closed():
            stream.close()


def watch_terminals(manager: Any, idleness: Idleness, clock: Clock) -> None:
    """Count what terminals write; what is typed comes back as that."""
    before = manager.pre_pty_read_hook

    def hook(terminal: Any) -> None:
        before(terminal)
        idleness.touch(clock())

    manager.pre_pty_read_hook = hook


def watch_saves(contents: Any, idleness: Idleness, clock: Clock) -> None:
    """Count the files that people save."""
    notebooks = SavedNotebooks()

    # before and not after the save: only then the content is at hand
    def hook(model: dict[str, Any], path: str, **_: Any) -> None:
        if model.get("type") != "notebook" or notebooks.edited(path, model.get("content")):
            idleness.touch(clock())

    contents.register_pre_save_hook(hook)
