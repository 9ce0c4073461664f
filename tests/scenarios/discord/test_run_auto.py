"""`/run modal` and `/run auto` as a member sees them: what is offered, what is chosen and why, and who takes over.

The launchers are local ones that bear other names and offer GPUs, so that programs run for real.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from town import Town

from cluster_bot.launchers.local_process import LocalProcess
from cluster_bot.runs.ports import GpuOffer, LaunchRefusedError
from cluster_bot.runs.run import Handle, Run, Status
from cluster_sandbox.discord.options import CommandError

PROGRAM = "print('hello')"


class Pretending(LocalProcess):
    """The local launcher, by another name; refuses where it is told to."""

    def __init__(self, folder: Path, name: str, *offers: GpuOffer) -> None:
        super().__init__(folder / name, same_user="always", sandbox="none")
        self.name = name
        self._offers = offers
        self.refuses = False
        self.asked: list[Run] = []

    async def availability(self) -> Sequence[GpuOffer]:
        """What the test says."""
        return self._offers

    async def start(self, run: Run) -> Handle:
        """For real, unless it refuses."""
        self.asked.append(run)
        if self.refuses:
            raise LaunchRefusedError("no runner is *free*", again=True)
        return await super().start(run)


class Market:
    """A town whose bot has two launchers with GPUs."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.github = Pretending(town.folder, "github", GpuOffer("T4", waiting=2, starts_in_s=15.0, machines=1))
        dear, cheap = GpuOffer("H100", 2, price=0.001097, machines=9), GpuOffer("L4", price=0.000222, machines=9)
        mine = GpuOffer("T4", price=0.000164, starts_in_s=10.0, machines=9)
        self.modal = Pretending(town.folder, "modal", mine, cheap, dear)

    async def choices(self, command: str, typed: str = "") -> list[tuple[str, str]]:
        """What is offered to somebody who types a GPU."""
        ada, where = self.town.ada, self.town.general
        found = await ada.autocomplete(command, channel_id=where, focused="gpu", value=typed)
        return [(one["name"], one["value"]) for one in found]


@pytest.fixture
async def market(town: Town) -> AsyncIterator[Market]:
    async with opened(town) as market:
        yield market


@asynccontextmanager
async def opened(town: Town) -> AsyncIterator[Market]:
    """The market while its bot is there."""
    market = Market(town)
    try:
        async with town.bot(launchers=[market.github, market.modal]):
            yield market
    finally:
        await market.github.close()
        await market.modal.close()


async def test_modal_offers_prices_and_queues_and_has_a_default(market: Market) -> None:
    town = market.town
    assert await market.choices("run modal") == [
        ("T4 · $0.000164/s", "T4"),
        ("L4 · $0.000222/s", "L4"),
        ("H100 · $0.001097/s · 2 waiting", "H100"),
    ]
    assert await market.choices("run modal", "h100:2") == [("H100:2", "H100:2")]
    place = await town.open(PROGRAM, command="run modal")
    assert await town.verdict(place) is Status.SUCCEEDED
    run = await town.run_of(place)
    assert (run.launcher, run.gpu, run.spec.others, run.spec.why) == ("modal", "T4", (), "")
    [anchor] = [one for one in town.server.messages(town.general) if one.id == place.room]
    assert "`program.py` on T4 · for" in anchor.content
    other = await town.open(PROGRAM, command="run modal", gpu="L4")
    assert (await town.run_of(other)).gpu == "L4"
    await town.verdict(other)


async def test_auto_says_what_it_chose_and_why(market: Market) -> None:
    town = market.town
    assert await market.choices("run auto") == [
        ("T4 · github 2 waiting · modal $0.000164/s", "T4"),
        ("L4 · modal $0.000222/s", "L4"),
        ("H100 · modal $0.001097/s 2 waiting", "H100"),
    ]
    place = await town.open(PROGRAM, command="run auto", gpu="t4")
    assert await town.verdict(place) is Status.SUCCEEDED
    status = town.of(place)[0].content
    assert status.splitlines()[1:] == [
        "-# auto chose modal\\: a T4 there is expected in about 10 s, at github in about 2 min \\(2 waiting\\)."
    ]
    [anchor] = [one for one in town.server.messages(town.general) if one.id == place.room]
    assert "on T4 at modal · for" in anchor.content
    assert market.github.asked == []
    cheap = await town.open(PROGRAM, command="run auto", gpu="T4", prefer="cheapest")
    assert await town.verdict(cheap) is Status.SUCCEEDED
    assert (await town.run_of(cheap)).launcher == "github"
    assert town.of(cheap)[0].content.splitlines()[1].startswith("-# auto chose github\\: a T4 there costs nothing, ")


async def test_the_next_one_takes_over_and_the_thread_says_so(market: Market) -> None:
    town = market.town
    market.github.refuses = True
    place = await town.open(PROGRAM, command="run auto", gpu="T4", prefer="cheapest")
    assert await town.verdict(place) is Status.SUCCEEDED
    assert town.lines(place) == ["hello"]
    run = await town.run_of(place)
    assert (run.launcher, run.attempt, run.declined) == ("modal", 2, ("no runner is *free*",))
    assert (len(market.github.asked), len(market.modal.asked)) == (1, 1)
    status = town.of(place)[0].content.splitlines()
    assert status[2] == "-# github refused it (no runner is \\*free\\*), so it goes on at modal."


async def test_everybody_refuses(market: Market) -> None:
    town = market.town
    market.modal.refuses = True
    place = await town.open(PROGRAM, command="run auto", gpu="L4")
    await town.line_of_status(place, "no runner is")
    assert (await town.run_of(place)).status in (Status.QUEUED, Status.STARTING)
    await town.press(place)
    assert await town.verdict(place) is Status.CANCELLED


async def test_a_gpu_nobody_has_is_refused_with_those_there_are(market: Market) -> None:
    answered = await (await market.town.run(PROGRAM, command="run auto", gpu="B200")).answered()
    assert answered.content == (
        "Nobody here offers that GPU at the moment; choose one of `T4` (github, modal), `L4` (modal), `H100` (modal)."
    )
    assert await market.town.runs_of(market.town.ada) == []


async def test_where_there_is_nothing_to_choose_there_is_no_auto(town: Town) -> None:
    async with town.bot():
        with pytest.raises(CommandError, match="run auto"):
            await town.run(PROGRAM, command="run auto", gpu="T4")


async def test_a_restart_goes_on_where_the_run_has_come_to(town: Town) -> None:
    async with opened(town) as market:
        market.github.refuses = market.modal.refuses = True
        place = await town.open(PROGRAM, command="run auto", gpu="T4", prefer="cheapest")
        await town.line_of_status(place, "goes on at modal")
    async with opened(town) as market:
        market.github.refuses = True
        assert await town.verdict(place) is Status.SUCCEEDED
        assert market.github.asked == []
        assert town.lines(place) == ["hello"]
