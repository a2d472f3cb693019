"""The two statements that SQLite and PostgreSQL spell alike and SQLAlchemy's core does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


async def insert_once(connection: AsyncConnection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless a unique index has it already; True when it is new."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # what comes back tells: the count of rows does not, where the database gives the row its number
    statement = insert(table).values(**values).on_conflict_do_nothing().returning(*table.primary_key)
    return (await connection.execute(statement)).first() is not None


async def add_to(
    connection: AsyncConnection, table: Table, key: Mapping[str, Any], amounts: Mapping[str, float]
) -> None:
    """Add amounts to the row of this primary key, which is made when it is not there."""
    columns: Sequence[str] = list(key)
    insert = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)
    sums = {name: table.c[name] + amount for name, amount in amounts.items()}
    await connection.execute(insert.values(**key, **amounts).on_conflict_do_update(index_elements=columns, set_=sums))
