"""A new database is made at once, and an old one in steps: what comes of it must be the same."""

from typing import Any

import pytest
from sqlalchemy import Connection, inspect

from cluster_bot.store.dialects import Dialect, dialect_of
from cluster_bot.store.schema import bring_up_to_date, revision_of, upgrade


class _UndoneError(Exception):
    """Takes back what a transaction has made."""


def made(connection: Connection, dialect: Dialect) -> dict[str, Any]:
    """All that a database says of its tables. In which order columns stand is no matter: they are asked for by name."""
    seen, facts = inspect(connection), {}
    for table in seen.get_table_names():
        columns = {one["name"]: (str(one["type"]), one["nullable"], one["default"]) for one in seen.get_columns(table)}
        keys = [seen.get_pk_constraint(table), *seen.get_foreign_keys(table), *seen.get_unique_constraints(table)]
        facts[table] = (columns, keys, seen.get_indexes(table), seen.get_table_options(table))
    return facts | {"numbered by the database": set(dialect.counters(connection)), "revision": revision_of(connection)}


def test_a_new_database_is_as_if_it_had_gone_through_all_steps(url: str) -> None:
    dialect = dialect_of(url)
    with pytest.raises(_UndoneError), dialect.migrating() as connection:
        upgrade(connection)
        in_steps = made(connection, dialect)
        raise _UndoneError
    with dialect.migrating() as connection:
        assert inspect(connection).get_table_names() == []
    bring_up_to_date(dialect)
    with dialect.migrating() as connection:
        at_once = made(connection, dialect)
    assert len(at_once) > 10
    assert at_once == in_steps
