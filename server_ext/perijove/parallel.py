"""Much work with bounded haste."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Reads of up to this, on the average, are short: most of their time is spent waiting for the first byte.
SHORT_BYTES = 128 << 10


class Haste:
    """How many reads to have under way: ``few``, or ``many`` once what has come is short. Pure.

    Long ones share the link, and the more there are, the longer each goes without its next bytes.
    """

    def __init__(self, few: int, many: int) -> None:
        self._few = few
        self._many = many
        self._reads = 0
        self._bytes = 0

    def came(self, size_bytes: int) -> None:
        """A read of so much is done."""
        self._reads += 1
        self._bytes += size_bytes

    def at_once(self) -> int:
        """As many as are fit now."""
        return self._many if self._reads > 0 and self._bytes <= self._reads * SHORT_BYTES else self._few


async def few_at_once(
    work: Callable[[Item], Awaitable[Result]], items: Sequence[Item], at_once: int | Callable[[], int]
) -> list[Result]:
    """``work`` of each item, in order; ``at_once`` of them are under way, however many there are.

    Raises:
        Exception: the first that ``work`` raised; what was under way is cancelled before it goes on.
    """
    results: dict[int, Result] = {}
    left = iter(enumerate(items))
    workers = 0

    def wanted() -> int:
        return min(at_once if isinstance(at_once, int) else at_once(), len(items))

    def fill() -> None:
        nonlocal workers
        while workers < wanted():
            workers += 1
            group.create_task(worker())

    async def worker() -> None:
        nonlocal workers
        for number, item in left:
            results[number] = await work(item)
            if workers > wanted():
                workers -= 1
                return
            fill()

    try:
        async with asyncio.TaskGroup() as group:
            fill()
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed.exceptions[0].__cause__
    return [results[number] for number in range(len(items))]
