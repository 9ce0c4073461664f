"""`/rerun`, the Run again button and `/gpus`: the same program once more, there or elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import pytest
from asking import ask, press, text
from town import Place, Town

from cluster_bot.errors import ClusterBotError
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.run import Run, Status
from cluster_sandbox.discord import Interaction
from offering import Offering

ECHO = "import sys\nprint(sys.argv[1:])\n"


def opened(answer: Interaction) -> Place:
    """Where the private answer says that the new run is."""
    found = re.fullmatch(r"Run #(\d+) is here: <#(\d+)>", answer.content)
    assert found, answer.content
    return Place(int(found[1]), int(found[2]))


class Silent(Offering):
    """Does not say what it offers."""

    async def availability(self) -> Sequence[GpuOffer]:
        raise ClusterBotError("no connection")


class Slow(Offering):
    """Takes longer to say it than anybody waits."""

    async def availability(self) -> Sequence[GpuOffer]:
        await asyncio.Event().wait()
        return []


@pytest.mark.usefixtures("bot")
async def test_the_same_program_with_a_number_and_a_thread_of_its_own(town: Town) -> None:
    first = await town.open(ECHO, arguments="one 'two 3'", time_limit=37)
    assert await town.verdict(first) is Status.SUCCEEDED
    second = opened(await ask(town, "rerun", run=str(first.number)))
    assert second.number == first.number + 1
    assert second.room != first.room
    assert await town.verdict(second) is Status.SUCCEEDED
    assert town.lines(second) == town.lines(first) == ["['one', 'two 3']"]
    run = await town.run_of(second)
    assert (run.spec.time_limit_s, run.spec.again_of, run.owner.id) == (37, first.number, str(town.ada.user_id))
    assert f"again of #{first.number}" in town.server.message(second.room).content
    shown = text((await ask(town, "run-info", run=str(second.number))).message)
    assert f"again of #{first.number}" in shown


@pytest.mark.usefixtures("bot")
async def test_the_button_works_in_a_list_and_for_whoever_sees_the_run(town: Town) -> None:
    first = await town.open("print('hello')")
    assert await town.verdict(first) is Status.SUCCEEDED
    listed = await ask(town, "runs")
    second = opened(await press(town, listed, f"rerun:{first.number}"))
    assert await town.verdict(second) is Status.SUCCEEDED
    bob = town.server.member("bob")
    shown = await ask(town, "run-info", bob, first.room, run=str(first.number))
    third = opened(await press(town, shown, f"rerun:{first.number}", bob))
    assert await town.verdict(third) is Status.SUCCEEDED
    assert (await town.run_of(third)).owner.id == str(bob.user_id)
    # Asked for in the thread of the first, it has one beside it and not within.
    parents = {town.server.channel(place.room).parent_id for place in (first, second, third)}
    assert parents == {town.general}
    assert len({first.room, second.room, third.room}) == 3


async def test_the_buttons_under_a_verdict_work_in_any_life(town: Town) -> None:
    async with town.bot():
        first = await town.open("print('hello')")
        assert await town.verdict(first) is Status.SUCCEEDED
    verdict, bob = town.of(first)[-1], town.server.member("bob")
    async with town.bot():
        log = await (await bob.press(verdict.id, channel_id=first.room, label="Log")).answered()
        assert log.ephemeral
        assert [(one.filename, one.data) for one in log.message.attachments] == [  # type: ignore[union-attr]
            (f"run-{first.number}.log.txt", b"hello\n")
        ]
        again = await (await bob.press(verdict.id, channel_id=first.room, label="Run again")).answered()
        second = opened(again)
        assert again.ephemeral
        assert await town.verdict(second) is Status.SUCCEEDED
        assert town.server.channel(second.room).parent_id == town.general


@pytest.mark.usefixtures("bot")
async def test_in_a_thread_of_theirs_it_stays_there(town: Town) -> None:
    talk = town.server.start_thread(town.general, "talk", owner=town.ada)
    first = await town.open("print('hello')", channel=talk)
    assert await town.verdict(first) is Status.SUCCEEDED
    second = opened(await ask(town, "rerun", None, talk, run=str(first.number)))
    assert first.room == second.room == talk
    assert await town.verdict(second) is Status.SUCCEEDED


async def _where(town: Town, **asked: str) -> Run:
    """The newest run after a re-run that was accepted."""
    answer = await ask(town, "rerun", **asked)
    opened(answer)
    return (await town.runs_of(town.ada))[0]


async def test_elsewhere(town: Town) -> None:
    github = Offering("github", GpuOffer("H100", starts_in_s=5.0), GpuOffer("T4"))
    modal = Offering("modal", GpuOffer("A100", starts_in_s=1.0), GpuOffer("H100", starts_in_s=50.0, price=0.001))
    async with town.bot(launchers=[github, modal], live_runs_per_member=99):
        answer = await (await town.run(ECHO, command="run github", gpu="H100")).answered()
        first = str(opened(answer).number)
        where = [
            ({}, ("github", "H100")),
            ({"gpu": "T4"}, ("github", "T4")),
            ({"gpu": "A100"}, ("modal", "A100")),
            ({"launcher": "modal"}, ("modal", "H100")),
            ({"launcher": "local"}, ("local", None)),
            ({"launcher": "modal", "gpu": "A100:2"}, ("modal", "A100:2")),
        ]
        for asked, there in where:
            run = await _where(town, run=first, **asked)
            assert (run.spec.launcher, run.spec.gpu, run.spec.again_of) == (*there, int(first)), asked
            assert not run.spec.others
        # Chosen anew, by what is there now.
        auto = await _where(town, run=first, launcher="auto")
        assert (auto.spec.launcher, [one.launcher for one in auto.spec.others]) == ("github", ["modal"])
        github.offers = [GpuOffer("H100", starts_in_s=500.0)]
        anew = await _where(town, run=str(auto.number))
        assert (anew.spec.launcher, [one.launcher for one in anew.spec.others]) == ("modal", ["github"])
        assert anew.spec.why.startswith("auto chose modal")

        refused = await ask(town, "rerun", run=first, gpu="B9000")
        assert refused.content.startswith("Nobody here offers that GPU at the moment; choose one of")
        refused = await ask(town, "rerun", run=first, launcher="`slurm`")
        assert refused.content.startswith("`/run …` is not switched on here")
        offered = await town.ada.autocomplete("rerun", channel_id=town.general, focused="gpu", value="h1")
        assert [one["value"] for one in offered] == ["H100"]
        offered = await town.ada.autocomplete("rerun", channel_id=town.general, focused="launcher", value="")
        assert [one["value"] for one in offered] == ["github", "modal", "local", "auto"]


async def test_limits_and_lists_hold_for_a_rerun_too(town: Town) -> None:
    async with town.bot():
        first = await town.open("print()", time_limit=500)
        assert await town.verdict(first) is Status.SUCCEEDED
    async with town.bot(live_runs_per_member=1, max_time_limit_s=60):
        second = opened(await ask(town, "rerun", run=str(first.number)))
        assert (await town.run_of(second)).spec.time_limit_s == 60
        assert await town.verdict(second) is Status.SUCCEEDED
        held, go = await town.hold()
        refused = await ask(town, "rerun", run=str(first.number))
        assert refused.content.startswith("You have 1 run")
        go()
        assert await town.verdict(held) is Status.SUCCEEDED
    bob = town.server.member("bob")
    async with town.bot(discord_users=frozenset({bob.user_id})):
        refused = await ask(town, "rerun", run=str(first.number))
        assert refused.content.startswith("You are not on the list of people who may run programs here")


class Ailing(Offering):
    """Offers what it has, though its scheduler can't be reached."""

    async def trouble(self) -> str:
        return "Slurm's *door* is closed"


class Mute(Offering):
    """Its scheduler never says how it is."""

    async def trouble(self) -> str:
        await asyncio.Event().wait()
        return ""


async def test_gpus_says_where_no_run_would_start(town: Town) -> None:
    async with town.bot(launchers=[Ailing("slurm", GpuOffer("H100")), Mute("modal", GpuOffer("T4"))]):
        said = text((await ask(town, "gpus")).message)
    assert said.split("\n")[:5] == [
        "### slurm",
        r"⚠️ Slurm's \*door\* is closed; a run would wait for it",
        "**H100**",
        "### modal",
        "⚠️ does not answer at the moment; try again in a minute",
    ]


async def test_gpus_shows_every_launcher_also_one_that_is_silent(town: Town) -> None:
    github = Offering("github", GpuOffer("H100", waiting=3, machines=2, starts_in_s=5.0), GpuOffer("T4", paused=True))
    launchers = [github, Silent("modal"), Slow("slurm"), Offering("empty")]
    async with town.bot(launchers=launchers):
        asked = await town.ada.command("gpus", channel_id=town.general)
        await asked.acknowledged()
        said = text((await asked.answered()).message)
    assert asked.ephemeral
    assert said.split("\n") == [
        "### github",
        "**H100** · 3 waiting · 2 machine(s) · starts in about 95 s",
        "**T4** · ⏸️ paused",
        "### modal",
        "⚠️ does not answer at the moment; try again in a minute",
        "### slurm",
        "⚠️ does not answer at the moment; try again in a minute",
        "### empty",
        "nothing on offer at the moment",
        "### local",
        "**its own machine**",
    ]
