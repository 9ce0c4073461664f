"""Submissions that cannot be: one clear private sentence each, in time, and nothing is admitted."""

from __future__ import annotations

from typing import Any

import pytest
from town import Town, refused

from cluster_bot.runs.run import Status
from cluster_sandbox.discord import Fault

OK = "print(1)"
BAD: list[tuple[str, bytes, dict[str, Any], str]] = [
    ("empty.py", b"", {}, "is empty"),
    ("blank.py", b" \n\t\n", {}, "is empty"),
    ("large.py", b"#" * (1024 * 1024 + 1), {}, "attach something smaller"),
    ("latin1.py", "print('\u00e4')".encode("latin-1"), {}, "not text in UTF-8"),
    ("utf16.py", OK.encode("utf-16"), {}, "not text in UTF-8"),
    ("nul.py", b"print(1)\0", {}, "not text in UTF-8"),
    ("notes.txt", OK.encode(), {}, "its name must end in"),
    ("program", OK.encode(), {}, "its name must end in"),
    ("kernel.py.exe", OK.encode(), {}, "its name must end in"),
    (".py", OK.encode(), {}, "rename the file"),
    ("-c.py", OK.encode(), {}, "rename the file"),
    ("n" * 200 + ".py", OK.encode(), {}, "rename the file"),
    ("args.py", OK.encode(), {"arguments": "'no end"}, "quote them"),
    ("args.py", OK.encode(), {"arguments": "x " * 65}, "quote them"),
    ("limit.py", OK.encode(), {"time_limit": 0}, "between 1 and 3600 seconds"),
    ("limit.py", OK.encode(), {"time_limit": 3601}, "between 1 and 3600 seconds"),
]


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(("name", "content", "options", "said"), BAD, ids=[f"{one[0]}-{one[3]}"[:40] for one in BAD])
async def test_a_bad_submission(town: Town, name: str, content: bytes, options: dict[str, Any], said: str) -> None:
    answer = await (await town.run(content, name, **options)).answered()
    refused(answer, said)
    assert await town.runs_of(town.ada) == []
    assert town.server.messages(town.general) == []


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    "name", ["my kernel (1).py", "\u00fcbung.py", "UPPER.PY", "a" * 97 + ".py", "`id`.py", "a\u202eyp.py"]
)
async def test_a_name_that_discord_makes_plain_is_fine(town: Town, name: str) -> None:
    place = await town.open("import sys; print(sys.argv[1:])", name, arguments="--size 'two words' \"\"")
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["['--size', 'two words', '']"]
    assert len(town.server.channel(place.room).name) <= 100


@pytest.mark.usefixtures("bot")
async def test_a_byte_order_mark_and_windows_line_ends_are_fine(town: Town) -> None:
    program = b"\xef\xbb\xbfprint('one')\r\nprint('two')\r\n"
    answered = await (await town.run(program)).answered()
    assert answered.acknowledged_after is not None
    assert answered.acknowledged_after < 3
    (run,) = await town.runs_of(town.ada)
    (thread,) = town.server.threads()
    await town.event(lambda event: event.channel_id == thread.id and "```\none\ntwo\n```" in event.content)
    assert run.spec.main == "program.py"


@pytest.mark.usefixtures("bot")
async def test_a_file_that_discord_does_not_hand_over(town: Town) -> None:
    town.server.faults.add(Fault(method="GET", match=lambda one: "/cdn/" in one.path, status=404, times=None))
    answer = await (await town.run(OK)).answered()
    assert "attach it again" in answer.content
    assert await town.runs_of(town.ada) == []


async def test_a_member_has_three_runs_under_way_at_most(town: Town) -> None:
    async with town.bot():
        bob = town.server.member("bob")
        held = [await town.hold(f"gate{n}") for n in range(3)]
        refused = await (await town.run(OK)).answered()
        assert refused.content.startswith("You have 3 runs under way and may have 3;")
        assert refused.ephemeral
        others, let_others = await town.hold("bobs", member=bob)
        held[0][1]()
        assert await town.verdict(held[0][0]) is Status.SUCCEEDED
        again = await town.open(OK)
        assert await town.verdict(again) is Status.SUCCEEDED
        for _, go in held[1:]:
            go()
        let_others()
        for place in (others, *(one for one, _ in held[1:])):
            assert await town.verdict(place) is Status.SUCCEEDED
            assert town.lines(place) == ["before", "after"]
        assert len(await town.runs_of(town.ada)) == 4


async def test_the_bot_can_be_full(town: Town) -> None:
    async with town.bot(live_runs_in_all=1):
        place, go = await town.hold()
        refused = await (await town.run(OK, member=town.server.member("bob"))).answered()
        assert refused.content == "All 1 places are taken by other runs; try again in a moment."
        go()
        assert await town.verdict(place) is Status.SUCCEEDED
