"""What is filled into forms, the button that opens one again, and the command in a message's menu that opens one."""

import discord
from discord import app_commands
from discord.ext import commands

from cluster_bot.discord_bot.forms import Forms
from cluster_bot.discord_bot.messages import RUN_THIS_CODE


class CodeForms(commands.Cog):
    """Takes forms by their custom id, those opened by earlier lives of the bot too."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Whatever is no form of ours is let pass."""
        await self._forms.hear(interaction)


def run_this_code(forms: Forms) -> app_commands.ContextMenu:
    """The command in the menu of every message."""

    async def run_this(interaction: discord.Interaction, message: discord.Message) -> None:
        await forms.open_for(interaction, message)

    return app_commands.ContextMenu(name=RUN_THIS_CODE, callback=run_this)
