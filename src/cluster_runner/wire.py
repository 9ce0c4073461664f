"""The wire between the bot and the runner: one payload down, numbered events up.

Why it exists: both sides, whatever the launcher, speak exactly this, so it is the one module that both import.
Called by the runner (which writes events) and by the bot (which reads them and treats every byte as hostile).
Limits: everything is JSON in UTF-8; an event is at most `MAX_EVENT_BYTES` when encoded.

A payload is one JSON object; inside a launch call it travels as base64(zlib(JSON)). It is of the lowest version that
can say it: 2 where a file lies in a folder, else 1, which older runners know. Events are one JSON object a line
(NDJSON): `n` counts from 1 without gaps within one attempt, `t` is seconds since the epoch by the runner's clock,
`kind` says what the rest means.
"""

import base64
import json
import re
import unicodedata
import zlib
from types import MappingProxyType
from typing import Any, Collection, Dict, List, Mapping, NamedTuple, Optional, Tuple

VERSION, VERSION_WITH_FOLDERS = 1, 2
MAX_EVENT_BYTES = 64 * 1024
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
MAX_TEXT_CHARS = 8 * 1024
MAX_FILES = 100
MAX_DEPTH = 8
MAX_PATH_BYTES = 1024

KINDS = ("hello", "phase", "log", "gap", "artifact", "outcome")
PHASES = ("compile", "run")
STREAMS = ("stdout", "stderr")
LANGUAGES = ("python", "cpp", "cuda")

# How the user's program ended. `Outcome.result` is one of these and nothing else.
RESULTS = (
    "exited",  # by itself; exit_code says how
    "signalled",  # by a signal that was not ours; signal says which
    "time_limit",  # we ended it: its time was over
    "memory_limit",  # we ended it: it took more memory than the machine's admin allows
    "disk_limit",  # we ended it: it took more disk than the machine's admin allows
    "stopped",  # we ended it, or never began: a stop was wished
    "compile_error",  # the compiler refused it; exit_code is the compiler's
    "tool_missing",  # this machine has no compiler or interpreter for the language
    "gpu_missing",  # the program needs a GPU and this machine shows none
    "setup_error",  # the runner could not start the program
)

_RUN_ID = re.compile(r"[0-9a-f]{32}")
# What half of a surrogate pair looks like in JSON; alone it is no text, and nothing can be told it in UTF-8.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_FILE_NAME = re.compile(r"[^/\x00-\x1f\x7f]{1,255}")
# What of the environment reaches the runner and the program: where libraries and GPUs are. Each by its whole name, so
# that nothing secret comes along with it.
PASSED_ON = (
    *("LD_LIBRARY_PATH", "TZ", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "CUDA_PATH"),
    *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
    *("ROCM_PATH", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "HSA_OVERRIDE_GFX_VERSION"),
)


class WireError(ValueError):
    """What arrived is not a payload or an event of this version; the text says what is wrong with it."""


class Payload(NamedTuple):
    """What a runner needs to execute one attempt of a run.

    `files` maps paths below the program's folder to their text; `main` is the one to execute; `time_limit_s` is seconds
    of the program's own time, compiling apart. `report_to` is a URL to ship events to, or None where the spool is
    fetched.
    """

    run: str
    attempt: int
    files: Mapping[str, str]
    main: str
    language: str
    time_limit_s: float
    arguments: Tuple[str, ...] = ()
    report_to: Optional[str] = None

    def checked(self) -> "Payload":
        """This payload; raises WireError where it is none that a runner could execute."""
        _require(bool(_RUN_ID.fullmatch(self.run)), "run is not 32 hexadecimal digits")
        _require(_is_count(self.attempt) and self.attempt >= 1, "attempt is not a positive number")
        _require(self.main in self.files, "main is not among the files")
        _require(self.language in LANGUAGES, "language is unknown")
        _require(_is_number(self.time_limit_s) and self.time_limit_s > 0, "time_limit_s is not positive")
        _require(len(self.files) <= MAX_FILES, "there are more than %d files" % MAX_FILES)
        for name, text in self.files.items():
            _require(is_plain_path(name), "a file name leads elsewhere, is too long or has control characters")
            _require(isinstance(text, str), "a file is not text")
        _require(clash(self.files) is None, "two files would be one, or a file a folder")
        _require(all(isinstance(one, str) and "\0" not in one for one in self.arguments), "an argument is not text")
        _require(self.report_to is None or isinstance(self.report_to, str), "report_to is not text")
        return self


class Outcome(NamedTuple):
    """How the user's program ended and what was measured.

    `duration_s` is wall time of the program (of the compiler for a compile error), in seconds; `peak_memory_bytes`
    the largest resident set of it and its waited-for children; `detail` one sentence for people, or "".
    """

    result: str
    exit_code: Optional[int] = None
    signal: Optional[str] = None
    duration_s: float = 0.0
    peak_memory_bytes: Optional[int] = None
    detail: str = ""


class Event(NamedTuple):
    """One thing that happened to a run: its number in the attempt (from 1), when, what kind, and the rest."""

    n: int
    t: float
    kind: str
    body: Mapping[str, Any] = MappingProxyType({})

    @property
    def outcome(self) -> Outcome:
        """The outcome this event carries; raises WireError for any other kind."""
        _require(self.kind == "outcome", "the event carries no outcome")
        return outcome_of(self.body)


def is_plain_name(name: object) -> bool:
    """Whether `name` is a file name without path parts, control characters or surprises."""
    return (
        isinstance(name, str)
        and bool(_FILE_NAME.fullmatch(name))
        and name not in (".", "..")
        and len(name.encode("utf-8", "surrogatepass")) <= 255
    )


def is_plain_path(path: object) -> bool:
    """Whether `path` leads to a file below a folder and nowhere else: plain names with slashes between them."""
    if not isinstance(path, str) or len(path) > MAX_PATH_BYTES:
        return False
    parts = path.split("/")
    # A backslash is an ordinary letter here, and a separator on the machine where the file may have been packed.
    plain = all(is_plain_name(part) and "\\" not in part for part in parts)
    return plain and len(parts) <= MAX_DEPTH and len(path.encode("utf-8", "surrogatepass")) <= MAX_PATH_BYTES


def clash(paths: Collection[str]) -> Optional[str]:
    """One of `paths` that is another one of them, or a folder of it; None where there is none.

    Names that differ only in case, or in how their letters are composed, are one: there are file systems that say so.
    """
    taken: Dict[str, str] = {}
    for path in paths:
        if taken.setdefault(_folded(path), path) != path:
            return path
    for path in paths:
        parts = _folded(path).split("/")
        for length in range(1, len(parts)):
            if "/".join(parts[:length]) in taken:
                return taken["/".join(parts[:length])]
    return None


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


# --- payload ----------------------------------------------------------------------------------------------------


def payload_to_json(payload: Payload) -> str:
    """The payload as one JSON object; raises WireError where it is none that a runner could execute."""
    payload.checked()
    version = VERSION_WITH_FOLDERS if any("/" in name for name in payload.files) else VERSION
    return json.dumps({"v": version, **payload._asdict()}, separators=(",", ":"), ensure_ascii=False)


def payload_from_json(text: str) -> Payload:
    """The payload in `text`; raises WireError for anything else."""
    if len(text) > MAX_PAYLOAD_BYTES:
        raise WireError("the payload is too large")
    fields = _json_object(text)
    version = fields.pop("v", None)
    # By type too: True is 1 to Python.
    known = type(version) is int and version in (VERSION, VERSION_WITH_FOLDERS)
    _require(known, "the payload is of a version that this runner does not know; bring it up to date with the bot")
    arguments = fields.pop("arguments", [])
    _require(isinstance(arguments, list), "arguments is not a list")
    try:
        return Payload(arguments=tuple(arguments), **fields).checked()
    except (TypeError, AttributeError) as error:
        raise WireError("the payload lacks a field or has one too many") from error


def pack(payload: Payload) -> str:
    """The payload for a launch call: base64 of zlib of its JSON."""
    return base64.b64encode(zlib.compress(payload_to_json(payload).encode("utf-8"), 9)).decode("ascii")


def unpack(packed: str) -> Payload:
    """The payload in `packed`; raises WireError. A bomb is refused before it unfolds."""
    try:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(base64.b64decode(packed, validate=True), MAX_PAYLOAD_BYTES)
        _require(inflate.eof, "the payload is cut off or too large")
        return payload_from_json(raw.decode("utf-8"))
    except WireError:
        raise
    except (ValueError, zlib.error) as error:
        # ValueError: binascii's and Unicode's errors are such, and plain ones greet letters beyond ASCII.
        raise WireError("the payload is not base64 of zlib of UTF-8") from error


# --- events -----------------------------------------------------------------------------------------------------


def event_to_line(event: Event) -> bytes:
    """The event as one NDJSON line, newline included; raises WireError where it is too large."""
    text = json.dumps(
        {"n": event.n, "t": round(event.t, 6), "kind": event.kind, **event.body},
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    # Lone surrogates cannot be encoded; a program may name a file with them.
    line = text.encode("utf-8", "replace") + b"\n"
    _require(len(line) <= MAX_EVENT_BYTES, "the event is too large")
    return line


def event_from_line(line: bytes) -> Event:
    """The event in one NDJSON line; raises WireError for anything this version does not allow."""
    _require(len(line) <= MAX_EVENT_BYTES, "the event is too large")
    try:
        fields = _json_object(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise WireError("the event is not UTF-8") from error
    n, t, kind = fields.pop("n", None), fields.pop("t", None), fields.pop("kind", None)
    _require(isinstance(n, int) and not isinstance(n, bool) and 1 <= n < 2**53, "n is not a positive number")
    _require(_is_number(t), "t is not a time")
    _require(kind in KINDS, "kind is unknown")
    # Flat, so that whoever keeps or shows it never meets a depth that this reader survived and they do not.
    _require(all(_is_flat(value) for value in fields.values()), "a field is neither text nor a number")
    _CHECKS[kind](fields)
    return Event(n=n, t=float(t), kind=kind, body=fields)


def _check_hello(body: Dict[str, Any]) -> None:
    _require(_is_text(body.get("machine"), 255), "hello without machine")
    for name in ("gpu", "driver", "toolkit", "scheduler_run", "isolation"):
        _require(body.get(name) is None or _is_text(body[name], 255), "hello with an odd " + name)


def _check_phase(body: Dict[str, Any]) -> None:
    _require(body.get("phase") in PHASES, "phase is unknown")


def _check_log(body: Dict[str, Any]) -> None:
    _require(body.get("stream") in STREAMS, "stream is unknown")
    _require(_is_text(body.get("text"), MAX_TEXT_CHARS), "log text is missing or too long")


def _check_gap(body: Dict[str, Any]) -> None:
    _require(_is_count(body.get("bytes")) and _is_count(body.get("lines")), "gap without bytes and lines")


def _check_artifact(body: Dict[str, Any]) -> None:
    _require(is_plain_name(body.get("name")), "artifact without a plain name")
    _require(_is_count(body.get("size")), "artifact without size")
    # `stored` names the file in the spool's artifact folder; None: it was left behind, `detail` says why.
    _require(body.get("stored") is None or is_plain_name(body["stored"]), "artifact stored under an odd name")
    _require(body.get("detail") is None or _is_text(body["detail"], 500), "artifact with an odd detail")


def outcome_of(body: Mapping[str, Any]) -> Outcome:
    """The outcome in `body`, which may say more than this version knows; raises WireError where it is none."""
    code, signal, peak = body.get("exit_code"), body.get("signal"), body.get("peak_memory_bytes")
    duration, detail, result = body.get("duration_s"), body.get("detail", ""), body.get("result")
    _require(result in RESULTS, "outcome without a result that is known")
    _require(code is None or (isinstance(code, int) and abs(code) < 2**32), "outcome with an odd exit_code")
    _require(signal is None or _is_text(signal, 32), "outcome with an odd signal")
    _require(peak is None or _is_count(peak), "outcome with an odd peak_memory_bytes")
    _require(_is_number(duration), "outcome without duration_s")
    _require(_is_text(detail, 2000), "outcome with an odd detail")
    return Outcome(str(result), code, signal, float(duration or 0.0), peak, str(detail))


def _check_outcome(body: Dict[str, Any]) -> None:
    outcome_of(body)


_CHECKS = {
    "hello": _check_hello,
    "phase": _check_phase,
    "log": _check_log,
    "gap": _check_gap,
    "artifact": _check_artifact,
    "outcome": _check_outcome,
}


def split_text(text: str) -> List[str]:
    """`text` in pieces that each fit one log event."""
    return [text[i : i + MAX_TEXT_CHARS] for i in range(0, len(text), MAX_TEXT_CHARS)]


def _json_object(text: str) -> Dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_no_constant)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise WireError("not JSON") from error
    if not isinstance(value, dict):
        raise WireError("not a JSON object")
    return value


def _no_constant(name: str) -> None:
    raise WireError(name + " is no JSON")


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_number(value: object) -> bool:
    # Compared, not converted: JSON may hold an integer larger than any float, and 1e999 is read as infinity.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e15 < value < 1e15


def _is_flat(value: object) -> bool:
    return value is None or isinstance(value, (str, bool)) or _is_number(value) or _is_count(value)


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise WireError(problem)
