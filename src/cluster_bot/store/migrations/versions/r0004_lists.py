"""What lists show of a run and are searched by: its main file's name, and its GPU.

Also what live runs of before count against their member's GPU time, since they may be saved only when they are over.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_AT_ONCE = 50
_LIVE = ("queued", "starting", "running", "stopping")


def upgrade() -> None:
    """Add the columns and fill them from the runs' specs."""
    op.add_column("runs", sa.Column("main", sa.String, nullable=False, server_default=""))
    op.add_column("runs", sa.Column("gpu", sa.String))
    runs = sa.table("runs", *map(sa.column, ("id", "number", "status", "document", "gpu_s", "main", "gpu")))
    specs = sa.table("specs", *map(sa.column, ("run_id", "document")))
    connection, last = op.get_bind(), 0
    # A few at a time: each document may have a megabyte.
    page = sa.select(runs.c.id, runs.c.number, runs.c.status, runs.c.document, specs.c.document.label("spec"))
    page = page.join_from(runs, specs, specs.c.run_id == runs.c.id).order_by(runs.c.number).limit(_AT_ONCE)
    while rows := connection.execute(page.where(runs.c.number > last)).all():
        last = rows[-1].number
        for row in rows:
            values = {**_shown(row.spec, row.document), **(_counted(row.spec) if row.status in _LIVE else {})}
            connection.execute(sa.update(runs).where(runs.c.id == row.id).values(values))


def _shown(spec_text: str, document: str) -> dict[str, str | None]:
    try:
        spec = json.loads(spec_text)
        # A run that went on elsewhere is listed with the GPU it has there.
        gone_on = len(json.loads(document).get("declined", ()))
        main, gpu = spec["main"], spec["others"][gone_on - 1]["gpu"] if gone_on else spec["gpu"]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        # A run that cannot be read is listed without its name.
        return {"main": "", "gpu": None}
    return {"main": _clean(str(main)), "gpu": None if gpu is None else _clean(str(gpu))}


def _counted(spec_text: str) -> dict[str, float]:
    """All that a run may take, as `RunSpec.most_gpu_s` said when this was written."""
    try:
        spec = json.loads(spec_text)
        gpus = [spec["gpu"], *(one["gpu"] for one in spec.get("others", ()))]
        return {"gpu_s": float(spec["time_limit_s"] * max(map(_gpus, gpus)))}
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}


def _gpus(name: str | None) -> int:
    if not name:
        return 0
    count = name.partition(":")[2].strip()
    return int(count) if count.isascii() and count.isdecimal() and len(count) < 4 else 1


def _clean(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()
