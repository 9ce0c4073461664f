"""Routes of the repository's history: refs, blobs, trees, commits."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from ..access import Token
from ..git_store import FILE, FOLDER, MODES, Commit, Entry, GitError, GitStore, Person, moment
from ..payloads import node_id
from .actions import REPO
from .route import Answer, ApiError, Call, Routes, not_found

Json = dict[str, Any]
routes = Routes("contents")
WORKFLOWS = ".github/workflows/"
LINE = 60


def store(call: Call) -> GitStore:
    return call.service.world.git


def body_of(call: Call) -> Json:
    if not isinstance(call.body, dict):
        raise ApiError(400, "Body should be a JSON object")
    return call.body


def wanted(body: Json, *names: str) -> list[str]:
    """Texts that must be there; 422 in GitHub's words where one is not."""
    for name in names:
        if not isinstance(body.get(name), str):
            raise ApiError(422, f'Invalid request.\n\n"{name}" wasn\'t supplied.')
    return [body[name] for name in names]


def may_write(caller: Token | None, paths: Iterable[str]) -> None:
    """Refuse workflow files to who may not write them: 404 for a classic token without the scope, as GitHub."""
    assert caller is not None
    if any(path.startswith(WORKFLOWS) for path in paths) and not caller.may("workflows", "write"):
        raise not_found() if caller.scopes is not None else ApiError(403, caller.refusal)


def api_url(call: Call, rest: str) -> str:
    """An address below the repository."""
    return f"{call.base}/repos/{call.service.world.full_name}/{rest}"


def html_url(call: Call, rest: str) -> str:
    """The address of a page below the repository's."""
    return f"{call.base.removesuffix('/api/v3')}/{call.service.world.full_name}/{rest}"


# --- refs -------------------------------------------------------------------------------------------


def _ref(call: Call, branch: str, sha: str) -> Json:
    name = f"refs/heads/{branch}"
    target = {"type": "commit", "sha": sha, "url": api_url(call, f"git/commits/{sha}")}
    return {"ref": name, "node_id": node_id("Ref", len(name)), "url": api_url(call, f"git/{name}"), "object": target}


@routes("GET", f"{REPO}/git/ref/heads/{{branch+}}")
def ref(call: Call) -> Any:
    sha = store(call).branch(call.params["branch"])
    if sha is None:
        raise not_found()
    return _ref(call, call.params["branch"], sha)


@routes("GET", f"{REPO}/git/matching-refs/heads/{{branch+}}")
def matching_refs(call: Call) -> Any:
    start = call.params["branch"]
    return [_ref(call, name, sha) for name, sha in store(call).branches().items() if name.startswith(start)]


@routes("POST", f"{REPO}/git/refs")
def create_ref(call: Call) -> Any:
    name, sha = wanted(body_of(call), "ref", "sha")
    branch = name.removeprefix("refs/heads/")
    if branch == name or not branch:
        raise ApiError(422, "Reference name must start with 'refs/heads/' here.")
    if store(call).branch(branch) is not None:
        raise ApiError(422, "Reference already exists")
    if sha not in store(call).commits:
        raise ApiError(422, "Object does not exist")
    store(call).set_branch(branch, sha)
    return Answer(201, _ref(call, branch, sha), {"Location": api_url(call, f"git/{name}")})


@routes("PATCH", f"{REPO}/git/refs/heads/{{branch+}}")
def update_ref(call: Call) -> Any:
    body, branch = body_of(call), call.params["branch"]
    (sha,) = wanted(body, "sha")
    if store(call).branch(branch) is None:
        raise ApiError(422, "Reference does not exist")
    if sha not in store(call).commits:
        raise ApiError(422, "Object does not exist")
    try:
        store(call).set_branch(branch, sha, force=body.get("force") is True)
    except GitError as error:
        raise ApiError(422, str(error)) from None
    return _ref(call, branch, sha)


@routes("DELETE", f"{REPO}/git/refs/heads/{{branch+}}")
def delete_ref(call: Call) -> Any:
    if store(call).branch(call.params["branch"]) is None:
        raise ApiError(422, "Reference does not exist")
    try:
        store(call).delete_branch(call.params["branch"])
    except GitError as error:
        raise ApiError(422, str(error)) from None
    return Answer(204)


# --- objects ----------------------------------------------------------------------------------------


def decoded(text: str, encoding: Any) -> bytes:
    if encoding in (None, "utf-8"):
        return text.encode()
    try:
        return base64.b64decode(text, validate=False)
    except binascii.Error:
        raise ApiError(422, "content is not valid Base64") from None


def encoded(data: bytes) -> str:
    text = base64.b64encode(data).decode("ascii")
    return "".join(text[at : at + LINE] + "\n" for at in range(0, len(text), LINE))


@routes("POST", f"{REPO}/git/blobs")
def create_blob(call: Call) -> Any:
    body = body_of(call)
    (content,) = wanted(body, "content")
    sha = store(call).add_blob(decoded(content, body.get("encoding")))
    return Answer(201, {"url": api_url(call, f"git/blobs/{sha}"), "sha": sha})


@routes("GET", f"{REPO}/git/blobs/{{sha}}")
def blob(call: Call) -> Any:
    sha = call.params["sha"]
    data = store(call).blobs.get(sha)
    if data is None:
        raise not_found()
    about = {
        "sha": sha,
        "node_id": node_id("Blob", len(data)),
        "size": len(data),
        "url": api_url(call, f"git/blobs/{sha}"),
    }
    return {**about, "content": encoded(data), "encoding": "base64"}


def _tree(call: Call, sha: str, *, whole: bool) -> Json:
    """A tree; `whole`: with all files below it, folders before what is in them."""
    git = store(call)
    return {
        "sha": sha,
        "url": api_url(call, f"git/trees/{sha}"),
        "tree": [_item(call, path, entry) for path, entry in _below(git, sha, "", whole=whole)],
        "truncated": False,
    }


def _below(git: GitStore, sha: str, before: str, *, whole: bool) -> list[tuple[str, Entry]]:
    found: list[tuple[str, Entry]] = []
    for name, entry in git.trees[sha].items():
        found.append((before + name, entry))
        if whole and entry.mode == FOLDER:
            found += _below(git, entry.sha, f"{before}{name}/", whole=True)
    return found


def _item(call: Call, path: str, entry: Entry) -> Json:
    kind = "tree" if entry.mode == FOLDER else "blob"
    size = {} if kind == "tree" else {"size": len(store(call).blobs[entry.sha])}
    url = api_url(call, f"git/{kind}s/{entry.sha}")
    return {"path": path, "mode": entry.mode, "type": kind, "sha": entry.sha, **size, "url": url}


@routes("GET", f"{REPO}/git/trees/{{tree_sha+}}")
def tree(call: Call) -> Any:
    git, name = store(call), call.params["tree_sha"]
    commit = git.resolve(name)
    sha = git.commits[commit].tree if commit else name
    if sha not in git.trees:
        raise not_found()
    return _tree(call, sha, whole="recursive" in call.query)


@routes("POST", f"{REPO}/git/trees")
def create_tree(call: Call) -> Any:
    git, body = store(call), body_of(call)
    items, base = body.get("tree"), body.get("base_tree")
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise ApiError(422, "Invalid tree info")
    commit = git.commits.get(str(base))
    base = commit.tree if commit else base
    if base is not None and base not in git.trees:
        raise ApiError(404 if isinstance(base, str) else 422, "Not Found")
    files = git.tree_files(base) if base else {}
    may_write(call.caller, [str(one.get("path")) for one in items])
    for one in items:
        (path,) = wanted(one, "path")
        if one.get("sha", "") is None:
            files.pop(path, None)
        else:
            files[path] = _given(git, one)
    if not files:
        raise ApiError(422, "Invalid tree info")
    return Answer(201, _tree(call, git.add_tree(files), whole=False))


def _given(git: GitStore, item: Json) -> Entry:
    mode = item.get("mode", FILE)
    if mode not in MODES or item.get("type", "blob") != "blob":
        raise ApiError(422, "Must supply a valid tree.mode")
    if isinstance(item.get("content"), str):
        return Entry(mode, git.add_blob(item["content"].encode()))
    sha = str(item.get("sha"))
    if sha not in git.blobs:
        raise ApiError(422, f"tree.sha {sha} is not a valid blob")
    return Entry(mode, sha)


def described(call: Call, commit: Commit) -> Json:
    """A commit as git knows it."""

    def person(one: Person) -> Json:
        return {"name": one.name, "email": one.email, "date": moment(one)}

    html = {"html_url": html_url(call, f"commit/{commit.sha}")}
    return {
        "sha": commit.sha,
        "node_id": node_id("Commit", len(commit.message)),
        "url": api_url(call, f"git/commits/{commit.sha}"),
        **html,
        "author": person(commit.author),
        "committer": person(commit.committer),
        "tree": {"sha": commit.tree, "url": api_url(call, f"git/trees/{commit.tree}")},
        "message": commit.message,
        "parents": [
            {"sha": one, "url": api_url(call, f"git/commits/{one}"), "html_url": html_url(call, f"commit/{one}")}
            for one in commit.parents
        ],
        "verification": {
            "verified": False,
            "reason": "unsigned",
            "signature": None,
            "payload": None,
            "verified_at": None,
        },
    }


@routes("GET", f"{REPO}/git/commits/{{commit_sha}}")
def commit(call: Call) -> Any:
    found = store(call).commits.get(call.params["commit_sha"])
    if found is None:
        raise not_found()
    return described(call, found)


@routes("POST", f"{REPO}/git/commits")
def create_commit(call: Call) -> Any:
    git, body = store(call), body_of(call)
    message, sha = wanted(body, "message", "tree")
    parents = body.get("parents") or []
    if sha not in git.trees:
        raise ApiError(422, "Tree SHA does not exist")
    if not isinstance(parents, list) or any(one not in git.commits for one in parents):
        raise ApiError(422, "Parent SHA does not exist or is not a commit object")
    made = git.add_commit(sha, tuple(parents), message, author(call, body))
    return Answer(201, described(call, git.commits[made]))


def author(call: Call, body: Json) -> Person:
    """Who a commit is said to be by; the caller where it is not said."""
    assert call.caller is not None
    said = body.get("author") or body.get("committer") or {}
    return store(call).person(str(said.get("name") or call.caller.login), str(said.get("email") or ""))
