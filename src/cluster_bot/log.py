"""Logging: records are events with an `action`; secrets never get in.

Set up once by the command line. Modules take `get_logger(__name__)` and pass facts as `extra`, which the formatter
appends as `key=value`.
"""

import logging
import sys
from collections.abc import Collection

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def get_logger(name: str) -> logging.Logger:
    """The logger of a module."""
    return logging.getLogger(name)


class EventFormatter(logging.Formatter):
    """`time level logger: text key=value …`, with every secret it was told replaced by `***`."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets = tuple(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        facts = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        text = super().format(record)
        if facts:
            head, newline, rest = text.partition("\n")
            text = " ".join([head, *(f"{key}={value}" for key, value in facts.items())]) + newline + rest
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def set_up_logging(level: str, secrets: Collection[str] = ()) -> None:
    """Log to stderr at `level` ("INFO", …); chatty libraries are kept to warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EventFormatter(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)


def set_level(level: str) -> None:
    """Log at another level from now on."""
    root = logging.getLogger()
    root.setLevel(level)
    for name in ("discord", "alembic", "sqlalchemy", "github", "urllib3"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
