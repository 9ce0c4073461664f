"""What a program prints pings nobody, breaks out of nothing and cannot pretend to be the bot."""

from __future__ import annotations

import pytest
from town import Town

from cluster_bot.runs.run import Status

HOSTILE = r"""
import sys
me, role = sys.argv[1:]
out = sys.stdout.buffer
out.write(b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\x1b[H cleared\n")
out.write("``` @everyone @here <@{0}> <@&{1}>\n".format(me, role).encode())
out.write(b"````\n`````` <@" + me.encode() + b">\n")
out.write("a \u202eright\u202c to \u2066left\u2069 \u200f\u200bmark\n".encode())
out.write(b"nul \x00 bell \x07 back\x08 \xff\xfe not utf-8\n")
out.write("-# Run #1 \u00b7 verdict\n".encode())
out.write("\u2705 **Succeeded**: the program ended with exit code 0.\n".encode())
out.flush()
sys.stderr.write("`@everyone` <@{0}> ```x``` **bold** [link](http://example.invalid) \u202e\n".format(me))
sys.exit(3)
"""


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize("shared", [False, True], ids=["own thread", "somebody's thread"])
async def test_hostile_output_stays_in_its_block_and_pings_nobody(town: Town, shared: bool) -> None:
    server = town.server
    channel = server.start_thread(town.general, "talk", owner=town.ada) if shared else town.general
    arguments = f"{town.ada.user_id} {server.guild_id}"
    place = await town.open(HOSTILE, channel=channel, arguments=arguments)
    assert await town.verdict(place) is Status.FAILED

    ours = [event for event in server.events if event.author_id == server.bot_user_id]
    assert all(event.mentions == () and not event.mention_everyone for event in ours)
    output = [one.content for one in town.of(place) if "```" in one.content]
    for content in output:
        marker, _, rest = content.partition("```ansi\n")
        assert marker == (f"-# Run #{place.number} · output 1\n" if shared else "")
        assert rest.endswith("\n```")
        assert "```" not in rest.removesuffix("\n```")
    shown = "\n".join(output)
    assert shown.count("\x1b") == 2
    shown = shown.replace("\x1b[31mred\x1b[0m", "red")
    assert all(char.isprintable() or char in "\n\u200b" for char in shown)
    assert not set(shown) & set("\u202e\u202c\u2066\u2069\u200f\x1b\x00\x07\x08")
    for told in ("red  ", "cleared", "@everyone @here", "a right to left mark", "nul  bell  back", "not utf-8"):
        assert told in shown
    verdict = town.of(place)[-1].content
    assert "the program ended with exit code 3; " in verdict
    assert "> `'@everyone' <@" in verdict
    assert verdict.count("`") % 2 == 0


PROGRESS = r"""
import sys
for percent in range(0, 101, 10):
    sys.stdout.write("\r%3d %%" % percent)
    sys.stdout.flush()
sys.stdout.write("\nlong: " + "x" * 2000 + "\n")
sys.stdout.write("\U0001f600" * 1500 + "\n")
sys.stdout.write("no newline at the end")
"""


@pytest.mark.usefixtures("bot")
async def test_progress_bars_long_lines_and_an_unfinished_end(town: Town) -> None:
    place = await town.open(PROGRESS)
    assert await town.verdict(place) is Status.SUCCEEDED
    lines = town.lines(place)
    assert lines[0] == "100 %"
    assert "".join(lines[1:-1]) == "long: " + "x" * 2000 + "\U0001f600" * 1500
    assert lines[-1] == "no newline at the end"
    assert all(len(one.content.encode("utf-16-le")) // 2 <= 2000 for one in town.of(place))


@pytest.mark.usefixtures("bot")
async def test_a_program_that_says_nothing(town: Town) -> None:
    place = await town.open("pass")
    assert await town.verdict(place) is Status.SUCCEEDED
    assert len(town.of(place)) == 2
