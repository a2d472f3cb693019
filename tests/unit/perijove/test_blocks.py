"""Reading by blocks: right bytes, few of them, and more ahead while reads go on."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perijove.access import FITS, HDF5, OTHER, PARQUET, TEXT, TIFF, ZARR, Access, access_for
from perijove.blocks import STRAIGHT_BYTES, Blocks
from perijove.errors import StoreUnavailable

BODY = random.Random(1).randbytes(10_000)
SMALL = Access(block_bytes=100, ahead_bytes=1600)


class Store:
    """Gives ranges of BODY, remembers which, and fails when told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.fails = 0

    async def fetch(self, start: int, stop: int) -> bytes:
        self.asked.append((start, stop))
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("Ordered by the test.")
        await asyncio.sleep(0)
        return BODY[start:stop]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@settings(deadline=None)  # it is the bytes that are tested, on machines that have other things to do
@given(
    st.lists(st.tuples(st.integers(0, 11_000), st.integers(0, 3000)), max_size=30),
    st.builds(Access, block_bytes=st.integers(7, 3000), ahead_bytes=st.integers(0, 5000)),
)
def test_any_reads_in_any_order_give_the_right_bytes(
    loop: asyncio.AbstractEventLoop, reads: list[tuple[int, int]], access: Access
) -> None:
    blocks = Blocks(Store().fetch, loop, len(BODY), access)

    for start, length in reads:
        assert blocks.read(start, start + length) == BODY[start : start + length]


def test_reads_that_jump_move_their_blocks_only(loop: asyncio.AbstractEventLoop) -> None:
    store = Store()
    blocks = Blocks(store.fetch, loop, len(BODY), SMALL)

    for start in (5050, 250, 9050, 5060, 2050):
        blocks.read(start, start + 10)

    assert store.asked == [(5000, 5100), (200, 300), (9000, 9100), (2000, 2100)]


def test_reads_that_go_on_fetch_ahead_in_few_parallel_ranges(loop: asyncio.AbstractEventLoop) -> None:
    store = Store()
    blocks = Blocks(store.fetch, loop, len(BODY), SMALL)

    for start in range(0, 5000, 50):
        blocks.read(start, start + 50)

    assert sum(stop - start for start, stop in store.asked) <= 5000 + SMALL.ahead_bytes + 100
    assert len(store.asked) <= 45
    assert len({start for start, _ in store.asked}) == len(store.asked)  # nothing twice


def test_a_read_over_several_blocks_is_one_range(loop: asyncio.AbstractEventLoop) -> None:
    store = Store()

    Blocks(store.fetch, loop, len(BODY), SMALL).read(150, 950)

    assert store.asked == [(100, 1000)]


def test_what_failed_is_asked_for_again(loop: asyncio.AbstractEventLoop) -> None:
    store = Store()
    blocks = Blocks(store.fetch, loop, len(BODY), SMALL)
    store.fails = 1

    with pytest.raises(StoreUnavailable):
        blocks.read(0, 50)

    assert blocks.read(0, 50) == BODY[:50]


def test_what_failed_ahead_of_the_reader_is_asked_for_again(loop: asyncio.AbstractEventLoop) -> None:
    store = Store()
    blocks = Blocks(store.fetch, loop, len(BODY), SMALL)
    blocks.read(0, 100)
    store.fails = 10
    with pytest.raises(StoreUnavailable):
        blocks.read(100, 200)  # and two blocks ahead
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), loop).result(10)  # they have failed, too
    store.fails = 0

    assert blocks.read(200, 400) == BODY[200:400]


def test_one_stream_is_asked_for_little_ahead_and_in_order(loop: asyncio.AbstractEventLoop) -> None:
    store, mib = Store(), 1 << 20
    size_bytes = 200 * mib

    class Onward:
        asked: ClassVar[list[tuple[int, int]]] = []

        def goes_straight(self) -> bool:
            return True

        async def fetch_on(self, start: int, stop: int) -> bytes:
            self.asked.append((start, stop))
            return bytes(stop - start)

    blocks = Blocks(store.fetch, loop, size_bytes, OTHER, b"", Onward())

    for start in range(0, 100 * mib, 5 * mib):
        assert len(blocks.read(start, start + 5 * mib)) == 5 * mib
        assert Onward.asked[-1][1] <= start + 5 * mib + STRAIGHT_BYTES

    assert store.asked == []
    assert [start for start, _ in Onward.asked] == [0, *(stop for _, stop in Onward.asked[:-1])]


def test_reading_within_the_loop_that_fetches_is_an_error_and_no_deadlock(loop: asyncio.AbstractEventLoop) -> None:
    blocks = Blocks(Store().fetch, loop, len(BODY), SMALL)

    async def read() -> bytes:
        return blocks.read(0, 10)

    with pytest.raises(RuntimeError, match="event loop"):
        asyncio.run_coroutine_threadsafe(read(), loop).result(10)


@pytest.mark.parametrize(
    ("path", "access"),
    [
        ("a/b.fits", FITS),
        ("a.FITS", FITS),
        ("c.fits.fz", FITS),
        ("d.nc", HDF5),
        ("e.h5", HDF5),
        ("t.parquet", PARQUET),
        ("t.csv", TEXT),
        ("x.zarr/a/c/0/0", ZARR),
        ("m.tif", TIFF),
        ("plain", OTHER),
        (".csv", TEXT),
        ("x.zarr", OTHER),
    ],
)
def test_how_to_read_goes_by_the_name(path: str, access: Access) -> None:
    assert access_for(path) is access
