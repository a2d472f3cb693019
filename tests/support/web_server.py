"""A plain web server for files, as archives run them: ranges, dates, and ETags that are strong, weak or missing."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from aiohttp import web


@dataclass
class WebFile:
    """One file. ``etag`` as it is sent, quotes and all; None: none. ``gives_ranges`` False: always all of it.

    ``tells_length`` False: all of it comes in chunks, as services send what they compute.
    """

    data: bytes
    etag: str | None = None
    modified: datetime | None = datetime(2024, 5, 1, tzinfo=UTC)
    gives_ranges: bool = True
    tells_length: bool = True
    kind: str = "application/octet-stream"


@dataclass
class WebServer:
    """What it serves, and what it was asked. Change it between requests."""

    url: str = ""
    files: dict[str, WebFile] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    bytes_out: int = 0
    #: Statuses to answer first.
    stumbles: list[int] = field(default_factory=list)
    #: Where it sends who asks for a path.
    redirects: dict[str, str] = field(default_factory=dict)
    #: Whether it heeds no condition, and says 200 to a part.
    is_careless: bool = False
    #: After how many bytes of parts it hangs up, first come first served.
    cuts: list[int] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """A file, a part of it, or 404."""
        path = request.path.removeprefix("/")
        self.asked[path] += 1
        if self.stumbles:
            return web.Response(status=self.stumbles.pop(0))
        if path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[path]})
        file = self.files.get(path)
        if file is None:
            return web.Response(status=404, text="<html>not here</html>", content_type="text/html")
        headers = {"ETag": file.etag} if file.etag else {}
        if file.modified:
            headers["Last-Modified"] = format_datetime(file.modified, usegmt=True)
        # by the rules of HTTP a weak ETag matches no If-Match
        if_match = request.headers.get("If-Match")
        if if_match is not None and not self.is_careless and (if_match != file.etag or if_match.startswith("W/")):
            return web.Response(status=412, headers=headers)
        asked = request.http_range
        if not file.gives_ranges or asked.start is None:
            return await self._send_whole(request, file, headers)
        start, stop, _ = asked.indices(len(file.data))
        if start >= len(file.data):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(file.data)}"})
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(file.data)}"
        if self.cuts:
            return await self._send_cut(request, file.data[start:stop], headers)
        self.bytes_out += stop - start
        return web.Response(status=200 if self.is_careless else 206, body=file.data[start:stop], headers=headers)

    async def _send_cut(self, request: web.Request, data: bytes, headers: dict[str, str]) -> web.StreamResponse:
        sent = data[: self.cuts.pop(0)]
        response = web.StreamResponse(status=206, headers={**headers, "Content-Length": str(len(data))})
        await response.prepare(request)
        await response.write(sent)
        self.bytes_out += len(sent)
        if request.transport is not None:
            request.transport.close()
        return response

    async def _send_whole(self, request: web.Request, file: WebFile, headers: dict[str, str]) -> web.StreamResponse:
        response = web.StreamResponse(headers={**headers, "Content-Type": file.kind})
        if file.tells_length:
            response.content_length = len(file.data)
        else:
            response.enable_chunked_encoding()
        await response.prepare(request)
        for start in range(0, len(file.data), 1 << 16):
            chunk = file.data[start : start + (1 << 16)]
            await response.write(chunk)
            self.bytes_out += len(chunk)
        return response


@contextmanager
def threaded_web_server() -> Iterator[WebServer]:
    """A running server on loopback."""
    server = WebServer()
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="web-server", daemon=True)
    thread.start()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()

    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(timeout=10)
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
