"""Hostile programs through the whole product: Discord, the bot as a process, the local launcher, the runner.

Each program of the corpus runs once where this machine contains it best; those that reach for what is not theirs run in
all four modes (root or an ordinary user, bubblewrap or nothing), and what they get must be what SECURITY.md says. The
rest of that matrix, mode by mode, is judged at the runner (`tests/unit/runner/test_sandbox.py`), where a run costs
tenths of a second. At the end of each mode's hall: nobody left, nothing on the disk, the bot small, the innocent whole.
"""

from __future__ import annotations

import re
from unicodedata import category

import pytest

from cluster_bot.runs.run import Status
from cluster_bot.scheduling.colours import uncoloured

from .conftest import MODES, Halls, best_mode
from .corpus import FILES, OUTPUT, PROCESSES, REACH, Hostile
from .hall import DISK_LIMIT_MB, MARK, Hall, Mode, Seen

pytestmark = pytest.mark.asyncio(loop_scope="session")

_MIB = 1024 * 1024
_KINDS = (OUTPUT, PROCESSES, FILES)
_WHOLE = [pytest.param(kind, one, id=one.name) for kind in _KINDS for one in kind]
# What the bot may hold at most, whatever is printed: about what it holds idle, twice over.
_MOST_MEMORY = 250 * _MIB
# A flood leaves its head, its newest text and the whole of that as a file; artifacts at most 20 MiB a run.
_MOST_DATA = 120 * _MIB


@pytest.mark.parametrize(("kind", "program"), _WHOLE)
async def test_a_hostile_program(halls: Halls, kind: tuple[Hostile, ...], program: Hostile) -> None:
    mode = best_mode()
    await judge(await halls.seen(mode, program.name, kind), program, await halls.hall(mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("program", REACH, ids=lambda one: one.name)
async def test_a_program_reaches_what_is_said_and_no_more(halls: Halls, program: Hostile, mode: Mode) -> None:
    seen = await halls.seen(mode, program.name, REACH)
    await judge(seen, program, await halls.hall(mode))
    assert set(re.findall(r"REACHED (.+)", seen.text)) == program.reached.get(mode, frozenset())


@pytest.mark.parametrize("mode", MODES)
async def test_nothing_is_left_and_nobody_was_disturbed(halls: Halls, mode: Mode) -> None:
    hall = await halls.hall(mode)
    await halls.finished(mode)
    for task in [*halls.innocents.get(mode, ()), await halls.begin_innocent(mode, hall)]:
        seen = await task
        assert seen.status is Status.SUCCEEDED
        assert re.findall(r"^line (\d+)$", seen.messages[1].content, re.MULTILINE) == [str(n) for n in range(20)]
    assert hall.process is not None
    assert hall.process.returncode is None
    await hall.emptied()
    assert hall.strangers() == []
    assert await hall.data_bytes() < _MOST_DATA
    assert hall.bot_peak_bytes() < _MOST_MEMORY
    log = (hall.folder / "bot.log").read_text("utf-8", "replace")
    assert [line for line in log.splitlines() if re.search(r" ERROR +cluster_bot\.", line)] == []
    leaked = re.compile(f"{MARK}-[0-9a-f]{{16}}|{re.escape(hall.server.bot_token)}")
    for channel in hall.server.threads():
        for message in hall.server.messages(channel.id):
            shown = [message.content, *(one.data.decode("utf-8", "replace") for one in message.attachments)]
            # The innocent's own argument is shown to its owner, in its own thread.
            assert channel.name.find("innocent") >= 0 or not any(map(leaked.search, shown))


async def judge(seen: Seen, program: Hostile, hall: Hall) -> None:
    """The verdict, what is shown of the output, and how."""
    assert seen.status is program.status, seen.verdict.content
    assert program.words in seen.verdict.content
    for text in program.shows:
        assert text in seen.text
    for message in seen.messages:
        assert not any(text in message.content for text in program.hides)
        assert (message.mentions, message.mention_roles, message.mention_everyone) == ([], [], False)
        assert not message.embeds
        # Of escapes there are colours alone; that they are whole is judged where lines are made.
        assert {one for one in uncoloured(message.content) if category(one) in ("Cc", "Cs", "Zl", "Zp")} <= {"\n", "\t"}
    for block in (one.content for one in seen.messages if one.content.startswith("```")):
        assert block.endswith("\n```")
        assert "```" not in block[3:-3]
    if program.attachments is not None:
        assert len(seen.verdict.attachments) == program.attachments
    for attachment in seen.verdict.attachments:
        assert len(attachment.data) <= 8 * _MIB
        assert re.fullmatch(r"[^/\n\x00-\x1f]+", attachment.filename)
    assert hall.bot_peak_bytes() < _MOST_MEMORY
    assert await hall.data_bytes() < _MOST_DATA + 4 * DISK_LIMIT_MB * _MIB * 2
