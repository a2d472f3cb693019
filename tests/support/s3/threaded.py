"""The bed in a thread of its own, for tests that have no event loop or must not share theirs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from .bed import S3Bed
from .sts import User


@contextmanager
def threaded_bed(
    users: Mapping[str, str | User] | None = None,
    *,
    port: int = 0,
    latency_seconds: float = 0.0,
    stream_bytes_per_second: float | None = None,
) -> Iterator[S3Bed]:
    """A running bed; takes what :class:`S3Bed` takes. Fill it and order faults between requests, not during them."""
    bed = S3Bed(users, port=port, latency_seconds=latency_seconds, stream_bytes_per_second=stream_bytes_per_second)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="s3-bed", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(bed.start(), loop).result(timeout=10)
        yield bed
    finally:
        asyncio.run_coroutine_threadsafe(bed.stop(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
