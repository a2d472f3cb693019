"""Objects that are kept whole on disk: how much of them there is, is counted rightly whatever threads do."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import perijove
from perijove import whole
from perijove.whole import Whole


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_what_threads_add_and_let_go_at_the_same_time_is_counted(hasty_threads: None) -> None:
    gc.collect()
    before = whole._open_bytes[0]

    def fill(_: int) -> None:
        each = Whole("x", 1 << 20)
        for _turn in range(200):
            each.append(b"abc")
        each.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(fill, range(64)))

    assert whole._open_bytes[0] == before


def test_what_arrives_after_it_was_closed_is_not_counted() -> None:
    gc.collect()
    before = whole._open_bytes[0]
    each = Whole("x", 1 << 20)
    each.append(b"abc")
    each.close()

    with pytest.raises(perijove.StoreUnavailable, match="closed"):
        each.append(b"def")
    assert whole._open_bytes[0] == before
