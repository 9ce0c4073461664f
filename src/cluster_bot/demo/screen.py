"""What the demo shows: the channel and its threads as a person would read them, or as JSON.

Called by `world`. An edit that adds lines to a log message prints just those lines, so that a terminal reads like the
thread does.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from cluster_bot.discord_bot.chunks import lines_in
from cluster_bot.scheduling.colours import uncoloured
from cluster_sandbox.discord import DiscordServer, MessageEvent

_TIMESTAMP = re.compile(r"(?: · )?since <t:\d+:R>")


class Screen:
    """Prints events; with `save`, keeps the files the bot attaches in that folder."""

    def __init__(self, server: DiscordServer, *, as_json: bool, save: Path | None) -> None:
        self._server = server
        self._as_json = as_json
        self._save = save
        self._texts: dict[int, str] = {}
        self._notes: dict[int, str] = {}
        self._open_line = False

    def say(self, text: str) -> None:
        """A line that is not a message of the bot; on stderr where stdout is JSON."""
        self._end_line()
        print(text, file=sys.stderr if self._as_json else sys.stdout, flush=True)

    def show(self, event: MessageEvent) -> None:
        """Show one thing that became visible."""
        if self._as_json:
            print(json.dumps(self._as_object(event), ensure_ascii=False), flush=True)
        elif event.event == "thread":
            self.say(f"┌ thread: {event.content}")
        elif event.author_id == self._server.bot_user_id and not event.loading:
            self._show_text(event)
        if event.event == "create":
            self._show_files(event)

    def end(self) -> None:
        """Finish the line that stands open."""
        self._end_line()

    def _as_object(self, event: MessageEvent) -> dict[str, Any]:
        return {
            "time": event.time,
            "event": event.event,
            "channel": str(event.channel_id),
            "message": str(event.message_id),
            "author": event.author,
            "content": event.content,
            "attachments": list(event.attachments),
            "ephemeral": event.ephemeral,
        }

    def _show_text(self, event: MessageEvent) -> None:
        before = self._texts.get(event.message_id, "")
        lines = lines_in(event.content)
        if not lines:
            self._texts[event.message_id] = text = self._readable(event.content)
            if text and text != before:
                self._end_line()
                label = "(to you alone) " if event.ephemeral else ""
                self.say("\n".join(f"│ {label}{line}" for line in text.splitlines()))
            return
        self._texts[event.message_id] = text = self._painted("\n".join(lines))
        note = self._readable(event.content.partition("```")[0]).strip()
        if not before:
            self._end_line()
        elif not text.startswith(before):
            # The tail of a flood moved on, or an unfinished line was rewritten.
            self._end_line()
            before = _common_lines(before, text)
        if note and note != self._notes.get(event.message_id):
            self._notes[event.message_id] = note
            self.say(f"│ {note}")
        added = text[len(before) :]
        if added:
            sys.stdout.write(added if before else added.removeprefix("\n"))
            sys.stdout.flush()
            self._open_line = True

    def _readable(self, text: str) -> str:
        """Without Discord's markup; people and channels by their names."""
        text = _TIMESTAMP.sub("", text)
        text = re.sub(r"^-# |^```\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"<@(\d+)>", lambda found: f"@{self._server.service.world.user(int(found[1])).name}", text)
        text = re.sub(r"<#(\d+)>", lambda found: self._server.channel(found[1]).name, text)
        return re.sub(r"\\([\\*_~`|>#\[\]()<@:])", r"\1", text.replace("**", ""))

    def _painted(self, text: str) -> str:
        """In its colours, where somebody looks."""
        return text if sys.stdout.isatty() else uncoloured(text)

    def _end_line(self) -> None:
        if self._open_line:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._open_line = False

    def _show_files(self, event: MessageEvent) -> None:
        for index, name in enumerate(event.attachments):
            content = self._server.attachment(event.message_id, index)
            note = f"│ 📎 {name} ({len(content):,} bytes)"
            if self._save is not None:
                (self._save / Path(name).name).write_bytes(content)
                note += f", saved as {self._save / Path(name).name}"
            if not self._as_json:
                self.say(note)


def _common_lines(before: str, after: str) -> str:
    """The lines that both begin with."""
    same = 0
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    return "".join(new[:same])
