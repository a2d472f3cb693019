"""How much a directory takes up on its disk."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

log = logging.getLogger(__name__)

#: A home that takes longer to walk is not measured.
WALK_SECONDS = 30.0


def directory_bytes(directory: Path) -> int | None:
    """The blocks of a directory and all below it, in bytes; None when it is not there or takes too long to walk.

    A hard link counts once, a symbolic link is not followed, another file system is left out, and what may not be read
    is passed over. ``du`` does the walk: in a process of its own it takes no time from the hub's threads.
    """
    if not directory.is_dir():
        return None
    # the dot makes `du` look into a home that is itself a link
    command = ["nice", "-n", "10", "du", "-skx", f"{directory}/."]
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and a path of ours
            command,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # it complains about each file that vanished or may not be read, and still gives the sum
            stderr=subprocess.DEVNULL,
            timeout=WALK_SECONDS,
            check=False,
        )
        return int(done.stdout.split()[0]) * 1024
    except subprocess.TimeoutExpired:
        log.warning("a home takes longer than %g s to measure: %s", WALK_SECONDS, directory)
    except (OSError, ValueError, IndexError):
        log.warning("a home cannot be measured: %s", directory, exc_info=True)
    return None
