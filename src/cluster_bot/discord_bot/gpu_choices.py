"""GPUs as the choices of an autocomplete; called by the cogs whose commands take one."""

import re
from collections.abc import Sequence

from discord.app_commands import Choice

# Discord takes no more choices, nor longer ones.
MOST_CHOICES = 25
LONGEST_NAME = 100


def gpu_choices(names: Sequence[tuple[str, str]], typed: str) -> list[Choice[str]]:
    """Those whose GPU has what was typed in its name; a count after it is kept, as in `H100:2`."""
    wanted, colon, count = typed.strip().partition(":")
    fitting = [(gpu, words) for gpu, words in names if wanted.strip().lower() in gpu.lower()]
    # What nobody has so many of, or writes otherwise, is no choice: Discord would refuse all for one that is too long.
    if not colon or re.fullmatch(r"[1-9][0-9]?", count.strip()) is None:
        return [Choice(name=words[:LONGEST_NAME], value=gpu) for gpu, words in fitting[:MOST_CHOICES]]
    more = f":{count.strip()}"
    return [Choice(name=f"{gpu}{more}", value=f"{gpu}{more}") for gpu, _ in fitting[:MOST_CHOICES]]
