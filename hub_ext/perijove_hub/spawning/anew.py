"""A hub that ends, to be started again, when another platform file is there: it reads its sites only when it starts."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from perijove_hub.policy.changes import next_platform
from perijove_hub.spawner import PerijoveSpawner

log = logging.getLogger(__name__)

#: How often the file is looked at; Kubernetes itself takes a minute to bring a new one.
LOOK_SECONDS = 10.0

#: How long starts that are on their way are waited for; what is broken off is cleaned up, but somebody waits for it.
PATIENCE_SECONDS = 120.0

#: Tasks of the process, held so that they are not collected.
_background: set[asyncio.Task[None]] = set()


def _end() -> None:
    # as whoever keeps the hub alive would: sessions go on, and it finds them again
    os.kill(os.getpid(), signal.SIGTERM)


def end_when_changed(
    path: Path,
    end: Callable[[], None] = _end,
    look_seconds: float = LOOK_SECONDS,
    patience_seconds: float = PATIENCE_SECONDS,
) -> None:
    """End this hub once ``path`` holds another good platform file; call it after ``configure``.

    Only for a hub that something starts again, such as a Deployment.

    Args:
        path: of the platform file.
        end: ends the hub.
        look_seconds: how often the file is looked at.
        patience_seconds: how long starts that are on their way are waited for.
    """
    task = asyncio.get_running_loop().create_task(_follow(path, end, look_seconds, patience_seconds))
    _background.add(task)
    task.add_done_callback(_background.discard)


async def _follow(path: Path, end: Callable[[], None], look_seconds: float, patience_seconds: float) -> None:
    in_force = PerijoveSpawner.house.platform.version
    platform = await next_platform(path, in_force, look_seconds)
    log.info("another platform file: the hub ends, to start with it", extra={"policy_version": platform.version})
    deadline = asyncio.get_running_loop().time() + patience_seconds
    while _is_starting() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - the hub has no event for it
        await asyncio.sleep(min(1.0, look_seconds))
    end()


def _is_starting() -> bool:
    return any(spawner.pending == "spawn" for spawner in PerijoveSpawner.owned.values())
