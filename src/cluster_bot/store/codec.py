"""Between the domain's frozen objects and the columns of the tables.

Used by `sql_store`. A column stands for what the database must find, count or guard; everything else of an object is
one JSON document, so that a new field with a default needs no migration. What is read was written here: a row that
cannot be understood is our failure and raises; who lists runs may leave it out.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cluster_bot.errors import ClusterBotError, UnreadableRunError
from cluster_bot.runs.ports import Place, Standing
from cluster_bot.runs.run import Run, Status
from cluster_bot.runs.spec import RunSpec
from cluster_bot.runs.summary import Summary
from cluster_runner.wire import Event, Outcome, outcome_of

# What has a column, or a table, of its own, and so is not in a run's document.
_APART = ("id", "number", "status", "attempt", "version", "created_at", "finished_at", "spec")

_RUN = TypeAdapter(Run)
_SUMMARY = TypeAdapter(Summary)


def run_values(run: Run) -> dict[str, Any]:
    """The columns of `runs` that a save writes."""
    return {
        "status": run.status.value,
        "launcher": run.launcher,
        "attempt": run.attempt,
        "version": run.version,
        "finished_at": run.finished_at,
        "gpu_s": run.gpu_s,
        "gpu": None if run.gpu is None else text_of(run.gpu),
        "document": dumps({name: value for name, value in plain(run).items() if name not in _APART}),
    }


def first_values(run: Run) -> dict[str, Any]:
    """The columns of `runs` that admission writes, once or for the first time; the number is the database's to give."""
    return {
        **run_values(run),
        "id": run.id,
        "origin_key": run.origin.key,
        "owner_id": run.owner.id,
        "created_at": run.created_at,
        "main": text_of(run.spec.main),
    }


def spec_text(run: Run) -> str:
    """The document of `specs`."""
    return dumps(plain(run.spec))


def run_of(row: Mapping[Any, Any], spec: str | RunSpec) -> Run:
    """The run of a row of `runs` and its document of `specs`, or what was read of that; raises UnreadableRunError."""
    columns = {name: row[name] for name in _APART if name != "spec"}
    try:
        read = json.loads(spec) if isinstance(spec, str) else spec
        run = _RUN.validate_python({**_document(row["document"]), **columns, "spec": read})
        if len(run.declined) < len(run.spec.order):
            return run
        why = "declined: more than there are launchers"
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        why = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in problems)
    except (ClusterBotError, AttributeError, TypeError, ValueError) as error:
        # A rule of the domain that has become stricter, or a document that is no JSON object.
        why = type(error).__name__
    raise UnreadableRunError(f"run {row['id']} can't be read: {why}")


def _document(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    if document.get("outcome") is not None:
        # By the wire's rules: what a newer version said more is left aside, as everywhere in the document.
        document["outcome"] = outcome_of(document["outcome"])
    return document


def summary_of(row: Mapping[Any, Any]) -> Summary:
    """The summary of a row of `runs` with its feed's place; raises UnreadableRunError."""
    columns = {name: row[name] for name in ("number", "main", "launcher", "gpu", "status", "created_at", "finished_at")}
    try:
        document = json.loads(row["document"])
        said = {name: document.get(name) for name in ("owner", "origin", "reason", "started_at")}
        ran_s = (document.get("outcome") or {}).get("duration_s")
        place = json.loads(row["place"])["state"]
        return _SUMMARY.validate_python({**columns, **said, "ran_s": ran_s, "place": place})
    except (AttributeError, KeyError, TypeError, ValueError):
        # Pydantic's errors are ValueErrors, and quote what was stored.
        raise UnreadableRunError(f"run {row['id']} can't be listed") from None


def standing_of(row: Mapping[Any, Any]) -> Standing:
    """The standing of a row of `runs`; raises UnreadableRunError."""
    try:
        return Standing(Status(row["status"]), row["attempt"], row["finished_at"])
    except ValueError:
        raise UnreadableRunError(f"run {row['id']} can't be read: status") from None


def event_values(event: Event) -> dict[str, Any]:
    """The columns of `events`, less those that say whose event it is."""
    return {"number": event.n, "at": event.t, "kind": event.kind, "body": json.dumps(dict(event.body))}


def event_of(row: Mapping[Any, Any]) -> Event:
    """The event of a row of `events`."""
    return Event(n=row["number"], t=row["at"], kind=row["kind"], body=json.loads(row["body"]))


def place_text(place: Place) -> str:
    """The document of `feeds`."""
    restored = {"restored": True} if place.restored else {}
    return json.dumps({"state": dict(place.state), "shown_version": place.shown_version, **restored})


def place_of(text: str, closed: bool) -> Place:
    """The place of a row of `feeds`."""
    document = json.loads(text)
    restored = document.get("restored", False)
    return Place(state=document["state"], shown_version=document["shown_version"], closed=closed, restored=restored)


def text_of(text: str) -> str:
    """`text` as any database keeps it in a column."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def plain(value: Any) -> Any:
    """A frozen object as what JSON can hold."""
    if is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Outcome):
        return value._asdict()
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return value


def dumps(value: Any) -> str:
    """A document as every database keeps it: JSON in ASCII."""
    # A scheduler's error may quote a file name with a lone surrogate, which is no text to pydantic nor to anybody
    # else: it becomes "?". Then back to ASCII, since a document may hold a NUL and PostgreSQL keeps none.
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    return json.dumps(json.loads(text))
