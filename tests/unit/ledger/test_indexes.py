"""What is asked often does not read what is over: both databases use the indexes that were made for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, event, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import LeaseState
from perijove_hub.ledger import life_store, open_use, store
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.schema import leases, refusals, usage_entries
from tests.support.platforms import FakeClock, open_house

NOW = FakeClock().now
MANY = 3000

Ask = Callable[[AsyncConnection], Awaitable[Any]]


@pytest.fixture
async def old(ledger: str) -> AsyncIterator[Database]:
    """A ledger in which nearly everything is long over."""
    async with open_house(ledger) as house:
        await house.start("ana")
        async with house.database.write() as connection:
            (lease,) = (await connection.execute(select(leases))).mappings()
            over = dict(lease) | {"state": LeaseState.ENDED, "ended": NOW}
            rows = [
                over | {"id": f"l{i}", "attempt_id": f"a{i}", "owner": "ana" if i % 3 else f"user{i}"}
                for i in range(MANY)
            ]
            await connection.execute(insert(leases), rows)
            await connection.execute(insert(usage_entries), [entry(i) for i in range(MANY)])
            await connection.execute(insert(refusals), [refusal(i) for i in range(MANY)])
            await connection.execute(text("ANALYZE"))
        yield house.database


def entry(number: int) -> dict[str, Any]:
    begins = NOW - timedelta(hours=number)
    return {
        "lease_id": f"l{number}", "owner": f"user{number}", "charge_to": "", "site": "esac", "kind": "session",
        "begins": begins, "ends": begins + timedelta(minutes=5), "cpu": 1, "memory_gib": 2, "gpu": 0,
        "price_version": "p", "cost": 0, "entry": "use", "created": NOW,
        "reason": None if number else "it had ended", "author": None if number else "controller",
    }  # fmt: skip


def refusal(number: int) -> dict[str, Any]:
    return {
        "attempt_id": f"a{number}", "owner": f"user{number}", "name": "", "title": "", "detail": "",
        "at": NOW - timedelta(hours=number),
    }  # fmt: skip


async def plan(database: Database, ask: Ask) -> str:
    """How the database goes about what ``ask`` asks."""
    asked: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    async with database.write() as connection:
        event.listen(connection.sync_connection, "before_cursor_execute", listen)
        await ask(connection)
        event.remove(connection.sync_connection, "before_cursor_execute", listen)
        [(statement, parameters)] = asked
        explain = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        rows = await connection.exec_driver_sql(f"{explain} {statement}", parameters)
        return "\n".join(str(row[-1]) for row in rows)


OF_ONE: dict[str, Ask] = {
    "open leases": lambda connection: store.open_leases(connection, owner="ana"),
    "what it holds": lambda connection: open_use.running_leases(connection, NOW, ["user:ana"]),
    "what is reserved": lambda connection: open_use.pending_use(connection, "user:ana", NOW, NOW),
}

OF_ALL: dict[str, Ask] = {
    "open leases": store.open_leases,
    "what they hold": lambda connection: open_use.holdings(connection, NOW, "ana"),
    "what one site is reserved": lambda connection: open_use.pending_use(connection, "site:esac", NOW, NOW),
    "how many there are": life_store.count_open,
}


@pytest.mark.parametrize("name", OF_ONE)
async def test_what_one_owner_has_open_is_found_without_what_is_over(old: Database, name: str) -> None:
    assert "leases_open" in await plan(old, OF_ONE[name])


@pytest.mark.parametrize("name", OF_ALL)
async def test_what_all_have_open_is_found_without_what_is_over(old: Database, name: str) -> None:
    # SQLite takes the open states from the index of all states, where they lie together: that is no worse
    found = await plan(old, OF_ALL[name])
    assert "leases_open" in found or "USING INDEX leases_by_state (state=?" in found


async def test_what_was_refused_lately_is_found_by_its_time(old: Database) -> None:
    old_ones = delete(refusals).where(refusals.c.at < NOW - timedelta(hours=MANY - 3))
    assert "refusals_by_time" in await plan(old, lambda connection: connection.execute(old_ones))
    newest = select(refusals.c.attempt_id).order_by(refusals.c.at.desc(), refusals.c.attempt_id).limit(5)
    assert "refusals_by_time" in await plan(old, lambda connection: connection.execute(newest))


async def test_entries_that_say_something_are_found_without_the_others(old: Database) -> None:
    columns = usage_entries.c
    authors = update(usage_entries).where(columns.author == "zoe").values(author="(removed)")
    assert "usage_entries_by_author" in await plan(old, lambda connection: connection.execute(authors))
    words = select(columns.id, columns.reason).where(columns.reason.is_not(None), columns.reason.icontains("zoe"))
    assert "usage_entries_with_reason" in await plan(old, lambda connection: connection.execute(words))
