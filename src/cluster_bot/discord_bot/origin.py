"""Where on Discord a run was asked for: what the feed needs of the interaction, kept with the run.

The interaction's token is kept for its 15 minutes' worth: a restarted bot finishes the answer with it.
"""

from dataclasses import dataclass

import discord

from cluster_bot.runs.run import Origin

# Channels in which a thread can be made from a message.
_THREAD_PARENTS = (discord.ChannelType.text, discord.ChannelType.news)


@dataclass(frozen=True, slots=True)
class DiscordOrigin:
    """Ids as Discord gives them; `channel` is where the run is shown.

    `threads` says whether a thread can be made from a message there, and written to. `direct`: the channel is the
    member's direct messages with the bot, whose runs no admin of a server rules over, so `guild` is None.
    """

    interaction: int
    token: str
    guild: int | None
    channel: int
    threads: bool
    direct: bool = False

    @classmethod
    def of_interaction(cls, interaction: discord.Interaction) -> "DiscordOrigin":
        """The origin of a run asked for by this interaction, in a server the bot is in or in its direct messages.

        `direct.origin_of` is for all others too.
        """
        kind = interaction.channel.type if interaction.channel is not None else None
        may = interaction.app_permissions
        return cls(
            interaction.id,
            interaction.token,
            interaction.guild_id,
            interaction.channel_id or 0,
            kind in _THREAD_PARENTS and may.create_public_threads and may.send_messages_in_threads,
            interaction.guild_id is None,
        )

    @classmethod
    def of(cls, origin: Origin) -> "DiscordOrigin":
        """What `stored` made, read back; of a run that is shown nowhere (`scheduling.quiet`) the guild alone."""
        data = origin.data
        guild = data["guild"]
        return cls(
            int(str(data.get("interaction", 0))),
            str(data.get("token", "")),
            int(str(guild)) if guild is not None else None,
            int(str(data.get("channel", 0))),
            bool(data.get("threads")),
            bool(data.get("direct")),
        )

    @staticmethod
    def guild_of(origin: Origin) -> int | None:
        """The server a run was asked for in; None where in none, as with the bot's own trials."""
        guild = origin.data.get("guild")
        return None if guild is None else int(str(guild))

    def stored(self) -> Origin:
        """As the run keeps it. Ids as text: they are larger than some readers of JSON can hold."""
        data: dict[str, str | int | bool | None] = {
            "interaction": str(self.interaction),
            "token": self.token,
            "guild": str(self.guild) if self.guild is not None else None,
            "channel": str(self.channel),
            "threads": self.threads,
            "direct": self.direct,
        }
        return Origin(f"discord:{self.interaction}", data)
