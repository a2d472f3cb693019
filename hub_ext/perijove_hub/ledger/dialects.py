"""What SQLAlchemy's core does not have and SQLite and PostgreSQL do: statements that they spell alike, and moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, Subquery, Table, cast, func, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert


async def insert_once(connection: AsyncConnection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless a unique index has it already; True when it is new."""
    return (await connection.execute(_inserting_once(table, connection.dialect.name), dict(values))).first() is not None


@cache
def _inserting_once(table: Table, dialect: str) -> ReturningInsert[Any]:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    # what comes back tells: the count of rows does not, where the database gives the row its number
    return insert(table).on_conflict_do_nothing().returning(*table.primary_key)


async def add_to(
    connection: AsyncConnection, table: Table, key: Mapping[str, Any], amounts: Mapping[str, float]
) -> None:
    """Add amounts to the row of this primary key, which is made when it is not there."""
    columns: Sequence[str] = list(key)
    insert = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)
    sums = {name: table.c[name] + amount for name, amount in amounts.items()}
    await connection.execute(insert.values(**key, **amounts).on_conflict_do_update(index_elements=columns, set_=sums))


def once(query: Select[*tuple[Any, ...]], name: str) -> Subquery:
    """A query that is worked out once for each row, and not again in each sum over it.

    An offset of none is what keeps both databases from pulling it up; PostgreSQL would also materialize a common table
    expression, but writes every row to do so.
    """
    return query.offset(literal_column("0")).subquery(name)


def seconds_of(moment: ColumnElement[Any], dialect: str) -> ColumnElement[float]:
    """A moment as seconds since 1970; SQLite keeps it as text, and tells milliseconds."""
    if dialect == "postgresql":
        # extract() gives a numeric, which is slow to reckon with
        return func.date_part("epoch", moment, type_=Float)
    whole, precise, cut = (cast(func.strftime(form, moment), Float) for form in ("%s", "%f", "%S"))
    return whole + precise - cut
