"""GitHub's own words on what it is asked, answers and tells: its OpenAPI description, and its examples of webhooks.

Whoever serves a stand-in (`conftest.github` and `scratch.serving` of its own tests, the halls of `github_jobs`) has all
of its answers and deliveries judged at the end. The description is silent on most refusals, so of those only the form
is judged.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from jsonschema.validators import extend
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from cluster_sandbox.github import GitHubServer
from cluster_sandbox.record import Request

NPM = Path(__file__).parents[1] / ".venv" / "npm" / "@octokit"
DESCRIPTION = NPM / "openapi" / "generated" / "api.github.com.json"
EXAMPLES = NPM / "webhooks-examples" / "api.github.com" / "index.json"
HERE = "urn:github"
# An answer to a question that was not asked by GitHub's rules, and one that says that nothing has changed.
REFUSALS = {400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 500}
UNCHANGED = 304
# What the library sends beyond the description: every hook was called "web" once.
_OF_PYGITHUB = {("/repos/{owner}/{repo}/hooks/{hook_id}", "name")}

Json = dict[str, Any]


def _unless_null(check: Callable[..., Any]) -> Callable[..., Any]:
    """OpenAPI 3.0 says `nullable` where JSON Schema has a type for it."""

    def checked(validator: Any, wanted: Any, instance: Any, schema: Any) -> Any:
        if instance is None and schema.get("nullable"):
            return ()
        return check(validator, wanted, instance, schema)

    return checked


_CHECKS = Draft4Validator.VALIDATORS
EITHER = {"Simple User", "Enterprise"}


def _all_of(validator: Any, wanted: Any, instance: Any, schema: Any) -> Any:
    """An installation's account is said to be a user and an enterprise at once; it is one of them."""
    either = {one.get("title") for one in wanted} == EITHER
    return _CHECKS["anyOf" if either else "allOf"](validator, wanted, instance, schema)


# Its alternatives overlap, so that of two that fit neither is wrong.
_MILDER = {"allOf": _all_of, "oneOf": _CHECKS["anyOf"]}
_Validator = extend(Draft4Validator, {name: _unless_null(check) for name, check in {**_CHECKS, **_MILDER}.items()})


@functools.cache
def _description() -> Json:
    found: Json = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    return found


@functools.cache
def _registry() -> Registry[Any]:
    return Registry().with_resource(HERE, Resource(_description(), DRAFT4))


@functools.cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """Every path of the description as a pattern, the plainest first."""
    found = []
    for path in sorted(_description()["paths"], key=lambda one: one.count("{")):
        # A branch's or a file's name may have slashes, and a folder's be empty.
        wide = re.sub(r"\\\{(path|ref)\\\}", ".*", re.escape(path))
        found.append((re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", wide)), path))
    return found


@functools.cache
def _examples() -> dict[str, list[Json]]:
    listed = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return {one["name"]: one["examples"] for one in listed}


def _pointer(*parts: str) -> str:
    return f"{HERE}#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)


@functools.cache
def _validator(reference: str) -> Any:
    return _Validator({"$ref": reference}, registry=_registry())


def _faults(reference: str, body: Any) -> Iterator[str]:
    for error in _validator(reference).iter_errors(body):
        place = ".".join("*" if isinstance(part, int) else str(part) for part in error.absolute_path)
        yield f"{place or 'the body'}: {error.message[:300]}"


def of_answer(method: str, path: str, status: int, body: Any) -> list[str]:
    """What is wrong with an answer of the API; `path` as it was asked for, without a query."""
    found = next((name for pattern, name in _paths() if pattern.fullmatch(path)), None)
    operation = _description()["paths"].get(found, {}).get(method.lower())
    if operation is None:
        return [] if status in REFUSALS else ["GitHub describes no such operation"]
    answers = operation["responses"]
    if str(status) not in answers:
        if status == UNCHANGED:
            return []
        # A log that is not there yet is told in the words of GitHub's storage.
        said = isinstance(body, bytes) or (isinstance(body, dict) and "message" in body)
        return [] if status in REFUSALS and said else ["no such answer"]
    where = ["paths", str(found), method.lower(), "responses", str(status)]
    answer = answers[str(status)]
    if "$ref" in answer:
        where = answer["$ref"].removeprefix("#/").split("/")
        answer = functools.reduce(lambda tree, part: tree[part], where, _description())
    if "application/json" not in answer.get("content", {}):
        return [] if body in (None, b"", {}) else ["a body where there is none"]
    return list(_faults(_pointer(*where, "content", "application/json", "schema"), body))


def of_request(method: str, path: str, query: Mapping[str, str], body: Any) -> list[str]:
    """What is wrong with a request that GitHub took: parameters and fields that it knows nothing of, or misses."""
    found = next((name for pattern, name in _paths() if pattern.fullmatch(path)), None)
    operation = _description()["paths"].get(found, {}).get(method.lower())
    if operation is None:
        return ["GitHub describes no such operation"]
    known = {one["name"]: (one, where) for one, where in _parameters(str(found), method.lower(), operation)}
    faults = [f"{name}: no parameter of it" for name in query if known.get(name, ({},))[0].get("in") != "query"]
    for name, value in query.items():
        if name in known:
            faults += [f"{name}={value}: {fault}" for fault in _typed(value, *known[name])]
    wanted = operation.get("requestBody")
    if wanted is None:
        return faults + (["a body where there is none"] if body not in (None, {}) else [])
    schema = wanted["content"]["application/json"]["schema"]
    if body is None:
        return faults + (["no body"] if wanted.get("required") and schema.get("required") else [])
    where = ["paths", str(found), method.lower(), "requestBody", "content", "application/json", "schema"]
    if isinstance(body, dict) and "properties" in schema:
        faults += [
            f"{name}: no field of it"
            for name in body
            if name not in schema["properties"] and (found, name) not in _OF_PYGITHUB
        ]
    return faults + list(_faults(_pointer(*where), body))


def _parameters(path: str, method: str, operation: Json) -> Iterator[tuple[Json, list[str]]]:
    """Each parameter of an operation, and where its schema stands."""
    for number, one in enumerate(operation.get("parameters", ())):
        where = ["paths", path, method, "parameters", str(number)]
        if "$ref" in one:
            where = one["$ref"].removeprefix("#/").split("/")
            one = functools.reduce(lambda tree, part: tree[part], where, _description())
        yield one, [*where, "schema"]


def _typed(value: str, parameter: Json, where: list[str]) -> Iterator[str]:
    kind = parameter["schema"].get("type")
    return _faults(_pointer(*where), int(value) if kind == "integer" and value.isdigit() else value)


def of_delivery(event: str, action: str | None, payload: Json) -> list[str]:
    """What is wrong with a webhook's payload: by the description, and by the examples of the event."""
    name = "-".join(filter(None, [event, action])).replace("_", "-")
    told = _description()["x-webhooks"].get(name)
    if told is None:
        return [f"GitHub describes no webhook {name}"]
    found = list(
        _faults(_pointer("x-webhooks", name, "post", "requestBody", "content", "application/json", "schema"), payload)
    )
    known: dict[str, set[str]] = {}
    for example in _examples()[event]:
        for place, kind in _leaves(example):
            known.setdefault(place, set()).add(kind)
    for place, kind in _leaves(payload):
        kinds = known.get(place)
        # Where the examples have only null or nothing, they do not say.
        if kinds is None or kind == "null" or kinds <= {"null"}:
            continue
        if kind not in kinds:
            found.append(f"{place} is {kind} and not {' or '.join(sorted(kinds))}, as in GitHub's examples")
    return found


def unlike_examples(event: str, payload: Json) -> set[str]:
    """Places of a payload that no example of the event has."""
    known = {place for example in _examples()[event] for place, _ in _leaves(example)}
    return {place for place, _ in _leaves(payload)} - known


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        yield place, "an object"
        for name, one in value.items():
            yield from _leaves(one, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        yield place, "a list"
        for one in value:
            yield from _leaves(one, f"{place}.*")
    else:
        yield place, "null" if value is None else type(value).__name__


class Bench:
    """The judges, for the lifetime of one server."""

    def __init__(self, server: GitHubServer) -> None:
        self._server = server
        self._heard: list[tuple[str, str, int, Any]] = []
        self._asked: list[tuple[str, str, dict[str, str], Any]] = []
        server.service.answered.append(self._hear)

    def _hear(self, request: Request, body: Any) -> None:
        self._heard.append((request.method, request.path, request.status or 0, body))
        if (request.status or 0) < 400:
            self._asked.append((request.method, request.path, dict(request.query), request.body))

    def verdict(self) -> list[str]:
        """Every fault of every request that was taken, every answer and every delivery."""
        found = [
            f"{method} {path} {status}: {fault}"
            for method, path, status, body in self._heard
            for fault in of_answer(method, path, status, body)
        ]
        found += [
            f"{method} {path} asked: {fault}"
            for method, path, query, body in self._asked
            for fault in of_request(method, path, query, body)
        ]
        for one in self._server.webhooks.deliveries.values():
            found += [f"{one.event} {one.action}: {fault}" for fault in of_delivery(one.event, one.action, one.payload)]
        return found
