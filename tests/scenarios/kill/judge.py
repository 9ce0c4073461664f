"""The judge: what must be true once all is over, by the Discord server's own record and by the programs' ledger.

Nothing here asks the bot or its database. Every complaint is a sentence; none is acquittal.
"""

import re
from itertools import pairwise

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.chunks import lines_in
from cluster_bot.runs.run import Reason, Status
from cluster_sandbox.discord import Message

from .programs import Noted, read_ledger
from .stage import OVER_TOKENS_S, Stage, Submission

_UNKNOWN = messages.REASONS[Reason.DISPATCH_UNKNOWN].partition("} ")[2]


def complaints(stage: Stage) -> list[str]:
    """Everything that is not as it would be had nobody died."""
    ledger = read_ledger(stage.ledger)
    found = [f"the server failed: {one.error}" for one in stage.server.record if "sandbox failure" in str(one.error)]
    count = len(stage.submissions)
    found += _unless(len(stage.channel_messages()) == count, f"the channel has not {count} anchors")
    threads = len(stage.server.threads(parent_id=stage.channel))
    found += _unless(threads == count, f"there are {threads} threads, not {count}")
    log = stage.life.log.read_text("utf-8", "replace")
    # Other people's loggers complain of harmless things, such as of a SIGTERM in the first seconds.
    found += [f"in the log: {line}" for line in log.splitlines() if re.search(r" ERROR +cluster_bot\.", line)]
    for submission in stage.submissions:
        noted = ledger.get(submission.tag, Noted())
        found += [f"{submission.tag}: {one}" for one in _of(stage, submission, noted)]
    return found


def _of(stage: Stage, submission: Submission, noted: Noted) -> list[str]:
    most = stage.unknowable(submission)
    unknowable = most is not None
    found = _execution(submission, noted, most)
    anchors, room = stage.anchors(submission), stage.room(submission)
    found += _unless(len(anchors) == 1, f"{len(anchors)} anchors")
    created = [one for one in stage.server.events if one.event == "create" and f"`{submission.file}`" in one.content]
    found += _unless(len(created) == 1, f"{len(created)} anchors were ever created")
    if len(room) < 2:
        return [*found, f"{len(room)} messages in the thread"]
    first, *between, verdict = room
    renewed = [one for one in between if messages.is_status(one.content)]
    logs = [one for one in between if one not in renewed]
    # One status, unless it was too old to be edited when there was something new to say.
    for before, after in pairwise([first, *renewed]):
        aged = after.created_at - before.created_at >= stage.server.policy.old_edit_s
        found += _unless(aged, f"a second status within an hour: {after.content!r}")
    status = [first, *renewed][-1]
    ended = messages.verdict_status(verdict.content)
    endings = (Status.LOST,) if unknowable else _endings(submission, noted)
    found += _unless(ended in endings, f"its last message is no such verdict: {verdict.content!r}")
    if unknowable:
        found += _unless(_UNKNOWN in verdict.content, f"its verdict does not say what is unknown: {verdict.content!r}")
    wanted = messages.STATUS_WORDS.get(ended or Status.LOST, "")
    if not stage.frozen(status):
        found += _unless(status.content.startswith(wanted), f"it has no such status: {status.content!r}")
        found += _unless(not status.components, "its status still has a button")
    if not stage.frozen(anchors[0]):
        found += _unless(anchors[0].content.endswith(wanted), f"its anchor says {anchors[0].content!r}")
    seen = [one for one in stage.server.events if one.channel_id == status.channel_id and not one.ephemeral]
    created = [one for one in seen if one.event == "create"]
    verdicts = [one for one in created if messages.verdict_status(one.content) is not None]
    found += _unless(len(verdicts) == 1, f"{len(verdicts)} verdicts")
    ours = [one for one in created if one.author_id == stage.server.bot_user_id and one.type in (0, 19)]
    found += _unless(len(ours) == len(room), f"{len(ours)} messages were created and {len(room)} are there")
    thread = stage.server.channel(status.channel_id).thread
    invited = thread is not None and stage.member.user_id in thread.members
    found += _unless(invited, "its owner is not in the thread")
    found += _files(stage, submission, verdict, ended)
    # Of what nobody knows, nothing is shown.
    noted = Noted() if unknowable else noted
    return found + _lines(submission, noted, logs, ended) + _answers(stage, submission, status.channel_id)


def _execution(submission: Submission, noted: Noted, most: int | None) -> list[str]:
    if submission.runner_killed:
        return _unless(noted.begun <= 1, f"executed {noted.begun} times")
    if most is not None:
        return _unless(noted.begun <= most, f"executed {noted.begun} times")
    found = _unless(noted.begun == 1, f"executed {noted.begun} times")
    if not submission.program.stays:
        found += _unless(noted.ended == 1, f"came to its end {noted.ended} times")
    return found


def _endings(submission: Submission, noted: Noted) -> tuple[Status, ...]:
    if submission.runner_killed:
        # The runner may have written the outcome before it was killed; then the program has noted its end.
        return (Status.LOST, Status.SUCCEEDED) if noted.ended else (Status.LOST,)
    return (Status.CANCELLED,) if submission.program.stays else (Status.SUCCEEDED,)


def _lines(submission: Submission, noted: Noted, logs: list[Message], ended: Status | None) -> list[str]:
    found: list[str] = []
    shown: list[str] = []
    for log in logs:
        inside = _inside(log.content)
        if not inside:
            found.append(f"a message between status and verdict is no output: {log.content[:60]!r}")
            continue
        shown += inside.split("\n")
        versions = [_inside(one.content) or "" for one in log.history]
        grew = all(after.startswith(before) for before, after in pairwise(versions))
        found += _unless(grew, "an edit took back what had been shown")
    printed = submission.program.printed(submission.tag)
    if ended is Status.SUCCEEDED:
        found += _unless(shown == printed, f"shows {shown}, printed {printed}")
    else:
        # Cut off in the middle: a line may be printed and not noted, but none is doubled or out of order.
        found += _unless(shown == printed[: len(shown)], f"shows {shown}, no beginning of {printed}")
        enough = submission.runner_killed or len(shown) >= len(noted.lines)
        found += _unless(enough, f"shows {len(shown)} lines, noted {len(noted.lines)}")
    return found


def _inside(content: str) -> str | None:
    return "\n".join(lines_in(content)) if content.startswith("```") else None


def _files(stage: Stage, submission: Submission, verdict: Message, ended: Status | None) -> list[str]:
    names = [one.filename for one in verdict.attachments]
    if not submission.program.artifact or ended is not Status.SUCCEEDED:
        return _unless(names == [], f"its verdict has files: {names}")
    content = [one.data for one in verdict.attachments]
    wanted = submission.tag.encode() * 1000
    return _unless(names == ["left.bin"] and content == [wanted], f"its verdict has {names}, not left.bin")


def _answers(stage: Stage, submission: Submission, room: int) -> list[str]:
    found = []
    for asked in submission.asked:
        linked = f"<#{room}>" in asked.content and asked.state == "answered"
        if asked is not submission.accepted:
            found += _unless(not linked, "a command that nothing came of was answered with the link")
        elif not linked:
            aged = stage.server.clock.now() - asked.created_at
            found += _unless(aged >= OVER_TOKENS_S - 20, f"its command's answer is {asked.content!r} ({asked.state})")
    return found


def _unless(true: bool, complaint: str) -> list[str]:
    return [] if true else [complaint]
