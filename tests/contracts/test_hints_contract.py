"""What every kind of hints promises, within a process and between two; then what NATS adds: it may come and go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import nats
import pytest

from cluster_bot.app import open_parts
from cluster_bot.check.here import checks_of_here
from cluster_bot.hints import LocalHints, open_hints
from cluster_bot.hints.nats_hints import MOST_WAITING, NatsHints, Wire, answers
from cluster_bot.runs.ports import Hints
from cluster_bot.settings import Settings
from nats_server import NatsServer, NoNatsError

PATIENCE_S = 30.0
SCOPE = "postgresql://bot:open-sesame-9@db/cluster_bot"


class Ear:
    """Notes what it hears."""

    def __init__(self, hints: Hints) -> None:
        self.heard: list[str] = []
        self._rung = asyncio.Event()
        hints.listen(self)

    def __call__(self, run_id: str) -> None:
        self.heard.append(run_id)
        self._rung.set()

    async def rung(self) -> None:
        """Return once it has heard something."""
        await self._rung.wait()

    async def hears(self, *wanted: str) -> None:
        """Return once it has heard these, in this order, and nothing else."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.heard) < len(wanted):
                self._rung.clear()
                await self._rung.wait()
        assert self.heard == list(wanted)


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    """A NATS for all tests of this file; one that stops it starts it again."""
    try:
        running = NatsServer()
    except NoNatsError as error:
        pytest.skip(f"NOT TESTED: hints by NATS: {error}")
    with running:
        yield running


class Line:
    """What one process has of the hints."""

    def __init__(self, url: str, scope: str = SCOPE) -> None:
        self.wire = Wire(url, scope, again_s=0.02)
        self.wishes, self.news = self.wire.hints("wishes"), self.wire.hints("news")

    async def connected(self) -> Line:
        """Once it is."""
        async with asyncio.timeout(PATIENCE_S):
            await self.wire.connected.wait()
        return self


@pytest.fixture(params=["local", "nats here", "nats there"])
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Hints, Hints]]:
    """Where hints are given, and where they are heard."""
    if request.param == "local":
        hints = LocalHints()
        yield hints, hints
        return
    server: NatsServer = request.getfixturevalue("server")
    one, two = Line(server.url), Line(server.url)
    async with one.wire, two.wire:
        await one.connected()
        await two.connected()
        yield one.wishes, (one if request.param == "nats here" else two).wishes


async def test_everybody_hears_once_in_order_and_not_inside_the_giver(ends: tuple[Hints, Hints]) -> None:
    giver, hearer = ends
    ears = [Ear(hearer), Ear(hearer)]
    for run_id in ("a", "b", "a"):
        giver.give(run_id)
    assert [ear.heard for ear in ears] == [[], []]
    for ear in ears:
        await ear.hears("a", "b", "a")
    giver.give("last")
    for ear in ears:
        await ear.hears("a", "b", "a", "last")


async def test_a_listener_that_raises_harms_nobody(ends: tuple[Hints, Hints], caplog: pytest.LogCaptureFixture) -> None:
    giver, hearer = ends

    def broken(run_id: str) -> None:
        raise LookupError(run_id)

    hearer.listen(broken)
    ear = Ear(hearer)
    with caplog.at_level(logging.ERROR):
        giver.give("a")
        await ear.hears("a")
    assert [one.exc_info is not None for one in caplog.records] == [True]


# --- NATS alone -------------------------------------------------------------------------------------------------


async def test_kinds_and_databases_are_kept_apart(server: NatsServer) -> None:
    one, two, other = Line(server.url), Line(server.url), Line(server.url, "another database")
    async with one.wire, two.wire, other.wire:
        for line in (one, two, other):
            await line.connected()
        ears = [Ear(one.news), Ear(two.news), Ear(two.wishes), Ear(other.wishes)]
        one.wishes.give("wish")
        one.news.give("told")
        await ears[1].hears("told")
        await ears[2].hears("wish")
        assert (ears[0].heard, ears[3].heard) == (["told"], [])


async def test_a_server_that_goes_and_comes_costs_only_what_was_given_meanwhile(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one, two = Line(server.url), Line(server.url)
    async with one.wire, two.wire:
        for line in (one, two):
            await line.connected()
        here, there = Ear(one.news), Ear(two.news)
        await asyncio.to_thread(server.stop)
        for n in range(3 * MOST_WAITING):
            one.news.give(f"lost{n}")
        # Within the process nothing is lost, and nobody waits.
        await here.hears(*(f"lost{n}" for n in range(3 * MOST_WAITING)))
        await asyncio.to_thread(server.start)
        for line in (one, two):
            await line.connected()
        here.heard.clear()
        there.heard.clear()
        one.news.give("back")
        async with asyncio.timeout(PATIENCE_S):
            while "back" not in there.heard:
                there._rung.clear()
                await there._rung.wait()
        assert here.heard == ["back"]
    troubles = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(troubles) <= 2 * 2, "a trouble is told once, not at each try"


async def test_a_bot_begins_before_its_nats(server: NatsServer) -> None:
    await asyncio.to_thread(server.stop)
    try:
        one, two = Line(server.url), Line(server.url)
        async with one.wire, two.wire:
            ear = Ear(one.wishes)
            one.wishes.give("alone")
            await ear.hears("alone")
            await asyncio.to_thread(server.start)
            for line in (one, two):
                await line.connected()
            far = Ear(two.wishes)
            one.wishes.give("together")
            async with asyncio.timeout(PATIENCE_S):
                while "together" not in far.heard:
                    far._rung.clear()
                    await far._rung.wait()
    finally:
        if server._keeper is None:
            server.start()


async def test_what_strangers_write_is_no_hint(server: NatsServer) -> None:
    line = Line(server.url)
    async with line.wire, AsyncExitStack() as stack:
        await line.connected()
        ear = Ear(line.wishes)
        stranger = await nats.connect(server.url)
        stack.push_async_callback(stranger.close)
        subject = f"{line.wire._prefix}.wishes"
        for data in (b"", b"\xff\xfe", b"a" * 65, b"two words", b"good-1"):
            await stranger.publish(subject, data)
        await stranger.flush()
        await ear.hears("good-1")


async def test_a_wrong_password_is_told_without_the_address(caplog: pytest.LogCaptureFixture) -> None:
    try:
        guarded = NatsServer("--user", "bot", "--pass", "open-sesame-9")
    except NoNatsError as error:
        pytest.skip(f"NOT TESTED: hints by NATS: {error}")
    with guarded:
        address = guarded.url.replace("//", "//bot:open-sesame-8@")
        line = Line(address)
        async with line.wire:
            ear = Ear(line.wishes)
            line.wishes.give("here")
            await ear.hears("here")
            said = ""
            async with asyncio.timeout(PATIENCE_S):
                # A server that hangs up first is not heard; asked again it is.
                while said != "it refuses the user or the password":
                    said = await answers(address, 1.0)
                    assert said
        assert await answers(address.replace("-8", "-9"), PATIENCE_S) == ""
    assert "failed" in await answers(address, PATIENCE_S)
    assert "sesame" not in caplog.text + said


async def test_without_an_address_hints_stay_here() -> None:
    async with open_hints(None, SCOPE) as (wishes, news):
        assert isinstance(wishes, LocalHints)
        assert wishes is not news


async def test_with_an_address_both_kinds_travel(server: NatsServer) -> None:
    async with open_hints(server.url, SCOPE) as (wishes, news):
        assert isinstance(wishes, NatsHints)
        ear = Ear(news)
        news.give("one")
        await ear.hears("one")


async def test_the_bot_is_one_of_those_on_its_database(server: NatsServer, tmp_path: Path) -> None:
    settings = Settings.read(None, data_dir=tmp_path / "data", nats_url=server.url, database_url="")
    another = Line(server.url, settings.database())
    async with another.wire, open_parts(settings) as parts:
        await another.connected()
        ear = Ear(parts.hints[0])
        async with asyncio.timeout(PATIENCE_S):
            while not ear.heard:
                # Until it is connected too, what is given is lost.
                another.wishes.give("one")
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await ear.rung()
    assert set(ear.heard) == {"one"}
    assert [name for name, _ in checks_of_here(settings, debug=False)][:2] == ["Database", "NATS"]
