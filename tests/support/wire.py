"""A wire between a client and PostgreSQL that breaks at an exact moment: when the server has done what was asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

CHUNK_BYTES = 2**16


@dataclass
class Wire:
    """Passes bytes on, in a thread of its own; :attr:`address` is the ledger's at its end.

    Args:
        ledger: the ledger's own address.
    """

    ledger: str
    address: str = ""
    lost: int = 0
    _words: bytes | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def lose_answer(self, words: bytes) -> None:
        """Break the connection that next asks for this, once the server has answered and before the client hears it."""
        self._words = words

    @contextmanager
    def laid(self) -> Iterator[Wire]:
        """The wire, while it lies there."""
        before, _, rest = self.ledger.partition("@")
        where, _, name = rest.partition("/")
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        server = asyncio.run_coroutine_threadsafe(self._listen(*where.split(":")), self._loop).result(10)
        self.address = f"{before}@127.0.0.1:{server.sockets[0].getsockname()[1]}/{name}"
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._end(server), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            self._loop.close()

    async def _listen(self, host: str, port: str) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._pass_on(reader, writer, *await asyncio.open_connection(host, int(port)))

        return await asyncio.start_server(serve, "127.0.0.1", 0)

    async def _end(self, server: asyncio.Server) -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _pass_on(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        breaks = asyncio.Event()

        async def ask() -> None:
            while data := await client.read(CHUNK_BYTES):
                if self._words is not None and self._words in data:
                    self._words = None
                    breaks.set()
                to_server.write(data)
                await to_server.drain()

        async def answer() -> None:
            while data := await server.read(CHUNK_BYTES):
                if breaks.is_set():
                    self.lost += 1
                    return
                to_client.write(data)
                await to_client.drain()

        directions = [asyncio.create_task(ask()), asyncio.create_task(answer())]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            for end in (to_client, to_server):
                end.transport.abort()
