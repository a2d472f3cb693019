"""Lets the threads of obstore come to rest before Python ends.

obstore's asynchronous calls are carried out by threads of the Tokio runtime, which take Python's lock for a moment
when a call is done, even a little after its result has arrived. A thread that does so while the interpreter is being
torn down aborts the process: a script that had read one file ended with SIGABRT in 20 of 150 runs without this
module, and in none of 150 with it, on Python 3.11. It is known as issue 40 of PyO3/pyo3-async-runtimes and still open.
So at exit, while the interpreter is still whole, what is under way is cancelled, and the threads get the time that
they need.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import time

#: A thread needs microseconds; on a busy machine it may wait for its turn.
SETTLE_SECONDS = 0.05

_tasks: dict[asyncio.Task[object], asyncio.AbstractEventLoop] = {}
_last_call_at: list[float] = []


class in_flight:  # noqa: N801 - used as a function
    """Around every call of obstore: at exit, the task that makes it is cancelled."""

    __slots__ = ("_task",)

    def __enter__(self) -> None:
        """Remember the task, unless it is known already."""
        task = asyncio.current_task()
        self._task = None if task is None or task in _tasks else task
        if self._task is not None:
            _tasks[self._task] = asyncio.get_running_loop()

    def __exit__(self, *error: object) -> None:
        """Forget it."""
        _last_call_at[:] = [time.monotonic()]
        if self._task is not None:
            _tasks.pop(self._task, None)


def settle() -> None:
    """Cancel what is under way and give the threads time; costs nothing when obstore was not used of late."""
    under_way = list(_tasks.items())
    for task, loop in under_way:
        if loop.is_running():
            with contextlib.suppress(RuntimeError):  # it has been closed since
                loop.call_soon_threadsafe(task.cancel)
    if under_way or (_last_call_at and time.monotonic() - _last_call_at[0] < 1.0):
        time.sleep(SETTLE_SECONDS)


# Registered on import, so it runs after what users register later.
atexit.register(settle)
