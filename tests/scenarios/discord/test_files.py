"""The files a program leaves: attached to the verdict, and where they can't be, named with the reason."""

from __future__ import annotations

import pytest
from town import Town

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.ending import FILES_BYTES, fitting_files
from cluster_bot.runs.ports import Attachment
from cluster_bot.runs.run import Status

LEAVES = """
import os, pathlib
folder = pathlib.Path(os.environ["CLUSTER_ARTIFACTS"])
(folder / "small.txt").write_text("here")
(folder / "large.bin").write_bytes(bytes(9 * 2**20))
print("done")
"""


async def test_a_file_too_large_is_named_and_the_others_are_there(town: Town) -> None:
    async with town.bot():
        place = await town.open(LEAVES)
        assert await town.verdict(place) is Status.SUCCEEDED
        await town.closed(place)
    verdict = town.of(place)[-1]
    assert [one.filename for one in verdict.attachments] == ["small.txt"]
    assert "Not attached: `large.bin` (" in verdict.content


async def test_without_the_right_to_attach_the_verdict_comes_all_the_same(town: Town) -> None:
    async with town.bot():
        town.server.deny(town.general, "ATTACH_FILES")
        place = await town.open(LEAVES)
        assert await town.verdict(place) is Status.SUCCEEDED
        await town.closed(place)
    verdict = town.of(place)[-1]
    assert verdict.attachments == []
    assert "`small.txt` (Discord refused it here" in verdict.content
    assert sum(messages.verdict_status(one.content) is not None for one in town.of(place)) == 1


@pytest.mark.parametrize(
    ("sizes", "fit"), [([1] * 12, 10), ([FILES_BYTES, 1], 1), ([FILES_BYTES + 1, 5, 5], 2), ([], 0)]
)
def test_a_message_takes_ten_files_and_so_many_bytes(sizes: list[int], fit: int) -> None:
    files = [Attachment(f"{n}.bin", bytes(size)) for n, size in enumerate(sizes)]
    fitting, left_out = fitting_files(files)
    assert (len(fitting), len(left_out)) == (fit, len(sizes) - fit)
    assert sum(len(file.content or b"") for file in fitting) <= FILES_BYTES
