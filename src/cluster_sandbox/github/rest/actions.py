"""Routes of workflows, runs and jobs."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime
from typing import Any

from ..model import Job, Run
from ..payloads import Payloads, stamp
from ..workflow import Workflow, WorkflowError
from .route import Answer, ApiError, Call, Routes, not_found

routes = Routes("actions")
REPO = "/repos/{owner}/{repo}"
MOST_FILTERED = 1_000
CREATED = re.compile(r"(>=|<=|>|<)?(\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)?)?)")
STATUSES = ("queued", "in_progress", "completed", "requested", "waiting", "pending")


def shapes(call: Call) -> Payloads:
    return Payloads(call.service.world, call.base)


def find_run(call: Call) -> Run:
    run = call.service.world.runs.get(call.number("run_id"))
    if run is None:
        raise not_found()
    return run


def _find_workflow(call: Call) -> Workflow:
    workflow = call.service.world.workflow(call.params["workflow_id"])
    if workflow is None:
        raise not_found()
    return workflow


# --- workflows --------------------------------------------------------------------------------------


@routes("GET", f"{REPO}/actions/workflows")
def workflows(call: Call) -> Any:
    found = call.service.world.workflows()
    return {"total_count": len(found), "workflows": [shapes(call).workflow(one) for one in call.page(found)]}


@routes("GET", f"{REPO}/actions/workflows/{{workflow_id}}")
def workflow(call: Call) -> Any:
    return shapes(call).workflow(_find_workflow(call))


@routes("POST", f"{REPO}/actions/workflows/{{workflow_id}}/dispatches")
def dispatch(call: Call) -> Any:
    body = call.body
    if not isinstance(body, dict) or not isinstance(body.get("ref"), str):
        raise ApiError(422, 'Invalid request.\n\n"ref" wasn\'t supplied.')
    found = _find_workflow(call)
    try:
        run = call.service.world.dispatch(found, body["ref"], body.get("inputs") or {})
    except WorkflowError as error:
        raise ApiError(422, str(error)) from None
    if not body.get("return_run_details"):
        return Answer(204)
    shape = shapes(call)
    return {"workflow_run_id": run.id, "run_url": shape.run_url(run), "html_url": shape.html_url(run)}


# --- runs -------------------------------------------------------------------------------------------


def _listed(call: Call, runs: list[Run]) -> Any:
    """Runs newest first, filtered as asked."""
    now, query = call.service.world.now(), call.query
    found = [run for run in reversed(runs) if run.visible_at <= now and _wanted(run, query)]
    filtered = any(name in query for name in ("actor", "branch", "event", "status", "created", "head_sha"))
    if filtered:
        found = found[:MOST_FILTERED]
    shape = shapes(call)
    return {"total_count": len(found), "workflow_runs": [shape.run(run) for run in call.page(found)]}


def _wanted(run: Run, query: Any) -> bool:
    status = query.get("status")
    if status and status != (run.status if status in STATUSES else run.conclusion):
        return False
    if query.get("event", "workflow_dispatch") != "workflow_dispatch":
        return False
    if query.get("branch", run.branch) != run.branch or query.get("head_sha", run.sha) != run.sha:
        return False
    return _created(run, query["created"]) if "created" in query else True


def _created(run: Run, wanted: str) -> bool:
    if ".." in wanted:
        low, _, high = wanted.partition("..")
        return (low == "*" or _created(run, f">={low}")) and (high == "*" or _created(run, f"<={high}"))
    match = CREATED.fullmatch(wanted)
    if match is None:
        raise ApiError(422, f"Invalid created filter: {wanted}")
    at = datetime.fromisoformat(match[2])
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    created, limit = int(run.created_at), at.timestamp()
    if match[1] is None:
        return stamp(run.created_at).startswith(match[2])
    return {">=": created >= limit, "<=": created <= limit, ">": created > limit, "<": created < limit}[match[1]]


@routes("GET", f"{REPO}/actions/runs")
def runs(call: Call) -> Any:
    return _listed(call, list(call.service.world.runs.values()))


@routes("GET", f"{REPO}/actions/workflows/{{workflow_id}}/runs")
def workflow_runs(call: Call) -> Any:
    wanted = _find_workflow(call).id
    return _listed(call, [run for run in call.service.world.runs.values() if run.workflow.id == wanted])


@routes("GET", f"{REPO}/actions/runs/{{run_id}}")
def run(call: Call) -> Any:
    return shapes(call).run(find_run(call))


@routes("POST", f"{REPO}/actions/runs/{{run_id}}/cancel")
def cancel(call: Call) -> Any:
    if not call.service.world.cancel(find_run(call)):
        raise ApiError(409, "Cannot cancel a workflow run that is completed.")
    return Answer(202, {})


@routes("POST", f"{REPO}/actions/runs/{{run_id}}/force-cancel")
def force_cancel(call: Call) -> Any:
    if not call.service.world.cancel(find_run(call), force=True):
        raise ApiError(409, "Cannot cancel a workflow run that is completed.")
    return Answer(202, {})


# --- jobs and logs ----------------------------------------------------------------------------------


@routes("GET", f"{REPO}/actions/runs/{{run_id}}/jobs")
def jobs(call: Call) -> Any:
    found = find_run(call)
    all_jobs = [found.job] if found.job else []
    return {"total_count": len(all_jobs), "jobs": [shapes(call).job(found, one) for one in call.page(all_jobs)]}


def _find_job(call: Call) -> tuple[Run, Job]:
    wanted = call.number("job_id")
    for one in call.service.world.runs.values():
        if one.job is not None and one.job.id == wanted:
            return one, one.job
    raise not_found()


@routes("GET", f"{REPO}/actions/jobs/{{job_id}}")
def job(call: Call) -> Any:
    return shapes(call).job(*_find_job(call))


BLOB_NOT_FOUND = (
    b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><Error><Code>BlobNotFound</Code>'
    b"<Message>The specified blob does not exist.</Message></Error>"
)


@routes("GET", f"{REPO}/actions/jobs/{{job_id}}/logs")
def job_log(call: Call) -> Any:
    _, found = _find_job(call)
    if found.status != "completed" or not found.log:
        return Answer(404, BLOB_NOT_FOUND, {"Content-Type": "application/xml"})
    link = call.service.storage.link(found.log_text.encode(), "text/plain", f"job-{found.id}.txt")
    return Answer(302, b"", {"Location": link})


@routes("GET", f"{REPO}/actions/runs/{{run_id}}/logs")
def run_log(call: Call) -> Any:
    found = find_run(call)
    if not found.completed or found.job is None or not found.job.log:
        raise not_found()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"0_{found.job.name.replace('/', '_')}.txt", found.job.log_text)
    link = call.service.storage.link(packed.getvalue(), "application/zip", f"logs-{found.id}.zip")
    return Answer(302, b"", {"Location": link})
