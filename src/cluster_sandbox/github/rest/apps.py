"""Routes of GitHub Apps: the App itself, where it is installed, and the tokens of an installation."""

from __future__ import annotations

from typing import Any

from ..access import AccessError, App, Installation
from ..payloads import node_id, stamp
from .actions import REPO, shapes
from .route import Answer, ApiError, Call, Routes, not_found

routes = Routes()


def _app(call: Call) -> App:
    assert call.app is not None
    return call.app


def _installations(call: Call) -> list[Installation]:
    app = _app(call)
    return [one for one in call.service.access.installations.values() if one.app is app]


def _find(call: Call) -> Installation:
    wanted = call.number("installation_id")
    for one in _installations(call):
        if one.id == wanted:
            return one
    raise not_found()


def _events(call: Call, app: App) -> list[str]:
    hook = call.service.webhooks.of_app(app.id)
    return list(hook.events) if hook else []


def _shape(call: Call, one: Installation) -> dict[str, Any]:
    site = call.base.removesuffix("/api/v3")
    return {
        "id": one.id,
        "client_id": one.app.client_id,
        "account": shapes(call).user(one.account),
        "repository_selection": "selected",
        "access_tokens_url": f"{call.base}/app/installations/{one.id}/access_tokens",
        "repositories_url": f"{call.base}/installation/repositories",
        "html_url": f"{site}/organizations/{one.account}/settings/installations/{one.id}",
        "app_id": one.app.id,
        "app_slug": one.app.slug,
        "target_id": shapes(call).user(one.account)["id"],
        "target_type": "Organization",
        "permissions": one.permissions,
        "events": _events(call, one.app),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None if one.suspended_at is None else shapes(call).user(one.account),
        "suspended_at": None if one.suspended_at is None else stamp(one.suspended_at),
    }


@routes("GET", "/app", access="app")
def app(call: Call) -> Any:
    found = _app(call)
    site = call.base.removesuffix("/api/v3")
    return {
        "id": found.id,
        "slug": found.slug,
        "node_id": node_id("App", found.id),
        "client_id": found.client_id,
        "owner": shapes(call).user(found.owner),
        "name": found.slug,
        "description": "",
        "external_url": f"{site}/{found.owner}",
        "html_url": f"{site}/apps/{found.slug}",
        "created_at": stamp(found.created_at),
        "updated_at": stamp(found.created_at),
        "permissions": found.permissions,
        "events": _events(call, found),
        "installations_count": len(_installations(call)),
    }


@routes("GET", "/app/installations", access="app")
def installations(call: Call) -> Any:
    return [_shape(call, one) for one in call.page(_installations(call))]


@routes("GET", "/app/installations/{installation_id}", access="app")
def installation(call: Call) -> Any:
    return _shape(call, _find(call))


@routes("GET", "/orgs/{org}/installation", access="app")
@routes("GET", f"{REPO}/installation", access="app")
def installed(call: Call) -> Any:
    """Where the App is on this repository or its owner; 404 where it is not."""
    found = _installations(call)
    if not found:
        raise not_found()
    return _shape(call, found[0])


@routes("POST", "/app/installations/{installation_id}/access_tokens", access="app")
def access_token(call: Call) -> Any:
    found, body, world = _find(call), call.body or {}, call.service.world
    if found.suspended_at is not None:
        raise ApiError(403, "This installation has been suspended")
    if not isinstance(body, dict):
        raise ApiError(400, "Body should be a JSON object")
    names, ids = body.get("repositories"), body.get("repository_ids")
    if any(name != world.name for name in names or ()) or any(number != world.id for number in ids or ()):
        words = "There is at least one repository that does not exist or is not accessible to the parent installation."
        raise ApiError(422, words)
    try:
        text, token = call.service.access.grant(found, body.get("permissions"))
    except AccessError as error:
        raise ApiError(422, str(error)) from None
    assert token.expires_at is not None
    chosen = {"repositories": [shapes(call).repository(permissions=None)]} if names or ids else {}

    return Answer(
        201,
        {
            "token": text,
            "expires_at": stamp(token.expires_at),
            "permissions": token.permissions,
            "repository_selection": "selected",
            **chosen,
        },
    )


@routes("GET", "/installation/repositories")
def repositories(call: Call) -> Any:
    """What an installation's token may see: the one repository there is."""
    if call.caller is None or call.caller.installation is None:
        raise ApiError(403, "You must authenticate with an installation access token in order to list repositories")
    found = [shapes(call).repository(permissions=None)]
    return {"total_count": 1, "repository_selection": "selected", "repositories": found}
