"""The days of use without their owners, so that a pool, a site or the platform is summed without its users' rows."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = "day, charge_to, site, kind"
AMOUNTS = ("cpu_hours", "memory_gib_hours", "gpu_hours", "session_hours", "cost")


def upgrade() -> None:
    op.create_table(
        "usage_totals",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("charge_to", sa.String(255), primary_key=True),
        sa.Column("site", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        *(sa.Column(name, sa.Float, nullable=False) for name in AMOUNTS),
    )
    columns, sums = ", ".join(AMOUNTS), ", ".join(f"sum({name})" for name in AMOUNTS)
    op.execute(
        sa.text(
            f"INSERT INTO usage_totals ({KEY}, {columns}) SELECT {KEY}, {sums} FROM usage_days GROUP BY {KEY}"  # noqa: S608 - constants
        )
    )
    op.create_index("usage_totals_by_charge_to", "usage_totals", ["charge_to", "day"])
    op.create_index("usage_totals_by_site", "usage_totals", ["site", "day"])
    # a site is summed from its totals now
    op.drop_index("usage_days_by_site", "usage_days")


def downgrade() -> None:
    op.create_index("usage_days_by_site", "usage_days", ["site", "day"])
    op.drop_table("usage_totals")
