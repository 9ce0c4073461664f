"""Routes of concurrency groups: which there are, who waits in one, and where a run waits."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from ..concurrency import Group, Wish
from ..model import Run
from ..payloads import Payloads, stamp
from .actions import REPO, find_run, shapes
from .route import ApiError, Call, Routes, not_found

routes = Routes("actions")
Json = dict[str, Any]


def _url(call: Call, name: str) -> str:
    return f"{call.base}/repos/{call.service.world.full_name}/actions/concurrency_groups/{quote(name, safe='')}"


def _member(shape: Payloads, run: Run, wish: Wish, place: int) -> Json:
    url = shape.run_url(run)
    member = {
        "run_id": run.id,
        "run_name": run.title,
        "run_url": url,
        "run_html_url": shape.html_url(run),
        "status": "pending" if place else "in_progress",
    }
    if wish.of_job and run.job is not None:
        job = shape.job(run, run.job)
        member |= {name: job[key] for name, key in _OF_JOBS.items()}
    return member


_OF_JOBS = {"job_id": "id", "job_name": "name", "job_url": "url", "job_html_url": "html_url"}


def _page(call: Call, groups: list[Json]) -> Json:
    """The part after the cursor, which is a name."""
    after, per_page = call.query.get("after", ""), call.query.get("per_page", "30")
    size = min(max(int(per_page) if per_page.isdigit() else 30, 1), 100)
    found = [one for one in groups if one["group_name"] > after]
    if len(found) > size:
        query = urlencode({**call.query, "after": found[size - 1]["group_name"]})
        call.headers["Link"] = f'<{call.base}{call.request.path}?{query}>; rel="next"'
    return {"total_count": len(groups), "concurrency_groups": found[:size]}


@routes("GET", f"{REPO}/actions/concurrency_groups")
def groups(call: Call) -> Any:
    found = [
        {"group_name": one.name, "group_url": _url(call, one.name), "last_acquired_at": stamp(one.acquired_at)}
        for one in call.service.world.groups
    ]
    return _page(call, found)


@routes("GET", f"{REPO}/actions/concurrency_groups/{{concurrency_group_name+}}")
def group(call: Call) -> Any:
    found = call.service.world.groups.get(call.params["concurrency_group_name"])
    if found is None:
        raise not_found()
    shape = shapes(call)
    members = [_member(shape, run, wish, place) for place, (run, wish) in enumerate(found.members)]
    return {
        "group_name": found.name,
        "group_url": _url(call, found.name),
        "total_count": len(members),
        "group_members": members[: _until(call, found)],
    }


def _until(call: Call, found: Group) -> int:
    """How many members were asked for: all, or those up to a run or a job."""
    if "ahead_of_run" in call.query and "ahead_of_job" in call.query:
        raise ApiError(422, "ahead_of_run and ahead_of_job cannot both be given.")
    for place, (run, wish) in enumerate(found.members, 1):
        if not wish.of_job and str(run.id) == call.query.get("ahead_of_run"):
            return place
        if wish.of_job and run.job is not None and str(run.job.id) == call.query.get("ahead_of_job"):
            return place
    if "ahead_of_run" in call.query or "ahead_of_job" in call.query:
        raise ApiError(422, "The run or job is not in this concurrency group.")
    return len(found.members)


@routes("GET", f"{REPO}/actions/runs/{{run_id}}/concurrency_groups")
def groups_of_run(call: Call) -> Any:
    run, shape, found = find_run(call), shapes(call), []
    for wish in call.service.world.groups.wished(run):
        group = call.service.world.groups.get(wish.group)
        place = None if group is None else group.place(run)
        members = []
        if place is not None:
            ahead = f"ahead_of_job={run.job.id}" if wish.of_job and run.job else f"ahead_of_run={run.id}"
            where = {"position": place, "position_url": f"{_url(call, wish.group)}?{ahead}"}
            members.append(_member(shape, run, wish, place) | where)
        found.append({"group_name": wish.group, "group_url": _url(call, wish.group), "group_members": members})
    return _page(call, sorted(found, key=lambda one: str(one["group_name"])))
