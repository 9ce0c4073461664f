"""Files, history and pull requests through PyGithub, and workflow files that come with a merge."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from github import GithubException, InputGitTreeElement
from github.GitRef import GitRef
from github.Repository import Repository
from scratch import JOB, Client, ended, serving

from cluster_sandbox.github import GitHubServer

FILE = ".github/workflows/job.yml"
BRANCH = "bot/install-1"


def propose(repository: Repository, files: dict[str, str]) -> Any:
    """One commit on a branch of its own, and a pull request."""
    head = repository.get_git_ref("heads/main").object.sha
    base = repository.get_git_commit(head).tree
    items = [InputGitTreeElement(path, "100644", "blob", content) for path, content in files.items()]
    tree = repository.create_git_tree(items, base)
    commit = repository.create_git_commit("Add files", tree, [repository.get_git_commit(head)])
    repository.create_git_ref(f"refs/heads/{BRANCH}", commit.sha)
    return repository.create_pull("main", BRANCH, title="Files", body="why")


async def test_a_repository_gets_its_workflow_by_a_pull_request(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("hello\n")
    async with serving(tmp_path) as client:
        github = client.server
        assert (await client.get("/actions/workflows"))[2]["total_count"] == 0
        pull = await client.call(lambda repository: propose(repository, {FILE: JOB, "a/b.txt": "x"}))
        assert (pull.number, pull.changed_files, pull.commits) == (1, 2, 1)
        listed = await client.call(lambda repository: list(repository.get_pulls(head=f"gpu-club:{BRANCH}")))
        assert [one.html_url for one in listed] == [f"{github.url}/gpu-club/kernels/pull/1"]
        assert (await client.get("/actions/workflows"))[2]["total_count"] == 0
        assert (await client.get(f"/contents/a/b.txt?ref={BRANCH}"))[0] == 200
        assert (await client.get("/contents/a/b.txt"))[0] == 404
        with pytest.raises(GithubException, match="already exists for gpu-club"):
            await client.call(lambda repository: repository.create_pull("main", BRANCH, title="Again"))
        github.merge(1)
        assert [one["name"] for one in (await client.get("/contents/"))[2]] == [".github", "README.md", "a"]
        assert (await ended(await client.dispatch("a"), github)).conclusion == "success"
        merged = (await client.get("/pulls/1"))[2]
        assert (merged["state"], merged["merged"]) == ("closed", True)
        assert (await client.get("/git/ref/heads/main"))[2]["object"]["sha"] == merged["merge_commit_sha"]
        assert github.runs[0].sha == merged["merge_commit_sha"]
        with pytest.raises(GithubException, match="No commits between"):
            await client.call(lambda repository: repository.create_pull("main", BRANCH, title="Again"))
    # The folder itself was never touched, and its copy is gone.
    assert [one.name for one in tmp_path.iterdir()] == ["README.md"]
    assert not github.git.root.exists()


async def test_files_have_the_ids_that_git_gives_them(github: GitHubServer, client: Client, folder: Path) -> None:
    (folder / "z").mkdir()
    (folder / "z" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "z" / "run.sh").chmod(0o755)
    (folder / "z.txt").write_text("after z, before z/\n")
    head = (await client.get("/git/ref/heads/main"))[2]["object"]["sha"]
    tree = (await client.get(f"/git/commits/{head}"))[2]["tree"]["sha"]
    listed = (await client.get(f"/git/trees/{tree}?recursive=1"))[2]["tree"]
    assert {one["path"]: one["mode"] for one in listed if one["type"] == "blob"} == {
        FILE: "100644",
        "z.txt": "100644",
        "z/run.sh": "100755",
    }
    (folder / "z.txt").write_text("changed\n")
    assert (await client.get("/git/ref/heads/main"))[2]["object"]["sha"] != head
    (folder / "z.txt").write_text("after z, before z/\n")
    if shutil.which("git") is not None:  # on a machine with nothing but Python, the ids are not judged
        assert await asyncio.to_thread(git_tree, folder) == tree


def git_tree(folder: Path) -> str:
    """What git itself calls the tree of a folder."""
    for command in (("init", "-q"), ("add", "."), ("write-tree",)):
        done = subprocess.run(["git", "-C", str(folder), *command], check=True, capture_output=True, text=True)
    return done.stdout.strip()


async def test_files_are_put_one_by_one(github: GitHubServer, client: Client) -> None:
    made = await client.call(lambda repository: repository.create_file("notes.txt", "note", "one\n"))
    content = await client.call(lambda repository: repository.get_contents("notes.txt"))
    assert (content.decoded_content, content.sha) == (b"one\n", made["content"].sha)
    with pytest.raises(GithubException, match="does not match"):
        await client.call(lambda repository: repository.update_file("notes.txt", "note", "two\n", "0" * 40))
    with pytest.raises(GithubException, match="wasn't supplied"):
        await client.call(lambda repository: repository.create_file("notes.txt", "note", "two\n"))
    await client.call(lambda repository: repository.update_file("notes.txt", "note", "two\n", content.sha))
    branch = await client.call(lambda repository: repository.get_branch("main"))
    assert branch.commit.commit.message == "note"
    assert len(branch.commit.parents) == 1


async def test_a_branch_moves_forward_alone(github: GitHubServer, client: Client) -> None:
    await client.call(lambda repository: propose(repository, {"a": "1"}))
    old = (await client.get("/git/ref/heads/main"))[2]["object"]["sha"]

    def found(repository: Repository) -> GitRef:
        # A lazy one would use the address it was asked by, where nothing can be changed.
        ref = repository.get_git_ref(f"heads/{BRANCH}")
        ref.update()
        return ref

    def move(repository: Repository, *, force: bool) -> None:
        found(repository).edit(old, force)

    with pytest.raises(GithubException, match="not a fast forward"):
        await client.call(lambda repository: move(repository, force=False))
    await client.call(lambda repository: move(repository, force=True))
    await client.call(lambda repository: found(repository).delete())
    assert (await client.get(f"/git/ref/heads/{BRANCH}"))[0] == 404
    assert (await client.get("/pulls?state=closed"))[2][0]["number"] == 1


async def test_two_branches_that_changed_a_file(github: GitHubServer, client: Client) -> None:
    pull = await client.call(lambda repository: propose(repository, {"a": "theirs"}))
    await client.call(lambda repository: repository.create_file("a", "note", "ours"))
    with pytest.raises(GithubException, match="not mergeable") as caught:
        await client.call(lambda _: pull.merge())
    assert caught.value.status == 405


async def test_workflow_files_need_a_right_of_their_own(github: GitHubServer) -> None:
    rights = {"contents": "write", "pull_requests": "write"}
    narrow = Client(github, github.add_token(permissions=rights))
    classic = Client(github, github.add_classic_token(scopes=("repo",)))
    for client, status in ((narrow, 403), (classic, 404)):
        with pytest.raises(GithubException) as caught:
            await client.call(lambda repository: propose(repository, {FILE: "x"}))
        assert caught.value.status == status
    whole = Client(github, github.add_token(permissions={**rights, "workflows": "write"}))
    await whole.call(lambda repository: propose(repository, {FILE: "x"}))
    reader = Client(github, github.add_token(permissions={"contents": "read"}))
    assert (await reader.get(f"/contents/{FILE}"))[0] == 200
    assert (await reader.get("/pulls"))[0] == 403


async def test_what_an_admin_is_shown(github: GitHubServer, client: Client) -> None:
    shown = (await client.get(""))[2]
    assert (shown["private"], shown["default_branch"], shown["owner"]["type"]) == (True, "main", "Organization")
    assert shown["permissions"]["admin"]
    assert (await client.get("/actions/permissions"))[2]["enabled"]
    github.world.actions_enabled = False
    assert not (await client.get("/actions/permissions"))[2]["enabled"]
    with pytest.raises(GithubException, match="disabled"):
        await client.dispatch()
    runners = await client.call(lambda repository: list(repository.get_self_hosted_runners()))
    assert {one.status for one in runners} == {"online"}
    reader = Client(github, github.add_token(write=False))
    assert not (await reader.get(""))[2]["permissions"]["push"]
