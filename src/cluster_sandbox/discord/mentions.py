"""Who a text pings: what it names, less what `allowed_mentions` does not let through. Pure.

Code is not searched: `<@1>` inside backticks or a code block pings nobody, as in the real client.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from .errors import FormErrors
from .model import Json

CODE = re.compile(r"```.*?```|``.+?``|`[^`]+`", re.DOTALL)
USER = re.compile(r"<@!?(\d+)>")
ROLE = re.compile(r"<@&(\d+)>")
EVERYONE = re.compile(r"@(?:everyone|here)\b")
KINDS = ("users", "roles", "everyone")


@dataclass(frozen=True, slots=True)
class Mentions:
    users: tuple[int, ...] = ()
    roles: tuple[int, ...] = ()
    everyone: bool = False


def check(allowed: object, errors: FormErrors) -> None:
    """Add what is wrong with an `allowed_mentions` object to `errors`."""
    if allowed is None:
        return
    if not isinstance(allowed, dict):
        errors.add("allowed_mentions", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
        return
    parse = allowed.get("parse") or []
    for index, kind in enumerate(parse):
        errors.choice(f"allowed_mentions.parse.{index}", kind, KINDS)
    for kind in ("users", "roles"):
        if kind in parse and allowed.get(kind):
            message = f"parse:[{kind!r}] and {kind}: [ids...] are mutually exclusive."
            errors.add("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message)
        errors.count(f"allowed_mentions.{kind}", allowed.get(kind), 100)


def compute(
    content: str,
    allowed: Json | None,
    *,
    users: Collection[int],
    roles: Collection[int],
    may_everyone: bool,
    replied_to: int | None = None,
) -> Mentions:
    """The pings of `content`. `users`, `roles`: those that exist; `allowed` None: everything is let through."""
    text = CODE.sub(" ", content)
    parse = list(KINDS) if allowed is None else list(allowed.get("parse") or [])
    let_users = {int(one) for one in (allowed or {}).get("users") or []}
    let_roles = {int(one) for one in (allowed or {}).get("roles") or []}
    named_users = [int(one) for one in dict.fromkeys(USER.findall(text))]
    named_roles = [int(one) for one in dict.fromkeys(ROLE.findall(text))]
    pinged = [one for one in named_users if one in users and ("users" in parse or one in let_users)]
    reply = allowed is None or bool(allowed.get("replied_user", False))
    if replied_to is not None and reply and replied_to not in pinged:
        pinged.append(replied_to)
    return Mentions(
        tuple(pinged),
        tuple(one for one in named_roles if one in roles and ("roles" in parse or one in let_roles)),
        "everyone" in parse and may_everyone and EVERYONE.search(text) is not None,
    )
