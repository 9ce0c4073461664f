"""A client for the control API, for processes other than the server's: the smoke test, scripts.

    async with SandboxClient("http://127.0.0.1:8080") as sandbox:
        channel = await sandbox.channel_id("general")
        answer = await sandbox.command("ada", "ping", channel_id=channel)
        answer = await sandbox.interaction(answer["id"], wait="answered")

Ids are strings here, times unix seconds. What the server refuses is a SandboxError.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp

from .model import Json
from .options import File

POLL_S = 20.0
"""How long one request for events waits at the server."""


class SandboxError(Exception):
    """The control API refused; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SandboxClient:
    """`url` is the server's, without a path. Use as a context manager."""

    def __init__(self, url: str) -> None:
        self._base = url.rstrip("/") + "/sandbox"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Waits are bounded at the server, so the client adds only a little.
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=POLL_S + 60))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def about(self) -> Json:
        """`url`, `api_url`, `gateway_url`, `cdn_url`, `bot_token`, `application_id`, `bot_user_id`, `guild_id`."""
        return await self._dict("GET", "")

    # --- acting -------------------------------------------------------------------------------------

    async def member(self, name: str, *, administrator: bool = False, permissions: tuple[str, ...] = ()) -> Json:
        """Make a member, or add to what one may do: `name`, `user_id`."""
        body = {"administrator": administrator, "permissions": list(permissions)}
        return await self._dict("POST", f"/members/{name}", body)

    async def commands(self, member: str, *, channel_id: int | str) -> list[str]:
        """Full names of the commands offered to a member in a channel."""
        found = await self._call("GET", f"/members/{member}/commands", query={"channel_id": channel_id})
        return [str(one) for one in found]

    async def command(
        self, member: str, name: str, *, channel_id: int | str, options: Mapping[str, Any] | None = None
    ) -> Json:
        """Send a command (a File for attachment options); the interaction as in `interaction`, at once."""
        body = {"command": name, "channel_id": str(channel_id), "options": _encode(options)}
        return await self._dict("POST", f"/members/{member}/commands", body)

    async def menu(self, member: str, message_id: int | str, *, channel_id: int | str) -> list[str]:
        """Names of the commands in a message's menu."""
        query = {"channel_id": channel_id, "message_id": message_id}
        return [str(one) for one in await self._call("GET", f"/members/{member}/menu", query=query)]

    async def context(self, member: str, name: str, message_id: int | str, *, channel_id: int | str) -> Json:
        """Choose a command in a message's menu; the interaction, at once."""
        body = {"command": name, "channel_id": str(channel_id), "message_id": str(message_id)}
        return await self._dict("POST", f"/members/{member}/context", body)

    async def autocomplete(
        self,
        member: str,
        name: str,
        *,
        channel_id: int | str,
        focused: str,
        value: Any = "",
        options: Mapping[str, Any] | None = None,
    ) -> list[Json]:
        """The choices offered while typing, as `{"name", "value"}`; a SandboxError 504 if the bot is silent."""
        body = {"command": name, "channel_id": str(channel_id), "focused": focused, "value": value}
        body["options"] = _encode(options)
        return await self._list("POST", f"/members/{member}/autocomplete", body)

    async def press(
        self,
        member: str,
        message_id: int | str,
        *,
        channel_id: int | str,
        custom_id: str | None = None,
        label: str | None = None,
        values: list[str] | None = None,
    ) -> Json:
        """Press a button or choose in a menu; the interaction, at once."""
        body = {
            "message_id": str(message_id),
            "channel_id": str(channel_id),
            "custom_id": custom_id,
            "label": label,
            "values": values,
        }
        return await self._dict("POST", f"/members/{member}/presses", body)

    async def submit(self, member: str, interaction_id: int | str, fields: Mapping[str, Any]) -> Json:
        """Send the modal an interaction opened (a File or Files for uploads); the new interaction, at once."""
        body = {"interaction_id": str(interaction_id), "fields": _encode(fields)}
        return await self._dict("POST", f"/members/{member}/modals", body)

    async def say(self, member: str, channel_id: int | str, text: str) -> Json:
        return await self._dict("POST", f"/members/{member}/says", {"channel_id": str(channel_id), "content": text})

    async def start_thread(self, member: str, channel_id: int | str, name: str) -> str:
        body = {"channel_id": str(channel_id), "name": name}
        return str((await self._dict("POST", f"/members/{member}/threads", body))["id"])

    async def start_post(self, member: str, forum_id: int | str, title: str, text: str) -> str:
        body = {"forum_id": str(forum_id), "title": title, "text": text}
        return str((await self._dict("POST", f"/members/{member}/posts", body))["id"])

    async def leave(self, member: str) -> None:
        """Have a member leave the first guild; `rejoin` lets them in again."""
        await self._dict("POST", f"/members/{member}/guild", {"joined": False})

    async def rejoin(self, member: str) -> None:
        await self._dict("POST", f"/members/{member}/guild", {"joined": True})

    async def roles(self, member: str, *, give: Iterable[str] = (), take: Iterable[str] = ()) -> dict[str, str]:
        """Take roles from a member and give others, made where there are none; the given ones' ids by name."""
        body = {"give": list(give), "take": list(take)}
        return dict((await self._dict("POST", f"/members/{member}/roles", body))["roles"])

    async def install(self, member: str, *, installed: bool = True) -> None:
        """Install the application on a member's account, or take it off."""
        await self._dict("POST", f"/members/{member}/installation", {"installed": installed})

    async def dm(self, member: str, *, closed: bool | None = None) -> str:
        """The id of a member's direct messages with the bot, which `closed` closes or opens."""
        body = {} if closed is None else {"closed": closed}
        return str((await self._dict("POST", f"/members/{member}/dm", body))["channel_id"])

    # --- looking ------------------------------------------------------------------------------------

    async def interaction(
        self,
        interaction_id: int | str,
        *,
        wait: Literal["acknowledged", "answered"] | None = None,
        timeout: float = 10.0,
    ) -> Json:
        """An interaction: `state`, `failed`, `acknowledged_after`, `content`, `ephemeral`, `message`, ...

        With `wait` after that has come, or the failure, or `timeout` seconds (60 at most): look at `state`.
        """
        query: Json = {"timeout": timeout}
        if wait is not None:
            query["wait"] = wait
        return await self._dict("GET", f"/interactions/{interaction_id}", query=query)

    async def events(self, *, after: int = 0, wait: float = 0.0) -> list[Json]:
        """Events numbered above `after`; waits up to `wait` seconds for the first."""
        return await self._list("GET", "/events", query={"after": after, "wait": wait})

    async def watch(self, *, after: int = 0) -> AsyncIterator[Json]:
        """Past events, then new ones, without end."""
        while True:
            for event in await self.events(after=after, wait=POLL_S):
                after = event["seq"]
                yield event

    async def wait_for(self, predicate: Callable[[Json], Any], timeout: float = 10.0, *, after: int = 0) -> Json:
        """The first event, past or future, that fits; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            async for event in self.watch(after=after):
                if predicate(event):
                    return event
        raise AssertionError("watch never ends")

    async def record(self, *, after: int = 0) -> list[Json]:
        return await self._list("GET", "/record", query={"after": after})

    async def channels(self) -> list[Json]:
        """All channels and threads: `id`, `name`, `type`, `guild_id`, `parent_id`, `archived`."""
        return await self._list("GET", "/channels")

    async def channel_id(self, name: str) -> str:
        """The id of a channel (no thread) by name; KeyError if there is none."""
        for channel in await self.channels():
            if channel["name"] == name and channel["archived"] is None:
                return str(channel["id"])
        raise KeyError(name)

    async def messages(self, channel_id: int | str) -> list[Json]:
        """What everyone sees in a channel, oldest first."""
        return await self._list("GET", "/messages", query={"channel_id": channel_id})

    async def attachment(self, message_id: int | str, n: int = 0) -> bytes:
        return bytes(await self._call("GET", f"/attachments/{message_id}/{n}"))

    # --- arranging ----------------------------------------------------------------------------------

    async def add_channel(self, name: str, kind: str = "text") -> str:
        return str((await self._dict("POST", "/channels", {"name": name, "kind": kind}))["id"])

    async def add_guild(self, name: str, *channels: str, bot: bool = True) -> Json:
        """A guild with these text channels, and with the bot unless told otherwise: `guild_id`, `channels` by name."""
        return await self._dict("POST", "/guilds", {"name": name, "channels": channels, "bot": bot})

    async def add_group(self, *members: str) -> str:
        """The id of the direct messages of a group of friends, without the bot."""
        return str((await self._dict("POST", "/groups", {"members": members}))["channel_id"])

    async def change_thread(self, thread_id: int | str, **changes: bool) -> None:
        """`archived` and `locked`, as an admin."""
        await self._dict("POST", f"/threads/{thread_id}", changes)

    async def delete_thread(self, thread_id: int | str) -> None:
        await self._dict("DELETE", f"/threads/{thread_id}")

    async def delete_message(self, channel_id: int | str, message_id: int | str) -> None:
        await self._dict("DELETE", f"/messages/{channel_id}/{message_id}")

    async def deny(self, channel_id: int | str, *names: str) -> None:
        """Take permissions in a channel from the bot."""
        await self._dict("POST", "/permissions", {"channel_id": str(channel_id), "deny": names})

    async def allow(self, channel_id: int | str, *names: str) -> None:
        await self._dict("POST", "/permissions", {"channel_id": str(channel_id), "allow": names})

    async def add_fault(self, **fields: Any) -> Json:
        """Order a fault; the fields of `Fault` without `action` and `match`."""
        return await self._dict("POST", "/faults", fields)

    async def clear_faults(self) -> None:
        await self._dict("DELETE", "/faults")

    async def advance(self, seconds: float) -> float:
        """Push the server's clock forward; its new time."""
        return float((await self._dict("POST", "/clock", {"advance": seconds}))["now"])

    async def wait_command(self, name: str, timeout: float = 10.0) -> None:
        """Return once the bot has registered a command; TimeoutError after `timeout` seconds (60 at most)."""
        answer = await self._dict("GET", "/commands", query={"name": name, "wait": timeout})
        if not answer["registered"]:
            raise TimeoutError(f"no command /{name} within {timeout} s")

    async def gateway(self, *, wait: float = 0.0) -> Json:
        """`ready`, `connections`, `sessions`, `logins`; waits up to `wait` seconds for a bot to be ready."""
        return await self._dict("GET", "/gateway", query={"wait": wait})

    async def drop(self, *, resumable: bool = True, hard: bool = False) -> None:
        """Break the gateway's connections; `hard`: without a closing handshake."""
        await self._dict("POST", "/gateway", {"resumable": resumable, "hard": hard})

    # --- transport ----------------------------------------------------------------------------------

    async def _dict(self, method: str, path: str, body: Any = None, *, query: Json | None = None) -> Json:
        return dict(await self._call(method, path, body, query=query))

    async def _list(self, method: str, path: str, body: Any = None, *, query: Json | None = None) -> list[Json]:
        return list(await self._call(method, path, body, query=query))

    async def _call(self, method: str, path: str, body: Any = None, *, query: Json | None = None) -> Any:
        if self._session is None:
            raise RuntimeError("use SandboxClient as a context manager")
        params = {name: str(value) for name, value in (query or {}).items()}
        async with self._session.request(method, self._base + path, json=body, params=params) as response:
            if response.content_type != "application/json":
                return await response.read()
            data = await response.json()
            if response.status >= 400:
                raise SandboxError(response.status, str(data.get("error", data)))
            return data


def _encode(options: Mapping[str, Any] | None) -> Json:
    encoded: Json = {}
    for name, value in (options or {}).items():
        encoded[name] = [_plain(one) for one in value] if isinstance(value, list) else _plain(value)
    return encoded


def _plain(value: Any) -> Any:
    if isinstance(value, File):
        return {"filename": value.name, "base64": base64.b64encode(value.data).decode()}
    return value
