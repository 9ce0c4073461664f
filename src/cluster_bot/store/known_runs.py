"""Runs that were read before and have not changed since: a run at a version is always the same.

Used by `sql_store` for what is asked many times a second. It holds no truth: the database is asked for the version
each time, and only what it takes to read and judge a run, sources of up to a megabyte among it, is spared. A run whose
row is altered without its version, which no program of ours does, is noticed when the process starts anew.
"""

import threading
from collections import OrderedDict
from typing import NamedTuple

from sqlalchemy import Connection

from cluster_bot.errors import UnreadableRunError
from cluster_bot.runs.run import Run
from cluster_bot.store import codec, statements

# Of specs' documents, as characters; the objects made of them take about as much again. The smallest run takes more
# than its document shows.
MOST_CHARACTERS = 8 * 2**20
LEAST_CHARACTERS = 4096


class _Known(NamedTuple):
    run: Run
    characters: int


class KnownRuns:
    """Reads runs on a connection, from any thread; remembers those that may still change, the last used longest."""

    def __init__(self, most_characters: int = MOST_CHARACTERS) -> None:
        self._most_characters = most_characters
        self._characters = 0
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._turn = threading.Lock()

    def one(self, connection: Connection, run_id: str) -> Run | None:
        """The run as it is now, None where there is none; raises UnreadableRunError."""
        known = self._recall(run_id)
        if known is not None:
            version = connection.execute(statements.VERSION, {"run": run_id}).scalar()
            if version == known.run.version:
                return known.run
            # A run's spec is never altered.
            row = connection.execute(statements.WITHOUT_SPEC, {"run": run_id}).mappings().first()
            if row is not None:
                return self._remember(codec.run_of(row, known.run.spec), known.characters)
        row = connection.execute(statements.ONE_RUN, {"run": run_id}).mappings().first()
        return None if row is None else self._remember(codec.run_of(row, row["spec"]), len(row["spec"]))

    def unfinished(self, connection: Connection, launcher: str | None) -> list[tuple[str, Run | UnreadableRunError]]:
        """Those without a final status, oldest first, by id: each as it is now, or why it can't be read."""
        query = statements.UNFINISHED if launcher is None else statements.UNFINISHED_OF
        live = connection.execute(query, {} if launcher is None else {"launcher": launcher})
        versions: dict[str, int] = {row.id: row.version for row in live}
        found: dict[str, Run | UnreadableRunError] = {}
        missing = []
        for run_id, version in versions.items():
            known = self._recall(run_id)
            if known is not None and known.run.version == version:
                found[run_id] = known.run
            else:
                missing.append(run_id)
        if missing:
            for row in connection.execute(statements.THESE, {"run_ids": missing}).mappings():
                try:
                    found[row["id"]] = self._remember(codec.run_of(row, row["spec"]), len(row["spec"]))
                except UnreadableRunError as error:
                    found[row["id"]] = error
            found = {run_id: found.get(run_id) or _without_spec(run_id) for run_id in versions}
        # One that has ended between the two questions is not unfinished any more.
        return [(run_id, one) for run_id, one in found.items() if not isinstance(one, Run) or not one.status.final]

    def _recall(self, run_id: str) -> _Known | None:
        with self._turn:
            known = self._known.get(run_id)
            if known is not None:
                self._known.move_to_end(run_id)
            return known

    def _remember(self, run: Run, characters: int) -> Run:
        characters = max(characters, LEAST_CHARACTERS)
        with self._turn:
            was = self._known.pop(run.id, None)
            self._characters -= 0 if was is None else was.characters
            if not run.status.final:
                self._known[run.id] = _Known(run, characters)
                self._characters += characters
            while self._characters > self._most_characters:
                _, oldest = self._known.popitem(last=False)
                self._characters -= oldest.characters
        return run


def _without_spec(run_id: str) -> UnreadableRunError:
    return UnreadableRunError(f"run {run_id} can't be read: its spec is gone")
