"""Noticing that another platform file has taken the place of the one in force."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from perijove_hub.policy.load import PlatformFileError, load_platform
from perijove_hub.policy.models import Platform

log = logging.getLogger(__name__)


async def next_platform(path: Path, version: str, pause_seconds: float) -> Platform:
    """Wait until ``path`` holds a good platform file of another version.

    A file that is wrong, or away for a moment, is waited out; its faults are logged once.

    Args:
        path: of the platform file.
        version: of the one in force.
        pause_seconds: how long to wait between two looks.
    """
    told: list[str] = []
    while True:
        try:
            platform = await asyncio.to_thread(load_platform, path)
        except PlatformFileError as error:
            if error.faults != told:
                told = list(error.faults)
                log.error("platform file refused, the running one stays in force", extra={"faults": told})  # noqa: TRY400 - the faults say it all
        else:
            if platform.version != version:
                return platform
            told = []
        await asyncio.sleep(pause_seconds)
