"""The composition root: the only file that knows everyone.

`open_parts` opens what holds state, `run_bot` puts the rest around it and runs until cancelled. They are apart so
that whoever composes differently (a test, another front end) can put its own store or launcher between the two.
Clean-up unwinds last in, first out. Runs under way are not touched by a stop: they go on, and are found again.
"""

import asyncio
import gc
import shlex
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster_bot.data_folder import DataFolder
from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.arrival_news import ArrivalNews
from cluster_bot.discord_bot.bot import BotOptions, ClusterBot, log_in, point_at
from cluster_bot.discord_bot.feeds import feed_maker
from cluster_bot.discord_bot.journal_channel import JournalChannel
from cluster_bot.errors import StartupError
from cluster_bot.gate import AdminsGate, Checker, closed
from cluster_bot.hints import LocalHints, TwoKinds, open_hints
from cluster_bot.log import get_logger, set_level
from cluster_bot.meter import Meter
from cluster_bot.runs.machines import Lent
from cluster_bot.runs.orders import OrderBook
from cluster_bot.runs.ports import Launcher, Store
from cluster_bot.runs.rules import Limits, Rules
from cluster_bot.runs.shares import Shares, parse_shares
from cluster_bot.scheduling.arrivals import Arrivals
from cluster_bot.scheduling.budget import Budget
from cluster_bot.scheduling.choosing import Waits
from cluster_bot.scheduling.desk import Desk
from cluster_bot.scheduling.draining import Draining
from cluster_bot.scheduling.follower import Follower
from cluster_bot.scheduling.relay import Relay
from cluster_bot.scheduling.scheduler import Scheduler
from cluster_bot.scheduling.verifying import Verifier
from cluster_bot.settings import Settings
from cluster_bot.store import SqlStore, only_bot
from cluster_bot.web.github_webhook import PATH as WEBHOOK_PATH
from cluster_bot.web.github_webhook import Ear, GithubWebhook
from cluster_bot.web.metrics import LoopLag, Metrics
from cluster_bot.web.server import Routed, WebServer
from cluster_bot.web.tokens import Tokens, key_of, load_key

if TYPE_CHECKING:
    from cluster_bot.launchers.github_actions import GithubActions, Login
    from cluster_bot.launchers.local_process import LocalProcess
    from cluster_bot.launchers.modal_functions import Login as ModalLogin
    from cluster_bot.launchers.modal_functions import ModalFunctions

log = get_logger(__name__)

WEB_PORT = 8080


@dataclass(slots=True)
class Parts:
    """What holds state: the store, the launchers that are switched on, runners' tokens where there is a web side.

    `ears` are whoever wants to hear what GitHub's webhook tells.
    """

    store: Store
    launchers: list[Launcher]
    tokens: Tokens | None = None
    meter: Meter = field(default_factory=Meter)
    ears: list[Ear] = field(default_factory=list)
    hints: TwoKinds = field(default_factory=lambda: (LocalHints(), LocalHints()))


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Open store and launchers, and close them at the end. Raises StartupError with one sentence."""
    async with AsyncExitStack() as stack:
        stack.enter_context(DataFolder(settings.data_dir))
        store = await SqlStore.open(settings.database())
        stack.push_async_callback(store.close)
        tokens = runner_tokens(settings)
        # On a thread: importing a scheduler's client takes a tenth of a second.
        parts = Parts(store, [], tokens)
        await asyncio.to_thread(_add_launchers, parts, settings)
        for launcher in parts.launchers:
            stack.push_async_callback(launcher.close)
        nats = settings.nats_url.get_secret_value() if settings.nats_url is not None else None
        parts.hints = await stack.enter_async_context(open_hints(nats, settings.database()))
        yield parts


def _add_launchers(parts: Parts, settings: Settings) -> None:
    """Add the launchers that are switched on, each imported only then."""
    if settings.github_enabled:
        github = github_launcher(settings, parts.tokens, parts.meter)
        parts.launchers.append(github)
        parts.ears.append(github.hear)
    if settings.modal_enabled:
        parts.launchers.append(modal_launcher(settings))
    if settings.local_enabled:
        parts.launchers.append(local_launcher(settings))


def local_launcher(settings: Settings) -> "LocalProcess":
    """The local launcher as the settings want it."""
    from cluster_bot.launchers.local_process import LocalProcess

    return LocalProcess(
        settings.data_dir / "local",
        python=settings.local_python,
        cxx=settings.local_cxx,
        nvcc=settings.local_nvcc,
        same_user=settings.local_same_user,
        sandbox=settings.local_sandbox,
        network=settings.local_network,
        task_limit=settings.local_task_limit,
        memory_limit_mb=settings.local_memory_limit_mb,
        disk_limit_mb=settings.local_disk_limit_mb,
    )


def runner_tokens(settings: Settings) -> Tokens | None:
    """Who makes and checks runners' tokens; None where the bot listens nowhere."""
    if not settings.web_enabled:
        return None
    if settings.web_key is not None:
        return Tokens(key_of(settings.web_key.get_secret_value()))
    return Tokens(load_key(settings.data_dir / "web.key"))


def github_logins(settings: Settings) -> "list[Login]":
    """Who the bot is to GitHub, as the settings say. Raises StartupError with one sentence where they can't be."""
    from cluster_bot.launchers.github_actions import app_of, tokens_of

    token, key = settings.github_token, settings.github_app_private_key
    logins: list[Login] = [] if token is None else [*tokens_of(token.get_secret_value())]
    if settings.github_app_id is not None:
        if key is None:
            raise StartupError("GITHUB_APP_ID is set and GITHUB_APP_PRIVATE_KEY is not; set it to the App's key.")
        logins.append(app_of(settings.github_app_id, key.get_secret_value(), settings.github_app_installation))
    if not logins:
        raise StartupError("GITHUB_TOKEN holds no token; put one there, or a GitHub App's id behind GITHUB_APP_ID.")
    return logins


def github_launcher(settings: Settings, tokens: Tokens | None, meter: Meter | None = None) -> "GithubActions":
    """The GitHub launcher as the settings want it. Raises StartupError where they can't be."""
    from cluster_bot.launchers.github_actions import PUBLIC_API, GithubActions, GithubApi, Reporting, parse_gpus

    if settings.github_repository is None:
        login = "GITHUB_TOKEN" if settings.github_token is not None else "GITHUB_APP_ID"
        raise StartupError(f"{login} is set and GITHUB_REPOSITORY is not; set it to OWNER/REPOSITORY.")
    try:
        gpus = parse_gpus(settings.github_gpus)
    except ValueError as error:
        raise StartupError(f"The setting GITHUB_GPUS can't be used ({error}); correct it in .env.") from None
    api = GithubApi(
        github_logins(settings),
        settings.github_repository,
        base_url=settings.github_api_url or PUBLIC_API,
        meter=meter,
    )
    hooked = settings.github_webhook_secret is not None and settings.public_url is not None
    return GithubActions(
        api,
        settings.data_dir / "github",
        ref=settings.github_ref,
        gpus=gpus,
        reporting=None
        if settings.public_url is None or tokens is None
        else Reporting(settings.public_url, tokens.mint),
        container=settings.github_container,
        webhook=f"{settings.public_url}{WEBHOOK_PATH}" if hooked else None,
    )


def modal_login(settings: Settings) -> "ModalLogin":
    """Who the bot is to Modal. Raises StartupError with one sentence where the settings hold half of it."""
    from cluster_bot.launchers.modal_functions import PUBLIC_API as MODAL_API
    from cluster_bot.launchers.modal_functions import Login

    if settings.modal_token_id is None or settings.modal_token_secret is None:
        raise StartupError("Modal's token has two parts; set both MODAL_TOKEN_ID and MODAL_TOKEN_SECRET.")
    return Login(
        settings.modal_token_id,
        settings.modal_token_secret.get_secret_value(),
        settings.modal_app,
        settings.modal_environment,
        settings.modal_server_url or MODAL_API,
    )


def modal_launcher(settings: Settings) -> "ModalFunctions":
    """The Modal launcher as the settings want it. Raises StartupError where they can't be."""
    from cluster_bot.launchers.modal_functions import Modal, ModalFunctions, read_gpus

    try:
        gpus = read_gpus(settings.modal_gpus_file)
    except ValueError as error:
        raise StartupError(f"The file MODAL_GPUS_FILE can't be used ({error}); correct it.") from None
    return ModalFunctions(Modal(modal_login(settings)), settings.data_dir / "modal", gpus=gpus)


def bot_options(settings: Settings, *, debug: bool) -> tuple[str, BotOptions]:
    """The token to log in with and the bot's options; staging's where `debug`. Raises StartupError."""
    if not debug:
        if settings.discord_token is None:
            raise StartupError("DISCORD_TOKEN is not set; put the bot's token into .env (.env.example says where).")
        options = BotOptions(settings.discord_guilds, settings.discord_users, settings.discord_operators)
        return settings.discord_token.get_secret_value(), options
    if settings.discord_debug_token is None or settings.discord_debug_cluster_staging_id is None:
        raise StartupError(
            "--debug needs DISCORD_DEBUG_TOKEN and DISCORD_DEBUG_CLUSTER_STAGING_ID; put both into .env."
        )
    guilds = frozenset({settings.discord_debug_cluster_staging_id})
    return settings.discord_debug_token.get_secret_value(), BotOptions(
        guilds, settings.discord_users, settings.discord_operators, staging=True
    )


def build_rules(settings: Settings) -> tuple[Rules, Limits]:
    """The clocks and limits that the settings ask for."""
    rules = Rules(queue_limit_s=settings.queue_limit_s, outcome_grace_s=settings.outcome_grace_s)
    limits = Limits(
        settings.live_runs_per_member,
        settings.live_runs_in_all,
        settings.runs_per_hour,
        settings.gpu_minutes_per_day,
        time_limit_s=settings.time_limit_s,
        max_time_limit_s=settings.max_time_limit_s,
    )
    return rules, limits


def build_desk(settings: Settings, book: OrderBook, guilds: Collection[int]) -> Desk:
    """Where admins' orders are given; what the settings say holds where they give none. Raises StartupError."""
    rules, limits = build_rules(settings)
    return Desk(
        book,
        usual=limits,
        shares=build_shares(settings),
        rules=rules,
        values={"checker_fails": settings.checker_fails, "verify_every_h": 0, "log_level": settings.log_level},
        home=str(next(iter(guilds))) if len(guilds) == 1 else None,
    )


def build_shares(settings: Settings) -> Shares:
    """Who gets other limits than these. Raises StartupError with one sentence where the file can't be used."""
    if settings.limits_file is None:
        return Shares()
    try:
        return parse_shares(settings.limits_file.read_text("utf-8"))
    except OSError as error:
        raise StartupError(
            f"The file LIMITS_FILE can't be read ({error.strerror}); correct its path, or leave it empty."
        ) from None
    except ValueError as error:
        raise StartupError(f"The file LIMITS_FILE can't be used ({error}); correct it.") from None


def build_gate(settings: Settings, fails_open: Callable[[], bool] = closed) -> AdminsGate | None:
    """What looks at submissions, None where an admin has no rules. Raises StartupError with one sentence."""
    try:
        command = shlex.split(settings.checker)
    except ValueError as error:
        raise StartupError(f"CHECKER can't be used ({str(error).lower()}); quote it as in a shell.") from None
    if command and shutil.which(command[0]) is None:
        raise StartupError(f"CHECKER names {command[0]}, which is no program here; correct it, or leave it empty.")
    if not command and settings.content_rules_file is None:
        return None
    checker = Checker(_from_here(command), settings.checker_timeout_s) if command else None
    return AdminsGate(settings.content_rules_file, checker, fails_open=fails_open)


def _from_here(command: list[str]) -> list[str]:
    """The command with its program, and files that it names, as absolute paths.

    It is started in a folder of its own beside a stranger's files, where the admin's names would mean something else.
    """
    program, *arguments = command
    # Not resolved: a virtual environment's interpreter is known by the link to it.
    found = Path(shutil.which(program) or program).absolute()
    return [str(found), *(str(Path(one).absolute()) if Path(one).is_file() else one for one in arguments)]


def build_arrivals(parts: Parts, scheduler: Scheduler) -> Arrivals | None:
    """Who looks after machines that people lend; None where no launcher has any."""
    launcher = next((one for one in parts.launchers if isinstance(one, Lent)), None)
    if launcher is None:
        return None
    return Arrivals(scheduler, launcher.name, launcher.boxes, parts.store.expected)


async def run_bot(settings: Settings, parts: Parts, *, debug: bool = False) -> None:
    """Log in and work until cancelled. Raises StartupError where the login fails."""
    token, options = bot_options(settings, debug=debug)
    desk = build_desk(settings, parts.store.book, options.guilds)
    gate = build_gate(settings, lambda: bool(desk.value("checker_fails") == "open"))
    await desk.open()
    desk.listen(lambda: set_level(desk.value("log_level")))
    set_level(desk.value("log_level"))
    wishes, news = parts.hints
    meter, waits = parts.meter, Waits()
    scheduler = Scheduler(
        parts.store,
        parts.launchers,
        wishes=wishes,
        news=news,
        desk=desk,
        meter=meter,
        waits=waits,
        gate=gate,
    )
    budget = Budget(settings.discord_writes_per_s)
    if settings.discord_api_url is not None:
        await point_at(settings.discord_api_url)
    arrivals = build_arrivals(parts, scheduler)
    verifier = Verifier(scheduler, parts.store, say=messages.verification_note)
    async with ClusterBot(scheduler, options, arrivals, verifier) as bot:
        relay = Relay(parts.store, feed_maker(bot, verifier, budget), news=news, wishes=wishes, meter=meter)
        followers = [
            Follower(launcher, parts.store, lambda: desk.rules, wishes=wishes, news=news, meter=meter, waits=waits)
            for launcher in parts.launchers
        ]
        await log_in(bot, token)
        async with AsyncExitStack() as stack:
            if parts.tokens is not None:
                server = WebServer(
                    parts.store,
                    parts.tokens,
                    wishes=wishes,
                    news=news,
                    ready=bot.trouble,
                    host=settings.web_host,
                    port=WEB_PORT if settings.web_port is None else settings.web_port,
                    more=web_rooms(settings, parts),
                    lag=LoopLag(parts.meter),
                )
                await stack.enter_async_context(server)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            for follower, launcher in zip(followers, parts.launchers, strict=True):
                group.create_task(follower.run(), name=f"follower-{launcher.name}")
            group.create_task(relay.run(), name="relay")
            group.create_task(JournalChannel(bot, desk, budget).run(), name="journal")
            group.create_task(Draining(desk, parts.store, news, messages.DRAINED).run(), name="draining")
            group.create_task(verifier.run(), name="verifier")
            if arrivals is not None:
                group.create_task(arrivals.run(ArrivalNews(bot, desk)), name="arrivals")
            group.create_task(bot.connect(reconnect=True), name="gateway")


def web_rooms(settings: Settings, parts: Parts) -> list[Routed]:
    """The parts of the web side that settings switch on, and the metrics."""
    secret, token = settings.github_webhook_secret, settings.metrics_token
    rooms: list[Routed] = [
        Metrics(
            parts.store,
            parts.meter,
            token="" if token is None else token.get_secret_value(),
            # Whoever serves strangers has something in front that ends TLS, and they all come from there.
            behind_proxy=settings.public_url is not None or secret is not None,
        )
    ]
    if secret is not None and settings.github_repository is not None:

        def tell(event: str, payload: Mapping[str, Any]) -> None:
            for ear in parts.ears:
                ear(event, payload)

        rooms.append(GithubWebhook(secret.get_secret_value(), settings.github_repository, tell, parts.meter))
    return rooms


async def serve(settings: Settings, *, debug: bool = False) -> None:
    """The whole bot, until cancelled; with `debug` the staging one, which shares nothing with the other."""
    settings = settings.for_staging() if debug else settings
    async with only_bot(settings.database()) as alone, open_parts(settings) as parts:
        # What was made so far stays for ever: without this, each full collection looks through all of it for a tenth of
        # a second, in which the loop stands still.
        gc.freeze()
        await alone.during(run_bot(settings, parts, debug=debug))
