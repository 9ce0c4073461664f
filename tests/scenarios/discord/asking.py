"""Commands given and buttons pressed, and what laid-out answers say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from town import Town

from cluster_sandbox.discord import Acting, Interaction, Message


def parts(components: Sequence[Any]) -> list[dict[str, Any]]:
    """Every component, in reading order."""
    found = []
    for one in components:
        found.append(one)
        found += parts(one.get("components") or [])
        found += parts([one["accessory"]] if "accessory" in one else [])
    return found


def text(message: Message | None) -> str:
    """What a laid-out message says."""
    assert message is not None
    return "\n".join(one["content"] for one in parts(message.components) if one["type"] == 10)


def buttons(message: Message | None) -> dict[str, str]:
    """Labels of the buttons that can be pressed, by custom id."""
    assert message is not None
    return {
        one["custom_id"]: one["label"]
        for one in parts(message.components)
        if one["type"] == 2 and not one.get("disabled")
    }


async def ask(
    town: Town, command: str, member: Acting | None = None, channel: int | None = None, **options: Any
) -> Interaction:
    """Give a command; its answer."""
    asked = await (member or town.ada).command(command, channel_id=channel or town.general, options=options)
    return await asked.answered()


async def press(town: Town, shown: Interaction, custom_id: str, member: Acting | None = None) -> Interaction:
    """Press a button of an answer."""
    assert shown.message is not None
    acting = member or town.ada
    return await (await acting.press(shown.message.id, channel_id=shown.channel.id, custom_id=custom_id)).answered()
