"""Where a program may run, as the choices of a menu: each launcher with each GPU it offers, and the bot's own choice.

Used by `forms`. A choice's value is what the menu sends back, perhaps to a later life of the bot, so it says all of it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cluster_bot.discord_bot import messages
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.spec import Language, Where
from cluster_bot.scheduling.choosing import Prefer, merged

# Discord's bounds of a menu.
MOST_PLACES, LONGEST_VALUE = 25, 100
AUTO = "auto"


class Place(NamedTuple):
    """One choice: what it sends back, what it is called, and what there is to know of it."""

    value: str
    label: str
    about: str


def places(offers: Mapping[str, Sequence[GpuOffer]]) -> list[Place]:
    """What can be chosen now, at most 25, of every launcher some; what is paused can not."""
    shared = {gpu: there for gpu, there in merged(offers).items() if len(there) > 1}
    groups = [
        [
            Place(f"{AUTO}:{gpu}", messages.AUTO_PLACE.format(gpu=gpu)[:100], messages.places_of(there))
            for gpu, there in shared.items()
        ]
    ]
    for launcher, offered in offers.items():
        open_now = [one for one in offered if not one.paused]
        groups.append(
            [Place(_value(launcher, one.gpu), messages.place_name(launcher, one.gpu), _about(one)) for one in open_now]
        )
    return _fairly([[one for one in group if len(one.value) <= LONGEST_VALUE] for group in groups])


def preselected(found: Sequence[Place], language: Language | None, last: str | None) -> str:
    """The choice that is made unless the member makes another: their last one, else one that fits the language."""
    if any(one.value == last for one in found):
        return str(last)
    with_gpu = [one.value for one in found if ":" in one.value]
    return with_gpu[0] if language is Language.CUDA and with_gpu else found[0].value


def place_of(value: str) -> tuple[Where, Prefer | None]:
    """What a choice stands for: launcher and GPU, and how it is chosen where that is left to the bot."""
    launcher, _, gpu = value.partition(":")
    return Where(launcher, gpu or None), Prefer.SOONEST if launcher == AUTO else None


def _value(launcher: str, gpu: str | None) -> str:
    return launcher if gpu is None else f"{launcher}:{gpu}"


def _about(one: GpuOffer) -> str:
    return "" if one.gpu is None else messages.place_terms(one)


def _fairly(groups: Sequence[Sequence[Place]]) -> list[Place]:
    """All of them where there is room; else the first few of each."""
    most = max((len(group) for group in groups), default=0)
    rounds = [group[n] for n in range(most) for group in groups if n < len(group)][:MOST_PLACES]
    return [one for group in groups for one in group if one in rounds]
