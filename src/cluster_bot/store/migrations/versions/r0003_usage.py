"""What a run counts against its member's share of GPU time, and what it takes to count a member's last day quickly.

Runs that ended before this count as nothing: the window is a day.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the index."""
    op.add_column("runs", sa.Column("gpu_s", sa.Float, nullable=False, server_default="0"))
    op.create_index("ix_runs_owner_created", "runs", ["owner_id", "created_at"])
