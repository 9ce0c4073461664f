"""A Discord on this machine: the public face of the stand-in.

`async with DiscordServer() as server:` listens on loopback; the bot is pointed at `api_url` with `bot_token`.
Tests use the object itself, other processes the control API below `{url}/sandbox` (`control.py` has the client).
Everything is in memory and gone with the object.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from ..faults import Faults
from ..record import Request
from . import permissions
from .admin import Admin
from .clock import Clock
from .control_api import ControlApi
from .gateway import Gateway, Intent
from .log import MessageEvent
from .members import Acting
from .model import CHANNEL_KINDS, Channel, Json, Message
from .policy import Policy
from .rest.pipeline import Pipeline
from .service import Service

LONG_AGO_S = 30 * 86_400.0


class DiscordServer:
    """One Discord with one guild to start with. Ids are integers; methods take them as strings too."""

    def __init__(
        self,
        port: int = 0,
        policy: Policy | None = None,
        *,
        host: str = "127.0.0.1",
        bot_name: str = "Cluster Bot",
        guild_name: str = "Sandbox",
    ) -> None:
        self.policy = policy or Policy()
        self.service = Service(self.policy, bot_name)
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        self._members: dict[str, Acting] = {}
        self._guests: list[Callable[[web.Application], None]] = []
        self.url = ""
        self.guild_id = self.add_guild(guild_name)
        # The first guild has had the bot for long; one that is added while it listens has just let it in.
        self.service.world.guilds[self.guild_id].members[self.service.world.bot.id].joined_at -= LONG_AGO_S
        for name, kind in (
            ("general", "text"),
            ("news", "announcement"),
            ("questions", "forum"),
            ("lounge", "voice"),
        ):
            self.add_channel(name, kind)

    # --- life ---------------------------------------------------------------------------------------

    async def start(self) -> Self:
        """Listen. OSError if the port is taken."""
        app = web.Application(client_max_size=self.policy.request_bytes + 1024 * 1024)
        ControlApi(self).add_routes(app)
        for add_routes in self._guests:
            add_routes(app)
        app.router.add_get("/gateway", self.service.gateway.handle)
        app.router.add_get("/gateway/", self.service.gateway.handle)
        app.router.add_route("*", "/{path:.*}", Pipeline(self.service).handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        port = self._runner.addresses[0][1]
        self.url = f"http://{self._host}:{port}"
        self.service.gateway.url = f"ws://{self._host}:{port}/gateway"
        self.service.cdn.base = f"{self.url}/cdn"
        return self

    def serve_also(self, add_routes: Callable[[web.Application], None]) -> None:
        """Let somebody add routes of their own, such as the page; before `start`."""
        self._guests.append(add_routes)

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        self.clock.stop()
        await self.gateway.close()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- addresses and identity ---------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v10"

    @property
    def gateway_url(self) -> str:
        """What GET /gateway answers; discord.py's DEFAULT_GATEWAY for this server."""
        return self.service.gateway.url

    @property
    def cdn_url(self) -> str:
        return self.service.cdn.base

    @property
    def bot_token(self) -> str:
        return self.service.token

    @property
    def application_id(self) -> int:
        return self.service.world.application_id

    @property
    def bot_user_id(self) -> int:
        return self.service.world.bot.id

    # --- guilds and channels ------------------------------------------------------------------------

    def add_guild(self, name: str, *channels: str, bot: bool = True) -> int:
        """Make a guild with these text channels, and with the bot in it unless told otherwise; its id."""
        guild = self.service.world.add_guild(name, bot=bot)
        for one in channels:
            self.service.world.add_channel(guild, one, CHANNEL_KINDS["text"])
        if bot:
            self.gateway.dispatch("GUILD_CREATE", self.service.payloads.guild_create(guild))
        return guild.id

    def add_group(self, *people: Acting) -> int:
        """A group of friends with direct messages of their own, without the bot; the id of their channel."""
        return self.service.world.group_channel(one.user for one in people).id

    def add_channel(self, name: str, kind: str = "text", *, guild_id: int | None = None) -> int:
        """Make a channel; `kind` is text, announcement, forum or voice. Its id."""
        if kind not in CHANNEL_KINDS:
            raise ValueError(f"kind is one of {', '.join(CHANNEL_KINDS)}, not {kind!r}")
        guild = self.service.world.guild(guild_id or self.guild_id)
        channel = self.service.world.add_channel(guild, name, CHANNEL_KINDS[kind])
        self.gateway.dispatch("CHANNEL_CREATE", self.service.payloads.channel(channel), Intent.GUILDS)
        return channel.id

    @property
    def channels(self) -> dict[str, Channel]:
        """The channels of the first guild, by name; without threads."""
        return {one.name: one for one in self.service.world.guild_channels(self.guild_id)}

    def channel_id(self, name: str, *, guild_id: int | None = None) -> int:
        """The id of a channel by its name; KeyError says which there are."""
        found = {one.name: one.id for one in self.service.world.guild_channels(guild_id or self.guild_id)}
        if name not in found:
            raise KeyError(f"no channel {name!r}; there are: {', '.join(found)}")
        return found[name]

    def channel(self, channel_id: int | str) -> Channel:
        """A channel or thread by id."""
        return self.service.world.channel(int(channel_id))

    def threads(self, *, parent_id: int | str | None = None, guild_id: int | None = None) -> list[Channel]:
        """Threads, oldest first, archived ones included."""
        parent = None if parent_id is None else int(parent_id)
        return self.service.world.threads(guild_id or self.guild_id, parent)

    def start_thread(self, channel_id: int | str, name: str, *, owner: Acting) -> int:
        """A public thread of a member beside the messages of a channel; its id."""
        parent = self.channel(channel_id)
        kind = 10 if parent.type == 5 else 11
        return self.service.threads.plain(parent, {"name": name, "type": kind}, owner.user).id

    def start_post(self, forum_id: int | str, title: str, text: str, *, owner: Acting) -> int:
        """A forum post of a member; the id of its thread and first message."""
        data: Json = {"name": title, "message": {"content": text}}
        return self.service.threads.post(self.channel(forum_id), data, {}, owner.user)[0].id

    def deny(self, channel_id: int | str, *names: str, member: Acting | None = None) -> None:
        """Take permissions in a channel from the bot (or from `member`), such as "SEND_MESSAGES"."""
        self._overwrite(int(channel_id), member, names, deny=True)

    def allow(self, channel_id: int | str, *names: str, member: Acting | None = None) -> None:
        """Give back what `deny` took."""
        self._overwrite(int(channel_id), member, names, deny=False)

    def _overwrite(self, channel_id: int, member: Acting | None, names: Iterable[str], *, deny: bool) -> None:
        channel = self.service.world.channel(channel_id)
        user_id = member.user_id if member else self.bot_user_id
        before = channel.denied.get(user_id, 0)
        changed = permissions.bits(names)
        channel.denied[user_id] = before | changed if deny else before & ~changed
        self.gateway.dispatch("CHANNEL_UPDATE", self.service.payloads.channel(channel), Intent.GUILDS)

    def grant(self, *names: str) -> None:
        """Give the bot permissions in the first guild, such as "MANAGE_THREADS"."""
        guild = self.service.world.guilds[self.guild_id]
        role = next(one for one in guild.roles.values() if one.managed_by == self.bot_user_id)
        role.permissions |= permissions.bits(names)
        event = {"guild_id": str(guild.id), "role": self.service.payloads.role(role)}
        self.gateway.dispatch("GUILD_ROLE_UPDATE", event, Intent.GUILDS)

    # --- people -------------------------------------------------------------------------------------

    def member(self, name: str, *, administrator: bool = False, permissions: Iterable[str] = ()) -> Acting:
        """The member of that name, made on first use; `permissions` (and administrator) are added."""
        if name not in self._members:
            self._members[name] = Acting(self.service, self.service.world.add_user(name))
        acting = self._members[name]
        guild = self.service.world.guilds[self.guild_id]
        acting.join(guild)
        wanted = [*permissions, *(["ADMINISTRATOR"] if administrator else [])]
        if wanted:
            self.admin.give_role(acting, "+".join(wanted).lower(), wanted)
        return acting

    @property
    def people(self) -> list[Acting]:
        """The members who were asked for, in that order."""
        return list(self._members.values())

    @property
    def admin(self) -> Admin:
        """What admins do in the first guild, or in another that is named."""
        return Admin(self.service, self.guild_id)

    # --- what happened ------------------------------------------------------------------------------

    @property
    def record(self) -> list[Request]:
        """Every request, in order of arrival."""
        return self.service.record.requests

    @property
    def events(self) -> list[MessageEvent]:
        """Everything that became visible to someone, in order."""
        return self.service.log.events

    def watch(self, after_seq: int = 0) -> AsyncIterator[MessageEvent]:
        """Past events above `after_seq`, then new ones, without end."""
        return self.service.log.watch(after_seq)

    async def wait_for(
        self,
        predicate: Callable[[MessageEvent], Any],
        timeout: float = 10.0,
        *,
        after_seq: int = 0,
    ) -> MessageEvent:
        """The first event, past or future, that fits; TimeoutError lists the last ones."""
        return await self.service.log.wait_for(lambda event: bool(predicate(event)), timeout, after_seq=after_seq)

    async def wait_command(self, name: str, timeout: float = 10.0) -> None:
        """Return once the bot has registered a command, such as "run local"; TimeoutError otherwise."""
        await self.service.commands.wait_registered(name, timeout)

    def messages(self, channel_id: int | str) -> list[Message]:
        """What everyone sees in a channel now, oldest first. `Message.history` has every earlier text."""
        return self.service.world.listed(self.channel(channel_id).id)

    def message(self, message_id: int | str) -> Message:
        """A message by id, wherever it is, private and deleted ones included; KeyError if unknown."""
        for found in self.service.world.messages.values():
            # A forum post's thread and first message share an id; so may messages of no two channels.
            if int(message_id) in found:
                return found[int(message_id)]
        raise KeyError(f"no message {message_id}")

    def attachment(self, message_id: int | str, n: int = 0) -> bytes:
        """The bytes of a message's n-th file, counted from 0."""
        return self.message(message_id).attachments[n].data

    # --- means of a test ----------------------------------------------------------------------------

    @property
    def gateway(self) -> Gateway:
        return self.service.gateway

    @property
    def clock(self) -> Clock:
        return self.service.clock

    @property
    def faults(self) -> Faults:
        return self.service.faults
