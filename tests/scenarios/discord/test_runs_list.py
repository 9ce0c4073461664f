"""`/runs` and `/run-info`: what a member is told of runs, and who else is told it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from asking import ask, buttons, press, text
from seeds import seed
from town import Town

from cluster_bot.app import Parts
from cluster_bot.discord_bot import messages
from cluster_bot.runs.run import Status
from cluster_bot.runs.spec import Where
from cluster_sandbox.discord import Message
from cluster_sandbox.discord.interactions import Kind

HELLO = "print('hello')"
V2 = 1 << 15
LEAVES_A_FILE = """
import os, pathlib
print("x" * 5000)
pathlib.Path(os.environ["CLUSTER_ARTIFACTS"], "a.bin").write_bytes(bytes(1500))
"""


def numbers(message: Message | None) -> list[int]:
    """The runs that a list shows."""
    return [int(number) for number in re.findall(r"^\*\*#(\d+)\*\*", text(message), re.MULTILINE)]


@pytest.mark.usefixtures("bot")
async def test_runs_shows_mine_live_first_and_what_can_be_done(town: Town) -> None:
    none = await ask(town, "runs")
    assert (none.content, none.ephemeral) == (messages.NO_RUNS, True)
    held, go = await town.hold()
    over = await town.open(HELLO)
    assert await town.verdict(over) is Status.SUCCEEDED
    theirs = await town.open(HELLO, member=town.server.member("bob"))
    assert await town.verdict(theirs) is Status.SUCCEEDED

    shown = await ask(town, "runs")
    assert shown.ephemeral
    assert shown.message is not None and shown.message.flags & V2
    assert numbers(shown.message) == [held.number, over.number]
    assert "1 under way, 2 in all" in text(shown.message)
    for place in (held, over):
        assert f"<#{place.room}>" in text(shown.message)
    assert buttons(shown.message) == {f"cancel:{held.number}": "Cancel", f"rerun:{over.number}": "Run again"}
    go()
    assert await town.verdict(held) is Status.SUCCEEDED


async def test_pages_turn_also_after_a_restart_and_for_their_member_alone(town: Town) -> None:
    async with town.bot():
        for _ in range(17):
            await seed(town)
        await seed(town, live=True)
        await seed(town, owner="bob")
        shown = await ask(town, "runs")
        assert numbers(shown.message) == [18, *range(17, 10, -1)]
        assert "1 under way, 18 in all · page 1 of 3" in text(shown.message)
        me = town.ada.user_id
        assert [one for one in buttons(shown.message) if one.startswith("runs:")] == [f"runs:{me}:1"]
        await press(town, shown, f"runs:{me}:1")
        assert numbers(shown.message) == list(range(10, 2, -1))
    async with town.bot():
        await press(town, shown, f"runs:{me}:2")
        assert numbers(shown.message) == [2, 1]
        assert [one for one in buttons(shown.message) if one.startswith("runs:")] == [f"runs:{me}:1"]
        # Only its member sees a private message, but the bot looks for itself.
        channel, bob = town.server.channel(town.general), town.server.member("bob")
        data = {"custom_id": f"runs:{me}:1", "component_type": 2, "id": 1}
        opened = town.server.service.interactions.open
        pressed = opened(Kind.COMPONENT, bob.user, channel, data, source=shown.message)
        assert (await pressed.answered()).content.startswith("This list belongs to somebody else")


@pytest.mark.usefixtures("bot")
async def test_run_info_tells_all_there_is(town: Town) -> None:
    place = await town.open(LEAVES_A_FILE, arguments="--n '1 `2'")
    assert await town.verdict(place) is Status.SUCCEEDED
    shown = await ask(town, "run-info", run=f"#{place.number}")
    said = text(shown.message)
    assert shown.ephemeral
    for part in (
        f"### Run #{place.number} · `program.py`",
        "✅ **Succeeded**: the program ended with exit code 0.",
        "**Where** local · on `",
        f"for <@{town.ada.user_id}> · asked <t:",
        " · ended <t:",
        "waited ",
        "ran ",
        "`program.py` (",
        "arguments `--n 1 '2`",
        "time limit ",
        "about 5.0 kB of text",
        "files `a.bin` (1.5 kB)",
        f"**See** <#{place.room}>",
    ):
        assert part in said, said
    assert buttons(shown.message) == {f"rerun:{place.number}": "Run again", f"log:{place.number}": "Log"}

    held, go = await town.hold()
    said = text((await ask(town, "run-info", run=str(held.number))).message)
    assert "▶️ **Running** since <t:" in said
    assert "ended" not in said
    go()
    assert await town.verdict(held) is Status.SUCCEEDED


@pytest.mark.usefixtures("bot")
async def test_a_run_that_went_on_elsewhere_says_who_was_tried(town: Town) -> None:
    run = await seed(
        town, live=True, gpu="H100", others=(Where("modal", "A100"),), why="auto chose elsewhere: because."
    )
    await town.store.save(replace(run, declined=("it is *full*",), detail="waits for a machine"))
    said = text((await ask(town, "run-info", run=str(run.number))).message)
    assert r"**Where** A100 at modal · auto chose elsewhere\: because." in said
    assert r"-# elsewhere was tried: it is \*full\*" in said
    assert "> waits for a machine" in said


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("0", "There is no run #0;"),
        ("-1", "That is no run's number;"),
        ("77", "There is no run #77;"),
        ("9" * 18, f"There is no run #{'9' * 18};"),
        ("1" + "0" * 18, "That is no run's number;"),
        ("`@everyone`", "That is no run's number;"),
        ("kernel.py", "That is no run's number;"),
    ],
)
async def test_a_bad_number_gets_its_sentence(town: Town, typed: str, said: str) -> None:
    for command in ("run-info", "logs", "rerun", "cancel"):
        refused = await ask(town, command, run=typed)
        assert refused.content.startswith(said)
        assert refused.ephemeral


async def test_others_see_a_run_where_it_is_shown_and_nowhere_else(town: Town, bot: Parts) -> None:
    place = await town.open(HELLO)
    assert await town.verdict(place) is Status.SUCCEEDED
    other = town.server.add_channel("other")
    bob, admin = town.server.member("bob"), town.server.member("carol", administrator=True)
    for command in ("run-info", "logs", "rerun"):
        refused = await ask(town, command, bob, other, run=str(place.number))
        assert refused.content.startswith(f"Run #{place.number} belongs to somebody else; ask again in its thread")
        assert refused.ephemeral
    assert len(await town.runs_of(bob)) == 0
    for member, channel in ((bob, place.room), (bob, town.general), (admin, other), (town.ada, other)):
        shown = await ask(town, "run-info", member, channel, run=str(place.number))
        assert f"### Run #{place.number}" in text(shown.message)
        log = await ask(town, "logs", member, channel, run=str(place.number))
        assert [one.filename for one in log.message.attachments] == [f"run-{place.number}.log.txt"]  # type: ignore[union-attr]


@pytest.mark.usefixtures("bot")
async def test_run_numbers_are_completed(town: Town) -> None:
    for n in range(30):
        await seed(town, "matmul.py" if n % 10 == 0 else "seed.py", live=n == 5)
    await seed(town, "matmul.py", owner="bob")

    async def offered(command: str, typed: str) -> list[str]:
        choices = await town.ada.autocomplete(command, channel_id=town.general, focused="run", value=typed)
        return [one["value"] for one in choices]

    for command in ("run-info", "logs", "rerun"):
        everything = await offered(command, "")
        assert everything == ["6", *(str(n) for n in range(30, 6, -1))]
        assert await offered(command, "MATM") == ["21", "11", "1"]
        assert await offered(command, "#29") == ["29"]
        assert await offered(command, "nothing") == []
    assert await offered("cancel", "") == ["6"]
    assert await offered("cancel", "matmul") == []
