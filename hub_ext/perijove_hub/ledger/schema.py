"""The tables of the ledger. Every change goes through a migration in ``migrations/versions``."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    literal_column,
    text,
)
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


#: A number that the database gives. SQLite counts only in a column that is exactly INTEGER.
Serial = BigInteger().with_variant(Integer, "sqlite")

OPEN = text("state IN ('offered', 'starting', 'active')")
HAS_REASON = text("reason IS NOT NULL")
HAS_AUTHOR = text("author IS NOT NULL")

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
    # the price times the resources, so that sums need not look into the price
    Column("cost_hour", Float, nullable=True),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
    Column("changed", UtcDateTime, nullable=False),
    Column("started", UtcDateTime, nullable=True),
    Column("last_seen", UtcDateTime, nullable=True),
    Column("ended", UtcDateTime, nullable=True),
    Column("reason", Text, nullable=True),
    # who pays, and with which groups it was admitted
    Column("charge_to", String(255), nullable=True),
    Column("groups", JSON, nullable=False),
    # use before this moment is in the entries; from it to `reserved_until` it is reserved
    Column("metered_until", UtcDateTime, nullable=True),
    Column("reserved_until", UtcDateTime, nullable=True),
    # when it is stopped, and why
    Column("ends_at", UtcDateTime, nullable=True),
    Column("idle_minutes", Float, nullable=True),
    Column("keeps_left", Integer, nullable=False),
    Column("kept_until", UtcDateTime, nullable=True),
    Column("last_activity", UtcDateTime, nullable=True),
    Column("busy", Boolean, nullable=False),
    Column("quota_stop_at", UtcDateTime, nullable=True),
    Column("quota_stop_name", String(255), nullable=True),
    Column("allowed_stop_at", UtcDateTime, nullable=True),
    Column("log_tail", Text, nullable=True),
    # when it last got other resources, as clusters do, and what it had cost by then
    Column("resized", UtcDateTime, nullable=True),
    Column("cost_before", Float, nullable=False),
    Index("leases_by_owner", "owner", "created"),
    Index("leases_by_created", "created", "id"),
    Index("leases_by_state", "state", "site"),
    Index("leases_open", "owner", sqlite_where=OPEN, postgresql_where=OPEN),
)

#: What an open lease is, in the words of the index: with the states as parameters no database would know it again.
IS_OPEN = leases.c.state.in_([literal_column(f"'{state}'") for state in ("offered", "starting", "active")])

#: What leases used, in intervals that are written once and never changed; what was wrong is put right by another entry.
usage_entries = Table(
    "usage_entries",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("lease_id", String(32), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("charge_to", String(255), nullable=False),
    Column("site", String(63), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("begins", UtcDateTime, nullable=False),
    Column("ends", UtcDateTime, nullable=False),
    Column("cpu", Float, nullable=False),
    Column("memory_gib", Float, nullable=False),
    Column("gpu", Float, nullable=False),
    Column("price_version", String(16), nullable=False),
    Column("cost", Float, nullable=False),
    Column("entry", String(16), nullable=False),
    Column("reason", Text, nullable=True),
    Column("author", String(255), nullable=True),
    Column("created", UtcDateTime, nullable=False),
    Index("usage_entries_by_owner", "owner", "ends"),
    Index("usage_entries_by_charge_to", "charge_to", "ends"),
    Index("usage_entries_by_end", "ends"),
    # few entries say anything: whoever looks for a name in what they say need not read the others
    Index("usage_entries_with_reason", "id", sqlite_where=HAS_REASON, postgresql_where=HAS_REASON),
    Index("usage_entries_by_author", "author", sqlite_where=HAS_AUTHOR, postgresql_where=HAS_AUTHOR),
    # an interval is written once, whoever writes it and however often
    Index(
        "usage_entries_once",
        "lease_id",
        "begins",
        unique=True,
        sqlite_where=text("entry = 'use'"),
        postgresql_where=text("entry = 'use'"),
    ),
)


def _amount_columns() -> list[Column[float]]:
    return [
        Column(name, Float, nullable=False)
        for name in ("cpu_hours", "memory_gib_hours", "gpu_hours", "session_hours", "cost")
    ]


#: The entries folded by day of the platform's time zone, in the transaction that writes them.
usage_days = Table(
    "usage_days",
    metadata,
    Column("day", Date, primary_key=True),
    Column("owner", String(255), primary_key=True),
    Column("charge_to", String(255), primary_key=True),
    Column("site", String(63), primary_key=True),
    Column("kind", String(16), primary_key=True),
    *_amount_columns(),
    Index("usage_days_by_owner", "owner", "day"),
    Index("usage_days_by_charge_to", "charge_to", "day"),
)

#: The days without their owners, written with them: who sums a pool, a site or the platform need not read every user's.
usage_totals = Table(
    "usage_totals",
    metadata,
    Column("day", Date, primary_key=True),
    Column("charge_to", String(255), primary_key=True),
    Column("site", String(63), primary_key=True),
    Column("kind", String(16), primary_key=True),
    *_amount_columns(),
    Index("usage_totals_by_charge_to", "charge_to", "day"),
    Index("usage_totals_by_site", "site", "day"),
)

#: Every price that was ever in force.
prices = Table(
    "prices",
    metadata,
    Column("version", String(16), primary_key=True),
    Column("site", String(63), nullable=False),
    Column("price", JSON, nullable=False),
    Column("currency", String(12), nullable=False),
    Column("since", UtcDateTime, nullable=False),
)

#: Starts that were not admitted.
refusals = Table(
    "refusals",
    metadata,
    Column("attempt_id", String(32), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("profile", String(63), nullable=True),
    Column("title", String(255), nullable=False),
    Column("detail", Text, nullable=False),
    Column("explanation", JSON, nullable=True),
    Column("at", UtcDateTime, nullable=False),
    Index("refusals_by_owner", "owner", "at"),
    Index("refusals_by_time", "at"),
)

overrides = Table(
    "overrides",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("quota", String(63), nullable=False),
    Column("subject", String(270), nullable=False),
    Column("limit", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", String(255), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
    Column("revoked", UtcDateTime, nullable=True),
    Column("revoked_by", String(255), nullable=True),
    Index("overrides_by_subject", "subject", "expires"),
)

closures = Table(
    "closures",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("site", String(63), nullable=False),
    Column("starts", UtcDateTime, nullable=False),
    Column("stops_at", UtcDateTime, nullable=True),
    Column("reopens", UtcDateTime, nullable=True),
    Column("reason", Text, nullable=False),
    Column("author", String(255), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("withdrawn", UtcDateTime, nullable=True),
    Column("withdrawn_by", String(255), nullable=True),
)

#: Messages to people; an announcement is one without an owner. ``key`` keeps a sweep from saying a thing twice.
notices = Table(
    "notices",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("key", String(255), nullable=False, unique=True),
    Column("owner", String(255), nullable=True),
    Column("groups", JSON, nullable=False),
    Column("lease_id", String(32), nullable=True),
    Column("topic", String(16), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("keep_minutes", Integer, nullable=True),
    Column("author", String(255), nullable=True),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=True),
    Column("withdrawn", UtcDateTime, nullable=True),
    Index("notices_by_owner", "owner", "id"),
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

#: What the gateways of sites run, beside what the hub says of the same sites.
gateways = Table(
    "gateways",
    metadata,
    Column("site", String(63), primary_key=True),
    Column("observed_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("attempts", JSON, nullable=False),
)

catalogues = Table(
    "catalogues",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("fingerprint", String(32), nullable=False),
    Column("serial", Integer, nullable=False),
    Column("due", UtcDateTime, nullable=False),
    Column("harvested", UtcDateTime, nullable=True),
    Column("failures", Integer, nullable=False),
    Column("error", Text, nullable=True),
    Column("found", Text, nullable=True),
)

homes = Table(
    "homes",
    metadata,
    Column("owner", String(255), primary_key=True),
    Column("site", String(63), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("used_bytes", BigInteger, nullable=True),
    Column("measured_at", UtcDateTime, nullable=True),
)
