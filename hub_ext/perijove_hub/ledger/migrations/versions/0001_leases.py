"""Leases, sites and homes: the first tables."""

import sqlalchemy as sa
from alembic import op

from perijove_hub.ledger.schema import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = ("control",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("attempt_id", sa.String(32), nullable=False, unique=True),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("profile", sa.String(63), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("site", sa.String(63), nullable=True),
        sa.Column("cpu", sa.Float, nullable=False),
        sa.Column("memory_gib", sa.Float, nullable=False),
        sa.Column("gpu", sa.Integer, nullable=False),
        sa.Column("without_home", sa.Boolean, nullable=False),
        sa.Column("offer", sa.JSON, nullable=False),
        sa.Column("price", sa.JSON, nullable=True),
        sa.Column("created", UtcDateTime, nullable=False),
        sa.Column("expires", UtcDateTime, nullable=False),
        sa.Column("changed", UtcDateTime, nullable=False),
        sa.Column("started", UtcDateTime, nullable=True),
        sa.Column("last_seen", UtcDateTime, nullable=True),
        sa.Column("ended", UtcDateTime, nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
    )
    op.create_index("leases_by_owner", "leases", ["owner", "created"])
    op.create_index("leases_by_state", "leases", ["state", "site"])
    op.create_table(
        "sites",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("observed_at", UtcDateTime, nullable=True),
        sa.Column("received_at", UtcDateTime, nullable=True),
        sa.Column("reachable", sa.Boolean, nullable=True),
        sa.Column("attempts", sa.JSON, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("out_until", UtcDateTime, nullable=True),
    )
    op.create_table(
        "homes",
        sa.Column("owner", sa.String(255), primary_key=True),
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("homes")
    op.drop_table("sites")
    op.drop_table("leases")
