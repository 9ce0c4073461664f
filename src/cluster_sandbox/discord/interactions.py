"""Interactions: a member does something, the bot has three seconds to react and fifteen minutes to finish.

`members.py` opens them; `rest/callbacks.py` and `rest/webhooks.py` bring the bot's reactions. The handle that a
test or the demo holds is the same object the server works with.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

from ..pulse import Pulse
from . import installs
from .errors import api_error, form_error
from .limits import Upload
from .messaging import NO_FILES, Messaging, Origin
from .model import Channel, Guild, Json, Message, MessageFlag, MessageType, User
from .payloads import Payloads
from .world import World

NOT_RESPONDED = "The application did not respond"
State = Literal["waiting", "deferred", "answered", "failed"]


class Kind(IntEnum):
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class Reaction(IntEnum):
    """What the bot may call back with."""

    MESSAGE = 4
    DEFER_MESSAGE = 5
    DEFER_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


SUITS = {
    Kind.COMMAND: (Reaction.MESSAGE, Reaction.DEFER_MESSAGE, Reaction.MODAL),
    Kind.COMPONENT: (
        Reaction.MESSAGE,
        Reaction.DEFER_MESSAGE,
        Reaction.DEFER_UPDATE,
        Reaction.UPDATE,
        Reaction.MODAL,
    ),
    Kind.AUTOCOMPLETE: (Reaction.CHOICES,),
    Kind.MODAL: (Reaction.MESSAGE, Reaction.DEFER_MESSAGE, Reaction.DEFER_UPDATE, Reaction.UPDATE),
}


@dataclass(eq=False)
class Interaction:
    """One interaction as its member sees it.

    `state`: "waiting" until the bot reacts, "deferred" while it says it is thinking (or took a press without a
    word), "answered" once there is something to see, "failed" when it was too late. `acknowledged_after`:
    seconds from the member's act to the arrival of the bot's first reaction.
    """

    id: int
    token: str
    kind: Kind
    user: User
    guild: Guild | None
    channel: Channel
    created_at: float
    data: Json = field(default_factory=dict, repr=False)
    """What the bot was sent of it."""
    source: Message | None = None
    """The message whose component was used."""
    command_name: str | None = None
    target: Message | None = None
    """The message in whose menu the command was chosen."""
    owners: Json = field(default_factory=dict)
    """Who brought the application here: "0" the guild, "1" the user."""
    state: State = "waiting"
    failed: str | None = None
    acknowledged_after: float | None = None
    reaction: Reaction | None = None
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    choices: list[Json] = field(default_factory=list)
    modal: Json | None = None
    on_move: Callable[[Interaction], None] = field(default=lambda _: None, repr=False)
    _moved: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def message(self) -> Message | None:
        """The answer: the original response, or for a press that made none, the first follow-up."""
        if self.original is not None and self.original is not self.source:
            return self.original
        return self.followups[0] if self.followups else self.original

    @property
    def content(self) -> str:
        """The text of the answer, the failure the member is shown, or nothing yet."""
        if self.failed is not None:
            return self.failed
        return self.message.content if self.message is not None else ""

    @property
    def ephemeral(self) -> bool:
        return self.message is not None and self.message.ephemeral

    async def acknowledged(self, timeout: float = 10.0) -> Interaction:
        """Wait for any reaction, or the failure: look at `state`. TimeoutError after `timeout` seconds."""
        return await self._reach(("deferred", "answered", "failed"), timeout)

    async def answered(self, timeout: float = 10.0) -> Interaction:
        """Wait for the answer, or the failure: look at `state`. TimeoutError after `timeout` seconds."""
        return await self._reach(("answered", "failed"), timeout)

    async def _reach(self, states: tuple[State, ...], timeout: float) -> Interaction:
        try:
            async with asyncio.timeout(timeout):
                while self.state not in states:
                    await self._moved.wait()
        except TimeoutError:
            raise TimeoutError(f"interaction still {self.state} after {timeout} s") from None
        return self

    def move(self, state: State) -> None:
        self.state = state
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        self.on_move(self)

    def fail(self) -> None:
        self.failed = NOT_RESPONDED
        self.move("failed")


class Interactions:
    """All interactions of one server, by id and by token."""

    def __init__(self, world: World, messaging: Messaging, payloads: Payloads, pulse: Pulse) -> None:
        self._world = world
        self._messaging = messaging
        self._payloads = payloads
        self._pulse = pulse
        self.moves: list[Interaction] = []
        """Every interaction that was opened or changed its state, in order; the same one as often as it did."""
        self._by_id: dict[int, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}

    # --- opening ------------------------------------------------------------------------------------

    def open(
        self,
        kind: Kind,
        user: User,
        channel: Channel,
        data: Json,
        *,
        source: Message | None = None,
        command_name: str | None = None,
        target: Message | None = None,
        owners: Json | None = None,
    ) -> Interaction:
        """Send an interaction to the bot and start its clock. `owners`: none given, whoever brought it there."""
        guild = self._world.guilds[channel.guild_id] if channel.guild_id is not None else None
        now = self._world.clock.now()
        interaction = Interaction(
            self._world.ids.next(),
            secrets.token_urlsafe(48),
            kind,
            user,
            guild,
            channel,
            now,
            data,
            source=source,
            command_name=command_name,
            target=target,
            owners=installs.owners(self._world, user, channel) if owners is None else owners,
            on_move=self._noticed,
        )
        self._by_id[interaction.id] = interaction
        self._by_token[interaction.token] = interaction
        self._noticed(interaction)
        self._world.clock.call_at(now + self._world.policy.ack_s, lambda: self._too_late(interaction, "waiting"))
        self._world.clock.call_at(
            now + self._world.policy.token_life_s, lambda: self._too_late(interaction, "deferred")
        )
        self._messaging.gateway.dispatch("INTERACTION_CREATE", self._payload(interaction, data))
        return interaction

    def _noticed(self, interaction: Interaction) -> None:
        self.moves.append(interaction)
        self._pulse.ring()

    @staticmethod
    def _too_late(interaction: Interaction, state: State) -> None:
        # A press that was taken without a word shows nothing that could fail.
        if interaction.state == state and interaction.reaction is not Reaction.DEFER_UPDATE:
            interaction.fail()

    def _payload(self, interaction: Interaction, data: Json) -> Json:
        channel, guild, user = interaction.channel, interaction.guild, interaction.user
        shape: Json = {
            "id": str(interaction.id),
            "application_id": str(self._world.application_id),
            "type": int(interaction.kind),
            "token": interaction.token,
            "version": 1,
            "data": data,
            "locale": "en-US",
            "channel_id": str(channel.id),
            "channel": self._payloads.interaction_channel(channel, user.id),
            "app_permissions": str(installs.app_permissions(self._world, user, channel)),
            "entitlements": [],
            "authorizing_integration_owners": interaction.owners,
            "context": installs.context(channel),
            "attachment_size_limit": self._world.policy.file_bytes,
        }
        if guild is None:
            shape["user"] = self._payloads.user(user)
        else:
            shape |= {
                "guild_id": str(guild.id),
                "guild": {"id": str(guild.id), "locale": "en-US", "features": ["COMMUNITY", "NEWS"]},
                "guild_locale": "en-US",
                "member": self._payloads.interaction_member(guild, channel, user.id),
            }
        if interaction.source is not None:
            shape["message"] = self._payloads.message(interaction.source)
        return shape

    # --- finding ------------------------------------------------------------------------------------

    def get(self, interaction_id: int) -> Interaction | None:
        return self._by_id.get(interaction_id)

    def for_callback(self, interaction_id: int, token: str) -> Interaction:
        """The interaction a callback is for; 10062 when unknown or too late, 40060 when it had its callback."""
        interaction = self._by_id.get(interaction_id)
        if interaction is None or not secrets.compare_digest(interaction.token.encode(), token.encode()):
            raise api_error("unknown_interaction")
        if interaction.reaction is not None:
            raise api_error("already_acknowledged")
        if interaction.state == "failed":
            raise api_error("unknown_interaction")
        return interaction

    def for_webhook(self, application_id: int, token: str) -> Interaction:
        """The interaction a token belongs to; 10015 when unknown or not yet acknowledged, 50027 when expired."""
        interaction = self._by_token.get(token)
        if interaction is None or application_id != self._world.application_id:
            raise api_error("unknown_webhook")
        if self._world.clock.now() - interaction.created_at > self._world.policy.token_life_s:
            raise api_error("invalid_token")
        if interaction.reaction is None or interaction.kind is Kind.AUTOCOMPLETE:
            raise api_error("unknown_webhook")
        return interaction

    def message_of(self, interaction: Interaction, message_id: int) -> Message:
        for message in [interaction.original, *interaction.followups]:
            if message is not None and message.id == message_id and not message.deleted:
                return message
        raise api_error("unknown_message")

    # --- the bot's side -----------------------------------------------------------------------------

    def respond(
        self,
        interaction: Interaction,
        kind: int,
        data: Json,
        files: Mapping[int, Upload] = NO_FILES,
        *,
        at: float,
    ) -> Json:
        """Take the first reaction; the body for `with_response`."""
        if kind not in SUITS[interaction.kind]:
            listed = ", ".join(str(int(one)) for one in SUITS[interaction.kind])
            raise form_error("type", "BASE_TYPE_CHOICES", f"Value must be one of {{{listed}}}.")
        reaction = Reaction(kind)
        if reaction is Reaction.CHOICES:
            interaction.choices = list(data.get("choices") or [])
        elif reaction is Reaction.MODAL:
            interaction.modal = data
        elif reaction in (Reaction.MESSAGE, Reaction.DEFER_MESSAGE):
            interaction.original = self._answer(
                interaction, data, files, at=at, loading=reaction is Reaction.DEFER_MESSAGE
            )
        elif interaction.source is None:
            raise form_error("type", "INTERACTION_NO_MESSAGE", "There is no message to update.")
        else:
            interaction.original = interaction.source
            if reaction is Reaction.UPDATE:
                self._messaging.edit(interaction.source, data, files, at=at)
        interaction.reaction = reaction
        interaction.acknowledged_after = at - interaction.created_at
        deferred = reaction in (Reaction.DEFER_MESSAGE, Reaction.DEFER_UPDATE)
        interaction.move("deferred" if deferred else "answered")
        return self._callback_body(interaction, reaction)

    def _callback_body(self, interaction: Interaction, reaction: Reaction) -> Json:
        about: Json = {"id": str(interaction.id), "type": int(interaction.kind)}
        if interaction.original is None:
            return {"interaction": about}
        about |= {
            "response_message_id": str(interaction.original.id),
            "response_message_loading": reaction is Reaction.DEFER_MESSAGE,
            "response_message_ephemeral": interaction.original.ephemeral,
        }
        if reaction is Reaction.DEFER_UPDATE:
            return {"interaction": about}
        message = self._payloads.message(interaction.original)
        return {"interaction": about, "resource": {"type": int(reaction), "message": message}}

    def edit_original(self, interaction: Interaction, data: Json, files: Mapping[int, Upload], *, at: float) -> Message:
        message = self.original(interaction)
        self._messaging.edit(message, data, files, at=at)
        interaction.move("answered")
        return message

    def original(self, interaction: Interaction) -> Message:
        if interaction.original is None or interaction.original.deleted:
            raise api_error("unknown_message")
        return interaction.original

    def follow_up(self, interaction: Interaction, data: Json, files: Mapping[int, Upload], *, at: float) -> Message:
        """Post a follow-up; the first one after a deferred answer *becomes* that answer, as documented."""
        original = interaction.original
        if original is not None and not original.deleted and original.flags & MessageFlag.LOADING:
            return self.edit_original(interaction, {**data, "flags": None}, files, at=at)
        if (
            installs.BY_GUILD not in interaction.owners
            and len(interaction.followups) >= self._world.policy.follow_ups_of_users
        ):
            raise api_error("too_many_follow_ups")
        message = self._answer(interaction, data, files, at=at, follows=True)
        interaction.followups.append(message)
        interaction.move("answered")
        return message

    def delete(self, interaction: Interaction, message: Message, *, at: float) -> None:
        self._messaging.delete(message, at=at)
        if interaction.state == "deferred":
            interaction.move("answered")

    def _answer(
        self,
        interaction: Interaction,
        data: Json,
        files: Mapping[int, Upload],
        *,
        at: float,
        loading: bool = False,
        follows: bool = False,
    ) -> Message:
        ephemeral = bool((data.get("flags") or 0) & MessageFlag.EPHEMERAL)
        metadata: dict[str, Any] = {
            "id": str(interaction.id),
            "type": int(interaction.kind),
            "user": self._payloads.user(interaction.user),
            "authorizing_integration_owners": interaction.owners,
        }
        if interaction.source is not None:
            metadata["interacted_message_id"] = str(interaction.source.id)
        if interaction.target is not None:
            metadata["target_message_id"] = str(interaction.target.id)
        if follows and interaction.original is not None:
            metadata["original_response_message_id"] = str(interaction.original.id)
        command = interaction.kind is Kind.COMMAND and not follows
        menu = MessageType.CHAT_INPUT_COMMAND if interaction.target is None else MessageType.CONTEXT_MENU_COMMAND
        origin = Origin(
            type=menu if command else MessageType.DEFAULT,
            ephemeral_to=interaction.user.id if ephemeral else None,
            interaction=metadata,
            command_name=interaction.command_name if command else None,
            loading=loading,
        )
        return self._messaging.create(interaction.channel, self._world.bot, data, files, at=at, origin=origin)
