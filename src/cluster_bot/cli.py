"""The command line: `cluster-bot up`, `check`, `backup`, `restore`, `github install`, `modal deploy`, `demo`.

A failure to start ends with one sentence and exit code 2.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from cluster_bot.errors import StartupError
from cluster_bot.log import set_up_logging
from cluster_bot.settings import Settings

cli = typer.Typer(
    name="cluster-bot",
    help="A Discord bot that runs GPU kernels and streams their output into a thread.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

github = typer.Typer(help="What `/run github` needs of a repository.", no_args_is_help=True)
cli.add_typer(github, name="github")

modal = typer.Typer(help="What `/run modal` needs of a Modal account.", no_args_is_help=True)
cli.add_typer(modal, name="modal")

# What a shell expects of a command that was interrupted.
INTERRUPTED = 130

T = TypeVar("T")

Debug = Annotated[bool, typer.Option("--debug", help="Be the staging bot: DISCORD_DEBUG_TOKEN, one server.")]


@cli.command()
def up(debug: Debug = False) -> None:
    """Run the bot until SIGTERM or Ctrl+C; runs under way go on and are found again."""
    with _imports():
        from cluster_bot.app import serve

    _keep_files_private()
    settings = Settings.read()
    set_up_logging(settings.log_level, settings.secrets())
    _run_until_told(serve(settings, debug=debug))


@cli.command()
def check(debug: Debug = False) -> None:
    """Try every setting for real, and say what to do about each that does not work."""
    with _imports():
        from cluster_bot.check import check_all

    _keep_files_private()
    raise typer.Exit(0 if asyncio.run(check_all(debug=debug)) else 1)


@cli.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; it holds members' programs and outputs.")],
    replace: Annotated[bool, typer.Option("--replace", help="Write over a file that exists.")] = False,
    debug: Debug = False,
) -> None:
    """Write everything the bot knows to one file, beside the running bot."""
    with _imports():
        from cluster_bot.backups import back_up_to

    _keep_files_private()
    typer.echo(back_up_to(file, _settings(debug), replace_it=replace))


@cli.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `cluster-bot backup` has written.")],
    next_number: Annotated[
        int | None,
        typer.Option(help="The next run's number.", show_default="one beyond all that may have been given", min=1),
    ] = None,
    debug: Debug = False,
) -> None:
    """Fill an empty database from a backup, while no bot uses it; also the way from SQLite to PostgreSQL and back."""
    with _imports():
        from cluster_bot.backups import restore_from

    _keep_files_private()
    typer.echo(restore_from(file, _settings(debug), next_number=next_number))


@github.command()
def install(
    repository: Annotated[
        str | None, typer.Argument(metavar="OWNER/REPOSITORY", show_default="GITHUB_REPOSITORY")
    ] = None,
    print_only: Annotated[bool, typer.Option("--print", help="Name the files, and write nothing.")] = False,
    ask_token: Annotated[
        bool,
        typer.Option("--ask-token", help="Ask for a token, used this once and kept nowhere, instead of GITHUB_TOKEN."),
    ] = False,
) -> None:
    """Put the files that GPU jobs need into a repository, by a pull request; again, bring them up to date."""
    with _imports():
        from cluster_bot.github_install import install_by, shipped

    files = shipped()
    if print_only:
        typer.echo("\n".join(files))
        return
    token = _token_typed() if ask_token else None
    typer.echo(asyncio.run(install_by(Settings.read(), repository, token, files)))


@modal.command()
def deploy(debug: Debug = False) -> None:
    """Put the app that runs members' programs into the account of MODAL_TOKEN_ID; again, bring it up to date."""
    with _imports():
        from cluster_bot.modal_deploy import deploy_by

    typer.echo(asyncio.run(deploy_by(_settings(debug))))


def _token_typed() -> str:
    """A secret from the terminal, not shown; from a pipe, its first line."""
    if sys.stdin.isatty():
        return str(typer.prompt("GitHub token", hide_input=True)).strip()
    return sys.stdin.readline().strip()


@cli.command()
def demo(
    once: Annotated[
        Path | None, typer.Option("--once", metavar="FILE", help="Run one program, show its thread, and end.")
    ] = None,
    launcher: Annotated[str, typer.Option(help="Which launcher runs it.")] = "local",
    arguments: Annotated[str, typer.Option(help="Arguments for the program.")] = "",
    time_limit: Annotated[int | None, typer.Option(help="Seconds the program may take.", min=1)] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per message and edit, and nothing else.")
    ] = False,
    save: Annotated[Path | None, typer.Option(metavar="DIR", help="Save the files the bot attaches there.")] = None,
    programs_python: Annotated[
        Path | None, typer.Option(help="The interpreter for Python programs; this one by default.")
    ] = None,
    gpu: Annotated[
        str | None, typer.Option(help="Which GPU, for a launcher that has several.", show_default="NVIDIA or T4")
    ] = None,
    public_url: Annotated[
        bool, typer.Option(help="Whether runners can reach the bot; if not, output comes at the end.")
    ] = True,
) -> None:
    """The whole of it on this machine: a Discord of its own, the bot, and you as a member."""
    with _imports():
        from cluster_bot.demo import DemoOptions, run_demo

    options = DemoOptions(once, launcher, arguments, time_limit, as_json, save, programs_python, gpu, public_url)
    code = _run_until_told(run_demo(options))
    raise typer.Exit(INTERRUPTED if code is None else code)


def _settings(debug: bool) -> Settings:
    settings = Settings.read()
    return settings.for_staging() if debug else settings


@contextmanager
def _imports() -> Iterator[None]:
    """What is imported stays. Looking through it for garbage again and again takes a fifth of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _keep_files_private() -> None:
    """Files are the bot's alone; folders may be passed through by programs, which are other users, to their own."""
    os.umask(0o066)


def _run_until_told(work: Coroutine[Any, Any, T]) -> T | None:
    """Run `work`; SIGTERM, SIGINT and SIGHUP cancel it, which is a good end: None."""

    async def main() -> T | None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            return await work
        except asyncio.CancelledError:
            return None

    return asyncio.run(main())


def main() -> None:
    """The entry point."""
    try:
        cli()
    except StartupError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
