"""No way round an order: forms and menus opened before it, buttons, direct messages, servers the bot is brought to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from town import Town

from cluster_bot.discord_bot import messages
from cluster_sandbox.discord import Acting

ORDERS: Mapping[str, tuple[dict[str, Any], str]] = {
    "ban": ({"member": None, "cancel_runs": False}, "An admin has banned you"),
    "pause": ({}, "New runs are paused"),
    "pause launcher": ({"launcher": "local"}, "New runs on `local` are paused"),
    "limit": ({"member": None, "runs_at_once": "0"}, "You may not give any runs"),
}


@pytest.mark.parametrize("order", ORDERS)
async def test_no_way_round(town: Town, order: str) -> None:
    boss: Acting = town.server.member("owner", administrator=True)
    ada, here = town.ada, town.general
    ada.install()
    away = town.server.add_channel("general", guild_id=town.server.add_guild("Elsewhere", bot=False))
    async with town.bot(discord_users=frozenset({ada.user_id, boss.user_id})):
        place = await town.open("print('hello')")
        await town.verdict(place)
        said = await ada.say(here, "```py\nprint('hello')\n```")
        menu = await (await ada.context(messages.RUN_THIS_CODE, said.id, channel_id=here)).answered()
        form = await (await ada.command("run paste", channel_id=here)).answered()
        options, words = ORDERS[order]
        options = {name: ada if name == "member" else value for name, value in options.items()}
        command = f"admin {order.split()[0]}"
        answered = await (await boss.command(command, channel_id=here, options=options)).answered()
        assert answered.content.startswith("Done: "), answered.content
        ways: list[Callable[[], Awaitable[Any]]] = [
            lambda: ada.submit(menu, {}),
            lambda: ada.submit(form, {"code": "print()", "language": "python"}),
            lambda: town.press(place, label="Run again"),
            lambda: ada.command("rerun", channel_id=here, options={"run": "1", "launcher": " LOCAL "}),
            lambda: town.run("print()", channel=place.room),
            lambda: town.run("print()", channel=ada.dm),
            lambda: town.run("print()", channel=away),
        ]
        for number, way in enumerate(ways):
            content = (await (await way()).answered()).content
            assert words in content, (number, content)
        assert len(await town.runs_of(ada)) == 1
