"""Filesystems on loops of others, as zarr makes one for each dataset that it opens, leave nothing open."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref

import aiohttp
import pytest

from perijove.filesystem import PerijoveFileSystem
from tests.support.control import FakeControl


@pytest.mark.usefixtures("control")
def test_what_is_let_go_is_closed_by_its_loop() -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def session_of(files: PerijoveFileSystem) -> aiohttp.ClientSession:
        return files._client.stores()

    try:
        files = PerijoveFileSystem(asynchronous=True, skip_instance_cache=True)
        session = asyncio.run_coroutine_threadsafe(session_of(files), loop).result()
        gone = weakref.ref(files)
        del files
        gc.collect()
        assert gone() is None
        until = time.monotonic() + 10
        while not session.closed:
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_program_that_ends_says_nothing_of_what_it_has_open(control: FakeControl) -> None:
    program = """
import asyncio, threading
from perijove.filesystem import PerijoveFileSystem

async def use():
    files._client.stores()

loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
files = PerijoveFileSystem(asynchronous=True)
asyncio.run_coroutine_threadsafe(use(), loop).result()
"""
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "Unclosed" not in ended.stderr
