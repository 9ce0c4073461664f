"""The claims: which runner may execute an attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "claims",
        sa.Column("run_id", sa.String(32), sa.ForeignKey("runs.id", name="fk_claims_run_id"), nullable=False),
        sa.Column("attempt", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("instance", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "attempt", name="pk_claims"),
    )
