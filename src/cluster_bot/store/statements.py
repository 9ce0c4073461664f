"""The statements that are asked again and again, built once: building one costs as much as executing it.

Used by `sql_store` and `known_runs`; their parameters stand in `:names` beside each. What depends on the kind of
database, and what is asked once a run, is built where it is used.
"""

from sqlalchemy import Select, bindparam, func, select, update

from cluster_bot.runs.run import Status
from cluster_bot.store.tables import events, feeds, runs, specs

_SAVED = ("status", "launcher", "gpu", "attempt", "version", "finished_at", "gpu_s", "document")
LIVE = [status.value for status in Status if not status.final]

RUNS = select(runs, specs.c.document.label("spec")).join_from(runs, specs, specs.c.run_id == runs.c.id)

# :run
ONE_RUN = RUNS.where(runs.c.id == bindparam("run"))
VERSION = select(runs.c.version).where(runs.c.id == bindparam("run"))
WITHOUT_SPEC = select(runs).where(runs.c.id == bindparam("run"))
STANDING = select(runs.c.id, runs.c.status, runs.c.attempt, runs.c.finished_at).where(runs.c.id == bindparam("run"))
PLACE = select(feeds.c.place, feeds.c.closed).where(feeds.c.run_id == bindparam("run"))

# :number, :run_ids
BY_NUMBER = RUNS.where(runs.c.number == bindparam("number"))
THESE = RUNS.where(runs.c.id.in_(bindparam("run_ids", expanding=True)))

UNFINISHED = select(runs.c.id, runs.c.version).where(runs.c.status.in_(LIVE)).order_by(runs.c.number)
# :launcher
UNFINISHED_OF = UNFINISHED.where(runs.c.launcher == bindparam("launcher"))

# :owner
WAITING_OF = (
    select(runs.c.number)
    .where(runs.c.owner_id == bindparam("owner"), runs.c.status.in_([Status.QUEUED.value, Status.STARTING.value]))
    .order_by(runs.c.number)
)

OPEN_FEEDS = (
    select(runs.c.id).join(feeds, feeds.c.run_id == runs.c.id).where(feeds.c.closed.is_(False)).order_by(runs.c.number)
)

# :run, :was, and the columns of `codec.run_values`, the launcher among them since a run may go on at another. The
# version is compared by the statement that writes: nobody can come in between.
SAVE = (
    update(runs)
    .where(runs.c.id == bindparam("run"), runs.c.version == bindparam("was"))
    .values({name: bindparam(f"new_{name}") for name in _SAVED})
)
# :run, :new_place, :new_closed
SAVE_PLACE = (
    update(feeds)
    .where(feeds.c.run_id == bindparam("run"))
    .values(place=bindparam("new_place"), closed=bindparam("new_closed"))
)

_OF_ATTEMPT = (events.c.run_id == bindparam("run"), events.c.attempt == bindparam("attempt"))

# :run, :attempt, :after, :most, and :kinds
EVENTS = (
    select(events.c.number, events.c.at, events.c.kind, events.c.body)
    .where(*_OF_ATTEMPT, events.c.number > bindparam("after"))
    .order_by(events.c.number)
    .limit(bindparam("most"))
)
EVENTS_OF_KINDS = EVENTS.where(events.c.kind.in_(bindparam("kinds", expanding=True)))

# The names and quotes of a log event's document are not output.
_AROUND = len('{"stream": "stdout", "text": ""}')
LOG_SIZE = select(func.coalesce(func.sum(func.length(events.c.body) - _AROUND), 0).label("size")).where(
    *_OF_ATTEMPT, events.c.kind == "log"
)


def _last_event() -> Select[tuple[int]]:
    place = func.row_number().over(order_by=events.c.number)
    ranked = select(events.c.number, place.label("place"))
    rows = ranked.where(*_OF_ATTEMPT, events.c.number > bindparam("known")).subquery()
    return select(func.max(rows.c.number).label("last")).where(rows.c.number == rows.c.place + bindparam("known"))


# :run, :attempt, :known
LAST_EVENT = _last_event()
