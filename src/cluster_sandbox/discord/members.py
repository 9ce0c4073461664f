"""People: what a member does in the client, done from a test, the demo or the control API.

A member sends what the real client would send, and is refused what it would refuse (CommandError) before the bot
hears of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import installs
from .commands import MESSAGE_MENU, all_names, typed
from .components import BUTTON, STRING_SELECT, walk
from .errors import api_error
from .gateway import Intent
from .interactions import Interaction, Kind, Reaction
from .limits import Upload, check_message
from .modals import Form, choose_values
from .model import Attachment, Channel, ChannelType, Guild, Json, Message, User
from .options import CommandError, File, Resolver, build, choose
from .service import Service


class NoAnswerError(Exception):
    """The bot did not react in time to something that has no other way to show it (autocomplete)."""


@dataclass(eq=False)
class Acting:
    """One member. Made by `DiscordServer.member`; joins a guild when first acting there."""

    service: Service
    user: User
    left: set[int] = field(default_factory=set)
    """The guilds this one left, or was kicked from."""

    @property
    def name(self) -> str:
        return self.user.name

    @property
    def user_id(self) -> int:
        return self.user.id

    @property
    def mention(self) -> str:
        return f"<@{self.user.id}>"

    def join(self, guild: Guild) -> None:
        """Become a member of a guild; nothing happens if already one, or after having left."""
        if self.user.id not in guild.members and guild.id not in self.left:
            member = self.service.world.join(guild, self.user)
            event = {**self.service.payloads.member(member), "guild_id": str(guild.id)}
            self.service.gateway.dispatch("GUILD_MEMBER_ADD", event, Intent.GUILD_MEMBERS)

    def leave(self, guild: Guild) -> None:
        """Leave a guild, and with it its threads."""
        if self.user.id not in guild.members:
            raise CommandError(f"{self.name} is no member of {guild.name}")
        self.left.add(guild.id)
        for thread in self.service.world.threads(guild.id):
            self.service.threads.leave(thread, self.user)
        del guild.members[self.user.id]
        event = {"guild_id": str(guild.id), "user": self.service.payloads.user(self.user)}
        self.service.gateway.dispatch("GUILD_MEMBER_REMOVE", event, Intent.GUILD_MEMBERS)

    def install(self, *, installed: bool = True) -> None:
        """Install the application on this account, or take it off: where it is, it comes along everywhere."""
        self.user.installed = installed

    def close_dms(self, *, closed: bool = True) -> None:
        """Take no direct messages from the bot, or take them again."""
        self.user.closed = closed

    @property
    def dm(self) -> int:
        """The id of the direct messages with the bot."""
        return self.service.world.direct_channel(self.user).id

    # --- commands -----------------------------------------------------------------------------------

    def commands(self, channel_id: int | str) -> list[str]:
        """Full names of the commands this member is offered in a channel."""
        return sorted(all_names(self.offered(channel_id)))

    def offered(self, channel_id: int | str) -> list[Json]:
        """The definitions of the commands this member can type in a channel."""
        return typed(self._offered(self._place(channel_id)))

    def menu(self, message_id: int | str, *, channel_id: int | str) -> list[Json]:
        """The definitions of the commands in a message's menu, under "Apps"; none where only this member sees it."""
        channel = self._place(channel_id)
        if self.visible_message(channel.id, int(message_id)).ephemeral:
            return []
        return [one for one in self._offered(channel) if one["type"] == MESSAGE_MENU]

    async def context(self, name: str, message_id: int | str, *, channel_id: int | str) -> Interaction:
        """Choose a command in a message's menu. Returns at once. CommandError says what there is instead."""
        channel = self._place(channel_id)
        message = self.visible_message(channel.id, int(message_id))
        offered = {one["name"]: one for one in self.menu(message_id, channel_id=channel_id)}
        if name not in offered:
            known = ", ".join(sorted(offered)) or "nothing"
            raise CommandError(f"no {name!r} in the menu of message {message.id}; there is: {known}")
        command = offered[name]
        data: Json = {
            "id": command["id"],
            "name": name,
            "type": MESSAGE_MENU,
            "target_id": str(message.id),
            "resolved": {"messages": {str(message.id): self.service.payloads.message(message)}},
        }
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        return self.service.interactions.open(Kind.COMMAND, self.user, channel, data, command_name=name, target=message)

    async def command(
        self, name: str, *, channel_id: int | str, options: Mapping[str, Any] | None = None
    ) -> Interaction:
        """Send a slash command; `name` is the full path, `options` by name (a File for attachments).

        Returns at once. CommandError: no such command or option, a required one missing, a value not allowed.
        """
        channel = self._place(channel_id)
        chosen = choose(typed(self._offered(channel)), name)
        data = build(chosen, options or {}, self._resolver(channel))
        return self._open(Kind.COMMAND, channel, data, chosen.command, command_name=chosen.qualified_name)

    async def autocomplete(
        self,
        name: str,
        *,
        channel_id: int | str,
        focused: str,
        value: Any = "",
        options: Mapping[str, Any] | None = None,
        timeout: float = 10.0,
    ) -> list[Json]:
        """Type into an option; the choices offered, as `{"name", "value"}`. NoAnswerError if the bot stays silent."""
        channel = self._place(channel_id)
        chosen = choose(typed(self._offered(channel)), name)
        data = build(chosen, options or {}, self._resolver(channel), focused=(focused, value))
        opened = self._open(Kind.AUTOCOMPLETE, channel, data, chosen.command, command_name=chosen.qualified_name)
        await opened.answered(timeout)
        if opened.reaction is not Reaction.CHOICES:
            raise NoAnswerError("Loading options failed")
        return opened.choices

    # --- components ---------------------------------------------------------------------------------

    async def press(
        self,
        message_id: int | str,
        *,
        channel_id: int | str,
        custom_id: str | None = None,
        label: str | None = None,
        values: list[str] | None = None,
    ) -> Interaction:
        """Press a button, or choose `values` in a select menu, found by custom id or label. Returns at once."""
        channel = self._place(channel_id)
        message = self.visible_message(channel.id, int(message_id))
        component = self._component(message, custom_id, label)
        data: Json = {"custom_id": component["custom_id"], "component_type": component["type"]}
        data["id"] = component.get("id", 1)
        if component["type"] != BUTTON:
            data["values"] = list(values or [])
        if component["type"] == STRING_SELECT:
            choose_values(
                {"required": component.get("min_values") != 0, **component}, data["values"], component["custom_id"]
            )
        owners = (message.interaction or {}).get("authorizing_integration_owners")
        return self.service.interactions.open(Kind.COMPONENT, self.user, channel, data, source=message, owners=owners)

    async def submit(self, opened: Interaction, fields: Mapping[str, Any]) -> Interaction:
        """Fill in and send the modal that an interaction opened; CommandError where the client would not send it.

        `fields` by custom id: a text, one value of a menu or a list of them, a File or a list of them. What is not
        named stays as the bot sent it.
        """
        if opened.modal is None or opened.user is not self.user:
            raise CommandError(f"that interaction opened no modal for {self.name}")
        channel, source = opened.channel, opened.source
        form = Form(opened.modal, self._uploader(channel), self.service.payloads.attachment)
        data = form.filled(fields)
        return self.service.interactions.open(Kind.MODAL, self.user, channel, data, source=source, owners=opened.owners)

    # --- messages -----------------------------------------------------------------------------------

    async def say(self, channel_id: int | str, text: str, files: list[File] | None = None) -> Message:
        """Write an ordinary message; ApiError where the member may not."""
        channel = self._place(channel_id)
        needed = "SEND_MESSAGES_IN_THREADS" if channel.thread else "SEND_MESSAGES"
        self.service.world.require(channel, self.user.id, [needed])
        uploads = {n: Upload(one.name, one.data, "") for n, one in enumerate(files or [])}
        data: Json = {"content": text}
        check_message(data, uploads, self.service.policy)
        return self.service.messaging.create(channel, self.user, data, uploads)

    def visible_message(self, channel_id: int, message_id: int) -> Message:
        """A message as this member sees it: also the private ones for them."""
        message = self.service.world.messages.get(channel_id, {}).get(message_id)
        if message is None or message.deleted or message.ephemeral_to not in (None, self.user.id):
            raise api_error("unknown_message")
        return message

    # --- parts --------------------------------------------------------------------------------------

    def _place(self, channel_id: int | str) -> Channel:
        channel = self.service.world.channel(int(channel_id))
        if channel.guild_id is not None:
            guild = self.service.world.guilds[channel.guild_id]
            self.join(guild)
            if self.user.id not in guild.members:
                raise CommandError(f"{self.name} is no member of {guild.name}")
        return channel

    def _open(self, kind: Kind, channel: Channel, data: Json, command: Json, **more: Any) -> Interaction:
        owners = installs.owners(self.service.world, self.user, channel, command)
        return self.service.interactions.open(kind, self.user, channel, data, owners=owners, **more)

    def _offered(self, channel: Channel) -> list[Json]:
        """The commands a member sees there; a guild's own command hides a global one of the same name."""
        world, commands = self.service.world, self.service.commands
        if channel.type is ChannelType.FORUM:
            raise CommandError(f"commands cannot be used in {channel.name!r}: open a thread there")
        world.require(channel, self.user.id, ["USE_APPLICATION_COMMANDS"])
        own = list(world.commands[channel.guild_id].values()) if channel.guild_id is not None else []
        keys = {(one["type"], one["name"]) for one in own}
        everywhere = [one for one in commands.listed(None) if installs.owners(world, self.user, channel, one)]
        offered = own + [one for one in everywhere if (one["type"], one["name"]) not in keys]
        if channel.guild_id is None:
            return offered
        granted = world.permissions(channel, self.user.id)
        guild = world.guilds[channel.guild_id]
        let = guild.commands_of_roles
        mine = {name for role in guild.members[self.user.id].roles for name in let.get(role, ())}
        needed = [(one, one.get("default_member_permissions")) for one in offered]
        return [
            one
            for one, bits in needed
            if bits is None or one["name"] in mine or (int(bits) & granted == int(bits) and int(bits))
        ]

    def _component(self, message: Message, custom_id: str | None, label: str | None) -> Json:
        if (custom_id is None) == (label is None):
            raise CommandError("name the component by custom_id or by label")
        usable = [one for one in walk(message.components) if "custom_id" in one]
        for one in usable:
            if one["custom_id"] == custom_id or (label is not None and one.get("label") == label):
                if one.get("disabled"):
                    raise CommandError(f"{custom_id or label!r} is disabled")
                return one
        known = [one.get("label") or one["custom_id"] for one in usable]
        raise CommandError(f"message {message.id} has no component {custom_id or label!r}; it has: {known}")

    def _uploader(self, channel: Channel) -> Callable[[File], Attachment]:
        """How the files of a command or a modal get to the CDN."""
        service = self.service

        def upload(file: File) -> Attachment:
            if len(file.data) > service.policy.file_bytes:
                raise CommandError(f"{file.name} is larger than {service.policy.file_bytes} bytes")
            return service.messaging.make_attachment(channel.id, Upload(file.name, file.data, ""), ephemeral=True)

        return upload

    def _resolver(self, channel: Channel) -> Resolver:
        service, world = self.service, self.service.world
        guild = world.guilds[channel.guild_id] if channel.guild_id is not None else None

        def user(value: Any) -> tuple[int, Json, Json]:
            number = value.user_id if isinstance(value, Acting) else int(value)
            if guild is None:
                return number, service.payloads.user(world.user(number)), {}
            member = world.member(guild.id, number)
            shape = service.payloads.interaction_member(guild, channel, number)
            return number, service.payloads.user(member.user), {k: v for k, v in shape.items() if k != "user"}

        def place(value: Any) -> tuple[int, Json]:
            found = world.channel(int(value))
            return found.id, service.payloads.interaction_channel(found, self.user.id)

        def role(value: Any) -> tuple[int, Json]:
            if guild is None or int(value) not in guild.roles:
                raise CommandError(f"there is no role {value} here")
            return int(value), service.payloads.role(guild.roles[int(value)])

        return Resolver(self._uploader(channel), service.payloads.attachment, user, place, role)
