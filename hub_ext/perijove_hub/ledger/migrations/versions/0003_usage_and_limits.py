"""Use over time, limits over time, what admins say, and what people are told."""

import sqlalchemy as sa
from alembic import op

from perijove_hub.ledger.schema import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
OPEN = sa.text("state IN ('offered', 'starting', 'active')")
IS_USE = sa.text("entry = 'use'")
HAS_REASON = sa.text("reason IS NOT NULL")
HAS_AUTHOR = sa.text("author IS NOT NULL")

ADDED = [
    "cost_hour", "charge_to", "groups", "metered_until", "reserved_until", "ends_at", "idle_minutes", "keeps_left",
    "kept_until",
    "last_activity", "busy", "quota_stop_at", "quota_stop_name", "allowed_stop_at", "log_tail",
]  # fmt: skip
TABLES = ["notices", "closures", "overrides", "refusals", "prices", "usage_days", "usage_entries"]


def upgrade() -> None:
    with op.batch_alter_table("leases") as table:
        table.add_column(sa.Column("cost_hour", sa.Float, nullable=True))
        table.add_column(sa.Column("charge_to", sa.String(255), nullable=True))
        table.add_column(sa.Column("groups", sa.JSON, nullable=False, server_default="[]"))
        table.add_column(sa.Column("metered_until", UtcDateTime, nullable=True))
        table.add_column(sa.Column("reserved_until", UtcDateTime, nullable=True))
        table.add_column(sa.Column("ends_at", UtcDateTime, nullable=True))
        table.add_column(sa.Column("idle_minutes", sa.Float, nullable=True))
        table.add_column(sa.Column("keeps_left", sa.Integer, nullable=False, server_default="0"))
        table.add_column(sa.Column("kept_until", UtcDateTime, nullable=True))
        table.add_column(sa.Column("last_activity", UtcDateTime, nullable=True))
        table.add_column(sa.Column("busy", sa.Boolean, nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("quota_stop_at", UtcDateTime, nullable=True))
        table.add_column(sa.Column("quota_stop_name", sa.String(255), nullable=True))
        table.add_column(sa.Column("allowed_stop_at", UtcDateTime, nullable=True))
        table.add_column(sa.Column("log_tail", sa.Text, nullable=True))
    # what is active now has used since it started; the controller's next renewal writes the first entry
    op.execute(sa.text("UPDATE leases SET metered_until = started WHERE state = 'active'"))
    op.create_index("leases_by_created", "leases", ["created", "id"])
    op.create_index("leases_open", "leases", ["owner"], sqlite_where=OPEN, postgresql_where=OPEN)
    with op.batch_alter_table("homes") as table:
        table.add_column(sa.Column("used_bytes", sa.BigInteger, nullable=True))
        table.add_column(sa.Column("measured_at", UtcDateTime, nullable=True))
    _create_usage()
    _create_said()


def _create_usage() -> None:
    op.create_table(
        "usage_entries",
        sa.Column("id", Serial, primary_key=True, autoincrement=True),
        sa.Column("lease_id", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("charge_to", sa.String(255), nullable=False),
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("begins", UtcDateTime, nullable=False),
        sa.Column("ends", UtcDateTime, nullable=False),
        sa.Column("cpu", sa.Float, nullable=False),
        sa.Column("memory_gib", sa.Float, nullable=False),
        sa.Column("gpu", sa.Float, nullable=False),
        sa.Column("price_version", sa.String(16), nullable=False),
        sa.Column("cost", sa.Float, nullable=False),
        sa.Column("entry", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=True),
        sa.Column("author", sa.String(255), nullable=True),
        sa.Column("created", UtcDateTime, nullable=False),
    )
    op.create_index("usage_entries_by_owner", "usage_entries", ["owner", "ends"])
    op.create_index("usage_entries_by_charge_to", "usage_entries", ["charge_to", "ends"])
    op.create_index("usage_entries_by_end", "usage_entries", ["ends"])
    op.create_index(
        "usage_entries_with_reason", "usage_entries", ["id"], sqlite_where=HAS_REASON, postgresql_where=HAS_REASON
    )
    op.create_index(
        "usage_entries_by_author", "usage_entries", ["author"], sqlite_where=HAS_AUTHOR, postgresql_where=HAS_AUTHOR
    )
    op.create_index(
        "usage_entries_once",
        "usage_entries",
        ["lease_id", "begins"],
        unique=True,
        sqlite_where=IS_USE,
        postgresql_where=IS_USE,
    )
    op.create_table(
        "usage_days",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("owner", sa.String(255), primary_key=True),
        sa.Column("charge_to", sa.String(255), primary_key=True),
        sa.Column("site", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("cpu_hours", sa.Float, nullable=False),
        sa.Column("memory_gib_hours", sa.Float, nullable=False),
        sa.Column("gpu_hours", sa.Float, nullable=False),
        sa.Column("session_hours", sa.Float, nullable=False),
        sa.Column("cost", sa.Float, nullable=False),
    )
    op.create_index("usage_days_by_owner", "usage_days", ["owner", "day"])
    op.create_index("usage_days_by_charge_to", "usage_days", ["charge_to", "day"])
    op.create_index("usage_days_by_site", "usage_days", ["site", "day"])
    op.create_table(
        "prices",
        sa.Column("version", sa.String(16), primary_key=True),
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("price", sa.JSON, nullable=False),
        sa.Column("currency", sa.String(12), nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
    )


def _create_said() -> None:
    op.create_table(
        "refusals",
        sa.Column("attempt_id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("profile", sa.String(63), nullable=True),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("explanation", sa.JSON, nullable=True),
        sa.Column("at", UtcDateTime, nullable=False),
    )
    op.create_index("refusals_by_owner", "refusals", ["owner", "at"])
    op.create_index("refusals_by_time", "refusals", ["at"])
    op.create_table(
        "overrides",
        sa.Column("id", Serial, primary_key=True, autoincrement=True),
        sa.Column("quota", sa.String(63), nullable=False),
        sa.Column("subject", sa.String(270), nullable=False),
        sa.Column("limit", sa.Float, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("created", UtcDateTime, nullable=False),
        sa.Column("expires", UtcDateTime, nullable=False),
        sa.Column("revoked", UtcDateTime, nullable=True),
        sa.Column("revoked_by", sa.String(255), nullable=True),
    )
    op.create_index("overrides_by_subject", "overrides", ["subject", "expires"])
    op.create_table(
        "closures",
        sa.Column("id", Serial, primary_key=True, autoincrement=True),
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("starts", UtcDateTime, nullable=False),
        sa.Column("stops_at", UtcDateTime, nullable=True),
        sa.Column("reopens", UtcDateTime, nullable=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("created", UtcDateTime, nullable=False),
        sa.Column("withdrawn", UtcDateTime, nullable=True),
        sa.Column("withdrawn_by", sa.String(255), nullable=True),
    )
    op.create_table(
        "notices",
        sa.Column("id", Serial, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String(255), nullable=False, unique=True),
        sa.Column("owner", sa.String(255), nullable=True),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("lease_id", sa.String(32), nullable=True),
        sa.Column("topic", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("keep_minutes", sa.Integer, nullable=True),
        sa.Column("author", sa.String(255), nullable=True),
        sa.Column("created", UtcDateTime, nullable=False),
        sa.Column("expires", UtcDateTime, nullable=True),
        sa.Column("withdrawn", UtcDateTime, nullable=True),
    )
    op.create_index("notices_by_owner", "notices", ["owner", "id"])


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
    with op.batch_alter_table("homes") as homes:
        homes.drop_column("measured_at")
        homes.drop_column("used_bytes")
    op.drop_index("leases_open", "leases")
    op.drop_index("leases_by_created", "leases")
    with op.batch_alter_table("leases") as leases:
        for column in reversed(ADDED):
            leases.drop_column(column)
