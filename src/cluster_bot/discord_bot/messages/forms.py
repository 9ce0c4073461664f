"""The words of the forms in which a program is typed or chosen."""

from collections.abc import Sequence

from cluster_bot.discord_bot.messages.replies import offer
from cluster_bot.runs.ports import GpuOffer
from cluster_bot.runs.spec import Language

FORM_TITLE = "Run a program"
FORM_OF_ONE = "Run {name}"
RUN_THIS_CODE = "Run this code"
CODE_LABEL = "Code"
CODE_HINT = "print('hello')"
WHICH_LABEL = "Which program"
MAIN_LABEL = "main"
MAIN_HELP = "Which file to run, where the .zip has several programs."
LANGUAGE_LABEL = "Language"
WHERE_LABEL = "Where to run it"
ARGUMENTS_LABEL = "Arguments"
ARGUMENTS_HELP = "As you would type them in a shell."
TIME_LIMIT_LABEL = "Time limit"
TIME_LIMIT_HELP = "In seconds; at most {longest}."
TOLD_BY_THE_CODE = "As the code says"
AUTO_PLACE = "{gpu}, wherever it is free soonest"
YOUR_CODE = "{sentence} What you typed comes back with this."
AGAIN_BUTTON = "Open the form again"

LANGUAGES: dict[Language, str] = {Language.PYTHON: "Python", Language.CPP: "C++", Language.CUDA: "CUDA"}


def place_name(launcher: str, gpu: str | None) -> str:
    """A place to choose: the GPU at its launcher, or the launcher alone."""
    return (f"{gpu} at {launcher}" if gpu else launcher)[:100]


def place_terms(one: GpuOffer) -> str:
    """What there is to know of a place before it is chosen, "" for nothing."""
    return offer(one).partition(" · ")[2][:100]


def places_of(there: Sequence[tuple[str, GpuOffer]]) -> str:
    """The launchers that have a GPU."""
    return ", ".join(launcher for launcher, _ in there)[:100]


def block_name(number: int, language: Language, code: str) -> str:
    """A code block to choose among others: which it is, and its first line."""
    lines = [line.strip() for line in code.splitlines() if line.strip()]
    return f"{number}. {LANGUAGES[language]}, {len(code.splitlines())} line(s): {lines[0] if lines else ''}"[:100]


def file_name(name: str, others: int) -> str:
    """An attached file to choose among others."""
    return (f"{name} with {others} more file(s)" if others else name)[:100]


def your_code(sentence: str) -> str:
    """A refusal to which the code is attached."""
    return YOUR_CODE.format(sentence=sentence)
