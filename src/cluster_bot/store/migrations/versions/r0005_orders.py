"""Admins' orders, and the journal of what they decided and were told."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "orders",
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_orders"),
    )
    op.create_table(
        "journal",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("by_id", sa.String),
        sa.Column("by_name", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("entry_key", sa.String),
        sa.Column("shown", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_journal"),
        sa.UniqueConstraint("entry_key", name="uq_journal_entry_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_journal_scope", "journal", ["scope", "number"])
    op.create_index("ix_journal_shown", "journal", ["shown", "number"])
