"""What a run's thread says: anchor, status, output's surroundings, verdict. A run in, text out."""

import re
from collections.abc import Sequence

from cluster_bot.discord_bot.messages.words import code, fenced, ordinal, plain, seconds, size, units
from cluster_bot.runs.ports import Attachment, Gap, Trouble, Turn
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

COMPILING = "🔨 **Compiling**"

REASONS: dict[Reason, str] = {
    Reason.COMPLETED: "the program ended with exit code 0.",
    Reason.EXIT_CODE: "the program ended with exit code {exit_code}; correct what it complains of and run it again.",
    Reason.SIGNAL: "the program was ended by {signal}; {hint}.",
    Reason.COMPILE_ERROR: "the compiler refused the program; correct its first error and run it again.",
    Reason.OUT_OF_MEMORY: "the program took more memory than this machine allows; make it smaller and run it again.",
    Reason.OUT_OF_DISK: "the program's files took more disk than this machine allows; write less and run it again.",
    Reason.TOOL_MISSING: "the machine lacks what the program needs; run it elsewhere, or ask an admin to install it.",
    Reason.GPU_MISSING: "the program needs a GPU and the machine has none; run it where there is one.",
    Reason.SETUP_ERROR: "the machine could not start the program; run it again, and tell an admin if that repeats.",
    Reason.TIME_LIMIT: "the time limit of {time_limit} was over; ask for more, or do less.",
    Reason.QUEUE_LIMIT: "it waited too long for a machine; try again later, or run it elsewhere.",
    Reason.CANCELLED_BY_USER: "its owner cancelled it.",
    Reason.CANCELLED_BY_ADMIN: "an admin cancelled it; ask them before you run it again.",
    Reason.CANCELLED_OUTSIDE: "somebody stopped it where it ran, not through this bot; ask an admin, or run it again.",
    Reason.LAUNCHER_REFUSED: "{launcher} refused to start it; correct what it complains of, or run it elsewhere.",
    Reason.DISPATCH_UNKNOWN: "{launcher} was asked and never said whether it started; run it again if you see nothing.",
    Reason.RUNNER_VANISHED: "the machine fell silent before the program's end was known; run it again.",
    Reason.RESTORED: "the bot was put back to a backup since; run it again if something of it is missing.",
}

# What a program was most likely doing that was ended so, and so what to look for.
SIGNALS = {
    "SIGSEGV": "look for an index or a pointer out of bounds",
    "SIGBUS": "look for an index or a pointer out of bounds",
    "SIGFPE": "look for a division by zero",
    "SIGABRT": "look for a failed assertion or an exception that nobody caught",
    "SIGILL": "compile it for an older processor, since this machine's lacks an instruction",
    "SIGKILL": "make it smaller, since it may have wanted more memory than there was",
}
ANY_SIGNAL = "look at what it was doing then, and run it again"

TURN = "{nth} of your {total} waiting runs"
IN_FILE = "in {file}, line {line}"
LOCKED = "\n-# I may not write in this run's thread any more, so this stands here."
NO_THREAD = "There is no thread to show more in."

UNSEEN = "Run #{number} can't be shown here any more; it goes on unseen, and `/cancel` stops it."
NO_ROOM = "one message carries ten files and 24 MiB"
REFUSED_FILE = "Discord refused it here; I may lack *Attach Files*"
LEFT_OUT_SHOWN = 5
NO_INPUT = "Programs have no input here; give it what it asks for as `arguments`, and read `sys.argv`."
GOES_ON = "{was} refused it{why}, so it goes on at {launcher}{gpu}."
HIDDEN = "… {lines:,} more line(s) above are left out here; the whole log comes as a file at the end."

_HIDDEN = re.compile(re.escape(HIDDEN).replace(re.escape("{lines:,}"), "([0-9,]+)"))

WAITING = (Status.QUEUED, Status.STARTING)
# What a message takes, less what a marker above it may take, and a line below it.
_ROOM = 2000 - 240
# Where what a launcher last said of a run is part of why it ended.
_EXPLAINED = (Status.FAILED, Status.LOST, Status.TIMED_OUT)
# How a Python program ends that calls `input()`.
_NOTHING_TO_READ = "EOFError: EOF when reading a line"
NO_TROUBLE = Trouble()
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


def anchor(run: Run, *, alone: bool = False) -> str:
    """The message in the channel from which the thread hangs; says how it ended once that is known.

    `alone`: there is no verdict that says why.
    """
    where = plain(run.gpu, 60) if run.gpu else run.launcher
    # Who left the choice to the bot is told what was chosen.
    where = f"{where} at {run.launcher}" if run.spec.why and run.gpu else where
    text = f"{marker(run)} · {code(run.spec.main)} on {where} · for <@{run.owner.id}>"
    text = f"{text} · again of #{run.spec.again_of}" if run.spec.again_of is not None else text
    if not run.status.final:
        return text
    text = f"{text} · {STATUS_WORDS[run.status]}"
    return f"{text}: {reason(run)}\n-# {NO_THREAD}" if alone else text


def thread_name(run: Run) -> str:
    """At most 100 characters."""
    return f"#{run.number} {run.spec.main}"[:100]


def status(run: Run, turn: Turn | None = None) -> str:
    """The status message: where the run stands, since when, where to look; below it why it is where it is."""
    since = int(run.program_at or run.started_at or run.launched_at or run.created_at)
    parts = [STATUS_WORDS[run.status]]
    if run.status is Status.RUNNING:
        parts = [f"{COMPILING} {code(run.spec.main)}"] if run.phase == "compile" else parts
        parts.append(machine_of(run))
    if turn is not None and turn.total > 1 and run.status in WAITING:
        parts.append(TURN.format(nth=ordinal(turn.nth), total=turn.total))
    if not run.status.final:
        parts.append(f"since <t:{since}:R>")
        parts.append(plain(run.detail, 200))
    parts.append(job_link(run))
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


def verdict(run: Run, *, trouble: Trouble = NO_TROUBLE, left_out: Sequence[Attachment] = ()) -> str:
    """The last message of a run: how it ended, why, what to do, and the figures; `left_out` it can't carry."""
    head, figures = f"{STATUS_WORDS[run.status]}: {reason(run)}", "-# " + " · ".join(_figures(run))
    failed = run.status is Status.FAILED
    room = _ROOM - units(head) - units(figures) - 1
    # A compiler's own words say more than that it refused.
    why, room = _fitting([] if failed and trouble.excerpt else _explained(run), room)
    said, room = _fitting(_quoted(trouble) if failed else [], room)
    missing, room = _fitting(_left_out(left_out), room)
    excerpt = _excerpt(trouble.excerpt, room) if failed else []
    return "\n".join([head, *why, *excerpt, *said, figures, *missing])


def _fitting(lines: Sequence[str], room: int) -> tuple[Sequence[str], int]:
    """The lines and the room they leave, or none where there is not so much."""
    needed = sum(units(line) + 1 for line in lines)
    return (lines, room - needed) if needed <= room else ((), room)


def _explained(run: Run) -> list[str]:
    outcome = run.outcome
    if outcome is not None and outcome.detail:
        return [f"> {plain(outcome.detail, 500)}"]
    if outcome is None and run.status in _EXPLAINED and run.detail:
        return [f"> {plain(run.detail, 500)}"]
    return []


def _quoted(trouble: Trouble) -> list[str]:
    if not trouble.said.strip():
        return []
    quoted = [f"> {code(trouble.said, 300)}"]
    if trouble.said.strip() == _NOTHING_TO_READ:
        quoted.append(f"> {NO_INPUT}")
    elif trouble.file:
        source = f": {code(trouble.source, 100)}" if trouble.source else ""
        quoted.append(f"> {IN_FILE.format(file=code(trouble.file, 100), line=trouble.line)}{source}")
    return quoted


def _excerpt(excerpt: Sequence[str], room: int) -> list[str]:
    """As many of the lines as there is room for, in a block; none where there is room for none."""
    shown: list[str] = []
    room -= len("```\n\n```\n")
    for line in map(fenced, excerpt):
        room -= units(line) + 1
        if room < 0:
            break
        shown.append(line)
    return ["```", *shown, "```"] if any(line.strip() for line in shown) else []


def _left_out(files: Sequence[Attachment]) -> list[str]:
    """A line for the files that are not attached, each with its reason."""
    if not files:
        return []
    named = [f"{code(file.name, 60)} ({plain(file.why or 'it is gone', 80)})" for file in files[:LEFT_OUT_SHOWN]]
    more = f" and {len(files) - LEFT_OUT_SHOWN} more" if len(files) > LEFT_OUT_SHOWN else ""
    return [f"-# Not attached: {', '.join(named)}{more}"]


def is_anchor(text: str) -> bool:
    """Whether a message begins as anybody's anchor does."""
    return re.match(r"\*\*Run #\d+\*\*", text) is not None


def reason(run: Run) -> str:
    """Why the run ended as it did, as half a sentence."""
    if run.reason is None:
        return "it is not known why."
    outcome = run.outcome
    signal = (outcome.signal if outcome else None) or "a signal"
    return REASONS[run.reason].format(
        exit_code=outcome.exit_code if outcome else "?",
        signal=plain(signal, 40),
        hint=SIGNALS.get(signal, ANY_SIGNAL),
        time_limit=seconds(run.spec.time_limit_s),
        launcher=run.launcher,
    )


def verdict_status(text: str) -> Status | None:
    """The status a verdict message tells; None for any other message."""
    for one, words in STATUS_WORDS.items():
        if one.final and re.match(rf"(?:-# Run #\d+ · verdict\n)?{re.escape(words)}: ", text):
            return one
    return None


def is_status(text: str) -> bool:
    """Whether a message says where a run stands, and is not its verdict."""
    return text.startswith((*STATUS_WORDS.values(), COMPILING)) and verdict_status(text) is None


def told_status(text: str) -> Status | None:
    """The status that a status message tells; None for any other message."""
    text = re.sub(r"^-# Run #\d+ · status\n", "", text)
    if text.startswith(COMPILING):
        return Status.RUNNING
    told = next((one for one, words in STATUS_WORDS.items() if text.startswith(words)), None)
    return None if verdict_status(text) is not None else told


def hidden_lines(text: str) -> int:
    """How many lines a message with the newest output says it leaves out."""
    said = _HIDDEN.search(text.partition("```")[0])
    return int(said[1].replace(",", "")) if said is not None else 0


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
    if run.outcome is not None and run.started_at is not None and run.finished_at is not None:
        held = "the GPU" if run.machine is not None and run.machine.gpu else "the machine"
        # Two clocks: it was held for as long as the program ran, if not longer.
        held_s = max(run.finished_at - run.started_at, run.outcome.duration_s)
        figures.append(f"held {held} {seconds(held_s)}")
    if run.outcome is not None and run.outcome.peak_memory_bytes:
        figures.append(f"peak memory {size(run.outcome.peak_memory_bytes)}")
    figures += [machine_of(run), job_link(run)]
    return [figure for figure in figures if figure]


def job_link(run: Run) -> str:
    """Where the scheduler shows the run, in a word: an address is longer than a phone is wide."""
    if run.url is None or _ADDRESS.fullmatch(run.url) is None:
        return ""
    return f"[{run.launcher} job](<{run.url}>)"


def machine_of(run: Run) -> str:
    """Where it runs, as far as that is known."""
    if run.machine is None:
        return ""
    gpu = f" ({plain(run.machine.gpu, 60)})" if run.machine.gpu else ""
    return f"on {code(run.machine.name, 60)}{gpu}"
