"""A site's failed starts are counted by owner: one user's broken home is no fault of the site."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("sites") as table:
        table.add_column(sa.Column("failed_owners", sa.JSON, nullable=False, server_default="[]"))
        table.drop_column("failures")


def downgrade() -> None:
    with op.batch_alter_table("sites") as table:
        table.add_column(sa.Column("failures", sa.Integer, nullable=False, server_default="0"))
        table.drop_column("failed_owners")
