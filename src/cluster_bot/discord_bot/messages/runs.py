"""What lists and details of runs say, and what is on offer: private answers, made to be read on a phone."""

from collections.abc import Mapping, Sequence

from cluster_bot.discord_bot.messages.thread import STATUS_WORDS, job_link, machine_of, reason
from cluster_bot.discord_bot.messages.words import code, plain, seconds, size
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.rules import Limits, Usage, minutes
from cluster_bot.runs.run import Run, Status
from cluster_bot.runs.summary import Summary
from cluster_bot.scheduling.reading import LeftFile, Page

NO_RUNS = "You have no runs yet; give one with `/run`."
PREVIOUS_BUTTON, NEXT_BUTTON = "Previous", "Next"
NO_OUTPUT_YET = "Run #{number} has written nothing yet; ask again when it has."
NO_OUTPUT = "Run #{number} wrote nothing."
LOG_SO_FAR = "The log of run #{number} so far; it still goes on."
LOG_WHOLE = "The whole log of run #{number}."
LOG_CUT = "{bytes:,} bytes in its middle are left out: files here may have {limit}."
NOTHING_OFFERED = "No launcher is switched on; ask an admin."
NO_OFFERS = "nothing on offer at the moment"
SILENT = "⚠️ does not answer at the moment; try again in a minute"
IN_TROUBLE = "⚠️ {why}; a run would wait for it"
# A laid-out message takes 4,000 characters in all.
LONGEST = 3900
GPUS_SHOWN, FILES_SHOWN, ARGUMENT_CHARS, DECLINED_SHOWN = 20, 8, 300, 3


def runs_head(page: Page) -> str:
    """What stands above a member's runs."""
    where = f" · page {page.number + 1} of {page.pages}" if page.pages > 1 else ""
    return f"### Your runs\n-# {page.live} under way, {page.total} in all{where}"


def share(usage: Usage, limits: Limits) -> str:
    """What a member has of what they may have."""
    parts = [f"{usage.live} of {limits.live_per_member} at once"]
    if limits.runs_per_hour is not None:
        parts.append(f"{usage.in_last_hour} of {limits.runs_per_hour} this hour")
    if limits.gpu_minutes_per_day is not None:
        most = minutes(60 * limits.gpu_minutes_per_day)
        parts.append(f"{minutes(usage.gpu_s)} of {most} GPU minutes in 24 hours")
    return f"-# Your share: {', '.join(parts)}"


def run_line(run: Summary, link: str) -> str:
    """A run in a list: what and where, then how it stands; `link` leads to where it is shown, "" where nowhere."""
    where = f"{plain(run.gpu, 60)} at {run.launcher}" if run.gpu else run.launcher
    parts = [STATUS_WORDS[run.status]]
    if run.ran_s is not None:
        parts.append(f"ran {seconds(run.ran_s)}")
    parts.append(f"<t:{int(run.finished_at or run.started_at or run.created_at)}:R>")
    parts.append(link)
    name = code(run.main, 60)
    return f"**#{run.number}** {name} · {where}\n{' · '.join(part for part in parts if part)}"


def run_choice(run: Summary) -> str:
    """A run among others to choose from; no markup is shown there."""
    return f"#{run.number} {run.main} · {run.status.value.replace('_', ' ')} · {run.gpu or run.launcher}"


def details(run: Run, *, link: str, log_size: int, files: Sequence[LeftFile]) -> str:
    """All that is known of a run, each line one question."""
    lines = [f"### Run #{run.number} · {code(run.spec.main, 80)}", _state(run)]
    for said in (run.outcome.detail if run.outcome is not None else run.detail, run.note):
        lines += [f"> {plain(said, 300)}"] if said else []
    lines += [f"**Where** {_where(run)}", *_declined(run), f"**When** {_when(run)}"]
    lines += [f"**How long** {figures}" for figures in [_figures(run)] if figures]
    lines += [f"**Program** {_program(run)}", f"**Output** {_output(run, log_size, files)}"]
    links = " · ".join(one for one in (link, job_link(run)) if one)
    see = f"\n**See** {links}" if links else ""
    text = "\n".join(lines)
    room = LONGEST - len(see)
    return (text if len(text) <= room else f"{text[: room - 1]}…") + see


def board(
    offered: Mapping[str, Sequence[tuple[GpuOffer, float | None]] | None], troubles: Mapping[str, str] | None = None
) -> str:
    """What is on offer where, launcher by launcher; `troubles`, "" for silence, says which take no runs now."""
    if not offered:
        return NOTHING_OFFERED
    # Fewer of each where all together are too many.
    for most in range(GPUS_SHOWN, 0, -1):
        text = "\n".join(_board_of(*one, troubles or {}, most) for one in offered.items())
        if len(text) <= LONGEST:
            return text
    return SILENT


def log_says(run: Run, left_out: int, limit: int) -> str:
    """What the file of a log comes with."""
    head = (LOG_WHOLE if run.status.final else LOG_SO_FAR).format(number=run.number)
    return f"{head} {LOG_CUT.format(bytes=left_out, limit=size(limit))}" if left_out else head


def _board_of(
    launcher: str,
    offers: Sequence[tuple[GpuOffer, float | None]] | None,
    troubles: Mapping[str, str],
    most: int,
) -> str:
    trouble = troubles.get(launcher)
    if offers is None or trouble == "":
        return f"### {launcher}\n{SILENT}"
    head = f"### {launcher}" if trouble is None else f"### {launcher}\n{IN_TROUBLE.format(why=plain(trouble, 150))}"
    lines = [_offered(one, soon) for one, soon in offers[:most]] or [NO_OFFERS]
    more = [f"… and {len(offers) - most} more"] if len(offers) > most else []
    return "\n".join([head, *lines, *more])


def _offered(one: GpuOffer, soon_s: float | None) -> str:
    name = f"**{plain(one.gpu, 60)}**" if one.gpu else "**its own machine**"
    if one.paused:
        return f"{name} · ⏸️ paused"
    parts = [name]
    if one.price:
        # Per second is what is charged, per hour is what people compare.
        parts.append(f"${one.price:.6f}/s (${one.price * 3600:.2f}/h)")
    if one.waiting:
        parts.append(f"{one.waiting} waiting")
    if one.machines is not None:
        parts.append("no machine now" if one.machines == 0 else f"{one.machines} machine(s)")
    if soon_s is not None:
        about = f"{soon_s:.0f} s" if soon_s < 99.5 else seconds(round(soon_s))
        parts.append(f"starts in about {about}" if soon_s >= 1 else "starts at once")
    return " · ".join(parts)


def _state(run: Run) -> str:
    if run.status.final:
        return f"{STATUS_WORDS[run.status]}: {reason(run)}"
    word = "🔨 **Compiling**" if run.status is Status.RUNNING and run.phase == "compile" else STATUS_WORDS[run.status]
    return f"{word} since <t:{int(run.program_at or run.started_at or run.launched_at or run.created_at)}:R>"


def _where(run: Run) -> str:
    asked = f"{plain(run.gpu, 60)} at {run.launcher}" if run.gpu else run.launcher
    isolation = plain(run.machine.isolation, 100) if run.machine is not None and run.machine.isolation else ""
    return " · ".join(part for part in (asked, machine_of(run), isolation, plain(run.spec.why)) if part)


def _declined(run: Run) -> list[str]:
    """Who was tried before, and why it is not there."""
    tried = list(zip(run.spec.order, run.declined, strict=False))[-DECLINED_SHOWN:]
    return [f"-# {where.launcher} was tried: {plain(why or 'it refused', 150)}" for where, why in tried]


def _when(run: Run) -> str:
    times = [("asked", run.created_at), ("launched", run.launched_at), ("started", run.program_at or run.started_at)]
    times.append(("ended", run.finished_at))
    told = [f"{word} <t:{int(at)}:{'f' if word == 'asked' else 'T'}>" for word, at in times if at is not None]
    attempts = [f"attempt {run.attempt}"] if run.attempt > 1 else []
    return " · ".join([f"for {_who(run)}", *told, *attempts])


def _who(run: Run) -> str:
    """Its owner, whom a mention shows by today's name; a trial of the bot's own belongs to nobody."""
    return f"<@{run.owner.id}>" if run.owner.id.isdecimal() else plain(run.owner.name, 60)


def _figures(run: Run) -> str:
    parts = []
    if run.started_at is not None:
        parts.append(f"waited {seconds(run.started_at - run.created_at)}")
    outcome = run.outcome
    if outcome is not None and outcome.duration_s > 0:
        parts.append(f"ran {seconds(outcome.duration_s)}")
    if outcome is not None and outcome.peak_memory_bytes:
        parts.append(f"peak memory {size(outcome.peak_memory_bytes)}")
    return " · ".join(parts)


def _program(run: Run) -> str:
    spec = run.spec
    names = [spec.main, *(name for name in spec.files if name != spec.main)]
    files = [f"{code(name, 60)} ({size(len(spec.files[name].encode()))})" for name in names[:FILES_SHOWN]]
    parts = [", ".join(files) + _more(names)]
    if spec.arguments:
        parts.append(f"arguments {code(' '.join(spec.arguments), ARGUMENT_CHARS)}")
    parts.append(f"time limit {seconds(spec.time_limit_s)}")
    if spec.again_of is not None:
        parts.append(f"again of #{spec.again_of}")
    return " · ".join(parts)


def _output(run: Run, log_size: int, files: Sequence[LeftFile]) -> str:
    text = f"about {size(log_size)} of text" if log_size > 0 else "no text"
    left = [f"{code(one.name, 60)} ({size(one.size) if one.kept else 'not kept'})" for one in files[:FILES_SHOWN]]
    return f"{text} · files {', '.join(left)}{_more(files)}" if left else text


def _more(names: Sequence[object]) -> str:
    return f" and {len(names) - FILES_SHOWN} more" if len(names) > FILES_SHOWN else ""
