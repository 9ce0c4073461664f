"""A GitHub with one repository in memory: commits, branches, pull requests, and whatever else a test makes it say.

Small and independent of the sandbox's, so that each right can be missing and each answer be odd.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

NAME = "gpu-club/kernels"
BELOW = f"/repos/{NAME}"
TOKEN = "github_pat_whatever"
NO_RIGHT = {"message": "Resource not accessible by personal access token"}

Tree = dict[str, bytes]


def git_id(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()


@dataclass(frozen=True)
class Commit:
    tree: str
    parents: tuple[str, ...]
    message: str = ""


@dataclass
class SmallGitHub:
    """`rights`: what the token may write; `says`: "METHOD path" to an answer in place of what would be done."""

    url: str = ""
    rights: set[str] = field(default_factory=lambda: {"Contents", "Workflows", "Pull requests", "Actions"})
    says: dict[str, tuple[int, Any] | Callable[[], tuple[int, Any]]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    trees: dict[str, Tree] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    private: bool = True
    enabled: bool = True
    runners: list[dict[str, Any]] = field(default_factory=list)
    organisation: list[dict[str, Any]] = field(default_factory=list)
    hooks: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)

    # --- git --------------------------------------------------------------------------------------------------------

    def commit(self, files: Tree, branch: str = "main") -> str:
        """A commit that changes these files on a branch, made where it is not there."""
        before = self.files(branch) if branch in self.branches else {}
        parents = [self.branches[branch]] if branch in self.branches else []
        self.branches[branch] = self._commit(self._tree({**before, **files}), parents)
        return self.branches[branch]

    def files(self, branch: str) -> Tree:
        return self.trees[self.commits[self.branches[branch]].tree]

    def merge(self) -> None:
        """Merge the first open pull request, as its button does."""
        pull = next(one for one in self.pulls if one["state"] == "open")
        head = self.branches[pull["branch"]]
        merged = {**self.files("main"), **self.files(pull["branch"])}
        self.branches["main"] = self._commit(self._tree(merged), [self.branches["main"], head])
        pull["state"] = "closed"

    def history(self, commit: str) -> set[str]:
        return {commit}.union(*(self.history(one) for one in self.commits[commit].parents))

    def _tree(self, files: Tree) -> str:
        listed = "".join(f"{path} {git_id('blob', content)}\n" for path, content in sorted(files.items()))
        self.trees[name := git_id("tree", listed.encode())] = files
        return name

    def _commit(self, tree: str, parents: list[str], message: str = "") -> str:
        assert tree in self.trees
        assert all(one in self.commits for one in parents)
        name = git_id("commit", f"{tree} {parents} {message}".encode())
        self.commits[name] = Commit(tree, tuple(parents), message)
        return name

    # --- REST -------------------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.Response:
        what = f"{request.method} {request.path.removeprefix(BELOW) or '/'}"
        self.asked.append(what)
        raw = await request.read()
        body = json.loads(raw) if raw else {}
        said = self.says.get(what)
        if said is not None:
            status, answer = said() if callable(said) else said
        elif request.headers.get("Authorization", "").rpartition(" ")[2] != TOKEN:
            status, answer = 401, {"message": "Bad credentials"}
        else:
            status, answer = self.answer(request.method, what.partition(" ")[2], dict(request.query), body)
        return web.json_response(answer, status=status, headers=self.headers)

    def runner(self, *labels: str, status: str = "online") -> dict[str, Any]:
        return {"status": status, "labels": [{"name": one} for one in ("self-hosted", "Linux", *labels)]}

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        place = path.strip("/")
        if (method, path) == ("GET", "/"):
            return 200, self._described()
        if method == "GET" and place.startswith("contents/"):
            return self._contents(place.removeprefix("contents/"), query.get("ref", "main"))
        if method == "GET" and place.startswith("git/ref/heads/"):
            found = self.branches.get(place.removeprefix("git/ref/heads/"))
            empty = (409, {"message": "Git Repository is empty."})
            return (200, {"object": {"sha": found}}) if found else (empty if not self.branches else (404, {}))
        if method == "GET" and place.startswith("git/commits/"):
            return 200, {"tree": {"sha": self.commits[place.rpartition("/")[2]].tree}}
        if method == "GET" and place == "pulls":
            wanted = query["head"].partition(":")[2]
            return 200, [one for one in self.pulls if one["state"] == query["state"] and one["branch"] == wanted]
        if method == "GET" and place.startswith("hooks"):
            return 200, self.hooks if place == "hooks" else self.deliveries
        if place.startswith("actions/") or path in ("/rate_limit", "/orgs/gpu-club/actions/runners"):
            return self._actions(method, place.removeprefix("actions/"), body)
        if method in ("POST", "PATCH") and (place.startswith("git/") or place == "pulls"):
            return self._write(method, place, body)
        return 404, {"message": "Not Found"}

    def _described(self) -> dict[str, Any]:
        return {
            "full_name": NAME,
            "html_url": f"https://github.example.org/{NAME}",
            "default_branch": "main",
            "private": self.private,
            "archived": False,
            "owner": {"login": NAME.partition("/")[0], "type": "Organization"},
            "permissions": {"admin": True, "push": True, "pull": True},
        }

    def _actions(self, method: str, place: str, body: dict[str, Any]) -> tuple[int, Any]:
        if place == "rate_limit":
            return 200, {"resources": {"core": {"limit": 5000, "remaining": 4987, "reset": 1_800_000_000}}}
        if place == "permissions":
            return 200, {"enabled": self.enabled, "allowed_actions": "all"}
        if place.endswith("runners"):
            return 200, {"runners": self.runners if place == "runners" else self.organisation}
        name = place.split("/")[1]
        if f".github/workflows/{name}" not in self.files("main"):
            return 404, {"message": "Not Found"}
        if method == "GET":
            return 200, {"state": "active"}
        assert method == "POST" and place.endswith("/dispatches")
        if "Actions" not in self.rights:
            return 403, NO_RIGHT
        assert body["ref"] not in self.branches, "a check starts nothing"
        return 422, {"message": f"No ref found for: {body['ref']}"}

    def _contents(self, path: str, ref: str) -> tuple[int, Any]:
        commit = self.branches.get(ref, ref)
        if commit not in self.commits:
            return 404, {"message": f"No commit found for the ref {ref}"}
        files = self.trees[self.commits[commit].tree]
        if path in files:
            encoded = base64.encodebytes(files[path]).decode()
            return 200, {"type": "file", "path": path, "encoding": "base64", "content": encoded}
        inside = [one for one in files if one.rpartition("/")[0] == path]
        listed = [{"type": "file", "path": one, "sha": git_id("blob", files[one])} for one in inside]
        return (200, listed) if listed else (404, {"message": "Not Found"})

    def _write(self, method: str, place: str, body: dict[str, Any]) -> tuple[int, Any]:
        if place == "pulls":
            return self._pull(body)
        if "Contents" not in self.rights:
            return 403, NO_RIGHT
        if place == "git/blobs":
            return 201, {"sha": git_id("blob", body["content"].encode())}
        if place == "git/trees":
            added = {one["path"]: one["content"].encode() for one in body["tree"]}
            if any(path.startswith(".github/workflows/") for path in added) and "Workflows" not in self.rights:
                return 404, {"message": "Not Found"}
            return 201, {"sha": self._tree({**self.trees[body["base_tree"]], **added})}
        if place == "git/commits":
            return 201, {"sha": self._commit(body["tree"], body["parents"], body["message"])}
        branch = (body.get("ref") or place).rpartition("heads/")[2]
        if method == "POST":
            assert branch not in self.branches
        else:
            assert self.branches[branch] in self.history(body["sha"]), "not by force"
        self.branches[branch] = body["sha"]
        return 201 if method == "POST" else 200, {}

    def _pull(self, body: dict[str, Any]) -> tuple[int, Any]:
        if "Pull requests" not in self.rights:
            return 403, NO_RIGHT
        if self.branches[body["head"]] in self.history(self.branches[body["base"]]):
            return 422, {"message": "Validation Failed", "errors": [{"message": "No commits between main and it"}]}
        number = len(self.pulls) + 1
        url = f"https://github.example.org/{NAME}/pull/{number}"
        self.pulls.append({"html_url": url, "state": "open", "branch": body["head"], **body})
        return 201, self.pulls[-1]


@asynccontextmanager
async def small_github() -> AsyncIterator[SmallGitHub]:
    """Such a GitHub on loopback, with a README on its branch main."""
    said = SmallGitHub()
    said.commit({"README.md": b"ours"})
    app = web.Application(client_max_size=1 << 22)
    app.router.add_route("*", "/{path:.*}", said.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    said.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield said
    finally:
        await runner.cleanup()
