"""Finds out whether a kernel still works on what it began, where the message that says so may have been lost.

A flood of output can wash away the message that a cell has ended, and then the session would never be idle. The
server's word for a kernel is a reason to doubt and no proof: it is "idle" as soon as any request has ended, also one
that ran beside a cell, and a session that computes must not be stopped. The kernel itself proves it: it answers on its
shell when it is done with what came before.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from jupyter_client.session import Session

from .idleness import WIDGET_BUSY, KernelActivity

#: A kernel answers it in no time, and it changes nothing.
QUESTION = "kernel_info_request"


class Doubts:
    """Asks kernels whether they are done; what they are done with is taken out of their :class:`KernelActivity`.

    Args:
        touch: told when a request ended that counts, as nearly as that is known.
    """

    def __init__(self, touch: Callable[[datetime], None]) -> None:
        self._touch = touch
        self._since: dict[str, datetime] = {}
        #: Kernel, shell and request that are asked about: a kernel that works on a cell for days is asked once.
        self._questions: dict[tuple[str, str | None, str], Any] = {}

    def look(self, kernels: dict[str, tuple[Any, KernelActivity]], now: datetime) -> None:
        """Ask those that have been idle for a while by the server's account, and are not by what was heard."""
        doubted = {
            kernel_id
            for kernel_id, (kernel, activity) in kernels.items()
            if activity.knows_something and getattr(kernel, "execution_state", None) == "idle"
        }
        self._since = {kernel_id: self._since.get(kernel_id, now) for kernel_id in doubted}
        for kernel_id, since in self._since.items():
            if now - since >= WIDGET_BUSY:
                kernel, activity = kernels[kernel_id]
                for shell, request_id in activity.under_way().items():
                    if (kernel_id, shell, request_id) not in self._questions:
                        self._ask((kernel_id, shell, request_id), kernel, activity, since)

    def forget(self, kernel_id: str) -> None:
        """No answer is wanted from this kernel any more."""
        self._since.pop(kernel_id, None)
        for asked in [asked for asked in self._questions if asked[0] == kernel_id]:
            self._questions.pop(asked).close()

    def _ask(self, asked: tuple[str, str | None, str], kernel: Any, activity: KernelActivity, since: datetime) -> None:
        _, shell, request_id = asked
        session = Session(config=kernel.session.config, key=kernel.session.key)
        stream = self._questions[asked] = kernel.connect_shell()
        header = session.msg_header(QUESTION) | ({} if shell is None else {"subshell_id": shell})

        def hear(parts: list[Any]) -> None:
            try:
                _, framed = session.feed_identities(parts)
                session.deserialize(framed, content=False)
            except (ValueError, KeyError, TypeError):
                return  # a malformed message, or one that was not signed for us
            if activity.finish(shell, request_id, since):
                self._touch(since)
            self._questions.pop(asked).close()

        stream.on_recv(hear)
        session.send(stream, session.msg(QUESTION, header=header))
