"""Routes of pull requests between branches of the repository."""

from __future__ import annotations

from typing import Any

from ..git_store import GitError
from ..model import Pull
from ..payloads import node_id, stamp
from .actions import REPO, shapes
from .git import body_of, store, wanted
from .route import Answer, ApiError, Call, Routes, not_found

Json = dict[str, Any]
routes = Routes("pull_requests")
PULLS = f"{REPO}/pulls"


def _find(call: Call) -> Pull:
    found = call.service.world.pulls.all.get(call.number("pull_number"))
    if found is None:
        raise not_found()
    call.service.world.pulls.follow(found)
    return found


def _end(call: Call, branch: str, sha: str) -> Json:
    world, shape = call.service.world, shapes(call)
    return {
        "label": f"{world.owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": shape.user(world.owner),
        "repo": shape.repository(permissions=None),
    }


def _short(call: Call, pull: Pull) -> Json:
    """A pull request as a list has it."""
    world, shape = call.service.world, shapes(call)
    url = f"{call.base}/repos/{world.full_name}"
    html = f"{call.base.removesuffix('/api/v3')}/{world.full_name}/pull/{pull.number}"
    links = {
        "html": html,
        "issue": f"{url}/issues/{pull.number}",
        "comments": f"{url}/issues/{pull.number}/comments",
        "review_comments": f"{url}/pulls/{pull.number}/comments",
        "review_comment": f"{url}/pulls/comments{{/number}}",
        "commits": f"{url}/pulls/{pull.number}/commits",
        "statuses": f"{url}/statuses/{pull.head_sha}",
    }
    addresses = {f"{name}_url": address for name, address in links.items()}
    itself = f"{url}/pulls/{pull.number}"
    return {
        "url": itself,
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        **addresses,
        "number": pull.number,
        "state": pull.state,
        "locked": False,
        "title": pull.title,
        "user": shape.user(pull.login),
        "body": pull.body,
        "labels": [],
        "milestone": None,
        "active_lock_reason": None,
        "created_at": stamp(pull.created_at),
        "updated_at": stamp(pull.updated_at),
        "closed_at": None if pull.closed_at is None else stamp(pull.closed_at),
        "merged_at": None if pull.merged_at is None else stamp(pull.merged_at),
        "merge_commit_sha": pull.merge_sha,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "head": _end(call, pull.head, pull.head_sha),
        "base": _end(call, pull.base, pull.base_sha),
        "_links": {"self": {"href": itself}, **{name: {"href": address} for name, address in links.items()}},
        "author_association": "MEMBER",
        "auto_merge": None,
        "draft": pull.draft,
    }


def _whole(call: Call, pull: Pull) -> Json:
    git, shape = store(call), shapes(call)
    own = git.history(pull.base_sha)
    merged = pull.merged_at is not None
    return {
        **_short(call, pull),
        "merged": merged,
        "mergeable": None if merged else True,
        "rebaseable": None,
        "mergeable_state": "unknown" if merged else "clean",
        "merged_by": shape.user(call.service.world.owner) if merged else None,
        "comments": 0,
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": sum(one not in own for one in git.history(pull.head_sha)),
        "additions": 0,
        "deletions": 0,
        "changed_files": len(git.changed(pull.base_sha, pull.head_sha)),
    }


def _invalid(field: str, code: str = "invalid", message: str = "") -> ApiError:
    error = {"resource": "PullRequest", "field": field, "code": code}
    if message:
        error = {"resource": "PullRequest", "code": "custom", "message": message}
    return ApiError(422, "Validation Failed", errors=[error])


@routes("GET", PULLS)
def pulls(call: Call) -> Any:
    world, query = call.service.world, call.query
    state = query.get("state", "open")
    if state not in ("open", "closed", "all"):
        raise _invalid("state")
    found = []
    for pull in reversed(world.pulls.all.values()):
        world.pulls.follow(pull)
        label = f"{world.owner}:{pull.head}"
        # A head without an owner is no filter to GitHub.
        head = query.get("head", "") if ":" in query.get("head", "") else label
        if state in ("all", pull.state) and head == label and query.get("base", pull.base) == pull.base:
            found.append(pull)
    return [_short(call, pull) for pull in call.page(found)]


@routes("POST", PULLS)
def create(call: Call) -> Any:
    body, world, git = body_of(call), call.service.world, store(call)
    title, head, base = wanted(body, "title", "head", "base")
    head = head.removeprefix(f"{world.owner}:")
    for name, text in (("head", head), ("base", base)):
        if git.branch(text) is None:
            raise _invalid(name)
    if any(one.state == "open" and (one.head, one.base) == (head, base) for one in world.pulls.all.values()):
        raise _invalid("", message=f"A pull request already exists for {world.owner}:{head}.")
    if git.branch(head) in git.history(git.branch(base) or ""):
        raise _invalid("", message=f"No commits between {base} and {head}")
    assert call.caller is not None
    pull = world.pulls.open(title, body.get("body"), call.caller.login, head, base, draft=body.get("draft") is True)
    return Answer(201, _whole(call, pull), {"Location": f"{call.base}{call.request.path}/{pull.number}"})


@routes("GET", f"{PULLS}/{{pull_number}}")
def pull(call: Call) -> Any:
    return _whole(call, _find(call))


@routes("PATCH", f"{PULLS}/{{pull_number}}")
def change(call: Call) -> Any:
    found, body, world = _find(call), body_of(call), call.service.world
    found.title, found.body = str(body.get("title", found.title)), body.get("body", found.body)
    state = body.get("state", found.state)
    if state not in ("open", "closed") or (found.merged_at and state == "open"):
        raise _invalid("state")
    if state != found.state:
        found.state, found.closed_at = state, world.now() if state == "closed" else None
    found.updated_at = world.now()
    return _whole(call, found)


@routes("GET", f"{PULLS}/{{pull_number}}/merge")
def is_merged(call: Call) -> Any:
    if _find(call).merged_at is None:
        raise not_found()
    return Answer(204)


@routes("PUT", f"{PULLS}/{{pull_number}}/merge", permission="contents")
def merge(call: Call) -> Any:
    found = _find(call)
    try:
        call.service.world.pulls.merge(found)
    except GitError as error:
        raise ApiError(405, str(error)) from None
    return {"sha": found.merge_sha, "merged": True, "message": "Pull Request successfully merged"}
