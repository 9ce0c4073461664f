"""Brings the database's tables up to date, at every start, before anybody reads them.

Called by `SqlStore.open` in a thread. The steps are Alembic's, under `migrations/`, inside the package, so that an
installed bot needs nothing beside it. Processes that start at once take turns.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from cluster_bot.errors import StartupError
from cluster_bot.store.dialects import Dialect

MIGRATIONS = Path(__file__).parent / "migrations"


def bring_up_to_date(dialect: Dialect) -> None:
    """Apply what is missing, all or nothing; raises StartupError with one sentence. Blocks: for a thread."""
    try:
        with dialect.migrating() as connection:
            _upgrade(connection)
    except (SQLAlchemyError, OSError) as error:
        raise StartupError(dialect.sentence(error)) from error


def _upgrade(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if set(MigrationContext.configure(connection).get_current_heads()) - known:
        raise StartupError(
            "The database was last used by a newer version of Cluster Bot; start that one, or restore an older backup."
        )
    command.upgrade(config, "head")
