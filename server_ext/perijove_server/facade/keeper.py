"""The parent's side: holds the façade's address, starts its process when somebody calls, and again when it has died.

The server listens and the child answers on the same socket. So the address stays the same for the life of the server,
a call that comes while there is no child waits for the next one, and nothing runs where nobody asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Any

#: The pause before a child is started again, which doubles while they die young.
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0
#: A child that lived for so long did not die young.
GROWN_UP_SECONDS = 30.0
#: A child that was told to end gets so long.
END_SECONDS = 3.0
BACKLOG = 1024

_PACKAGES = str(Path(__file__).resolve().parents[2])


class FacadeKeeper:
    """Keeps the façade. Belongs to one event loop, in which :meth:`start` is called.

    Args:
        control_url: where control is.
        token: the hub token, which goes to the child by a pipe.
        log: of the server.
    """

    def __init__(self, control_url: str, token: str, log: Any) -> None:
        self._told = {"url": control_url, "token": token, "key": secrets.token_urlsafe(32)}
        self._log = log
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(BACKLOG)
        self._socket.setblocking(False)
        self._task: asyncio.Task[None] | None = None
        #: How often a child was started; for tests and for the log.
        self.starts = 0

    def environment(self) -> dict[str, str]:
        """What kernels and terminals are told."""
        host, port = self._socket.getsockname()
        return {"PERIJOVE_DATA_URL": f"http://{host}:{port}", "PERIJOVE_DATA_KEY": self._told["key"]}

    def start(self) -> None:
        """Wait for callers."""
        self._task = asyncio.ensure_future(self._keep())

    async def close(self) -> None:
        """End the child and give up the address."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()

    async def _keep(self) -> None:
        loop, pause_seconds = asyncio.get_running_loop(), FIRST_PAUSE_SECONDS
        while True:
            await self._call_waits()
            began_at = loop.time()
            try:
                await self._run_child()
            except OSError as error:
                self._log.warning("The data façade cannot be started: %s", error.strerror or type(error).__name__)
            if loop.time() - began_at > GROWN_UP_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    async def _call_waits(self) -> None:
        loop, called = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._socket, called.set)
        try:
            await called.wait()
        finally:
            loop.remove_reader(self._socket)

    async def _run_child(self) -> None:
        """Start a child and wait for its end; a cancelled wait ends it."""
        descriptor = self._socket.fileno()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{__package__}", str(descriptor)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            pass_fds=(descriptor,),
            env=_child_environment(),
            start_new_session=True,
        )
        self.starts += 1
        try:
            if child.stdin is not None:  # it is a pipe, as asked for
                with contextlib.suppress(ConnectionError):
                    child.stdin.write(json.dumps(self._told).encode() + b"\n")
                    await child.stdin.drain()
            code = await child.wait()
            self._log.warning("The data façade ended (%s); it is started again when it is needed.", code)
        finally:
            await _end(child)


def _child_environment() -> dict[str, str]:
    """The server's own, for proxies and certificates, without what the child is told by the pipe."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTERHUB_", "AWS_"))}
    paths = [_PACKAGES, *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await child.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
