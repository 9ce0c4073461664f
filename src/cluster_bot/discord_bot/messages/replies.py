"""What a command is answered with, privately, and the words of buttons and choices."""

from collections.abc import Sequence

from cluster_bot.runs.ports import GpuOffer

STAGING_NAME = "Cluster Bot (Staging)"
PONG = "Pong: {latency_ms:.0f} ms to Discord, {live} run(s) under way, launchers: {launchers}."
RESYNCED = "{count} command(s) are registered anew; restart Discord (Ctrl+R) if you still see the old ones."
STOP_WISHED = "Run #{number} is being stopped."
CANCELLED_AT_ONCE = "Run #{number} is cancelled; it had not started."
OPENED = "Run #{number} is here: <#{room}>"
OPENED_DIRECT = "Run #{number} is in your direct messages with me: https://discord.com/channels/@me/{room}"
CANNOT_WRITE_HERE = "I may not write in this channel; ask an admin to give me {missing} here."
CANNOT_LOG_THERE = "I may not write in <#{channel}>; give me {missing} there, or choose another channel."
NOT_CONNECTED = "not connected to Discord's gateway"
OUR_FAULT = "Something went wrong on our side; tell an admin this reference: `{reference}`."
CANCEL_BUTTON = "Cancel"
RERUN_BUTTON = "Run again"
LOG_BUTTON = "Log"

# As Discord's settings name them.
PERMISSIONS = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "create_public_threads": "Create Public Threads",
    "send_messages_in_threads": "Send Messages in Threads",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
}


def cannot_write_here(missing: Sequence[str]) -> str:
    """What the bot lacks, keys of PERMISSIONS, is named as Discord's settings name it."""
    return CANNOT_WRITE_HERE.format(missing=_permissions(missing))


def cannot_log_there(channel: str, missing: Sequence[str]) -> str:
    """What the bot lacks in the channel that is to show the journal."""
    return CANNOT_LOG_THERE.format(channel=channel, missing=_permissions(missing))


def _permissions(missing: Sequence[str]) -> str:
    names = [f"*{PERMISSIONS[one]}*" for one in missing]
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])


def offer(one: GpuOffer) -> str:
    """A GPU among others to choose from, with what there is to know before."""
    return " · ".join([str(one.gpu), *_terms(one)])


def offers(gpu: str, there: Sequence[tuple[str, GpuOffer]]) -> str:
    """A GPU among others to choose from, with each launcher that has it."""
    return " · ".join([gpu, *(" ".join([launcher, *_terms(one)]) for launcher, one in there)])


def _terms(one: GpuOffer) -> list[str]:
    if one.paused:
        return ["paused"]
    price = [f"${one.price:.6f}/s"] if one.price else []
    waiting = [f"{one.waiting} waiting"] if one.waiting else []
    return [*price, *waiting, *(["no machine now"] if one.machines == 0 else [])]
