"""A whole log as one file, and both its ends where it is too large."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cluster_bot.scheduling.logs import EVENTS_A_READ, LEFT_OUT, whole_log
from cluster_runner.wire import Event


class Kept:
    """As much of a store as a log is read from."""

    def __init__(self, texts: list[str | None]) -> None:
        made = [
            ("gap", {"lines": 1, "bytes": 1}) if one is None else ("log", {"stream": "stdout", "text": one})
            for one in texts
        ]
        self._events = [Event(n, 0.0, kind, body) for n, (kind, body) in enumerate(made, 1)]  # type: ignore[arg-type]

    async def events(
        self, run_id: str, attempt: int, after: int, *, kinds: Collection[str] | None = None, limit: int = 1000
    ) -> list[Event]:
        """In order, at most `limit`."""
        assert limit <= EVENTS_A_READ
        return [one for one in self._events if one.n > after][:limit]


async def _log(texts: list[str | None], most_bytes: int | None = None) -> Any:
    return await whole_log(Kept(texts), "id", 1, most_bytes=most_bytes)  # type: ignore[arg-type]


async def test_it_is_text_without_colours() -> None:
    log = await _log(["a\x1b[1mü\x1b[", "0m", None, "\ud800\n", *("x" for _ in range(40))])
    assert (log.content, log.left_out) == ("aü\n[…]\n?\n".encode() + b"x" * 40, 0)


async def test_no_events_are_no_bytes() -> None:
    assert (await _log([])).content == b""


async def test_what_fits_exactly_is_whole() -> None:
    log = await _log(["a" * 400, "b" * 600], 1000)
    assert (log.content, log.left_out) == (b"a" * 400 + b"b" * 600, 0)


async def test_both_ends_are_kept() -> None:
    log = await _log([f"{n:09}\n" for n in range(1000)], 1000)
    assert log.content.startswith(b"000000000\n000000001\n")
    assert log.content.endswith(b"000000998\n000000999\n")
    assert LEFT_OUT.format(bytes=log.left_out).encode() in log.content
    kept = log.content.replace(LEFT_OUT.format(bytes=log.left_out).encode(), b"")
    assert log.left_out + len(kept) == 10_000
    assert 700 <= len(log.content) <= 1000


# Of what the log keeps: no controls, and no marks that hide or reorder text.
KEPT = st.characters(exclude_categories=("Cc", "Cf", "Cn", "Cs", "Zl", "Zp"))


@given(st.lists(st.text(KEPT, max_size=80), max_size=60), st.integers(300, 2000))
async def test_it_is_never_larger_than_it_may_be(texts: list[str], most_bytes: int) -> None:
    log = await _log(list(texts), most_bytes)
    whole = "".join(texts).encode("utf-8", "replace")
    assert len(log.content) <= most_bytes
    if len(whole) <= most_bytes:
        assert (log.content, log.left_out) == (whole, 0)
    else:
        line = LEFT_OUT.format(bytes=log.left_out).encode()
        head, _, tail = log.content.partition(line)
        assert whole.startswith(head) and whole.endswith(tail)
        assert len(head) + len(tail) + log.left_out == len(whole)
