"""What is said of machines that people lend: how to connect one, how that goes, which there are.

What goes to a donor and what the journal says are apart: the first comes with a file that holds a secret.
"""

from collections.abc import Sequence

from cluster_bot.discord_bot.messages.thread import reason
from cluster_bot.discord_bot.messages.words import code, fenced, plain, seconds
from cluster_bot.runs.machines import Box, Expected, Invitation, Listed, Wanted
from cluster_bot.runs.run import Run, Status

SCRIPT_NAME = "start-runner.sh"
RUNNERS_HEAD = "### Runners"
NO_RUNNERS = "There are none yet; `/admin runner add` says how to connect one."
RUNNERS_SHOWN, LABELS_SHOWN, LONGEST_BOARD, OUTPUT_SHOWN = 25, 8, 3900, 700
ASKED = "{who} asks you to lend the machine {machine} to {whose}, as a runner of GitHub Actions for this bot's runs."
TAKEN = "Here is what connects the machine {machine} to {whose}, as a runner of GitHub Actions."
HOW = (
    "Save the file on the machine, look into it, and run it there as an ordinary user, not as root:\n"
    "```\nbash {script}\n```\n"
    "It fetches GitHub's runner, checks it, and starts it with the labels {labels}{group}."
)
UNTIL = "⏳ The file holds a secret that is good until <t:{until}:t> (<t:{until}:R>): give it to nobody else."
STAYS = (
    "-# To have it run for good, end it with Ctrl+C, then: "
    "`cd ~/{folder} && sudo ./svc.sh install && sudo ./svc.sh start`"
)
ONE_RUN = "-# It takes one run and is removed then; the next one needs a new file."
PUBLIC = (
    "⚠️ {whose} has a public repository behind this bot: anybody may propose code to it, and GitHub advises against "
    "runners of your own there."
)
SHUT_OUT = (
    "⚠️ The group {group} takes no jobs of public repositories, so this machine would get no run; allow them in the "
    "organisation's settings (Actions, Runner groups), or choose another group."
)
UNNAMED = "⚠️ The setting `GITHUB_GPUS` does not name {gpu}, so members can't choose it before it does."
WATCHING = "I look for it until <t:{until}:t>{test}."
TEST_TOO = ", and run a test on it as soon as it is there"
NO_TEST_ONCE = "; there is no test run, as that would be the one run it takes"
SENT = "I sent {donor} a direct message with what connects {machine}. {watching}"
NOT_SENT = "{donor} takes no direct messages from me, so give them this yourself, privately."
REMOVED = (
    "{machine} is no runner any more. On the machine: stop `run.sh` (or `cd ~/{folder} && sudo ./svc.sh uninstall`), "
    "then delete the folder `~/{folder}`."
)
NOT_WAITED = (
    "I look for {machine} no more. What its donor was given stays good for the rest of its hour, so have it deleted."
)
NO_GPU_SEEN = "⚠️ but it saw no GPU there, so look whether the driver and its tools are installed."

# Choices and descriptions of options, at most 100 characters each.
MACHINE_OPTION = "A name for the machine, such as bobs-box"
LENT_GPU_OPTION = "The GPU as members will choose it, such as H100"
VENDOR_OPTION = "Whose GPU it is: decides which workflow file runs there"
KIND_OPTION = "registered: it stays; just-in-time: it takes one run and is removed"
GROUP_OPTION = "The organisation's runner group; its default one unless you say otherwise"
DONOR_OPTION = "Who has the machine: they get the commands by direct message"
TEST_OPTION = "Try it when it is there; usual for a registered one"
REMOVE_OPTION = "The runner's name"


def folder_of(name: str) -> str:
    """Where the file puts a runner, below the donor's home."""
    return f"actions-runner-{name}"


def invitation(wanted: Wanted, given: Invitation, *, asked_by: str = "") -> str:
    """What comes with the file; `asked_by`, a mention, is "" where it goes to the admin."""
    facts = {"machine": code(wanted.name), "whose": plain(given.whose, 100), "who": asked_by}
    labels = ", ".join(code(one) for one in given.labels)
    group = f" in the group {plain(given.group, 100)}" if given.group else ""
    warnings = [PUBLIC.format(**facts)] if given.public else []
    warnings += [SHUT_OUT.format(group=plain(given.group, 100))] if given.shut_out else []
    return "\n".join(
        [
            (ASKED if asked_by else TAKEN).format(**facts),
            HOW.format(script=SCRIPT_NAME, labels=labels, group=group),
            UNTIL.format(until=int(given.until)),
            ONE_RUN if wanted.once else STAYS.format(folder=folder_of(wanted.name)),
            *warnings,
            *([UNNAMED.format(gpu=code(wanted.gpu))] if given.unnamed else []),
        ]
    )


def watching(one: Expected) -> str:
    """Until when a machine is looked for, and what is done when it is there."""
    test = TEST_TOO if one.test else NO_TEST_ONCE if one.once else ""
    return WATCHING.format(until=int(one.until), test=test)


def sent(one: Expected, donor: str) -> str:
    """What the admin is told where a donor has the commands."""
    return SENT.format(donor=donor, machine=code(one.name), watching=watching(one))


def asked_for(wanted: Wanted, given: Invitation, donor: str) -> str:
    """What the journal says of it."""
    kind = "just-in-time" if wanted.once else "registered"
    to = f", the commands for {donor}" if donor else ""
    return f"asked for the {kind} runner {code(wanted.name)} ({code(wanted.gpu)}) of {plain(given.whose, 100)}{to}"


def came_online(one: Expected, *, testing: bool) -> str:
    """It is there."""
    next_is = "; a test run is on its way" if testing else ", and takes one run" if one.once else ""
    return f"✅ {_gpu_on(one)} is online{next_is}."


def came_and_went(one: Expected) -> str:
    """One for a single run is not there any more."""
    return f"The just-in-time runner {code(one.name)} is gone: it has taken its one run, or somebody removed it."


def given_up(one: Expected) -> str:
    """It did not come."""
    return (
        f"⌛ {_gpu_on(one)} did not come online in time, and what its donor was given is of no use any more; "
        "`/admin runner add` makes it anew."
    )


def tested(one: Expected, run: Run, output: str) -> str:
    """How the test run went, and what it wrote."""
    number = f"test run #{run.number}"
    if run.status is Status.SUCCEEDED:
        took = f" in {seconds(run.outcome.duration_s)}" if run.outcome is not None else ""
        saw = run.machine.gpu if run.machine is not None else None
        seen = f"it saw {plain(saw, 100)}." if saw else NO_GPU_SEEN
        head = f"✅ {_gpu_on(one)} is online, and {number} went well{took}; {seen}"
    else:
        why = reason(run)
        head = f"⚠️ {_gpu_on(one)} is online, but {number} did not go well: {why}"
    shown = [fenced(line.rstrip()) for line in output.splitlines() if line.strip()]
    text = "\n".join(shown)[:OUTPUT_SHOWN]
    return f"{head}\n```\n{text}\n```" if text else head


def not_tested(one: Expected, why: str) -> str:
    """It is there, and could not be tried."""
    return f"✅ {_gpu_on(one)} is online, but no test run was possible: {why}"


def removed(name: str, *, waited_only: bool) -> str:
    """What is said to whoever removed a runner."""
    return (NOT_WAITED if waited_only else REMOVED).format(machine=code(name), folder=folder_of(name))


def removal(name: str) -> str:
    """What the journal says of it."""
    return f"removed the runner {code(name)}"


def runner_choice(box: Box) -> str:
    """A runner among others to choose from; no markup is shown there."""
    return f"{box.name} · {_state(box)} · {', '.join(box.labels[:LABELS_SHOWN])}"


def runner_board(listed: Listed) -> str:
    """The machines there are, those that are online first."""
    boxes = sorted(listed.boxes, key=lambda box: (not box.online, box.name.lower()))
    for most in range(RUNNERS_SHOWN, 0, -1):
        text = _board(boxes, most, listed.hidden)
        if len(text) <= LONGEST_BOARD:
            return text
    return RUNNERS_HEAD


def _board(boxes: Sequence[Box], most: int, hidden: str) -> str:
    lines = [_line(box) for box in boxes[:most]] or [NO_RUNNERS]
    lines += [f"… and {len(boxes) - most} more"] if len(boxes) > most else []
    return "\n".join([RUNNERS_HEAD, *lines, *([f"-# ⚠️ {plain(hidden, 700)}"] if hidden else [])])


def _line(box: Box) -> str:
    mark = "🔵" if box.busy else "🟢" if box.online else "⚪"
    more = f" and {len(box.labels) - LABELS_SHOWN} more" if len(box.labels) > LABELS_SHOWN else ""
    labels = ", ".join(code(one, 50) for one in box.labels[:LABELS_SHOWN]) + more
    return f"{mark} **{plain(box.name, 70)}** · {_state(box)} · {labels} · {plain(box.whose, 100)}"


def _state(box: Box) -> str:
    return "busy" if box.busy else "online" if box.online else "offline"


def _gpu_on(one: Expected) -> str:
    return f"{plain(one.gpu, 60)} on {code(one.name)}"
