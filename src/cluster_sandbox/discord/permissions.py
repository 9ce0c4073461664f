"""Permission bits by the names the API documents, and what an ordinary member and the bot start with."""

from __future__ import annotations

from collections.abc import Iterable

BITS = {
    "ADD_REACTIONS": 6,
    "VIEW_CHANNEL": 10,
    "SEND_MESSAGES": 11,
    "EMBED_LINKS": 14,
    "ATTACH_FILES": 15,
    "READ_MESSAGE_HISTORY": 16,
    "MENTION_EVERYONE": 17,
    "USE_EXTERNAL_EMOJIS": 18,
    "CONNECT": 20,
    "SPEAK": 21,
    "CHANGE_NICKNAME": 26,
    "MANAGE_NICKNAMES": 27,
    "USE_APPLICATION_COMMANDS": 31,
    "MANAGE_THREADS": 34,
    "CREATE_PUBLIC_THREADS": 35,
    "CREATE_PRIVATE_THREADS": 36,
    "SEND_MESSAGES_IN_THREADS": 38,
    "ADMINISTRATOR": 3,
    "MANAGE_CHANNELS": 4,
    "MANAGE_GUILD": 5,
    "MANAGE_MESSAGES": 13,
    "MANAGE_ROLES": 28,
}
EVERYTHING = (1 << 53) - 1
MANAGING = ("ADMINISTRATOR", "MANAGE_CHANNELS", "MANAGE_GUILD", "MANAGE_MESSAGES", "MANAGE_ROLES")


def bits(names: Iterable[str]) -> int:
    """The bit set of permission names; an unknown name is a ValueError."""
    value = 0
    for name in names:
        if name not in BITS:
            raise ValueError(f"unknown permission {name!r}; known: {', '.join(sorted(BITS))}")
        value |= 1 << BITS[name]
    return value


# What Discord gives @everyone in a new guild, without anything that manages others.
ORDINARY = bits(name for name in BITS if name not in MANAGING and name not in ("MANAGE_NICKNAMES", "MANAGE_THREADS"))
