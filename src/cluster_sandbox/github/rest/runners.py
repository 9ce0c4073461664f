"""Routes of self-hosted runners, at both levels: of the repository, and of its owner where that is an organization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..fleet import Fleet, FleetError
from ..model import Level, Machine
from ..payloads import stamp
from .actions import REPO, shapes
from .route import Answer, ApiError, Call, Handler, Routes, not_found

routes = Routes("administration")
ORG = "/orgs/{org}"
MOST_LABELS = 100


def both(method: str, path: str) -> Callable[[Handler], Handler]:
    """A route at each level, with the permission that it takes there."""

    def add(handler: Handler) -> Handler:
        routes(method, f"{REPO}/actions/runners{path}")(handler)
        return routes(method, f"{ORG}/actions/runners{path}", permission="organization_self_hosted_runners")(handler)

    return add


def _fleet(call: Call) -> Fleet:
    if "org" in call.params and not call.service.world.organization:
        raise not_found()
    return call.service.world.fleet


def _level(call: Call) -> Level:
    return "organization" if "org" in call.params else "repository"


def _find(call: Call) -> Machine:
    wanted = call.number("runner_id")
    machine = _fleet(call).find(wanted)
    if machine is None or machine.level != _level(call):
        raise not_found()
    return machine


@both("GET", "")
def runners(call: Call) -> Any:
    name = call.query.get("name")
    found = [one for one in _fleet(call).at(_level(call)) if name in (None, one.name)]
    return {"total_count": len(found), "runners": [shapes(call).runner(one) for one in call.page(found)]}


@both("GET", "/downloads")
def downloads(call: Call) -> Any:
    _fleet(call)
    return call.service.package.applications(shapes(call).site)


@both("POST", "/registration-token")
def registration_token(call: Call) -> Any:
    text, expires = _fleet(call).grant("register", _level(call))
    return Answer(201, {"token": text, "expires_at": stamp(expires)})


@both("POST", "/remove-token")
def remove_token(call: Call) -> Any:
    text, expires = _fleet(call).grant("remove", _level(call))
    return Answer(201, {"token": text, "expires_at": stamp(expires)})


@both("POST", "/generate-jitconfig")
def just_in_time(call: Call) -> Any:
    body, fleet = call.body, _fleet(call)
    if not isinstance(body, dict):
        raise ApiError(422, "Invalid request.")
    name, group, labels = body.get("name"), body.get("runner_group_id"), body.get("labels")
    if not isinstance(name, str) or not isinstance(group, int) or not isinstance(labels, list):
        raise ApiError(422, 'Invalid request.\n\n"name", "runner_group_id" or "labels" wasn\'t supplied.')
    if not 1 <= len(labels) <= MOST_LABELS or not all(isinstance(one, str) for one in labels):
        raise ApiError(422, f"Invalid request.\n\nLabels must be 1 to {MOST_LABELS} texts.")
    try:
        machine = fleet.register(_level(call), name, labels, group, ephemeral=True)
    except FleetError as error:
        raise ApiError(error.status, str(error)) from None
    config = call.service.package.just_in_time(machine)
    return Answer(201, {"runner": shapes(call).runner(machine), "encoded_jit_config": config})


@both("GET", "/{runner_id}")
def runner(call: Call) -> Any:
    return shapes(call).runner(_find(call))


@both("DELETE", "/{runner_id}")
def remove(call: Call) -> Any:
    machine = _find(call)
    try:
        _fleet(call).remove(machine)
    except FleetError as error:
        raise ApiError(error.status, str(error)) from None
    return Answer(204)


@routes("GET", f"{ORG}/actions/runner-groups", permission="organization_self_hosted_runners")
def groups(call: Call) -> Any:
    found = _fleet(call).groups
    shown = [shapes(call).runner_group(one) for one in call.page(found)]
    return {"total_count": len(found), "runner_groups": shown}
