"""Clusters: a lease may come to hold other resources, and gateways say what they run."""

import sqlalchemy as sa
from alembic import op

from perijove_hub.ledger.schema import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("leases") as table:
        table.add_column(sa.Column("resized", UtcDateTime, nullable=True))
        table.add_column(sa.Column("cost_before", sa.Float, nullable=False, server_default="0"))
    op.create_table(
        "gateways",
        sa.Column("site", sa.String(63), primary_key=True),
        sa.Column("observed_at", UtcDateTime, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("attempts", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("gateways")
    with op.batch_alter_table("leases") as table:
        table.drop_column("cost_before")
        table.drop_column("resized")
