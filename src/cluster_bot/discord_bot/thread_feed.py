"""A run's feed on Discord: an anchor in the channel, a thread from it, a status message, the output, the verdict.

Made and driven by the relay, one per run. What it shows is a function of the run and its lines; what it must remember
is in `feed_state`; creating without doubling is in `once`. Where a thread cannot be made (typed in a thread, in a
voice channel's chat, or not permitted), the messages go where `/run` was typed, each marked with the run's number.

The output fills `HEAD_PARTS` messages; after that one more message shows the newest lines only.
"""

import io
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Final

import discord
from discord.http import Route

from cluster_bot.discord_bot import chunks, messages
from cluster_bot.discord_bot.buttons import cancel_view
from cluster_bot.discord_bot.feed_state import FeedMemory, FeedState
from cluster_bot.discord_bot.once import NOBODY, Made, Once
from cluster_bot.discord_bot.origin import DiscordOrigin
from cluster_bot.runs.ports import Attachment, FeedGoneError, Gap, Memory
from cluster_bot.runs.run import Run
from cluster_bot.scheduling.budget import Budget, Priority

HEAD_PARTS = 6
TAIL_LINES = 200
ARCHIVE_AFTER_MIN: Final = 1440
# Discord takes ten files and 25 MiB a request; the rest of that is for what stands around them.
FILES_A_MESSAGE, FILES_BYTES = 10, 24 * 2**20
FILES_REFUSED = (403, 413)

UNKNOWN_MESSAGE, THREAD_EXISTS = 10008, 160004
THREAD_ARCHIVED = 50083


class ThreadFeed:
    """One run on Discord."""

    def __init__(self, client: discord.Client, run: Run, memory: Memory, budget: Budget) -> None:
        self._client = client
        self._run = run
        self._origin = DiscordOrigin.of(run.origin)
        self._memory = FeedMemory(memory)
        self._once = Once(client, self._memory, run.id)
        self._budget = budget
        self._seen = 0  # lines told so far
        self._lines: deque[str | Gap] = deque()  # those from state.start on; in the tail, the newest of them
        self._partial = ""
        self._shown_body: str | None = None
        self._shown_status: str | None = None

    @property
    def _state(self) -> FeedState:
        return self._memory.state

    @property
    def _in_tail(self) -> bool:
        return self._state.part > HEAD_PARTS

    @property
    def abridged(self) -> bool:
        """Whether lines were left out, so that the whole log should come as a file."""
        return self._in_tail

    # --- opening ------------------------------------------------------------------------------------------------

    async def open(self, run: Run) -> None:
        """Anchor, room, status message, and the answer to the command, each once."""
        try:
            if self._state.anchor is None:
                await self._make_anchor(run)
            if self._state.room is None:
                await self._make_room(run)
            if self._state.status is None:
                await self._make_status(run)
        except (discord.NotFound, discord.Forbidden) as error:
            await self._answer(messages.UNSEEN.format(number=run.number))
            raise FeedGoneError(f"there is no place to show it: {error.text}") from error
        if not self._state.answered:
            await self._answer(messages.OPENED.format(number=run.number, room=self._state.room))
            await self._memory.update(answered=True)

    async def _make_anchor(self, run: Run) -> None:
        await self._budget.turn(Priority.FIRST)
        # The interaction's id is a time by Discord's own clock, so the anchor, if there is one, comes after it.
        anchor = await self._once.create(
            "anchor",
            self._channel(self._origin.channel),
            messages.anchor(run),
            after=self._origin.interaction,
            ours=lambda text: text.startswith(messages.marker(run)),
        )
        # An older text is brought up to date at the end, as every anchor's.
        await self._memory.update(anchor=anchor.id, newest=anchor.id, pending=None)

    async def _make_room(self, run: Run) -> None:
        anchor = self._state.anchor or 0
        room: int | None = None
        if self._origin.threads:
            await self._budget.turn(Priority.FIRST)
            room = await self._start_thread(run, anchor)
        if room is None:
            await self._memory.update(room=self._origin.channel, here=True)
        else:
            await self._memory.update(room=room)

    async def _start_thread(self, run: Run, anchor: int) -> int | None:
        try:
            await self._client.http.start_thread_with_message(
                self._origin.channel, anchor, name=messages.thread_name(run), auto_archive_duration=ARCHIVE_AFTER_MIN
            )
        except discord.NotFound:
            raise
        except discord.HTTPException as error:
            if error.code == THREAD_EXISTS:
                return anchor
            if error.status >= 500 or error.status == 429:
                raise
            return None
        return anchor

    async def _make_status(self, run: Run) -> None:
        await self._budget.turn(Priority.FIRST)
        text = self._marked(run, "status", messages.status(run))
        view = cancel_view(run)
        status = await self._create("status", run, text, view=view)
        if not self._state.here:
            # Before it is remembered that the room is complete, so that a kill in between does not leave the owner out.
            await self._invite(run)
        await self._memory.update(status=status.id, newest=status.id, pending=None)
        # Where that is an older text, `show` changes it, and the button with it.
        self._shown_status = text if status.says(text) else status.text

    async def _invite(self, run: Run) -> None:
        """Put the thread into the owner's list; a member who left, or a missing permission, is no reason to stop."""
        try:
            await self._client.http.add_user_to_thread(self._state.room or 0, int(run.owner.id))
        except discord.HTTPException as error:
            if error.status >= 500:
                raise

    async def _answer(self, text: str) -> None:
        """Finish the answer to the command, which a bot that died may have left at "thinking"."""
        route = Route(
            "PATCH",
            "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
            webhook_id=self._client.application_id or 0,
            webhook_token=self._origin.token,
        )
        try:
            await self._client.http.request(route, json={"content": text, "allowed_mentions": {"parse": []}})
        except discord.HTTPException as error:
            # The token has lived its 15 minutes, or the answer was dismissed: the thread speaks for itself.
            if error.status >= 500:
                raise

    # --- output -------------------------------------------------------------------------------------------------

    async def append(self, lines: Sequence[str | Gap], *, partial: str) -> None:
        """Take lines; those before the newest log message are known to be shown."""
        for line in lines:
            if self._seen >= self._state.start:
                self._lines.append(line)
                if self._in_tail and len(self._lines) > TAIL_LINES:
                    self._lines.popleft()
            self._seen += 1
        self._partial = partial

    async def flush(self, run: Run) -> None:
        """Write what is new: edit the newest log message until it is full, then begin the next."""
        while self._lines or self._partial:
            if self._in_tail:
                if await self._write(run, self._tail_body(run)):
                    return
                continue
            body, used = chunks.fit(tuple(self._lines), self._partial)
            if body and not await self._write(run, self._marked(run, f"output {self._state.part}", body)):
                continue
            if used == len(self._lines):
                return
            await self._next_part(used)

    async def _next_part(self, used: int) -> None:
        for _ in range(used):
            self._lines.popleft()
        self._shown_body = None
        await self._memory.update(part=self._state.part + 1, start=self._state.start + used, message=None)
        if self._in_tail:
            while len(self._lines) > TAIL_LINES:
                self._lines.popleft()

    def _tail_body(self, run: Run) -> str:
        block, count = chunks.fit_tail(tuple(self._lines), self._partial)
        hidden = self._seen - self._state.start - count
        note = f"-# {messages.HIDDEN.format(lines=hidden)}\n" if hidden > 0 else ""
        return self._marked(run, f"output {self._state.part}", note + block) if block else ""

    async def _write(self, run: Run, body: str) -> bool:
        """Create the newest log message, or bring it up to date; False where that one is left and the next begun."""
        if not body or body == self._shown_body:
            return True
        message = self._state.message
        if message is None:
            await self._budget.turn(Priority.FIRST if self._state.part == 1 else Priority.TAIL)
            with _gone():
                made = await self._create(f"log{self._state.part}", run, body)
            message = made.id
            await self._memory.update(message=message, newest=message, pending=None)
            self._shown_body = body if made.says(body) else made.text
        return self._shown_body == body or await self._rewrite(message, body)

    async def _rewrite(self, message_id: int, body: str) -> bool:
        """Bring the newest log message up to date; False where that can't be and the next one is begun."""
        await self._budget.turn(Priority.TAIL)
        try:
            there = await self._edit(message_id, content=body)
        except discord.HTTPException as error:
            if not _refuses_edits(error):
                raise
            shown_body = (await self._room().fetch_message(message_id)).content
            if shown_body.strip() != body.strip():
                await self._go_on_below(shown_body)
                return False
        else:
            if not there:
                await self._go_on_below(self._shown_body or "")
                return False
        self._shown_body = body
        return True

    async def _text_of(self, message_id: int) -> str:
        """What a message in the room says; what this life last made it say where it can't be read."""
        try:
            return (await self._room().fetch_message(message_id)).content
        except (discord.NotFound, discord.Forbidden):
            return self._shown_body or ""

    async def _go_on_below(self, shown_body: str) -> None:
        """Leave the newest log message as it is, and begin the next with what that one does not show."""
        shown = 0 if self._in_tail else chunks.shown_count(tuple(self._lines), shown_body)
        await self._next_part(shown)

    # --- status and end -----------------------------------------------------------------------------------------

    async def show(self, run: Run) -> None:
        """Edit the status message where what it should say has changed."""
        self._run = run
        text = self._marked(run, "status", messages.status(run))
        if text == self._shown_status or self._state.status is None:
            return
        await self._budget.turn(Priority.STATUS)
        view = cancel_view(run)
        if view is not None:
            view.stop()
        try:
            await self._edit(self._state.status, content=text, view=view)
        except discord.HTTPException as error:
            if not _refuses_edits(error):
                raise
        self._shown_status = text
        await self._memory.shown(run.version)

    async def close(self, run: Run, files: Sequence[Attachment], *, last_error: str) -> None:
        """The verdict with the files, then the status without its button, then the anchor for those in the channel."""
        if self._state.verdict is None:
            await self._budget.turn(Priority.VERDICT)
            fitting, left_out = fitting_files(files)
            try:
                verdict = await self._give_verdict(run, fitting, left_out, last_error)
            except discord.HTTPException as error:
                if not fitting or error.status not in FILES_REFUSED:
                    raise
                # The verdict matters more than its files: a right may be missing, or this server takes smaller ones.
                refused = [replace(file, content=None, why=messages.REFUSED_FILE) for file in fitting]
                verdict = await self._give_verdict(run, (), [*refused, *left_out], last_error)
            await self._memory.update(verdict=verdict.id, newest=verdict.id, pending=None)
        await self.show(run)
        await self._budget.turn(Priority.STATUS)
        try:
            anchor = self._channel(self._origin.channel).get_partial_message(self._state.anchor or 0)
            await anchor.edit(content=messages.anchor(run), allowed_mentions=NOBODY)
        except discord.HTTPException as error:
            # Somebody deleted it, or it is too old to edit: the verdict has been given.
            if error.status >= 500:
                raise
        await self._memory.shown(run.version, closed=True)

    async def _give_verdict(
        self, run: Run, files: Sequence[Attachment], left_out: Sequence[Attachment], last_error: str
    ) -> Made:
        text = messages.verdict(run, last_error=last_error) + messages.left_out(left_out)
        attached = [discord.File(io.BytesIO(file.content or b""), filename=file.name) for file in files]
        with nullcontext() if files else _gone():
            return await self._create("verdict", run, self._marked(run, "verdict", text), files=attached)

    # --- small parts --------------------------------------------------------------------------------------------

    def _channel(self, channel_id: int) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(channel_id)

    def _room(self) -> discord.PartialMessageable:
        return self._channel(self._state.room or self._origin.channel)

    def _marked(self, run: Run, part: str, text: str) -> str:
        return messages.part_marker(run, part) + text if self._state.here and text else text

    async def _create(
        self,
        what: str,
        run: Run,
        text: str,
        *,
        view: discord.ui.View | None = None,
        files: Sequence[discord.File] = (),
    ) -> Made:
        """A message in the room. In a thread of our own, any message of ours after the last one known is the one."""
        label = text.partition("\n")[0]

        def ours(found: str) -> bool:
            if self._state.here:
                return found.startswith(label)
            # A command given in this thread makes another run's messages here: parts, and an anchor.
            return not messages.is_part(found) and not messages.is_anchor(found)

        try:
            return await self._once.create(
                what, self._room(), text, after=self._state.newest, ours=ours, view=view, files=files
            )
        except discord.HTTPException as error:
            if error.code != THREAD_ARCHIVED:
                raise
            # A message opens an archived thread again, unless somebody locked it.
            raise FeedGoneError(f"the thread is locked: {error.text}") from error

    async def _edit(self, message_id: int, *, content: str, view: discord.ui.View | None = None) -> bool:
        """Bring a message in the room up to date; False where somebody deleted it."""
        message = self._room().get_partial_message(message_id)
        try:
            with _gone():
                if message_id == self._state.status:
                    await message.edit(content=content, view=view, allowed_mentions=NOBODY)
                else:
                    await message.edit(content=content, allowed_mentions=NOBODY)
        except _MessageGoneError:
            return False
        return True


def fitting_files(files: Sequence[Attachment]) -> tuple[list[Attachment], list[Attachment]]:
    """The files one message can carry, and those it leaves out, each with its reason."""
    fitting: list[Attachment] = []
    left_out: list[Attachment] = []
    room = FILES_BYTES
    for file in files:
        if file.content is None:
            left_out.append(file)
        elif len(fitting) == FILES_A_MESSAGE or len(file.content) > room:
            left_out.append(replace(file, content=None, why=messages.NO_ROOM))
        else:
            fitting.append(file)
            room -= len(file.content)
    return fitting, left_out


def _refuses_edits(error: discord.HTTPException) -> bool:
    """Whether this message is not to be edited now or soon, though the next one may be created.

    So with an archived thread, and with messages older than an hour, of which Discord takes few edits. It says the
    latter with a 429 (30046), which the library repeats until the bucket is empty and the last answer is any 429; one
    that it could not wait out means the same to us.
    """
    return error.code == THREAD_ARCHIVED or error.status == 429


class _MessageGoneError(Exception):
    """One message is gone, and its room is not."""


@contextmanager
def _gone() -> Iterator[None]:
    """Tell Discord's refusals that no repetition changes from all others."""
    try:
        yield
    except discord.NotFound as error:
        if error.code == UNKNOWN_MESSAGE:
            raise _MessageGoneError from error
        raise FeedGoneError(f"the thread is gone: {error.text}") from error
    except discord.Forbidden as error:
        raise FeedGoneError(f"not permitted in the thread: {error.text}") from error
