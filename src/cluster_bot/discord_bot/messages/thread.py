"""What a run's thread says: anchor, status, output's surroundings, verdict. A run in, text out."""

import re
from collections.abc import Sequence

from cluster_bot.discord_bot.messages.words import code, plain, seconds, size
from cluster_bot.runs.ports import Attachment, Gap
from cluster_bot.runs.run import Reason, Run, Status

STATUS_WORDS: dict[Status, str] = {
    Status.QUEUED: "⏳ **Queued**",
    Status.STARTING: "🚀 **Starting**",
    Status.RUNNING: "▶️ **Running**",
    Status.STOPPING: "🛑 **Stopping**",
    Status.SUCCEEDED: "✅ **Succeeded**",
    Status.FAILED: "❌ **Failed**",
    Status.CANCELLED: "🚫 **Cancelled**",
    Status.TIMED_OUT: "⌛ **Timed out**",
    Status.LOST: "❓ **Lost**",
}

REASONS: dict[Reason, str] = {
    Reason.COMPLETED: "the program ended with exit code 0.",
    Reason.EXIT_CODE: "the program ended with exit code {exit_code}.",
    Reason.SIGNAL: "the program was ended by {signal}.",
    Reason.COMPILE_ERROR: "the compiler refused the program; what it said stands above.",
    Reason.OUT_OF_MEMORY: "the program took more memory than this machine allows; make it smaller and run it again.",
    Reason.OUT_OF_DISK: "the program's files took more disk than this machine allows; write less and run it again.",
    Reason.TOOL_MISSING: "the machine lacks what the program needs.",
    Reason.GPU_MISSING: "the program needs a GPU and the machine has none.",
    Reason.SETUP_ERROR: "the machine could not start the program.",
    Reason.TIME_LIMIT: "the time limit of {time_limit} was over; ask for more, or do less.",
    Reason.QUEUE_LIMIT: "it waited too long for a machine; try again later.",
    Reason.CANCELLED_BY_USER: "its owner cancelled it.",
    Reason.CANCELLED_BY_ADMIN: "an admin cancelled it.",
    Reason.CANCELLED_OUTSIDE: "somebody stopped it where it ran, not through this bot.",
    Reason.LAUNCHER_REFUSED: "{launcher} refused to start it.",
    Reason.DISPATCH_UNKNOWN: "{launcher} was asked and never said whether it started; run it again if you see nothing.",
    Reason.RUNNER_VANISHED: "the machine fell silent before the program's end was known; run it again.",
}

UNSEEN = "Run #{number} can't be shown here any more; it goes on unseen, and `/cancel` stops it."
NO_ROOM = "one message carries ten files and 24 MiB"
REFUSED_FILE = "Discord refused it here; I may lack *Attach Files*"
LEFT_OUT_SHOWN = 5
NO_INPUT = "Programs have no input here; give it what it asks for as `arguments`, and read `sys.argv`."
GOES_ON = "{was} refused it{why}, so it goes on at {launcher}{gpu}."
HIDDEN = "… {lines:,} more line(s) above are left out here; the whole log comes as a file at the end."

# Where what a launcher last said of a run is part of why it ended.
_EXPLAINED = (Status.FAILED, Status.LOST, Status.TIMED_OUT)
# How a Python program ends that calls `input()`.
_NOTHING_TO_READ = "EOFError: EOF when reading a line"
_ADDRESS = re.compile(r"https?://[^\s<>()\[\]]{1,200}")


def marker(run: Run) -> str:
    """How the anchor of a run begins, whatever follows: by this a restarted bot knows its own."""
    return f"**Run #{run.number}**"


def part_marker(run: Run, part: str) -> str:
    """The first line of each of a run's messages where they stand among others."""
    return f"-# Run #{run.number} · {part}\n"


def is_part(text: str) -> bool:
    """Whether a message begins with anybody's part marker."""
    return re.match(r"-# Run #\d+ · ", text) is not None


def anchor(run: Run) -> str:
    """The message in the channel from which the thread hangs; says how it ended once that is known."""
    where = run.gpu or run.launcher
    # Who left the choice to the bot is told what was chosen.
    where = f"{where} at {run.launcher}" if run.spec.why and run.gpu else where
    text = f"{marker(run)} · {code(run.spec.main)} on {where} · for <@{run.owner.id}>"
    text = f"{text} · again of #{run.spec.again_of}" if run.spec.again_of is not None else text
    return f"{text} · {STATUS_WORDS[run.status]}" if run.status.final else text


def thread_name(run: Run) -> str:
    """At most 100 characters."""
    return f"#{run.number} {run.spec.main}"[:100]


def status(run: Run) -> str:
    """The status message: where the run stands, since when, where to look; below it why it is where it is."""
    since = int(run.program_at or run.started_at or run.launched_at or run.created_at)
    parts = [STATUS_WORDS[run.status]]
    if run.status is Status.RUNNING:
        parts = [f"🔨 **Compiling** {code(run.spec.main)}"] if run.phase == "compile" else parts
        parts.append(_machine(run))
    if not run.status.final:
        parts.append(f"since <t:{since}:R>")
        parts.append(plain(run.detail, 200))
    parts.append(_link(run))
    line = " · ".join(part for part in parts if part)
    return "\n".join([line, *(f"-# {one}" for one in _way(run))])


def _way(run: Run) -> list[str]:
    """Why the run went where it went first, and who refused it last before it came where it is now."""
    way = [plain(run.spec.why)] if run.spec.why else []
    if run.declined:
        was, here = run.spec.order[len(run.declined) - 1], run.where
        why = f" ({plain(run.declined[-1], 100)})" if run.declined[-1] else ""
        gpu = f" with {here.gpu}" if here.gpu and here.gpu != was.gpu else ""
        way.append(GOES_ON.format(was=was.launcher, why=why, launcher=here.launcher, gpu=gpu))
    return way


def verdict(run: Run, *, last_error: str) -> str:
    """The last message of a run: how it ended, why, what to do, and the figures."""
    lines = [f"{STATUS_WORDS[run.status]}: {reason(run)}"]
    outcome = run.outcome
    if outcome is not None and outcome.detail:
        lines.append(f"> {plain(outcome.detail, 500)}")
    elif outcome is None and run.status in _EXPLAINED and run.detail:
        lines.append(f"> {plain(run.detail, 500)}")
    if run.status is Status.FAILED and last_error.strip():
        lines.append(f"> {code(last_error, 300)}")
        if last_error.strip() == _NOTHING_TO_READ:
            lines.append(f"> {NO_INPUT}")
    lines.append("-# " + " · ".join(_figures(run)))
    return "\n".join(lines)


def left_out(files: Sequence[Attachment]) -> str:
    """A line for the files that are not attached, each with its reason; "" where there is none."""
    if not files:
        return ""
    named = [f"{code(file.name, 60)} ({plain(file.why or 'it is gone', 80)})" for file in files[:LEFT_OUT_SHOWN]]
    more = f" and {len(files) - LEFT_OUT_SHOWN} more" if len(files) > LEFT_OUT_SHOWN else ""
    return f"\n-# Not attached: {', '.join(named)}{more}"


def is_anchor(text: str) -> bool:
    """Whether a message begins as anybody's anchor does."""
    return re.match(r"\*\*Run #\d+\*\*", text) is not None


def reason(run: Run) -> str:
    """Why the run ended as it did, as half a sentence."""
    if run.reason is None:
        return "it is not known why."
    outcome = run.outcome
    return REASONS[run.reason].format(
        exit_code=outcome.exit_code if outcome else "?",
        signal=plain(outcome.signal or "a signal") if outcome else "a signal",
        time_limit=seconds(run.spec.time_limit_s),
        launcher=run.launcher,
    )


def verdict_status(text: str) -> Status | None:
    """The status a verdict message tells; None for any other message."""
    for one, words in STATUS_WORDS.items():
        if one.final and re.match(rf"(?:-# Run #\d+ · verdict\n)?{re.escape(words)}: ", text):
            return one
    return None


def is_our_failure(text: str) -> bool:
    """Whether a verdict message blames the machine or the launcher, not the program."""
    ours = (Reason.SETUP_ERROR, Reason.LAUNCHER_REFUSED)
    return any(REASONS[reason].removeprefix("{launcher} ") in text for reason in ours)


def is_opened(text: str) -> bool:
    """Whether a private answer says that a run's place was made."""
    return re.fullmatch(r"Run #\d+ is here: <#\d+>", text) is not None


def gap(left_out: Gap) -> str:
    """The line that stands for a flood's middle."""
    return f"… {left_out.lines:,} lines ({size(left_out.bytes)}) were left out here …"


def _figures(run: Run) -> list[str]:
    figures = [f"Run #{run.number}"]
    if run.started_at is not None:
        figures.append(f"waited {seconds(run.started_at - run.created_at)}")
    if run.outcome is not None and run.outcome.duration_s > 0:
        word = "compiled" if run.outcome.result == "compile_error" else "ran"
        figures.append(f"{word} {seconds(run.outcome.duration_s)}")
    if run.outcome is not None and run.outcome.peak_memory_bytes:
        figures.append(f"peak memory {size(run.outcome.peak_memory_bytes)}")
    figures += [_machine(run), _link(run)]
    return [figure for figure in figures if figure]


def _link(run: Run) -> str:
    """Where the scheduler shows the run, in a word: an address is longer than a phone is wide."""
    if run.url is None or _ADDRESS.fullmatch(run.url) is None:
        return ""
    return f"[{run.launcher} job](<{run.url}>)"


def _machine(run: Run) -> str:
    if run.machine is None:
        return ""
    gpu = f" ({plain(run.machine.gpu, 60)})" if run.machine.gpu else ""
    return f"on {code(run.machine.name, 60)}{gpu}"
