"""The pulse of a session: tells control how idle it is, and hears what control has to say."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from perijove.errors import PerijoveError

#: Each pause is up to this share shorter or longer, so that a thousand servers do not ask at once.
JITTER = 0.1


class Beat:
    """Does things again and again in the background until it is stopped. A failure is logged and tried again."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._tasks: list[asyncio.Task[None]] = []

    def every(self, seconds: float, action: Callable[[], Awaitable[None]], what: str) -> None:
        """Start to do ``action`` about every ``seconds``; ``what`` names it in the log."""
        self._tasks.append(asyncio.create_task(self._repeat(seconds, action, what), name=what))

    async def stop(self) -> None:
        """End everything and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _repeat(self, seconds: float, action: Callable[[], Awaitable[None]], what: str) -> None:
        failed = False
        pause = seconds * random.uniform(0.5, 1)  # noqa: S311 - spreads load, keeps no secret
        while True:
            await asyncio.sleep(pause)
            try:
                await action()
            except PerijoveError as error:
                # once: an outage of an hour is one line, not sixty
                self._log.log(logging.DEBUG if failed else logging.WARNING, "cannot %s for now: %s", what, error.detail)
                failed = True
            except Exception:  # noqa: BLE001 - whatever it is: without a pulse control would stop the session
                self._log.exception("cannot %s", what)
            else:
                if failed:
                    self._log.info("can %s again", what)
                failed = False
            pause = seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - as above
