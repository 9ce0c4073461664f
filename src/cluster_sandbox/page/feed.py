"""What one open page has not seen yet: everything at first, then what changed, in batches.

Made by `page.py` for every event stream. A batch holds the present state of what changed, not each step to it, so a
page that was away for long, or reads slowly, gets one version of each message and never a backlog of edits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_sandbox.discord.interactions import Interaction, Kind
from cluster_sandbox.discord.members import Acting
from cluster_sandbox.discord.model import Json, Message

from .views import Views

if TYPE_CHECKING:
    from cluster_sandbox.discord.server import DiscordServer


class Feed:
    """`after`: the number of the last event that the page has seen; None when it begins now."""

    def __init__(self, server: DiscordServer, views: Views, acting: Acting, after: int | None) -> None:
        self._server = server
        self._views = views
        self._acting = acting
        # A number from before the server was started anew would hide everything up to it.
        known = after is not None and 0 <= after <= len(server.events)
        self._seq = after if after is not None and known else len(server.events)
        self._moves = 0
        self._shown: dict[str, object] = {}
        self._places: dict[str, Json] = {}

    @property
    def seq(self) -> int:
        """Everything up to this event is in the batches taken so far."""
        return self._seq

    def batch(self) -> Json:
        """What changed since the last call, empty if nothing did.

        `messages` and `gone` (channel and message ids); `places`: those that are new or different; `people`, `roles`
        and `commands`: all of them, when any is different; `interactions`: this member's own.
        """
        batch: Json = {}
        opened = self._interactions()
        messages, gone = self._messages([one.original for one in opened])
        places = self._views.places(self._acting.user_id)
        changed = [shape for place, shape in places.items() if self._places.get(place) != shape]
        self._places = places
        lists = {
            "places": changed,
            "messages": messages,
            "gone": gone,
            "interactions": [self._views.interaction(one) for one in opened],
        }
        batch |= {name: found for name, found in lists.items() if found}
        whole: dict[str, Json | list[Json]] = {
            "people": self._views.people(),
            "roles": self._views.roles(),
            "commands": self._views.commands(self._acting),
        }
        batch |= {name: shape for name, shape in whole.items() if self._shown.get(name) != shape}
        self._shown = dict(whole)
        return batch

    def _interactions(self) -> list[Interaction]:
        moves = self._server.service.interactions.moves
        new, self._moves = moves[self._moves :], len(moves)
        mine = [one for one in new if one.user is self._acting.user and one.kind is not Kind.AUTOCOMPLETE]
        return list(dict.fromkeys(mine))

    def _messages(self, also: list[Message | None]) -> tuple[list[Json], list[Json]]:
        """What events name, with the thread entries that show it; `also`: answers that may have failed."""
        events = self._server.events
        new, self._seq = events[self._seq :], len(events)
        world = self._server.service.world
        # A new thread changes the message it hangs from, which has the same id.
        named = dict.fromkeys((one.channel_id, one.message_id) for one in new)
        found = [world.messages.get(channel, {}).get(message) for channel, message in named]
        touched: dict[int, Message] = {}
        for message in [*found, *also]:
            if message is not None:
                touched[id(message)] = message
                starter = self._views.starter(message) if message.thread_id else None
                if starter is not None:
                    touched[id(starter)] = starter
        viewer, shown, gone = self._acting.user_id, [], []
        for message in touched.values():
            if not self._views.sees_channel(world.channel(message.channel_id), viewer):
                continue
            if self._views.sees_message(message, viewer):
                shown.append(self._views.message(message))
            elif message.deleted and message.ephemeral_to in (None, viewer):
                gone.append({"channel_id": str(message.channel_id), "id": str(message.id)})
        return shown, gone
