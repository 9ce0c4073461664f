"""Routes of files as a branch has them, and of branches."""

from __future__ import annotations

from typing import Any

from ..git_store import FILE, FOLDER, LINK, Commit, Entry
from .actions import REPO, shapes
from .git import api_url, author, body_of, decoded, described, encoded, html_url, may_write, store, wanted
from .route import Answer, ApiError, Call, Routes, not_found

Json = dict[str, Any]
routes = Routes("contents")


def _content(call: Call, path: str, entry: Entry, ref: str) -> Json:
    """A name in a folder, as a listing of it has it."""
    kind = "dir" if entry.mode == FOLDER else "symlink" if entry.mode == LINK else "file"
    url = f"{api_url(call, f'contents/{path}')}?ref={ref}"
    git_url = api_url(call, f"git/{'trees' if kind == 'dir' else 'blobs'}/{entry.sha}")
    html = html_url(call, f"{'tree' if kind == 'dir' else 'blob'}/{ref}/{path}")
    return {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": entry.sha,
        "size": 0 if kind == "dir" else len(store(call).blobs[entry.sha]),
        "url": url,
        "html_url": html,
        "git_url": git_url,
        "download_url": None if kind == "dir" else html_url(call, f"raw/{ref}/{path}"),
        "type": kind,
        "_links": {"self": url, "git": git_url, "html": html},
    }


@routes("GET", f"{REPO}/contents")
@routes("GET", f"{REPO}/contents/")
@routes("GET", f"{REPO}/contents/{{path+}}")
def contents(call: Call) -> Any:
    git, path = store(call), call.params.get("path", "").strip("/")
    ref = call.query.get("ref") or git.default
    commit = git.resolve(ref)
    if commit is None:
        raise ApiError(404, f"No commit found for the ref {ref}")
    entry = Entry(FOLDER, git.commits[commit].tree)
    for name in filter(None, path.split("/")):
        found = git.trees[entry.sha].get(name) if entry.mode == FOLDER else None
        if found is None:
            raise not_found()
        entry = found
    if entry.mode == FOLDER:
        before = f"{path}/" if path else ""
        return [_content(call, before + name, one, ref) for name, one in git.trees[entry.sha].items()]
    shape, data = _content(call, path, entry, ref), git.blobs[entry.sha]
    if entry.mode == LINK:
        return {**shape, "target": data.decode()}
    return {**shape, "content": encoded(data), "encoding": "base64"}


@routes("PUT", f"{REPO}/contents/{{path+}}")
def put_contents(call: Call) -> Any:
    git, body, path = store(call), body_of(call), call.params["path"].strip("/")
    message, content = wanted(body, "message", "content")
    branch = str(body.get("branch") or git.default)
    head = git.branch(branch)
    if head is None:
        raise ApiError(404, f"Branch {branch} not found")
    may_write(call.caller, [path])
    known = git.files(head).get(path)
    if known is not None and body.get("sha") is None:
        raise ApiError(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if body.get("sha") is not None and (known is None or known.sha != body["sha"]):
        raise ApiError(409, f"{path} does not match {body['sha']}")
    entry = Entry(known.mode if known else FILE, git.add_blob(decoded(content, "base64")))
    made = git.change(branch, {path: entry}, message, author(call, body))
    answer = {"content": _content(call, path, entry, branch), "commit": described(call, git.commits[made])}
    return Answer(200 if known else 201, answer)


@routes("GET", f"{REPO}/branches")
def branches(call: Call) -> Any:
    found = list(store(call).branches().items())
    return [_short_branch(call, name, sha) for name, sha in call.page(found)]


def _short_branch(call: Call, name: str, sha: str) -> Json:
    return {"name": name, "commit": {"sha": sha, "url": api_url(call, f"commits/{sha}")}, "protected": False}


@routes("GET", f"{REPO}/branches/{{branch+}}")
def branch(call: Call) -> Any:
    name = call.params["branch"]
    sha = store(call).branch(name)
    if sha is None:
        raise ApiError(404, "Branch not found")
    url, checks = api_url(call, f"branches/{name}"), {"enforcement_level": "off", "contexts": [], "checks": []}
    return {
        "name": name,
        "commit": _listed(call, store(call).commits[sha]),
        "_links": {"self": url, "html": html_url(call, f"tree/{name}")},
        "protected": False,
        "protection": {"enabled": False, "required_status_checks": checks},
        "protection_url": f"{url}/protection",
    }


def _listed(call: Call, commit: Commit) -> Json:
    """A commit as GitHub's own pages list it, besides what git says."""
    plain, user = described(call, commit), shapes(call).user(commit.author.name)
    url = api_url(call, f"commits/{commit.sha}")
    inner = {name: plain[name] for name in ("author", "committer", "message", "tree", "verification")}
    return {
        "sha": commit.sha,
        "node_id": plain["node_id"],
        "commit": {**inner, "url": plain["url"], "comment_count": 0},
        "url": url,
        "html_url": plain["html_url"],
        "comments_url": f"{url}/comments",
        "author": user,
        "committer": user,
        "parents": plain["parents"],
    }
