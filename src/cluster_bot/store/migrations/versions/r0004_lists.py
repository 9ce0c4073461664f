"""What lists show of a run and are searched by: its main file's name, and its GPU."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_AT_ONCE = 50


def upgrade() -> None:
    """Add the columns and fill them from the runs' specs."""
    op.add_column("runs", sa.Column("main", sa.String, nullable=False, server_default=""))
    op.add_column("runs", sa.Column("gpu", sa.String))
    runs = sa.table("runs", *map(sa.column, ("id", "number", "main", "gpu")))
    specs = sa.table("specs", *map(sa.column, ("run_id", "document")))
    connection, last = op.get_bind(), 0
    # A few at a time: each document may have a megabyte.
    page = sa.select(runs.c.id, runs.c.number, specs.c.document).join_from(runs, specs, specs.c.run_id == runs.c.id)
    page = page.order_by(runs.c.number).limit(_AT_ONCE)
    while rows := connection.execute(page.where(runs.c.number > last)).all():
        last = rows[-1].number
        for row in rows:
            connection.execute(sa.update(runs).where(runs.c.id == row.id).values(_shown(row.document)))


def _shown(document: str) -> dict[str, str | None]:
    try:
        spec = json.loads(document)
        main, gpu = spec["main"], spec["gpu"]
    except (ValueError, KeyError, TypeError):
        # A run that cannot be read is listed without its name.
        return {"main": "", "gpu": None}
    return {"main": _clean(str(main)), "gpu": None if gpu is None else _clean(str(gpu))}


def _clean(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()
