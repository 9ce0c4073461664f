"""From bytes as they arrive to log events: decoded, in order of arrival, batched by time and size.

Called by `supervise`. Latency: a line after a quiet moment goes out at once, everything else at the latest 40 ms after
it arrived or when 8 Ki characters have gathered. A character split over two reads stays whole; a byte that is no UTF-8
becomes U+FFFD.
"""

import codecs
import time
from typing import List, Optional, Tuple

from cluster_runner.spool import Spool
from cluster_runner.wire import MAX_TEXT_CHARS, STREAMS, split_text

HOLD_S = 0.04


class LogBatch:
    """Gathers output and hands it to the spool. Times are `time.monotonic()` seconds."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._decoders = {stream: codecs.getincrementaldecoder("utf-8")("replace") for stream in STREAMS}
        self._pieces: List[Tuple[str, str]] = []
        self._chars = 0
        self._oldest: Optional[float] = None
        self._flushed_at = float("-inf")

    @property
    def due(self) -> Optional[float]:
        """When `flush` must be called at the latest; None where nothing waits."""
        return None if self._oldest is None else self._oldest + HOLD_S

    def add(self, stream: str, data: bytes, final: bool = False) -> None:
        """Take what was read; `final` ends the stream, so that half a character left over is shown as such."""
        text = self._decoders[stream].decode(data, final)
        if final:
            self._decoders[stream].reset()
        if not text:
            return
        now = time.monotonic()
        if self._pieces and self._pieces[-1][0] == stream:
            text_before = self._pieces[-1][1]
            self._pieces[-1] = (stream, text_before + text)
        else:
            self._pieces.append((stream, text))
        self._chars += len(text)
        self._oldest = now if self._oldest is None else self._oldest
        quiet = now - self._flushed_at >= HOLD_S
        if self._chars >= MAX_TEXT_CHARS or (quiet and text.endswith("\n")) or now >= self._oldest + HOLD_S:
            self.flush()

    def flush(self) -> None:
        """Write everything that waits."""
        if self._oldest is None:
            return
        pieces, self._pieces, self._chars, self._oldest = self._pieces, [], 0, None
        self._flushed_at = time.monotonic()
        for stream, text in pieces:
            for part in split_text(text):
                self._spool.log(stream, part)
        self._spool.ring()
