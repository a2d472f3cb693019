"""The platform file that a process obeys, and reads again when it is told to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from perijove.models import PolicyState
from perijove_hub.policy.load import PlatformFileError, load_platform
from perijove_hub.policy.models import Platform

log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PlatformInForce:
    """The platform file that is in force. A bad reload keeps the running one.

    Args:
        path: of the platform file.
        clock: gives the time, aware.

    Raises:
        PlatformFileError: the file is wrong at the start.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = _utc_now) -> None:
        self._path = path
        self._clock = clock
        self._platform = load_platform(path)
        self._loaded_at = clock()
        self._refused_at: datetime | None = None
        self._faults: list[str] = []

    def __call__(self) -> Platform:
        """The platform file in force."""
        return self._platform

    def reload(self) -> bool:
        """Read the file again; True when it is in force now."""
        try:
            self._platform = load_platform(self._path)
        except PlatformFileError as error:
            self._refused_at, self._faults = self._clock(), list(error.faults)
            log.error("platform file refused, the running one stays in force", extra={"faults": error.faults})  # noqa: TRY400 - the faults say it all
            return False
        self._loaded_at, self._refused_at, self._faults = self._clock(), None, []
        log.info("platform file reloaded", extra={"policy_version": self._platform.version})
        return True

    def state(self) -> PolicyState:
        """Which file is in force, since when, and what was wrong with one that was refused after it."""
        return PolicyState(
            version=self._platform.version,
            loaded_at=self._loaded_at,
            refused_at=self._refused_at,
            faults=list(self._faults),
        )
