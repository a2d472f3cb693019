"""The tables of the ledger. Every change goes through a migration in ``migrations/versions``."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware moment. SQLite keeps no zone, so UTC goes in and UTC comes out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Aware in, UTC to the database.

        Raises:
            ValueError: the moment has no time zone, so nobody can tell when it was.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Always aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


leases = Table(
    "leases",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("attempt_id", String(32), nullable=False, unique=True),
    Column("owner", String(255), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", String(255), nullable=False),
    Column("profile", String(63), nullable=False),
    Column("state", String(16), nullable=False),
    Column("site", String(63), nullable=True),
    Column("cpu", Float, nullable=False),
    Column("memory_gib", Float, nullable=False),
    Column("gpu", Integer, nullable=False),
    Column("without_home", Boolean, nullable=False),
    Column("offer", JSON, nullable=False),
    Column("price", JSON, nullable=True),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
    Column("changed", UtcDateTime, nullable=False),
    Column("started", UtcDateTime, nullable=True),
    Column("last_seen", UtcDateTime, nullable=True),
    Column("ended", UtcDateTime, nullable=True),
    Column("reason", Text, nullable=True),
    Index("leases_by_owner", "owner", "created"),
    Index("leases_by_state", "state", "site"),
)

sites = Table(
    "sites",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("observed_at", UtcDateTime, nullable=True),
    Column("received_at", UtcDateTime, nullable=True),
    Column("reachable", Boolean, nullable=True),
    Column("attempts", JSON, nullable=False),
    Column("failed_owners", JSON, nullable=False),
    Column("out_until", UtcDateTime, nullable=True),
)

homes = Table(
    "homes",
    metadata,
    Column("owner", String(255), primary_key=True),
    Column("site", String(63), nullable=False),
    Column("since", UtcDateTime, nullable=False),
)
