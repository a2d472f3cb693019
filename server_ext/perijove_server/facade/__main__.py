"""The child process: takes over a listening socket and answers until its parent is gone.

What it needs to know comes as one line of JSON on its standard input, which nobody else sees; that it ends when that
input ends means that it never outlives the server, however that one went.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import signal
import socket
import sys
from typing import Any

from aiohttp import web

from perijove.client import AsyncControlClient

from .door import Door
from .service import Facade

#: What is under way at the end gets so long.
SHUTDOWN_SECONDS = 1.0
#: What a connection takes of an answer at once; each further part wakes us and the client once more.
SEND_BYTES = 1 << 20
#: The collector of garbage looks after so many new objects, of which a request has some dozens, and not every ten
#: requests: that takes a tenth of the processor of small reads.
NEW_OBJECTS = 10_000


async def serve(listening: socket.socket, told: dict[str, Any], ended: asyncio.Event) -> None:
    """Answer on ``listening`` until ``ended``; ``told`` has control's ``url`` and ``token``, and our ``key``."""
    facade = Facade(AsyncControlClient(told["url"], told["token"]))
    door = Door(facade, listening.getsockname()[1], told["key"])
    runner = web.ServerRunner(web.Server(door.handle, access_log=None), shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    try:
        await ended.wait()
    finally:
        await runner.cleanup()
        await facade.close()


async def _main(descriptor: int, told: dict[str, Any]) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    class _Parent(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            ended.set()

    await loop.connect_read_pipe(_Parent, sys.stdin)
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    with socket.socket(fileno=descriptor) as listening:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        await serve(listening, told, ended)


def main() -> None:
    """Start."""
    logging.basicConfig(level=logging.WARNING, format="[perijove data] %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the server is the server's to hear
    with open(0, "rb", buffering=0, closefd=False) as pipe:  # unbuffered: its end is waited for by the loop
        told = json.loads(pipe.readline())
    gc.freeze()  # what was imported lasts
    gc.set_threshold(NEW_OBJECTS)
    runner: Any = asyncio.run
    with contextlib.suppress(ImportError):
        import uvloop

        runner = uvloop.run
    runner(_main(int(sys.argv[1]), told))


if __name__ == "__main__":
    main()
