"""`/verify` as an admin sees it: a table that fills, also by a bot that was restarted meanwhile."""

from __future__ import annotations

import pytest
from asking import ask, text
from town import Town, refused

from cluster_bot.discord_bot import verify_feed
from cluster_bot.launchers.local_process import LocalProcess
from cluster_bot.runs.ports import GpuOffer, LaunchRefusedError
from cluster_sandbox.discord import Acting, Interaction, MessageEvent
from offering import Offering

BROKEN = LaunchRefusedError("no *workflow* there", again=False)
BUSY = LaunchRefusedError("no runner is free", again=True, after_s=0.5)


async def verify(town: Town, admin: Acting, **options: object) -> Interaction:
    """The command, answered."""
    return await ask(town, "verify", admin, **options)


async def shows(town: Town, answer: Interaction, words: str) -> str:
    """The table, once it has these words."""
    assert answer.message is not None
    made = answer.message.id

    def fits(event: MessageEvent) -> bool:
        return event.message_id == made and words in event.content

    return (await town.event(fits)).content


def rows(content: str) -> list[list[str]]:
    """The cells of the table below its head."""
    return [line.split() for line in content.split("```")[1].strip().splitlines()[1:]]


async def test_a_table_fills_with_what_works_and_why_the_rest_does_not(town: Town) -> None:
    admin = town.server.member("carol", administrator=True)
    broken, silent = Offering("github", GpuOffer("NVIDIA"), refuses=BROKEN), Offering("modal")
    async with town.bot(launchers=[broken, silent], live_runs_in_all=1):
        # A bot that is full, and a member at their limit, are no reason not to look.
        _, go_on = await town.hold()
        answer = await verify(town, admin)
        assert not answer.ephemeral
        content = await shows(town, answer, "2 of 3 not well")
        github, modal, local = rows(content)
        assert github[:3] == ["github", "NVIDIA", "fails"]
        assert modal == ["modal", "-", "fails"]
        assert local[:3] == ["local", "-", "works"]
        assert [one.count("s") for one in (local[4], local[6])] == [1, 1]
        assert "❌ github NVIDIA: github refused to start it; " in content
        assert "no \\*workflow\\* there (#2)" in content
        assert "❌ modal: `modal` offers no GPU at the moment; look at its runners, or its account." in content
        assert broken.started == silent.started == []
        # It is nobody's: not in the admin's list, and nowhere in the channel but in the table.
        assert "You have no runs yet" in (await ask(town, "runs", admin)).content
        assert "for verification" in text((await ask(town, "run-info", admin, run="2")).message)
        refused(await ask(town, "run-info", run="2"), "belongs to somebody else")
        anchors = [one for one in town.server.messages(town.general) if "verify.py" in one.content]
        assert anchors == []
        go_on()


@pytest.mark.parametrize("old", [False, True])
async def test_a_restarted_bot_finishes_the_table(town: Town, monkeypatch: pytest.MonkeyPatch, old: bool) -> None:
    admin = town.server.member("carol", administrator=True)
    waiting = Offering("modal", GpuOffer("T4"), refuses=BUSY)
    async with town.bot(launchers=[waiting]):
        answer = await verify(town, admin)
        content = await shows(town, answer, "1 of 2 done")
        assert [row[2] for row in rows(content)] == ["waits", "works"]
        refused(await verify(town, admin), "A verification is under way already; wait until its table is complete.")
    if old:
        # The interaction's token has lived its time: the table is a message like any other.
        monkeypatch.setattr(verify_feed, "TOKEN_S", 0.0)
    broken = Offering("modal", GpuOffer("T4"), refuses=BROKEN)
    async with town.bot(launchers=[broken]):
        content = await shows(town, answer, "1 of 2 not well")
        assert [row[2] for row in rows(content)] == ["fails", "works"]
    monkeypatch.undo()


async def test_nobody_waits_for_a_table_that_was_deleted(town: Town) -> None:
    admin = town.server.member("carol", administrator=True)
    waiting = Offering("modal", GpuOffer("T4"), refuses=BUSY)
    async with town.bot(launchers=[waiting]):
        answer = await verify(town, admin)
        await shows(town, answer, "1 of 2 done")
        assert answer.message is not None
        town.delete(answer.message)
        [run] = await town.store.unfinished()
        await ask(town, "cancel", admin, run=str(run.number))

        async def closed() -> bool:
            return not await town.store.open_feeds()

        await town.store.until(closed)
        again = await verify(town, admin, launcher="local")
        await shows(town, again, "All well")


async def test_it_is_the_operators(town: Town) -> None:
    carol, bob = town.server.member("carol", administrator=True), town.server.member("bob", administrator=True)
    async with town.bot(discord_operators=frozenset({carol.user_id})):
        refused(await verify(town, bob), "runs this bot")
        assert "verify" not in town.ada.commands(town.general)
        refused(await verify(town, carol, launcher="nothing"), "`/run …` is not switched on here")
        wrong = await verify(town, carol, gpu="B200")
        assert wrong.content == "No launcher offers a GPU at the moment; try again in a moment, or ask an admin."
        done = await verify(town, carol, all_gpus=True)
        assert "All well" in await shows(town, done, "✅")


async def test_the_schedule_is_set_at_once_and_tells_the_admins_once(town: Town) -> None:
    admin, log = town.server.member("carol", administrator=True), town.server.add_channel("admins")
    broken = [Offering("github", GpuOffer("NVIDIA"), refuses=BROKEN)]
    async with town.bot(launchers=broken):
        chosen = await admin.command("admin log", channel_id=town.general, options={"channel": log})
        assert str(log) in (await chosen.answered()).content
        await ask(town, "admin set", admin, setting="verify_every_h", value="0.001")
        told = await town.event(lambda event: event.channel_id == log and "Not every launcher works" in event.content)
        assert "❌ github NVIDIA: github refused to start it; " in told.content
        assert [row[2] for row in rows(told.content)] == ["fails", "works"]
    mended = LocalProcess(town.folder / "github", same_user="always", sandbox="none")
    mended.name = "github"
    async with town.bot(launchers=[mended]):
        # Set to every few seconds, and not set anew.
        await town.event(lambda event: event.channel_id == log and "All launchers work again" in event.content)
    await mended.close()
    notes = [one.content for one in town.server.messages(log) if "What the verification" in one.content]
    assert len(notes) == 2
