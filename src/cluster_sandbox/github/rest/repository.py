"""Routes of the repository, artifacts, the caller, and where jobs upload their artifacts."""

from __future__ import annotations

from typing import Any

from ..access import Token
from ..model import Artifact
from ..payloads import stamp
from .actions import REPO, find_run, shapes
from .route import Answer, ApiError, Call, Routes, not_found

routes = Routes("actions")


@routes("GET", REPO, permission="metadata")
def repository(call: Call) -> Any:
    return shapes(call).repository(permissions=_permissions(call.caller))


def _permissions(caller: Token | None) -> dict[str, bool]:
    """What GitHub says of the person behind a token; of an App it says what its permissions amount to."""
    assert caller is not None
    admin, push = caller.may("administration", "write"), caller.may("contents", "write")
    return {"admin": admin, "maintain": admin, "push": push or admin, "triage": push or admin, "pull": True}


@routes("GET", "/user", permission="metadata")
def user(call: Call) -> Any:
    caller, made = call.caller, stamp(call.service.world.created_at)
    assert caller is not None
    if caller.installation is not None:
        raise ApiError(403, caller.refusal)
    return {
        **shapes(call).user(caller.login),
        **dict.fromkeys(("name", "company", "location", "email", "hireable", "bio")),
        "blog": "",
        **dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0),
        "created_at": made,
        "updated_at": made,
    }


@routes("GET", "/rate_limit", access="free", permission="metadata")
def rate_limit(call: Call) -> Any:
    assert call.caller is not None
    headers = call.service.limits.headers(call.caller.purse)
    core = {name: int(headers[f"X-RateLimit-{name.title()}"]) for name in ("limit", "remaining", "reset", "used")}
    search = {**core, "limit": 30, "remaining": 30, "used": 0}
    return {"resources": {"core": core, "search": search}, "rate": core}


@routes("GET", f"{REPO}/actions/permissions", permission="administration")
def permissions(call: Call) -> Any:
    enabled = call.service.world.actions_enabled
    allowed = {"allowed_actions": "all", "sha_pinning_required": False} if enabled else {}
    return {"enabled": enabled, **allowed}


@routes("PUT", f"{REPO}/actions/permissions", permission="administration")
def set_permissions(call: Call) -> Any:
    if not isinstance(call.body, dict) or not isinstance(call.body.get("enabled"), bool):
        raise ApiError(422, 'Invalid request.\n\n"enabled" wasn\'t supplied.')
    call.service.world.actions_enabled = call.body["enabled"]
    return Answer(204)


# --- artifacts --------------------------------------------------------------------------------------


def _listed(call: Call, run_id: int | None) -> Any:
    name = call.query.get("name")
    found = [
        one
        for one in reversed(call.service.world.artifacts.values())
        if run_id in (None, one.run_id) and name in (None, one.name)
    ]
    return {"total_count": len(found), "artifacts": [shapes(call).artifact(one) for one in call.page(found)]}


def _find(call: Call) -> Artifact:
    artifact = call.service.world.artifacts.get(call.number("artifact_id"))
    if artifact is None:
        raise not_found()
    return artifact


@routes("GET", f"{REPO}/actions/artifacts")
def artifacts(call: Call) -> Any:
    return _listed(call, None)


@routes("GET", f"{REPO}/actions/runs/{{run_id}}/artifacts")
def run_artifacts(call: Call) -> Any:
    return _listed(call, find_run(call).id)


@routes("GET", f"{REPO}/actions/artifacts/{{artifact_id}}")
def artifact(call: Call) -> Any:
    return shapes(call).artifact(_find(call))


@routes("GET", f"{REPO}/actions/artifacts/{{artifact_id}}/zip")
def download(call: Call) -> Any:
    found = _find(call)
    if found.expires_at <= call.service.world.now():
        raise ApiError(410, "Artifact has expired")
    link = call.service.storage.link(found.data, "application/zip", f"artifact-{found.id}.zip")
    return Answer(302, b"", {"Location": link})


@routes("PUT", "/sandbox/runs/{run_id}/artifacts/{name}", access="job")
def upload(call: Call) -> Any:
    """Not GitHub's: what the stand-in of actions/upload-artifact calls, with the token of its job."""
    run = find_run(call)
    if call.token != run.token or run.completed:
        raise ApiError(403, "this token is not of this running job")
    days = call.query.get("retention_days", "0")
    overwrite = call.query.get("overwrite") == "true"
    try:
        made = call.service.world.add_artifact(
            run, call.params["name"], call.raw, int(days) if days.isdigit() else 0, overwrite=overwrite
        )
    except ValueError as error:
        raise ApiError(409, str(error)) from None
    return {"id": made.id, "digest": made.digest, "size": len(made.data)}
