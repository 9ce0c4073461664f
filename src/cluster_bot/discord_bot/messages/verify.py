"""What `/verify` says: a table that fills, and what the admins are told of the schedule's verifications."""

from collections.abc import Sequence

from cluster_bot.discord_bot.messages.thread import reason
from cluster_bot.discord_bot.messages.words import plain, seconds, units
from cluster_bot.runs.run import Status
from cluster_bot.scheduling.verifying import WAIT_S, Row, State, Table

VERIFY_LAUNCHER = "Only this launcher"
VERIFY_GPU = "Only this GPU, by its name"
VERIFY_ALL = "Every GPU on offer, not only each launcher's first"
VERIFY_NOTHING = "No launcher is switched on, so there is nothing to verify; `.env.example` says how to switch one on."
VERIFY_FAILS = "### ⚠️ Not every launcher works\nWhat the verification on the schedule found; `/verify` looks again."
VERIFY_WELL = "### ✅ All launchers work again\nWhat the verification on the schedule found."
SILENT_PROGRAM = "the program ended well, and its output did not come."
NO_ANSWER = "nothing of it was accepted; try `/verify` again, and look at `/gpus`."
WAITED = f"nothing began within {seconds(WAIT_S)}, so it was cancelled; look at `/gpus`."
WAITED_BUSY = f"members' runs had it for {seconds(WAIT_S)}, so it was not waited for."
LEFT_OUT = "-# {count} more GPU(s) are too many for one table; name one with `gpu`."
# Discord takes 2,000 characters; a note to the admins has a heading of its own.
LONGEST, LONGEST_NOTE = 1950, 1750
_WIDEST = 14
_HEAD = ("launcher", "GPU", "verdict", "1st line", "in all")


def verification(table: Table) -> str:
    """The answer to `/verify`, as far as it has come."""
    if not table.rows:
        return VERIFY_NOTHING
    over = sum(row.state.over for row in table.rows)
    if not table.over:
        head = f"### ⏳ Verifying\n-# {over} of {len(table.rows)} done · since <t:{int(table.began_at)}:R>"
    elif table.failing:
        head = f"### ⚠️ {len(table.failing)} of {len(table.rows)} not well\n-# <t:{int(table.began_at)}:f>"
    else:
        head = f"### ✅ All well\n-# <t:{int(table.began_at)}:f>"
    return _with_table(head, table, LONGEST)


def verification_note(table: Table, fails: bool) -> str:
    """What the admins are told: that something fails, or that all is well again."""
    return _with_table(VERIFY_FAILS if fails else VERIFY_WELL, table, LONGEST_NOTE)


def _with_table(head: str, table: Table, longest: int) -> str:
    text = f"{head}\n```\n{_grid(table.rows)}\n```"
    if table.left_out:
        text += "\n" + LEFT_OUT.format(count=table.left_out)
    for row in table.rows:
        line = f"\n{_mark(row)} {plain(row.name, 60)}: {_why(row)}"
        if row.state in (State.FAILS, State.STILL_WAITS) and units(text + line) <= longest:
            text += line
    return text


def _grid(rows: Sequence[Row]) -> str:
    cells = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(_HEAD))]
    return "\n".join("  ".join(_put(cell, widths[n], n) for n, cell in enumerate(line)).rstrip() for line in cells)


def _put(cell: str, width: int, column: int) -> str:
    # Times to the right, so that they can be compared.
    return cell.rjust(width) if column > 2 else cell.ljust(width)


def _cells(row: Row) -> tuple[str, ...]:
    run = row.run
    first = "" if row.first_s is None else seconds(row.first_s)
    in_all = "" if run is None or run.finished_at is None else seconds(run.finished_at - run.created_at)
    return (_cell(row.where.launcher), _cell(row.where.gpu or "-"), row.state.value, first, in_all)


def _cell(text: str) -> str:
    """A name that fits its column and can't leave the block."""
    flat = " ".join(text.split()).replace("`", "'")
    return flat if len(flat) <= _WIDEST else f"{flat[: _WIDEST - 1]}…"


def _mark(row: Row) -> str:
    return "❌" if row.fails else "⏳"


def _why(row: Row) -> str:
    run = row.run
    if run is None:
        # One of our own sentences, which quotes nothing that was not made harmless.
        return row.refusal or NO_ANSWER
    number = f" (#{run.number})"
    if row.state is State.STILL_WAITS:
        detail = f" It said: {plain(run.detail, 120)}" if run.detail and not row.busy else ""
        return f"{WAITED_BUSY if row.busy else WAITED}{detail}{number}"
    if run.status is Status.SUCCEEDED:
        return f"{SILENT_PROGRAM}{number}"
    said = run.outcome.detail if run.outcome is not None and run.outcome.detail else run.detail
    return f"{reason(run)}{f' {plain(said, 120)}' if said else ''}{number}"
