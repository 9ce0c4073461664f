"""What was asked: a run spec, immutable, which cannot be built invalid.

Built by the front ends from what a member sent, and by the store from what it kept. Bounds that an admin chooses are
not here but in `rules`; these are the ones no setting can lift.
"""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType

from cluster_bot.runs.refusals import Refusal, refuse
from cluster_runner import wire

MAX_SOURCE_BYTES = 1024 * 1024
MAX_TIME_LIMIT_S = 24 * 3600
MAX_ARGUMENTS = 64
MAX_ARGUMENT_CHARS = 1000
MAX_NAME_CHARS = 100
MAX_PATH_CHARS = 200
MAX_WHY_CHARS = 300


class Language(StrEnum):
    """What the main file is written in; the values are the wire's."""

    PYTHON = "python"
    CPP = "cpp"
    CUDA = "cuda"


EXTENSIONS: Mapping[str, Language] = MappingProxyType(
    {
        ".py": Language.PYTHON,
        ".cpp": Language.CPP,
        ".cc": Language.CPP,
        ".cxx": Language.CPP,
        ".cu": Language.CUDA,
    }
)


def _listed(extensions: Mapping[str, Language]) -> str:
    *most, last = (f"`{one}`" for one in extensions)
    return f"{', '.join(most)} or {last}"


EXTENSIONS_LISTED = _listed(EXTENSIONS)


@dataclass(frozen=True, slots=True)
class Where:
    """A launcher by the name members type after `/run`, and a GPU that it offers."""

    launcher: str
    gpu: str | None = None

    @property
    def gpus(self) -> int:
        """How many GPUs are meant: none where none is named, two by `H100:2`."""
        if not self.gpu:
            return 0
        count = self.gpu.partition(":")[2].strip()
        return int(count) if count.isascii() and count.isdecimal() and len(count) < 4 else 1


@dataclass(frozen=True, slots=True)
class Auto:
    """That the member left the place to the bot: the GPU as it was asked for, and what mattered most."""

    gpu: str
    prefer: str


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Files, the one to execute, where, and for how long; raises UserError where one of them cannot be.

    `files` maps names, which may lead into folders (`include/a.h`), to text; `launcher` is the name members type after
    `/run`; `gpu` is a name the launcher offers, None where it offers only itself; `time_limit_s` is whole seconds of
    the program's own time. Where that launcher refuses, the run goes on at `others`, in that order; `why` says, for
    people, why the order is this one, and `auto` what it was chosen by. `again_of` is the number of the run that this
    one repeats.
    """

    files: Mapping[str, str]
    main: str
    launcher: str
    time_limit_s: int
    gpu: str | None = None
    arguments: tuple[str, ...] = ()
    others: tuple[Where, ...] = ()
    why: str = ""
    auto: Auto | None = None
    again_of: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))
        object.__setattr__(self, "arguments", tuple(self.arguments))
        object.__setattr__(self, "others", tuple(self.others))
        # As it was typed, but for spaces: no number of them makes another GPU, or a name that no message holds.
        object.__setattr__(self, "gpu", " ".join((self.gpu or "").split()) or None)
        object.__setattr__(self, "why", " ".join(self.why.split())[:MAX_WHY_CHARS])
        if self.main not in self.files:
            raise refuse(Refusal.BAD_NAME)
        check_paths(self.files)
        for name, text in self.files.items():
            _check_text(name, text)
        _check_not_empty(self.main, self.files[self.main])
        size = sum(len(text.encode()) for text in self.files.values())
        if size > MAX_SOURCE_BYTES:
            raise refuse(Refusal.FILE_TOO_LARGE, name=self.main, size=size, limit=MAX_SOURCE_BYTES)
        language_of(self.main)
        if type(self.time_limit_s) is not int or not 1 <= self.time_limit_s <= MAX_TIME_LIMIT_S:
            raise refuse(Refusal.TIME_LIMIT, limit=MAX_TIME_LIMIT_S)
        _check_arguments(self.arguments)
        if not all(where.launcher.isidentifier() for where in self.order):
            raise refuse(Refusal.UNKNOWN_LAUNCHER, launcher="?")

    @property
    def order(self) -> tuple[Where, ...]:
        """Where the run may be started, the first choice first."""
        return (Where(self.launcher, self.gpu), *self.others)

    @property
    def most_gpu_s(self) -> float:
        """The GPU seconds that the run could take where it takes most."""
        return float(self.time_limit_s * self.most_gpus)

    @property
    def most_gpus(self) -> int:
        """How many GPUs it could have at once, where it has most."""
        return max(where.gpus for where in self.order)

    @property
    def language(self) -> Language:
        """The language of the main file, told by its name."""
        return language_of(self.main)

    def payload(self, run_id: str, attempt: int) -> wire.Payload:
        """What a runner needs to execute one attempt."""
        return wire.Payload(
            run=run_id,
            attempt=attempt,
            files=dict(self.files),
            main=self.main,
            language=self.language.value,
            time_limit_s=float(self.time_limit_s),
            arguments=self.arguments,
        )


def language_of(name: str) -> Language:
    """The language of a file by the end of its name; raises UserError where it has none we run."""
    check_path(name)
    if PurePosixPath(name).name.startswith((".", "-")):
        raise refuse(Refusal.BAD_NAME)
    language = EXTENSIONS.get(PurePosixPath(name).suffix.lower())
    if language is None:
        raise refuse(Refusal.UNKNOWN_LANGUAGE, name=name, extensions=EXTENSIONS_LISTED)
    return language


def is_program(name: str) -> bool:
    """Whether a file could be the one to execute, by its name."""
    last = PurePosixPath(name)
    return last.suffix.lower() in EXTENSIONS and not last.name.startswith((".", "-"))


def check_path(path: str) -> None:
    """Refuse, with UserError, a file name that could not be written anywhere safely or shown honestly."""
    if not wire.is_plain_path(path) or len(path) > MAX_PATH_CHARS or path.startswith("-"):
        raise refuse(Refusal.BAD_NAME)
    if any(len(part) > MAX_NAME_CHARS for part in path.split("/")):
        raise refuse(Refusal.BAD_NAME)
    if not path.isprintable() or any(char in "`\\*<>|\"'" for char in path):
        raise refuse(Refusal.BAD_NAME)


def check_paths(paths: Collection[str]) -> None:
    """Refuse, with UserError, files that could not all be written into one folder, or are too many."""
    if len(paths) > wire.MAX_FILES:
        raise refuse(Refusal.TOO_MANY_FILES, limit=wire.MAX_FILES)
    for path in paths:
        check_path(path)
    double = wire.clash(paths)
    if double is not None:
        raise refuse(Refusal.SAME_NAME, name=double)


def source_text(name: str, content: bytes) -> str:
    """The text of a file; raises UserError where it is too large or not UTF-8, or its name is odd."""
    # First, so that no sentence about the content repeats a name that could not be shown.
    check_path(name)
    if len(content) > MAX_SOURCE_BYTES:
        raise refuse(Refusal.FILE_TOO_LARGE, name=name, size=len(content), limit=MAX_SOURCE_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refuse(Refusal.NOT_TEXT, name=name) from None
    _check_text(name, text)
    return text


def split_arguments(text: str) -> tuple[str, ...]:
    """A typed argument line as a shell would split it, nothing expanded; raises UserError."""
    try:
        arguments = tuple(shlex.split(text))
    except ValueError as error:
        raise refuse(Refusal.BAD_ARGUMENTS, problem=str(error).lower()) from None
    _check_arguments(arguments)
    return arguments


def _check_not_empty(name: str, text: str) -> None:
    # Of the one to execute alone: a header may be empty, and an `__init__.py` mostly is.
    if not text.strip():
        raise refuse(Refusal.EMPTY_FILE, name=name)


def _check_text(name: str, text: str) -> None:
    if "\0" in text:
        raise refuse(Refusal.NOT_TEXT, name=name)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise refuse(Refusal.NOT_TEXT, name=name) from None


def _check_arguments(arguments: tuple[str, ...]) -> None:
    if len(arguments) > MAX_ARGUMENTS:
        raise refuse(Refusal.BAD_ARGUMENTS, problem=f"more than {MAX_ARGUMENTS}")
    for one in arguments:
        if len(one) > MAX_ARGUMENT_CHARS or "\0" in one or not one.isprintable():
            raise refuse(Refusal.BAD_ARGUMENTS, problem="one is too long or not printable")
