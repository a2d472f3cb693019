"""``GET datasets/{id}/file?path=``: the bytes of one object, as a download, with ranges.

Source: RFC 9110, sections 13 (conditions) and 14 (ranges). A request for several ranges at once is answered with the
whole object, as the standard allows.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from tornado import web
from tornado.iostream import StreamClosedError

from perijove.paths import check_dataset_id, check_path
from perijove.replicas import ObjectInfo
from perijove.stores import DatasetReader
from perijove.whole import LOOK_MAX_BYTES, WHOLE_MAX_BYTES

from .base import PerijoveHandler, sentences

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class Unsatisfiable(Exception):
    """The range that was asked for does not touch the object."""


class FileHandler(PerijoveHandler):
    """Streams an object in pieces: memory does not grow with its size."""

    @property
    def content_security_policy(self) -> str:
        """Whatever the bytes are, a browser that shows them must not run them as ours."""
        return "sandbox; default-src 'none'; frame-ancestors 'none'"

    @web.authenticated
    @sentences
    async def get(self, dataset_id: str) -> None:
        """The bytes asked for: 200, 206, 304 or 416."""
        reader, info = await self._open(dataset_id, WHOLE_MAX_BYTES)
        span = self._answer_head(info)
        if span is not None:
            await self._send(reader, info, *span)

    @web.authenticated
    @sentences
    async def head(self, dataset_id: str) -> None:
        """The headers of the same answer."""
        _, info = await self._open(dataset_id, LOOK_MAX_BYTES)
        if self._answer_head(info) is not None:
            self._finish()

    async def _open(self, dataset_id: str, whole_max_bytes: int) -> tuple[DatasetReader, ObjectInfo]:
        path = check_path(self.text_argument("path"))
        reader = await self.service.readers.get(check_dataset_id(dataset_id))
        return reader, await reader.head(path, whole_max_bytes)

    def _answer_head(self, info: ObjectInfo) -> tuple[int, int] | None:
        """Set status and headers; the span to send, or None when the answer is finished already."""
        name = info.path.rsplit("/", 1)[-1]
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(name, safe='')}")
        if info.etag:
            self.set_header("ETag", info.etag)
            if info.etag in [tag.strip() for tag in self.request.headers.get("If-None-Match", "").split(",")]:
                self.set_status(304)
                self._finish()
                return None
        if info.modified:
            self.set_header("Last-Modified", info.modified)
        try:
            span = self._span(info)
        except Unsatisfiable:
            size = f"bytes */{info.size_bytes}"
            detail = f"{info.path} has {info.size_bytes} bytes, and the range asked for is not within them."
            self.write_problem(416, "Range not satisfiable", detail, {"Content-Range": size})
            return None
        if span is None:
            span = (0, info.size_bytes)
        else:
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {span[0]}-{span[1] - 1}/{info.size_bytes}")
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Length", str(span[1] - span[0]))
        return span

    def _span(self, info: ObjectInfo) -> tuple[int, int] | None:
        """The range asked for as start and stop; None: the whole object."""
        guard = self.request.headers.get("If-Range")
        asked = _RANGE.fullmatch(self.request.headers.get("Range", "").strip())
        if asked is None or asked.groups() == ("", "") or (guard is not None and guard.strip() != info.etag):
            return None
        first, last = asked.groups()
        if not first:
            start, stop = max(info.size_bytes - int(last), 0), info.size_bytes
        else:
            start, stop = int(first), min(int(last) + 1, info.size_bytes) if last else info.size_bytes
            if last and int(last) < int(first):
                return None  # not a range at all: ignored, as the standard says
        if start >= stop:
            raise Unsatisfiable
        return start, stop

    async def _send(self, reader: DatasetReader, info: ObjectInfo, start: int, stop: int) -> None:
        try:
            async for piece in reader.stream(info, start, stop):
                self.write(piece)
                await self.flush()
        except StreamClosedError:
            return  # the reader has gone
        self._finish()

    def _finish(self) -> None:
        self.finish(set_content_type="application/octet-stream")

    def compute_etag(self) -> None:
        """Ours is the store's."""
        return
