"""The first tables: runs, their specs, events, feeds and blobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "runs",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("origin_key", sa.String, nullable=False),
        sa.Column("owner_id", sa.String, nullable=False),
        sa.Column("launcher", sa.String, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("finished_at", sa.Float),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_runs"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
        sa.UniqueConstraint("origin_key", name="uq_runs_origin_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_owner_id", "runs", ["owner_id", "number"])
    op.create_index("ix_runs_status", "runs", ["status", "owner_id"])
    op.create_table(
        "specs",
        _run_id("specs"),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_specs"),
    )
    op.create_table(
        "events",
        _run_id("events"),
        sa.Column("attempt", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "attempt", "number", name="pk_events"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "feeds",
        _run_id("feeds"),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_feeds"),
    )
    op.create_index("ix_feeds_closed", "feeds", ["closed"])
    op.create_table(
        "blobs",
        _run_id("blobs"),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "name", name="pk_blobs"),
    )


def _run_id(table: str) -> sa.Column[str]:
    return sa.Column("run_id", sa.String(32), sa.ForeignKey("runs.id", name=f"fk_{table}_run_id"), nullable=False)
