"""The bot itself: one gateway connection, the command tree, staging's name.

Built by the composition root. It knows the scheduler only to hand it to the cogs.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.ext import commands

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import Access
from cluster_bot.discord_bot.cogs.admin import AdminCommands
from cluster_bot.discord_bot.cogs.admin_settings import SettingCommands
from cluster_bot.discord_bot.cogs.again import Again
from cluster_bot.discord_bot.cogs.cancel import Cancel
from cluster_bot.discord_bot.cogs.code_forms import CodeForms, run_this_code
from cluster_bot.discord_bot.cogs.run_commands import RunCommands
from cluster_bot.discord_bot.cogs.runner_commands import RunnerCommands, runners_command
from cluster_bot.discord_bot.cogs.runs import Runs
from cluster_bot.discord_bot.cogs.service import Service
from cluster_bot.discord_bot.cogs.verify import Verify
from cluster_bot.discord_bot.error_reply import reply_to_error
from cluster_bot.discord_bot.first_steps import greet, joined_lately
from cluster_bot.discord_bot.forms import Forms
from cluster_bot.discord_bot.intake import Intake
from cluster_bot.errors import StartupError
from cluster_bot.log import get_logger
from cluster_bot.scheduling.arrivals import Arrivals
from cluster_bot.scheduling.scheduler import Scheduler
from cluster_bot.scheduling.verifying import Verifier

log = get_logger(__name__)

# Nobody speaks here: the library need not warn at each start that it could not.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False


@dataclass(frozen=True, slots=True)
class BotOptions:
    """Where the bot may be used, by whom it is run, and whether it is the staging one."""

    guilds: Collection[int] = ()
    users: Collection[int] = ()
    operators: Collection[int] = ()
    staging: bool = False


class GuardedTree(app_commands.CommandTree["ClusterBot"]):
    """The command tree with the guild allow-list before it and the one error reply behind it."""

    async def interaction_check(self, interaction: discord.Interaction["ClusterBot"]) -> bool:
        """Let commands from allowed guilds through; tell the others why not."""
        try:
            await interaction.client.access.enter(interaction)
        except Exception as error:
            # A border like the one below, which the library does not reach from here.
            if interaction.type is not discord.InteractionType.autocomplete:
                await reply_to_error(interaction, error)
            return False
        return True

    async def on_error(
        self, interaction: discord.Interaction["ClusterBot"], error: app_commands.AppCommandError
    ) -> None:
        """Every exception of a command ends here."""
        await reply_to_error(interaction, error)


class ClusterBot(commands.Bot):
    """One login. `setup_hook` brings the commands up to date at every start."""

    def __init__(
        self,
        scheduler: Scheduler,
        options: BotOptions,
        arrivals: Arrivals | None = None,
        verifier: Verifier | None = None,
    ) -> None:
        # Slash commands bring all they need with them: no privileged intent is asked for.
        super().__init__(
            command_prefix=commands.when_mentioned,
            intents=discord.Intents(guilds=True),
            tree_cls=GuardedTree,
            help_command=None,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            # All of them, wherever the application is, unless a command says otherwise.
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
        )
        self.access = Access(scheduler.desk, options.guilds, options.users, options.operators)
        self._scheduler = scheduler
        self._verifier = verifier
        self._arrivals = arrivals
        self._options = options
        self._connected = False

    async def setup_hook(self) -> None:
        """Add the commands and register them."""
        intake = Intake(self._scheduler, self.access)
        forms = Forms(self._scheduler, intake)
        group = RunCommands(self._scheduler, intake, forms, choice=await self._scheduler.names_gpus())
        if group.commands:
            self.tree.add_command(group)
            self.tree.add_command(run_this_code(forms))
            await self.add_cog(CodeForms(forms))
        self.tree.add_command(self._admin_commands())
        await self.add_cog(Cancel(self._scheduler, self.access))
        await self.add_cog(Runs(self._scheduler, self.access))
        await self.add_cog(Again(self._scheduler, self.access))
        await self.add_cog(Service(self._scheduler, resync=self.sync, latency_s=self._gateway_latency_s))
        if self._verifier is not None:
            await self.add_cog(Verify(self._scheduler, self._verifier))
        await self.sync()

    def _admin_commands(self) -> AdminCommands:
        """`/admin` with all that other modules add to it."""
        admin, settings = AdminCommands(self._scheduler), SettingCommands(self._scheduler.desk)
        for command in settings.commands:
            admin.add_command(command)
        if self._arrivals is not None:
            admin.add_command(runners_command(self._arrivals))
            admin.add_command(RunnerCommands(self._arrivals, self._scheduler.desk))
        return admin

    async def trouble(self) -> str:
        """What keeps the bot from hearing commands, "" where nothing does."""
        return "" if self._connected else messages.NOT_CONNECTED

    async def on_disconnect(self) -> None:
        """The library reconnects by itself."""
        self._connected = False

    async def on_resumed(self) -> None:
        """The connection is back, with all that was missed."""
        self._connected = True

    def _gateway_latency_s(self) -> float:
        return 0.0 if math.isnan(self.latency) else self.latency

    async def sync(self) -> int:
        """Register the commands: in the allowed guilds, or everywhere; how many there are.

        A guild's own commands can't be used in direct messages. Where somebody may use them there, they are
        registered everywhere, and nowhere twice, as people would see them twice.
        """
        try:
            return await self._register()
        except discord.HTTPException as error:
            if error.status != 400 or not self.tree.allowed_installs.user:
                raise
            # Discord's portal may allow the application in servers only. Better that than no bot.
            log.warning("registering for servers only: %s", error, extra={"action": "user_installs_refused"})
            self.tree.allowed_installs = app_commands.AppInstallationType(guild=True)
            return await self._register()

    async def _register(self) -> int:
        if not self._options.guilds:
            return len(await self.tree.sync())
        everywhere = bool(self._options.users) and not self._options.staging
        if everywhere:
            count = len(await self.tree.sync())
        else:
            count = 0
            await self.http.bulk_upsert_global_commands(self.application_id or 0, payload=[])
        for guild_id in self._options.guilds:
            guild = discord.Object(guild_id)
            self.tree.clear_commands(guild=guild)
            if not everywhere:
                self.tree.copy_global_to(guild=guild)
            try:
                count = len(await self.tree.sync(guild=guild)) or count
            except discord.Forbidden:
                log.warning("not a member of guild %s", guild_id, extra={"action": "sync_refused"})
        return count

    async def on_message(self, message: discord.Message, /) -> None:
        """Commands are slash commands; what people write to each other is none of our business."""

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Show the first steps there."""
        await greet(guild, self._scheduler.desk, self._options.guilds)

    async def on_ready(self) -> None:
        """Say so in the log, and let staging be seen to be staging."""
        self._connected = True
        log.info("logged in", extra={"action": "ready", "user": self.user, "guilds": len(self.guilds)})
        for guild in self.guilds:
            if joined_lately(guild):
                await greet(guild, self._scheduler.desk, self._options.guilds)
        if not self._options.staging:
            return
        for guild in self.guilds:
            if guild.me.nick != messages.STAGING_NAME:
                try:
                    await guild.me.edit(nick=messages.STAGING_NAME)
                except discord.HTTPException as error:
                    log.warning("could not take the staging name: %s", error, extra={"action": "nick_refused"})


async def point_at(api_url: str) -> None:
    """Use another Discord-compatible server than discord.com; `api_url` ends in the API version, as in `…/api/v10`."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{api_url}/gateway") as response:
            gateway = yarl.URL((await response.json())["url"])
    except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
        raise StartupError(f"No Discord answers at {api_url}; check DISCORD_API_URL.") from error
    discord.http.Route.BASE = api_url
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = gateway


async def log_in(client: discord.Client, token: str) -> str:
    """Log in without connecting yet; the name Discord knows the bot by. Raises StartupError with one sentence."""
    try:
        await client.login(token)
    except discord.LoginFailure:
        raise StartupError(
            "Discord refuses the token; copy it anew from the Bot page of the developer portal."
        ) from None
    except (discord.HTTPException, aiohttp.ClientError, TimeoutError, OSError) as error:
        log.debug("login failed", exc_info=error)
        raise StartupError("Discord can't be reached; check the network, or DISCORD_API_URL, and try again.") from None
    return str(client.user)


async def identity(token: str, guilds: Collection[int]) -> tuple[str, list[int]]:
    """The name behind a token, and those of `guilds` it is no member of, for `cluster-bot check`.

    Raises StartupError.
    """
    async with discord.Client(intents=discord.Intents.none()) as client:
        name = await log_in(client, token)
        strange = []
        for guild in sorted(guilds):
            try:
                await client.fetch_guild(guild, with_counts=False)
            except (discord.NotFound, discord.Forbidden):
                strange.append(guild)
            except discord.HTTPException as error:
                raise StartupError(f"Discord does not say whether {guild} can be used; try again.") from error
        return name, strange
