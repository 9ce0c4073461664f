"""Routes of the repository, artifacts, runners, the caller, and where jobs upload their artifacts."""

from __future__ import annotations

from typing import Any

from ..model import Artifact
from ..payloads import stamp
from .actions import REPO, find_run, shapes
from .route import Answer, ApiError, Call, Routes, not_found

routes = Routes()


@routes("GET", REPO)
def repository(call: Call) -> Any:
    return shapes(call).repository(write=call.service.tokens[call.token].write)


@routes("GET", "/user")
def user(call: Call) -> Any:
    made = stamp(call.service.world.created_at)
    return {
        **shapes(call).user(call.service.tokens[call.token].login),
        **dict.fromkeys(("name", "company", "location", "email", "hireable", "bio")),
        "blog": "",
        **dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0),
        "created_at": made,
        "updated_at": made,
    }


@routes("GET", "/rate_limit", access="free")
def rate_limit(call: Call) -> Any:
    headers = call.service.limits.headers(call.token)
    core = {name: int(headers[f"X-RateLimit-{name.title()}"]) for name in ("limit", "remaining", "reset", "used")}
    search = {**core, "limit": 30, "remaining": 30, "used": 0}
    return {"resources": {"core": core, "search": search}, "rate": core}


@routes("GET", f"{REPO}/actions/runners")
def runners(call: Call) -> Any:
    name = call.query.get("name")
    found = [one for one in call.service.world.machines if name in (None, one.name)]
    return {"total_count": len(found), "runners": [shapes(call).runner(one) for one in call.page(found)]}


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
