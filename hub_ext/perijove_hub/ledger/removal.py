"""The removal of a person from the ledger: the sums stay, the name does not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Text, bindparam, cast, delete, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import Explanation, Forgotten, LeaseOffer, Resources, SpawnSpec
from perijove_hub.ledger.schema import closures, homes, leases, notices, overrides, refusals, sites, usage_days
from perijove_hub.ledger.schema import usage_entries as entries

#: Who has used what removed people have used.
REMOVED = "(removed)"

#: Where others' rows name a person who did something.
_AUTHORS = (
    overrides.c.author,
    overrides.c.revoked_by,
    closures.c.author,
    closures.c.withdrawn_by,
    notices.c.author,
    entries.c.author,
)
#: Where others' rows hold words that people or the platform wrote, with the key of the row.
_TEXTS = (
    (overrides.c.reason, overrides.c.id),
    (closures.c.reason, closures.c.id),
    (notices.c.message, notices.c.id),
    (entries.c.reason, entries.c.id),
    (leases.c.reason, leases.c.id),
    (refusals.c.detail, refusals.c.attempt_id),
)
#: Where others' rows quote such words inside of JSON, which of its parts (all: None), with the key of the row.
_WORDS = frozenset({"summary", "reasons"})
_QUOTES = (
    (leases.c.offer, _WORDS, leases.c.id),
    (refusals.c.explanation, _WORDS, refusals.c.attempt_id),
    (notices.c.groups, None, notices.c.id),
)
_SUMS = ("cpu_hours", "memory_gib_hours", "gpu_hours", "session_hours", "cost")


async def remove_person(connection: AsyncConnection, name: str) -> Forgotten:
    """Take a name out of every table, in the caller's transaction; a second time changes nothing.

    What the person has used is kept under :data:`REMOVED`, by day, group, site and kind. What is no use is deleted:
    the home that is on record, notices, refused starts, and limits that were changed for this user. In what is left,
    the name gives way to :data:`REMOVED`, also as a word in texts that others wrote.

    Args:
        connection: of a transaction that writes, and that has made sure that nothing of this user runs.
        name: of the user.
    """
    if connection.dialect.name == "sqlite":
        # or the name would stay in parts of the file that are free
        await connection.exec_driver_sql("PRAGMA secure_delete = ON")
    await _merge_days(connection, name)
    changed = await connection.execute(update(entries).where(entries.c.owner == name).values(owner=REMOVED))
    blanked = await _blank_leases(connection, name)
    for table in (refusals, homes, notices):
        await connection.execute(delete(table).where(table.c.owner == name))
    await connection.execute(delete(overrides).where(overrides.c.subject == f"user:{name}"))
    await _clear_breakers(connection, name)
    clear = _clearing(name)
    for column in _AUTHORS:
        await connection.execute(update(column.table).where(column == name).values({column.name: REMOVED}))
    for column, key in _TEXTS:
        await _clear_column(connection, column, key, column.icontains(name, autoescape=True), clear)
    for column, parts, key in _QUOTES:
        # JSON keeps what is not ASCII in its own way
        kept = cast(column, Text)
        holding = or_(*(kept.icontains(each, autoescape=True) for each in {name, json.dumps(name)[1:-1]}))
        await _clear_column(connection, column, key, holding, partial(_cleared, parts=parts, clear=clear))
    return Forgotten(leases=blanked, usage_entries=changed.rowcount)


async def _merge_days(connection: AsyncConnection, name: str) -> None:
    """Add the person's days to those of all who were removed, where there are such."""
    key = [column.name for column in usage_days.primary_key]
    columns = [*key, *_SUMS]
    mine = select(*(literal(REMOVED) if each == "owner" else usage_days.c[each] for each in columns))
    insert = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(usage_days)
    insert = insert.from_select(columns, mine.where(usage_days.c.owner == name))
    sums = {each: usage_days.c[each] + insert.excluded[each] for each in _SUMS}
    await connection.execute(insert.on_conflict_do_update(index_elements=key, set_=sums))
    await connection.execute(delete(usage_days).where(usage_days.c.owner == name))


async def _blank_leases(connection: AsyncConnection, name: str) -> int:
    """Keep of the person's leases what was used where and when; how many there were."""
    columns = leases.c
    query = select(columns.id, columns.attempt_id, columns.cpu, columns.memory_gib, columns.gpu, columns.offer)
    blank = [
        {"blank_id": lease_id, "blank_offer": _blank_offer(lease_id, attempt_id, resources, offer)}
        for lease_id, attempt_id, *resources, offer in await connection.execute(query.where(columns.owner == name))
    ]
    if blank:
        statement = (
            update(leases)
            .where(columns.id == bindparam("blank_id"))
            .values(owner=REMOVED, name="", groups=[], reason=None, log_tail=None, offer=bindparam("blank_offer"))
        )
        await connection.execute(statement, blank)
    return len(blank)


def _blank_offer(lease_id: str, attempt_id: str, resources: list[Any], offer: dict[str, Any]) -> dict[str, Any]:
    cpu, memory_gib, gpu = resources
    return LeaseOffer(
        id=lease_id,
        attempt_id=attempt_id,
        candidates=[],
        spawn=SpawnSpec(
            resources=Resources(cpu=cpu, memory_gib=memory_gib, gpu=gpu),
            policy_version=str(offer.get("spawn", {}).get("policy_version", "")),
        ),
        explanation=Explanation(summary=""),
    ).model_dump(mode="json")


async def _clear_breakers(connection: AsyncConnection, name: str) -> None:
    """Forget that this user's starts have failed at a site."""
    for site, failed in list(await connection.execute(select(sites.c.name, sites.c.failed_owners))):
        if name in failed:
            left = [owner for owner in failed if owner != name]
            await connection.execute(update(sites).where(sites.c.name == site).values(failed_owners=left))


def _clearing(name: str) -> Callable[[str], str]:
    """What puts :data:`REMOVED` where a text has the name as a word; a part of a longer word is another word."""
    word = re.compile(rf"(?<![\w@.-]){re.escape(name)}(?![\w@-]|\.\w)", re.IGNORECASE)
    return lambda text: word.sub(lambda _: REMOVED, text)


def _cleared(said: Any, parts: Collection[str] | None, clear: Callable[[str], str]) -> Any:
    """JSON whose texts are cleared; of objects only what these keys name, since the rest are names of other things."""
    match said:
        case str():
            return said if parts is not None else clear(said)
        case list():
            return [_cleared(each, parts, clear) for each in said]
        case dict():
            return {
                key: _cleared(value, None if parts is not None and key in parts else parts, clear)
                for key, value in said.items()
            }
    return said


async def _clear_column(
    connection: AsyncConnection,
    column: Column[Any],
    key: Column[Any],
    holding: ColumnElement[bool],
    clear: Callable[[Any], Any],
) -> None:
    """Clear what a column holds, in the rows that may hold the name."""
    # said in these words, the few entries with a reason are found by their index
    for row_key, said in list(await connection.execute(select(key, column).where(column.is_not(None), holding))):
        cleared = clear(said)
        if cleared != said:
            await connection.execute(update(key.table).where(key == row_key).values({column.name: cleared}))
