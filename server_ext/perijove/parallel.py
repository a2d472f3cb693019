"""Much work with bounded haste."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def few_at_once(work: Callable[[Item], Awaitable[Result]], items: Sequence[Item], at_once: int) -> list[Result]:
    """``work`` of each item, in order; ``at_once`` of them are under way, however many there are.

    Raises:
        Exception: the first that ``work`` raised; what was under way is cancelled before it goes on.
    """
    results: dict[int, Result] = {}
    left = iter(enumerate(items))

    async def worker() -> None:
        for number, item in left:
            results[number] = await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(items))):
                group.create_task(worker())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed.exceptions[0].__cause__
    return [results[number] for number in range(len(items))]
