"""How long an event loop lets others wait: an extension of Jupyter server, and the same in a process without work.

A task sleeps for some milliseconds and looks how late it is woken. ``python -m benchmarks.loop_lag FILE`` does so in a
loop that has nothing else to do: what that waits, the machine has kept from it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

#: Names the file for the waits.
FILE_VARIABLE = "PERIJOVE_BENCH_LOOP_LAG"
SLEEP_SECONDS = 0.005
#: How often the file is written, in seconds: so what is asked for may be missing for that long.
WRITE_SECONDS = 0.5

_tasks: set[asyncio.Task[None]] = set()


async def watch(path: Path) -> None:
    """Write a line for each time that the loop has woken us: when, by the monotonic clock, and how many ms late."""
    lines: list[str] = []
    with path.open("w") as file:
        written = time.monotonic()
        while True:
            begun = time.monotonic()
            await asyncio.sleep(SLEEP_SECONDS)
            now = time.monotonic()
            lines.append(f"{now:.4f} {max(0.0, now - begun - SLEEP_SECONDS) * 1000:.3f}\n")
            if now - written > WRITE_SECONDS:
                file.writelines(lines)
                file.flush()
                lines.clear()
                # what this writing took is in nobody's wait
                written = time.monotonic()


def waits(path: Path, begun: float, ended: float) -> list[float]:
    """The waits within a stretch of time, in milliseconds."""
    found = []
    for line in path.read_text().splitlines()[:-1]:  # the last one may be half written
        at, _, late = line.partition(" ")
        if begun <= float(at) <= ended:
            found.append(float(late))
    return found


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "benchmarks.loop_lag"}]


def _load_jupyter_server_extension(server: Any) -> None:
    async def begin() -> None:
        _tasks.add(asyncio.create_task(watch(Path(os.environ[FILE_VARIABLE])), name="how late the loop is"))

    server.io_loop.add_callback(begin)


if __name__ == "__main__":
    asyncio.run(watch(Path(sys.argv[1])))
