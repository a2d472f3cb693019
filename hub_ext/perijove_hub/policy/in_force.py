"""The platform file that a process obeys, and reads again when it is told to."""

from __future__ import annotations

import logging
from pathlib import Path

from perijove_hub.policy.load import PlatformFileError, load_platform
from perijove_hub.policy.models import Platform

log = logging.getLogger(__name__)


class PlatformInForce:
    """The platform file that is in force. A bad reload keeps the running one.

    Args:
        path: of the platform file.

    Raises:
        PlatformFileError: the file is wrong at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._platform = load_platform(path)

    def __call__(self) -> Platform:
        """The platform file in force."""
        return self._platform

    def reload(self) -> bool:
        """Read the file again; True when it is in force now."""
        try:
            self._platform = load_platform(self._path)
        except PlatformFileError as error:
            log.error("platform file refused, the running one stays in force", extra={"faults": error.faults})  # noqa: TRY400 - the faults say it all
            return False
        log.info("platform file reloaded", extra={"policy_version": self._platform.version})
        return True
