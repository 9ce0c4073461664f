"""The commands `backup` and `restore`: what they say, and that no bot works on what is being restored.

Called by the command line. What they do is the store's.
"""

import time
from pathlib import Path

from cluster_bot.data_folder import DataFolder
from cluster_bot.settings import Settings
from cluster_bot.store import no_bot
from cluster_bot.store.backup import back_up, restore


def back_up_to(file: Path, settings: Settings, *, replace_it: bool) -> str:
    """Write a backup beside a running bot, and say what is in it. Raises StartupError with one sentence."""
    written = back_up(settings.database(), file, replace_it=replace_it)
    newest = f", the newest #{written.newest}" if written.newest else ""
    return (
        f"{file} holds {written.runs} run(s){newest}, in {written.size / 1e6:.1f} MB; keep it where nobody else reads."
    )


def restore_from(file: Path, settings: Settings, *, next_number: int | None) -> str:
    """Fill the database of the settings, and say what a person must know. Raises StartupError with one sentence."""
    with DataFolder(settings.data_dir), no_bot(settings.database()):
        done = restore(file, settings.database(), now=time.time(), next_number=next_number)
    asked = f", {done.unfinished} of them not over: the bot asks Discord and the launchers about these" * bool(
        done.unfinished
    )
    why = ", beyond all numbers that may have been given after the backup" if next_number is None else ""
    return f"{done.runs} run(s) are restored{asked}.\nThe next run is #{done.next_number}{why}."
