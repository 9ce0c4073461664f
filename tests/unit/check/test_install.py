"""`cluster-bot github install`: what it writes, that it can be given again, and what it says where it may not."""

from __future__ import annotations

from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path

import pytest
from small_github import NAME, TOKEN, SmallGitHub

import warm
from cluster_bot import __version__
from cluster_bot.github_install import Installed, install, shipped
from cluster_bot.launchers.github_actions.admin import AdminApi, AdminError
from cluster_bot.launchers.github_actions.tokens import Token

BRANCH = f"cluster-bot/install-{__version__}"
FILES = shipped()


async def give(github: SmallGitHub, files: dict[str, bytes] = FILES, token: str = TOKEN) -> Installed:
    api = AdminApi(Token(token), NAME, base_url=github.url)
    try:
        return await install(api, NAME, files)
    finally:
        api.close()


async def refused(github: SmallGitHub, token: str = TOKEN) -> str:
    with pytest.raises(AdminError) as error:
        await give(github, token=token)
    return str(error.value)


def test_what_is_shipped_is_what_the_jobs_need() -> None:
    assert {".github/workflows/nvidia_workflow.yml", ".github/workflows/amd_workflow.yml"} <= FILES.keys()
    assert {"workflows/run-job/action.yml", "src/cluster_runner/__main__.py"} <= FILES.keys()
    assert not [path for path in FILES if "__pycache__" in path or path.endswith("/ci.yml")]


async def test_one_commit_and_a_pull_request(github: SmallGitHub) -> None:
    before = github.branches["main"]
    installed = await give(github)
    assert github.branches["main"] == before
    assert github.files(BRANCH) == {"README.md": b"ours", **FILES}
    assert github.commits[github.branches[BRANCH]].parents == (before,)
    (pull,) = github.pulls
    assert (pull["html_url"], pull["base"], pull["head"]) == (installed.url, "main", BRANCH)
    assert installed.changed == tuple(FILES)
    assert installed.url in installed.words()
    assert "press Merge pull request" in installed.words()


async def test_again_changes_nothing_and_says_so(github: SmallGitHub) -> None:
    first = await give(github)
    tip, commits = github.branches[BRANCH], len(github.commits)
    again = await give(github)
    assert (again.url, again.committed, github.branches[BRANCH]) == (first.url, False, tip)
    assert (len(github.commits), len(github.pulls)) == (commits, 1)
    assert "nothing was to be added" in again.words()
    github.merge()
    done = await give(github)
    assert done.changed == ()
    assert "Up to date" in done.words()
    assert len(github.pulls) == 1


async def test_an_older_version_gets_a_commit_with_what_differs(github: SmallGitHub) -> None:
    github.commit({**FILES, "src/cluster_runner/wire.py": b"old", "src/cluster_runner/gone.py": b"left alone"})
    installed = await give(github)
    assert installed.changed == ("src/cluster_runner/wire.py",)
    assert github.files(BRANCH)["src/cluster_runner/gone.py"] == b"left alone"
    assert github.files(BRANCH)["src/cluster_runner/wire.py"] == FILES["src/cluster_runner/wire.py"]


async def test_an_open_pull_request_gets_a_new_commit_on_what_people_added(github: SmallGitHub) -> None:
    older = {**FILES, "src/cluster_runner/wire.py": b"old"}
    await give(github, older)
    theirs = github.commit({"notes.md": b"theirs"}, BRANCH)
    installed = await give(github)
    assert installed.committed
    assert github.commits[github.branches[BRANCH]].parents == (theirs,)
    assert github.files(BRANCH) == {"README.md": b"ours", "notes.md": b"theirs", **FILES}
    assert len(github.pulls) == 1


async def test_a_branch_left_over_from_a_merge_is_used_again_without_force(github: SmallGitHub) -> None:
    await give(github)
    github.merge()
    left = github.branches[BRANCH]
    github.commit({"src/cluster_runner/wire.py": b"changed by somebody", "more.md": b"new"})
    installed = await give(github)
    assert installed.changed == ("src/cluster_runner/wire.py",)
    assert github.commits[github.branches[BRANCH]].parents == (left, github.branches["main"])
    assert github.files(BRANCH) == {"README.md": b"ours", "more.md": b"new", **FILES}
    assert [one["state"] for one in github.pulls] == ["closed", "open"]


async def test_a_branch_without_its_pull_request_gets_one(github: SmallGitHub) -> None:
    await give(github)
    github.pulls.clear()
    installed = await give(github)
    assert (installed.committed, len(github.pulls)) == (False, 1)


@pytest.mark.parametrize("right", ["Contents", "Workflows", "Pull requests"])
async def test_each_missing_right_is_a_sentence_that_names_what_to_click(github: SmallGitHub, right: str) -> None:
    github.rights.discard(right)
    said = await refused(github)
    assert f'"{right}: Read and write"' in said
    assert "Fine-grained tokens, the token, Edit" in said
    github.rights.add(right)
    assert (await give(github)).url


async def test_without_pull_requests_the_branch_is_there_and_can_be_opened_by_hand(github: SmallGitHub) -> None:
    github.rights.discard("Pull requests")
    assert f"compare/main...{BRANCH}" in await refused(github)
    assert github.files(BRANCH).keys() >= FILES.keys()


async def test_other_troubles_are_sentences(github: SmallGitHub) -> None:
    assert "does not accept the token" in await refused(github, "github_pat_other")
    github.says["GET /"] = (404, {"message": "Not Found"})
    assert "Repository access" in await refused(github)
    assert 'scope "repo"' in await refused(github, "ghp_classic")
    assert "install the App" in await refused(github, "ghs_app")
    github.says["GET /"] = (200, {**github._described(), "archived": True})
    assert "unarchive it" in await refused(github)
    del github.says["GET /"]
    github.says["POST /git/trees"] = (500, {"message": "Server Error"})
    assert "GitHub answered 500 (Server Error) to POST git/trees" in await refused(github)
    github.branches.clear()
    assert "add a README" in await refused(github)


async def test_a_limit_and_an_unreachable_github_are_sentences(github: SmallGitHub) -> None:
    github.headers["Retry-After"] = "60"
    github.says["GET /"] = (429, {"message": "slow down"})
    assert "try again in 60 s" in await refused(github)
    github.url = "http://127.0.0.1:1"
    assert "can't be reached at http://127.0.0.1:1" in await refused(github)


async def command(*arguments: str, cwd: Path, stdin: str = "", **environment: str) -> tuple[int | None, str, str]:
    process = await create_subprocess_exec(
        *(warm.python(), "-m", "cluster_bot", "github", "install", *arguments),
        cwd=cwd,
        env=environment,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    out, err = await process.communicate(stdin.encode())
    return process.returncode, out.decode(), err.decode()


async def test_the_command(github: SmallGitHub, tmp_path: Path) -> None:
    code, out, err = await command("--print", cwd=tmp_path)
    assert (code, out.splitlines(), err) == (0, list(FILES), "")
    assert github.asked == []
    code, out, err = await command(NAME, cwd=tmp_path, GITHUB_API_URL=github.url)
    assert (code, out) == (2, "")
    assert "GITHUB_TOKEN is not set" in err
    code, out, err = await command(NAME, "--ask-token", cwd=tmp_path, stdin=f"{TOKEN}\n", GITHUB_API_URL=github.url)
    assert (code, err) == (0, "")
    assert github.pulls[0]["html_url"] in out
    (tmp_path / ".env").write_text(
        f"GITHUB_TOKEN={TOKEN}\nGITHUB_REPOSITORY={NAME}\nGITHUB_API_URL={github.url}\n", encoding="utf-8"
    )
    assert "nothing was to be added" in (await command(cwd=tmp_path))[1]
