"""A machine is lent from the chat: from `/admin runner add` to members' runs on it, and away again.

GitHub is the sandbox's, whose runner programs are stand-ins that take the real ones' arguments; the file that the
donor is given is executed by a real bash.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asking import ask, text
from town import PATIENCE_S, Town, refused

from cluster_bot.app import Parts
from cluster_bot.demo.github import github_settings
from cluster_bot.runs.orders import EVERYWHERE
from cluster_bot.runs.run import Status
from cluster_sandbox.discord import Acting, Interaction
from cluster_sandbox.github import GitHubServer, Machine, Policy, Runner
from judges import Bench
from workflow_folder import machine_environment, workflow_folder

HELLO = "print('hello')"


@pytest.fixture
def boss(town: Town) -> Acting:
    return town.server.member("owner", administrator=True)


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[GitHubServer]:
    folder = workflow_folder(tmp_path / "repository")
    machines = [Runner("old-box", ("self-hosted", "amd", "MI300"), level="organization")]
    policy = Policy(points_per_minute=100_000)
    async with GitHubServer(
        repository=folder, runners=machines, policy=policy, environment=machine_environment()
    ) as running:
        bench = Bench(running)
        yield running
        assert bench.verdict() == []


@asynccontextmanager
async def bot(town: Town, github: GitHubServer, **settings: Any) -> AsyncIterator[Parts]:
    """The bot with that GitHub, to which runners report."""
    login = {name.lower(): value for name, value in github_settings(github, public=True).items()}
    async with town.bot(**{"local_enabled": False, **login, **settings}) as parts:
        yield parts


def script_of(town: Town, answer: Interaction) -> str:
    """The file that came with a private answer."""
    assert answer.message is not None
    assert answer.ephemeral
    return town.server.attachment(answer.message.id).decode()


@asynccontextmanager
async def donated(script: str, home: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The file executed as its reader is told to, in a home of its own, while the block lasts."""
    home.mkdir()
    (home / "start-runner.sh").write_text(script)
    if shutil.which("curl") is None and shutil.which("wget") is None:
        pytest.skip("neither curl nor wget is here, with which the donor's file fetches the runner")
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "RUNNER_ALLOW_RUNASROOT": "1"}
    process = await asyncio.create_subprocess_exec("bash", "start-runner.sh", cwd=home, env=environment)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def said(town: Town, answer: Interaction, words: str) -> str:
    """The answer's text, once it has these words."""
    assert answer.message is not None
    shown = answer.message.id
    event = await town.event(lambda event: event.message_id == shown and words in event.content)
    return event.content


async def journal(town: Town) -> list[str]:
    """What admins were told and decided, oldest first."""
    return [one.text for one in reversed(await town.store.book.journal(EVERYWHERE, 50))]


def secrets_in(script: str) -> list[str]:
    """The tokens and configurations in a donor's file."""
    return [found for pair in re.findall(r"--token (\S+)|--jitconfig (\S+)", script) for found in pair if found]


async def choices(town: Town, command: str, option: str, typed: str, member: Acting | None = None) -> list[str]:
    acting = member or town.ada
    found = await acting.autocomplete(command, channel_id=town.general, focused=option, value=typed)
    return [one["value"] for one in found]


def machine(github: GitHubServer, name: str) -> Machine:
    return next(one for one in github.machines if one.name == name)


async def test_from_the_command_to_members_runs(
    town: Town, github: GitHubServer, boss: Acting, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # As `set_up_logging` at DEBUG would have it.
    caplog.set_level(logging.DEBUG)
    for name in ("discord", "github", "urllib3"):
        caplog.set_level(logging.WARNING, logger=name)
    log = town.server.add_channel("log")
    async with bot(town, github):
        await (await boss.command("admin log", channel_id=town.general, options={"channel": log})).answered()
        assert await choices(town, "run github", "gpu", "H1") == []
        answer = await ask(town, "admin runner add", boss, name="bobs-box", gpu="H100", vendor="nvidia")
        assert "as an ordinary user, not as root" in answer.content
        assert "public" not in answer.content
        script = script_of(town, answer)
        [token] = secrets_in(script)
        assert "--url " + f"{github.url}/gpu-club " in script
        assert "--labels nvidia,H100,cluster-bobs-box " in script
        async with donated(script, tmp_path / "home") as process:
            assert "a test run is on its way" in await said(town, answer, "is online")
            told = await said(town, answer, "went well")
            assert "Python 3" in told
            assert answer.message is not None
            assert not answer.message.attachments
            assert [one.runner for one in github.executions] == ["bobs-box"]
            # At once, for everybody, without a restart.
            assert await choices(town, "run github", "gpu", "h1") == ["H100"]
            assert "**H100**" in text((await ask(town, "gpus")).message)
            run = await town.run(HELLO, command="run github", gpu="H100")
            opened = re.search(r"#(\d+) is here: <#(\d+)>", (await run.answered(PATIENCE_S)).content)
            assert opened is not None
            ours = await town.store.by_number(int(opened[1]))
            over = await _over(town, ours.id)
            assert over.status is Status.SUCCEEDED
            assert [one.runner for one in github.executions] == ["bobs-box"] * 2
            await github.wait_machines(lambda _: machine(github, "bobs-box").run_id is None)
            shown = text((await ask(town, "admin runners", boss)).message)
            assert re.search(r"🟢 \*\*bobs-box\*\* · online · .*`H100`.*\n.*old-box", shown), shown
            assert await choices(town, "admin runner remove", "name", "BOB", boss) == ["bobs-box"]
            gone = await ask(town, "admin runner remove", boss, name="bobs-box")
            assert "`bobs-box` is no runner any more" in gone.content
            assert await process.wait() == 0
        assert [one.name for one in github.machines] == ["old-box"]
        assert await choices(town, "run github", "gpu", "H1") == []
        entries = await journal(town)
        assert [one.split()[0] for one in entries if "bobs-box" in one] == ["asked", "✅", "✅", "removed"]
        await town.event(lambda event: event.channel_id == log and "removed the runner" in event.content)
        # The secret was in the file, which is gone, and nowhere else.
        everywhere = [one.content for one in town.server.events] + entries + [str(vars(one)) for one in caplog.records]
        everywhere += [one.getMessage() for one in caplog.records]
        assert not [one for one in everywhere if token in one]
    assert token not in _kept(town.folder / "data")


async def _over(town: Town, run_id: str) -> Any:
    async def is_final() -> bool:
        return (await town.store.load(run_id)).status.final

    await town.store.until(is_final)
    return await town.store.load(run_id)


def _kept(data: Path) -> str:
    """All text in the bot's database."""
    with sqlite3.connect(data / "cluster-bot.sqlite3") as connection:
        return "\n".join(connection.iterdump())


async def test_a_donor_gets_it_directly_and_a_restart_goes_on_watching(
    town: Town, github: GitHubServer, boss: Acting, tmp_path: Path
) -> None:
    bob = town.server.member("bob")
    async with bot(town, github):
        wanted = {"name": "bobs-box", "gpu": "H100", "vendor": "nvidia", "donor": bob}
        answer = await ask(town, "admin runner add", boss, **wanted)
        assert f"I sent {bob.mention} a direct message" in answer.content
        assert answer.message is not None
        assert not answer.message.attachments
        [message] = town.server.messages(bob.dm)
        assert message.content.startswith(f"{boss.mention} asks you to lend the machine `bobs-box` to gpu-club")
        script = town.server.attachment(message.id).decode()
    async with bot(town, github), donated(script, tmp_path / "home"):
        assert "it saw no GPU there" in await said(town, answer, "went well")
        await town.event(lambda event: event.message_id == message.id and "went well" in event.content)
        assert not message.attachments
        assert machine(github, "bobs-box").labels == ("self-hosted", "nvidia", "H100", "cluster-bobs-box")
        assert await choices(town, "run github", "gpu", "h1") == ["H100"]
        # On that machine and no other, as a member may also ask.
        run = await (await town.run(HELLO, command="run github", gpu="h100@Bobs-Box")).answered(PATIENCE_S)
        assert "is here" in run.content
        refused(await (await town.run(HELLO, command="run github", gpu="H100@nowhere")).answered(), "has no such GPU")


async def test_a_just_in_time_runner_takes_one_run(
    town: Town, github: GitHubServer, boss: Acting, tmp_path: Path
) -> None:
    bob = town.server.member("bob")
    bob.close_dms()
    async with bot(town, github):
        wanted = {"name": "once", "gpu": "MI300", "vendor": "amd", "kind": "just-in-time"}
        answer = await ask(town, "admin runner add", boss, **wanted, donor=bob)
        assert "takes no direct messages from me" in answer.content
        assert "there is no test run, as that would be the one run it takes" in answer.content
        script = script_of(town, answer)
        [secret] = secrets_in(script)
        asked = next(one for one in github.requests if (one.route or "").endswith("generate-jitconfig"))
        assert asked.body["labels"] == ["self-hosted", "Linux", "X64", "amd", "MI300", "cluster-once"]
        machine(github, "old-box").online = False
        async with donated(script, tmp_path / "home") as process:
            assert await said(town, answer, "is online") == "✅ MI300 on `once` is online, and takes one run."
            run = await (await town.run(HELLO, command="run github", gpu="MI300")).answered(PATIENCE_S)
            assert "is here" in run.content
            assert await process.wait() == 0
        assert [one.runner for one in github.executions] == ["once"]
        assert [one.name for one in github.machines] == ["old-box"]
        assert not [one for one in town.server.events if secret in one.content]
        assert not [one for one in await journal(town) if secret in one]
    assert secret not in _kept(town.folder / "data")


async def test_what_cannot_be_added(town: Town, github: GitHubServer, boss: Acting) -> None:
    good = {"name": "box", "gpu": "H100", "vendor": "nvidia"}
    async with bot(town, github):

        async def add(member: Acting = boss, **more: Any) -> Interaction:
            return await ask(town, "admin runner add", member, **{**good, **more})

        for wrong in ("$(reboot)", "a b", "-rf", "a;b", "é", "x" * 41):
            refused(await add(name=wrong), "A machine's name is up to 40 letters")
            refused(await add(gpu=wrong), "A GPU's name is up to 40 letters")
        for taken in ("self-hosted", "X64", "nvidia", "cluster-9"):
            refused(await add(gpu=taken), "A GPU's name is up to 40 letters")
        refused(await add(name="Old-Box"), "There is a runner called `Old-Box` already")
        refused(await add(group="nobody's"), "There is no such group of runners; choose one of `Default`.")
        refused(await ask(town, "admin runner remove", boss, name="box"), "There is no runner of that name")
        assert not [one for one in github.requests if one.method != "GET"]
        moderator = town.server.member("carol", permissions=["MANAGE_CHANNELS"])
        for command in ("runner add", "runner remove", "runners"):
            assert f"admin {command}" not in moderator.commands(town.general)
        # A public repository: GitHub's advice, and a group that would keep its jobs away.
        github.world.private = False
        told = (await add()).content
        assert "GitHub advises against runners of your own there" in told
        assert "The group Default takes no jobs of public repositories" in told
        open_one = github.add_runner_group("Open ones", allows_public=True)
        answer = await add(group="open ones")
        assert "takes no jobs" not in answer.content
        assert "--runnergroup 'Open ones'" in script_of(town, answer)
        assert open_one.name in answer.content
        # What was asked for last is looked for; and nothing any more once it is let go.
        assert len(await town.store.expected.all()) == 1
        assert "I look for `box` no more" in (await ask(town, "admin runner remove", boss, name="box")).content
        assert await town.store.expected.all() == []


async def test_who_does_not_come_in_time_is_given_up(town: Town, github: GitHubServer, boss: Acting) -> None:
    github.policy.runner_token_s = -5.0
    async with bot(town, github):
        answer = await ask(town, "admin runner add", boss, name="box", gpu="H100", vendor="nvidia")
        await said(town, answer, "H100 on `box` did not come online in time")
        # A run keeps its machine; nothing is taken from under it.
        github.world.fleet.machines[0].run_id = 1
        refused(await ask(town, "admin runner remove", boss, name="old-box"), "`old-box` is in the middle of a run")


@pytest.mark.parametrize("kind", ["classic", "fine-grained"])
async def test_a_login_without_the_right_is_told_which(
    town: Town, github: GitHubServer, boss: Acting, kind: str
) -> None:
    repository = {"administration": "write", "actions": "write"}
    token = github.add_classic_token() if kind == "classic" else github.add_token(permissions=repository)
    wanted = 'the scope "admin:org"' if kind == "classic" else '"Self-hosted runners: Read and write"'
    async with bot(town, github, github_token=token):
        answer = await ask(town, "admin runner add", boss, name="box", gpu="H100", vendor="nvidia")
        refused(answer, f"GitHub does not let the bot's login do that; give it {wanted}")
        shown = text((await ask(town, "admin runners", boss)).message)
        assert "There are none yet" in shown
        assert "Those of gpu-club can't be seen with the bot's login" in shown


async def test_a_persons_repository_has_runners_of_its_own(town: Town, tmp_path: Path, boss: Acting) -> None:
    folder = workflow_folder(tmp_path / "repository")
    async with GitHubServer(repository=folder, organization=False, runners=[]) as github, bot(town, github):
        bench = Bench(github)
        wanted = {"name": "box", "gpu": "H100", "vendor": "nvidia"}
        refused(await ask(town, "admin runner add", boss, **wanted, group="Default"), "Only an organisation has groups")
        script = script_of(town, await ask(town, "admin runner add", boss, **wanted))
        assert f"--url {github.url}/gpu-club/kernels " in script
        assert not [one for one in github.requests if one.path.startswith("/orgs/")]
        assert bench.verdict() == []
