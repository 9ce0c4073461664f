"""What lists and choices ask: a member's runs page by page, without their specs.

Used by `sql_store`. The page's runs are found first, over an index and without their documents, which only those on
the page are read for: a member may have thousands.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, and_, cast, func, not_, or_, select, true

from cluster_bot.errors import UnreadableRunError
from cluster_bot.runs.summary import Summary, Which
from cluster_bot.store import codec
from cluster_bot.store.statements import LIVE
from cluster_bot.store.tables import feeds, runs

_SHOWN = (
    runs.c.id,
    runs.c.number,
    runs.c.main,
    runs.c.launcher,
    runs.c.gpu,
    runs.c.status,
    runs.c.created_at,
    runs.c.finished_at,
    runs.c.document,
    feeds.c.place,
)
_IS_LIVE = runs.c.status.in_(LIVE)


def summaries(connection: Connection, which: Which, limit: int, offset: int) -> list[Summary]:
    """The runs that are meant, live ones first, then newest first."""
    numbers = _numbers(connection, which, limit, offset)
    asked = select(*_SHOWN).join_from(runs, feeds, feeds.c.run_id == runs.c.id).where(runs.c.number.in_(numbers))
    found: dict[int, Summary] = {}
    for row in connection.execute(asked).mappings():
        try:
            found[row["number"]] = codec.summary_of(row)
        except UnreadableRunError:
            # Whoever moves runs logs it; a list just goes on.
            continue
    return [found[number] for number in numbers if number in found]


def _numbers(connection: Connection, which: Which, limit: int, offset: int) -> list[int]:
    """The page's runs. In two parts, each of which an index has in order: to sort thousands takes 10 ms."""
    found = select(runs.c.number).where(_meant(which)).order_by(runs.c.number.desc())
    # The live ones of a member are few: there is a limit.
    live = list(connection.execute(found.where(_IS_LIVE)).scalars())
    page = live[offset : offset + limit]
    if which.only_live or len(page) == limit:
        return page
    rest = found.where(not_(_IS_LIVE)).limit(limit - len(page)).offset(max(0, offset - len(live)))
    # A run that ends between the two questions is in both answers, and Discord takes no two buttons with one id.
    return list(dict.fromkeys([*page, *connection.execute(rest).scalars()]))


def counted(which: Which) -> Select[Any]:
    """How many runs are meant, as `count`."""
    return select(func.count().label("count")).select_from(runs).where(_meant(which))


def _meant(which: Which) -> ColumnElement[bool]:
    wanted: list[ColumnElement[bool]] = [true()]
    if which.member_id is not None:
        wanted.append(runs.c.owner_id == which.member_id)
    if which.only_live:
        wanted.append(_IS_LIVE)
    typed = codec.text_of(which.typed).strip()
    if typed:
        number = typed.removeprefix("#")
        by_name = runs.c.main.icontains(typed, autoescape=True)
        wanted.append(or_(cast(runs.c.number, String).contains(number), by_name) if number.isdecimal() else by_name)
    return and_(*wanted)
