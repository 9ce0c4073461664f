"""Brings the database's tables up to date, at every start, before anybody reads them.

Called by `SqlStore.open` in a thread. The steps are Alembic's, under `migrations/`, inside the package, so that an
installed bot needs nothing beside it. Processes that start at once take turns. Alembic is imported where there are
tables to alter: a start that finds everything done, or nothing, is a tenth of a second quicker without it.
"""

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from cluster_bot.errors import StartupError
from cluster_bot.store.dialects import Dialect
from cluster_bot.store.tables import metadata

MIGRATIONS = Path(__file__).parent / "migrations"
# The revision of the newest step there.
NEWEST = "0006"

# Alembic's own table, as it makes it.
_VERSIONS = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def bring_up_to_date(dialect: Dialect) -> None:
    """Apply what is missing, all or nothing; raises StartupError with one sentence. Blocks: for a thread."""
    try:
        with dialect.migrating() as connection:
            if not inspect(connection).has_table(_VERSIONS.name):
                _make(connection)
            elif revision_of(connection) != NEWEST:
                upgrade(connection)
    except (SQLAlchemyError, OSError) as error:
        raise StartupError(dialect.sentence(error)) from error


def revision_of(connection: Connection) -> str | None:
    """Which step of the migrations the tables are at; None where there are none of ours."""
    if not inspect(connection).has_table(_VERSIONS.name):
        return None
    found = [row.version_num for row in connection.execute(text("SELECT version_num FROM alembic_version"))]
    return str(found[0]) if len(found) == 1 else None


def _make(connection: Connection) -> None:
    """Make at once what all steps would; a test compares the two. Raises where there is a table of such a name."""
    metadata.create_all(connection, checkfirst=False)
    _VERSIONS.create(connection)
    connection.execute(insert(_VERSIONS).values(version_num=NEWEST))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the tables up to a step, in the connection's transaction; raises StartupError where they are beyond all."""
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    wanted = set() if revision == "head" else {revision}
    if (set(MigrationContext.configure(connection).get_current_heads()) | wanted) - known:
        raise StartupError(
            "The database was last used by a newer version of Cluster Bot; start that one, or restore an older backup."
        )
    command.upgrade(config, revision)
