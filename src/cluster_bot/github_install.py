"""`cluster-bot github install`: puts the files that GPU jobs need into a repository, by a pull request.

Called by the command line; `cluster-bot check` compares with the same files. Only the files named by `shipped` are ever
written, each as it is in this version; a repository's own files, and those of ours that an older version had, are left
alone. One commit, on a branch of its own: what becomes of it is for people to decide.
"""

import hashlib
import importlib.resources
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from cluster_bot import __version__
from cluster_bot.app import github_logins
from cluster_bot.errors import StartupError
from cluster_bot.launchers.github_actions.admin import WRITE, AdminApi, AdminError, odd
from cluster_bot.launchers.github_actions.api import PUBLIC_API, Answer
from cluster_bot.launchers.github_actions.tokens import Token
from cluster_bot.settings import Settings

REPOSITORY_NAME = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
WORKFLOWS = ".github/workflows"
_RUNNER = "src/cluster_runner"
# What of the repository a wheel holds below this folder of the package; a checkout has it at its top.
_PACKED = "github_files"
_PARTS: Mapping[str, tuple[str, ...]] = {
    WORKFLOWS: ("nvidia_workflow.yml", "amd_workflow.yml"),
    "workflows/run-job": ("README.md", "action.yml"),
}


def shipped() -> dict[str, bytes]:
    """Path in a repository to content, of every file that GPU jobs need. Raises StartupError where they are missing."""
    package: Traversable = importlib.resources.files("cluster_bot")
    packed = package / _PACKED
    root = packed if packed.is_dir() else Path(str(package)).parents[1]
    runner = importlib.resources.files("cluster_runner")
    try:
        found = {
            f"{folder}/{name}": root.joinpath(folder, name).read_bytes()
            for folder, names in _PARTS.items()
            for name in names
        }
        for one in runner.iterdir():
            if one.name.endswith(".py"):
                found[f"{_RUNNER}/{one.name}"] = one.read_bytes()
    except OSError as error:
        raise StartupError(
            f"This installation lacks files that GPU jobs need ({error.filename}); install cluster-bot anew."
        ) from None
    return dict(sorted(found.items()))


def blob_id(content: bytes) -> str:
    """The id git gives to this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


async def differing(api: AdminApi, repository: str, ref: str, files: Mapping[str, bytes]) -> list[str] | None:
    """Which of the files are missing or different at a branch or commit; None where the token may not look."""
    there: dict[str, str] = {}
    for folder in sorted({str(PurePosixPath(path).parent) for path in files}):
        found = await api.blobs(repository, folder, ref)
        if found is None:
            return None
        there |= found
    return [path for path, content in files.items() if there.get(path) != blob_id(content)]


@dataclass(frozen=True, slots=True)
class Installed:
    """What came of it: the files that differ from the default branch (none: all up to date), and where to merge them.

    `committed` says whether the branch was moved, `default` is the default branch's name.
    """

    default: str
    changed: tuple[str, ...] = ()
    url: str = ""
    committed: bool = False

    def words(self) -> str:
        """The same for the admin, with what to do next."""
        if not self.changed:
            return f"Up to date: the branch {self.default} has every file as it is in Cluster Bot {__version__}."
        if self.committed:
            done = f"{len(self.changed)} files are proposed to the branch {self.default}"
        else:
            done = f"The files are proposed to the branch {self.default} already, and nothing was to be added"
        return f"{done}:\n{self.url}\nLook through it, press Merge pull request, and run `cluster-bot check`."


@dataclass(frozen=True, slots=True)
class _Install:
    api: AdminApi
    repository: str
    files: Mapping[str, bytes]
    branch: str
    default: str
    web_url: str

    @property
    def below(self) -> str:
        return f"/repos/{self.repository}"

    async def tip(self, branch: str) -> str | None:
        """The commit a branch is at; None where there is none of that name."""
        answer = await self.api.ask("GET", f"{self.below}/git/ref/heads/{quote(branch)}")
        if answer.status == 200:
            return str(answer.body["object"]["sha"])
        if answer.status == 403:
            raise self.lacking("Contents")
        if answer.status in (404, 409):
            return None
        raise AdminError(odd(answer, f"the question for the branch {branch}"))

    async def differing(self, ref: str) -> list[str]:
        found = await differing(self.api, self.repository, ref, self.files)
        if found is None:
            raise self.lacking("Contents")
        return found

    def lacking(self, right: str, after: str = "") -> AdminError:
        """The sentence for a right the token has not."""
        return AdminError(
            f"The token may not write {right.lower()} of {self.repository}: "
            f"{self.api.kind.allow(right, WRITE)}, and run this again{after}."
        )

    async def commit(self, base: str, parents: list[str], paths: list[str]) -> str:
        """A commit with those of the files on top of the tree of the commit `base`; its id."""
        # Only this tells a missing right to contents from one to workflows: to the tree both are answered alike.
        await self.write("Contents", "git/blobs", {"content": self.text(paths[0]), "encoding": "utf-8"})
        tree = (await self.api.good("GET", f"{self.below}/git/commits/{base}"))["tree"]["sha"]
        entries = [{"path": path, "mode": "100644", "type": "blob", "content": self.text(path)} for path in paths]
        right = "Workflows" if any(path.startswith(f"{WORKFLOWS}/") for path in paths) else "Contents"
        made = await self.write(right, "git/trees", {"base_tree": tree, "tree": entries})
        message = f"Install the GPU jobs of Cluster Bot {__version__}"
        body = {"message": message, "tree": made["sha"], "parents": parents}
        return str((await self.write("Contents", "git/commits", body))["sha"])

    def text(self, path: str) -> str:
        return self.files[path].decode("utf-8")

    async def write(self, right: str, what: str, body: Any, method: str = "POST") -> Any:
        answer = await self.api.ask(method, f"{self.below}/{what}", body)
        # GitHub answers 404 where it does not want to say that it is a matter of rights.
        if answer.status in (403, 404):
            raise self.lacking(right)
        if "refusing to allow" in answer.message:
            raise self.lacking("Workflows")
        if answer.status >= 300:
            raise AdminError(odd(answer, f"POST {what}"))
        return answer.body

    async def move(self, commit: str, *, exists: bool) -> None:
        """Let the branch be at `commit`; never by force."""
        if exists:
            await self.write("Contents", f"git/refs/heads/{quote(self.branch)}", {"sha": commit}, "PATCH")
        else:
            await self.write("Contents", "git/refs", {"ref": f"refs/heads/{self.branch}", "sha": commit})

    async def pull(self) -> str | None:
        """The address of the branch's open pull request; None where it has none."""
        owner = self.repository.partition("/")[0]
        answer = await self.api.ask(
            "GET", f"{self.below}/pulls", state="open", head=f"{owner}:{self.branch}", base=self.default
        )
        if answer.status == 403:
            raise self.lacking("Pull requests")
        if answer.status != 200 or not isinstance(answer.body, list):
            raise AdminError(odd(answer, "the question for pull requests"))
        return str(answer.body[0]["html_url"]) if answer.body else None

    async def propose(self) -> str | None:
        """Open a pull request; its address, None where the branch has nothing new for the default branch."""
        body = {
            "title": f"Install the GPU jobs of Cluster Bot {__version__}",
            "head": self.branch,
            "base": self.default,
            "body": _BODY.format(version=__version__, files="\n".join(f"- `{path}`" for path in self.files)),
        }
        answer = await self.api.ask("POST", f"{self.below}/pulls", body)
        if answer.status in (403, 404):
            raise self.lacking("Pull requests", f", or open the pull request yourself: {self.compare}")
        if answer.status == 422 and "no commits between" in _all_said(answer).lower():
            return None
        if answer.status != 201:
            raise AdminError(odd(answer, f"the pull request; open it yourself at {self.compare}"))
        return str(answer.body["html_url"])

    @property
    def compare(self) -> str:
        return f"{self.web_url}/compare/{self.default}...{self.branch}"


_BODY = """What `/run github` needs in this repository, as it is in Cluster Bot {version}; no other file is touched:

{files}

Merge it, and `cluster-bot check` sees whether all of it works."""


async def install(api: AdminApi, repository: str, files: Mapping[str, bytes]) -> Installed:
    """Bring the files to a branch and open its pull request, as far as that is not done yet. Raises AdminError."""
    told = await api.repository(repository)
    if told.get("archived"):
        raise AdminError(f"{repository} is archived; unarchive it (Settings, Danger Zone), or choose another.")
    default = str(told["default_branch"])
    branch = f"cluster-bot/install-{__version__}"
    to = _Install(api, str(told["full_name"]), files, branch, default, str(told["html_url"]))
    base = await to.tip(default)
    if base is None:
        raise AdminError(f"{repository} has no commit yet; add a README there (Add a README), and run this again.")
    wanted = await to.differing(base)
    if not wanted:
        return Installed(default)
    head, pull = await to.tip(branch), await to.pull()
    behind = wanted if head is None else await to.differing(head)
    committed = bool(behind)
    if head is None:
        await to.move(await to.commit(base, [base], behind), exists=False)
    elif behind and pull is not None:
        await to.move(await to.commit(head, [head], behind), exists=True)
    elif behind:
        await _on_top_of_both(to, head, base, wanted)
    url = pull or await to.propose()
    if url is None and head is not None:
        # The branch was merged, and the files were changed after that.
        await _on_top_of_both(to, head, base, wanted)
        committed, url = True, await to.propose()
    if url is None:
        raise AdminError(f"GitHub sees nothing new on {branch}; look at {to.compare}.")
    return Installed(default, tuple(wanted), url, committed)


async def install_by(settings: Settings, repository: str | None, token: str | None, files: Mapping[str, bytes]) -> str:
    """Install into `repository` with `token`, each the settings' where None; what came of it. Raises StartupError."""
    name = repository or settings.github_repository
    if name is None or REPOSITORY_NAME.fullmatch(name) is None:
        raise StartupError("Say which repository: `cluster-bot github install OWNER/REPOSITORY`.")
    if not token and not settings.github_enabled:
        raise StartupError(
            "GITHUB_TOKEN is not set; put a token into .env, or give one that is kept nowhere with --ask-token."
        )
    login = Token(token) if token else github_logins(settings)[0]
    api = AdminApi(login, name, base_url=settings.github_api_url or PUBLIC_API)
    try:
        return (await install(api, name, files)).words()
    finally:
        api.close()


async def _on_top_of_both(to: _Install, head: str, base: str, paths: list[str]) -> None:
    """A branch without a pull request, left over from before: what it holds is the default branch's and our files."""
    await to.move(await to.commit(base, [head, base], paths), exists=True)


def _all_said(answer: Answer) -> str:
    errors = answer.body.get("errors", ()) if isinstance(answer.body, dict) else ()
    return " ".join([answer.message, *(str(one.get("message", "")) for one in errors if isinstance(one, dict))])
