"""The small words of all messages: text from outside made harmless, durations, sizes."""

import re

_MARKDOWN = re.compile(r"([\\*_~`|>#\[\]()<@:])")


def plain(text: str, longest: int = 300) -> str:
    """`text` on one line, cut, with everything escaped that Discord would read as markup or a mention."""
    flat = " ".join(text.split())
    cut = flat if len(flat) <= longest else flat[: longest - 1] + "…"
    return _MARKDOWN.sub(r"\\\1", cut).replace("\\@", "@\u200b")


def code(text: str, longest: int = 200) -> str:
    """`text` as inline code that it cannot break out of; an ellipsis where there is none."""
    flat = " ".join(text.split()).replace("`", "'") or "…"
    return f"`{flat if len(flat) <= longest else flat[: longest - 1] + '…'}`"


def seconds(duration_s: float) -> str:
    """A duration as people say it: 0.42 s, 12.3 s, 3 min 5 s, 2 h 10 min."""
    # The bounds are where the next form begins after rounding.
    if duration_s < 9.995:
        return f"{max(duration_s, 0):.2f} s"
    if duration_s < 59.95:
        return f"{duration_s:.1f} s"
    minutes, rest = divmod(round(duration_s), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def size(count: int) -> str:
    """A number of bytes as people say it, in powers of 1,000."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def units(text: str) -> int:
    """The length of `text` as Discord may count it: UTF-16 code units, never fewer than characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def fenced(line: str) -> str:
    """A line that cannot end the code block it stands in."""
    return line.replace("``", "`\u200b")


def ordinal(number: int) -> str:
    """A place in a row as people say it: 1st, 2nd, 11th."""
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
