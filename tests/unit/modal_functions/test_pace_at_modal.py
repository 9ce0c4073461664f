"""A container sends the more sparingly the more it has sent: Modal keeps 5,000 items, and no run may fill them."""

import itertools
from collections import deque

from modal_runners.channel import Channel

from cluster_bot.runs.spec import MAX_TIME_LIMIT_S


class Sent:
    """As much of a channel as its pace depends on."""

    pace = Channel.pace

    def __init__(self) -> None:
        self._items = 0


def test_a_day_of_endless_output_leaves_room_for_the_end() -> None:
    channel, posts, now = Sent(), deque([float("-inf")] * 64, maxlen=64), 0.0
    for count in itertools.count():
        channel._items = count
        most, within_s = channel.pace  # type: ignore[misc]
        now = max(now, posts[-most] + within_s)
        if now > MAX_TIME_LIMIT_S:
            break
        posts.append(now)
    # Files and the newest of a flood go at once at the end: some 50 items.
    assert 4000 < channel._items < 4900


def test_the_first_minutes_are_lively() -> None:
    channel = Sent()
    for items, pace in ((0, (8, 1.0)), (999, (8, 1.0)), (1000, (1, 1.0)), (2999, (1, 1.0)), (3000, (1, 60.0))):
        channel._items = items
        assert channel.pace == pace
