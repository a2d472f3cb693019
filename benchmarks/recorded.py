"""The answers of the ledger's queries, taken once and given again: what is left to time is policy, and no I/O."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

from perijove_hub.admission import asking
from perijove_hub.ledger import open_use, store, usage_store

#: Every query that a decision makes.
QUERIES = (
    (asking, "look_beforehand"),
    (store, "find_sites"),
    (open_use, "holdings"),
    (open_use, "pending_use"),
    (open_use, "running_leases"),
    (usage_store, "used_since"),
)


class Recording:
    """What the ledger answered to each query."""

    def __init__(self) -> None:
        self._answers: dict[str, Any] = {}

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Inside, the queries are made and their answers kept."""
        with _replaced(self._taking):
            yield

    @contextmanager
    def given(self) -> Iterator[None]:
        """Inside, the kept answers are given and nobody is asked. A query that was not made before is a KeyError."""
        with _replaced(self._giving):
            yield

    def _taking(self, name: str, query: Any) -> Any:
        async def take(connection: Any, *arguments: Any, **named: Any) -> Any:
            answer = await query(connection, *arguments, **named)
            self._answers[_key(name, arguments, named)] = answer
            return answer

        return take

    def _giving(self, name: str, query: Any) -> Any:
        async def give(connection: Any, *arguments: Any, **named: Any) -> Any:
            return self._answers[_key(name, arguments, named)]

        return give


class NoDatabase:
    """Stands where a decision expects the ledger: its transactions have no connection."""

    @asynccontextmanager
    async def read(self) -> AsyncIterator[None]:
        """Nothing to read from."""
        yield None


@contextmanager
def _replaced(make: Any) -> Iterator[None]:
    patches = [patch.object(module, name, make(name, getattr(module, name))) for module, name in QUERIES]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def _key(name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
    # the zone and the collections of a call are spelt the same each time; the clock stands still
    return f"{name}{arguments}{sorted(named.items())}"
