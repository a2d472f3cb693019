"""What catalogues of others named when they were last asked, so that one that is down stays in the list."""

import sqlalchemy as sa
from alembic import op

from perijove_hub.ledger.schema import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "catalogues",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("serial", sa.Integer, nullable=False),
        sa.Column("due", UtcDateTime, nullable=False),
        sa.Column("harvested", UtcDateTime, nullable=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("error", sa.Text, nullable=True),
        sa.Column("found", sa.Text, nullable=True),
    )


def downgrade() -> None:
    op.drop_table("catalogues")
