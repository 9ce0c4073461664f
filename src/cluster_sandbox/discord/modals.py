"""Modals: what the bot may open, and what a member's client makes of the fields before it sends them. Pure.

`rest/callbacks.py` checks what the bot sends; `members.py` fills it in. Old modals have a text input in each action
row; those of today a label around a text input, a menu or a place for files, and texts between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import FormErrors
from .model import Attachment, Json
from .options import CommandError, File

ACTION_ROW, SELECT, TEXT_INPUT, TEXT, LABEL, FILE_UPLOAD = 1, 3, 4, 10, 18, 19
CUSTOM_ID = 100
TITLE = LABEL_TEXT = 45
DESCRIPTION = PLACEHOLDER = 100
SELECT_PLACEHOLDER = 150
TEXT_LENGTH = 4000
OPTIONS = 25
FILES = 10


def check_modal(data: Json) -> None:
    """Raise 50035 unless `data` can be a modal."""
    errors = FormErrors()
    errors.length("data.custom_id", data.get("custom_id"), 1, CUSTOM_ID, required=True)
    errors.length("data.title", data.get("title"), 1, TITLE, required=True)
    components = data.get("components")
    if not isinstance(components, list) or not 1 <= len(components) <= 5:
        errors.add("data.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
        errors.raise_if_any()
    assert isinstance(components, list)
    for index, top in enumerate(components):
        _check_top(top if isinstance(top, dict) else {}, f"data.components.{index}", errors)
    ids = [one.get("custom_id") for one in _inputs(components)]
    for repeated in {one for one in ids if one is not None and ids.count(one) > 1}:
        message = f"Component custom id cannot be duplicated: {repeated}"
        errors.add("data.components", "COMPONENT_CUSTOM_ID_DUPLICATED", message)
    errors.raise_if_any()


def _check_top(top: Json, path: str, errors: FormErrors) -> None:
    kind = top.get("type")
    errors.choice(f"{path}.type", kind, (ACTION_ROW, TEXT, LABEL))
    if kind == TEXT:
        errors.length(f"{path}.content", top.get("content"), 1, TEXT_LENGTH, required=True)
    elif kind == ACTION_ROW:
        inner = top.get("components")
        if not isinstance(inner, list) or len(inner) != 1 or not isinstance(inner[0], dict):
            errors.add(f"{path}.components", "BASE_TYPE_BAD_LENGTH", "Must be 1 in length.")
            return
        errors.choice(f"{path}.components.0.type", inner[0].get("type"), (TEXT_INPUT,))
        errors.length(f"{path}.components.0.label", inner[0].get("label"), 1, LABEL_TEXT, required=True)
        _check_input(inner[0], f"{path}.components.0", errors)
    elif kind == LABEL:
        errors.length(f"{path}.label", top.get("label"), 1, LABEL_TEXT, required=True)
        errors.length(f"{path}.description", top.get("description"), 0, DESCRIPTION)
        inner = top.get("component")
        if not isinstance(inner, dict):
            errors.add(f"{path}.component", "BASE_TYPE_REQUIRED", "This field is required")
            return
        errors.choice(f"{path}.component.type", inner.get("type"), (TEXT_INPUT, SELECT, FILE_UPLOAD))
        if inner.get("label"):
            errors.add(
                f"{path}.component.label", "COMPONENT_LABEL_INVALID", "A label is given by what stands around it"
            )
        _check_input(inner, f"{path}.component", errors)


def _check_input(one: Json, path: str, errors: FormErrors) -> None:
    errors.length(f"{path}.custom_id", one.get("custom_id"), 1, CUSTOM_ID, required=True)
    if one.get("type") == TEXT_INPUT:
        errors.choice(f"{path}.style", one.get("style"), (1, 2))
        errors.length(f"{path}.placeholder", one.get("placeholder"), 0, PLACEHOLDER)
        errors.length(f"{path}.value", one.get("value"), 0, TEXT_LENGTH)
        _check_bounds(one, path, "length", (0, TEXT_LENGTH), (1, TEXT_LENGTH), errors)
    elif one.get("type") == SELECT:
        errors.length(f"{path}.placeholder", one.get("placeholder"), 0, SELECT_PLACEHOLDER)
        _check_bounds(one, path, "values", (0, OPTIONS), (1, OPTIONS), errors)
        if one.get("disabled"):
            errors.add(f"{path}.disabled", "COMPONENT_DISABLED_INVALID", "A menu in a modal cannot be disabled")
        check_options(one.get("options"), f"{path}.options", errors)
    elif one.get("type") == FILE_UPLOAD:
        _check_bounds(one, path, "values", (0, FILES), (1, FILES), errors)
    if one.get("type") in (SELECT, FILE_UPLOAD) and one.get("min_values") == 0 and one.get("required", True):
        errors.add(f"{path}.min_values", "COMPONENT_REQUIRED_ZERO", "Must be at least 1 where a value is required")


def _check_bounds(
    one: Json, path: str, what: str, low: tuple[int, int], high: tuple[int, int], errors: FormErrors
) -> None:
    for key, (least, most) in ((f"min_{what}", low), (f"max_{what}", high)):
        value = one.get(key)
        if value is not None and (not isinstance(value, int) or not least <= value <= most):
            errors.add(f"{path}.{key}", "NUMBER_TYPE_MAX", f"int value should be between {least} and {most}.")
            return
    if (one.get(f"min_{what}") or 0) > (one.get(f"max_{what}") or high[1]):
        errors.add(f"{path}.min_{what}", "BASE_TYPE_BAD_LENGTH", f"min_{what} is above max_{what}")


def check_options(options: object, path: str, errors: FormErrors) -> None:
    """Add to `errors` what is wrong with the choices of a menu."""
    if not isinstance(options, list) or not 1 <= len(options) <= OPTIONS:
        errors.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {OPTIONS} in length.")
        return
    for index, option in enumerate(options):
        for key in ("label", "value"):
            errors.length(f"{path}.{index}.{key}", option.get(key), 1, 100, required=True)
        errors.length(f"{path}.{index}.description", option.get("description"), 0, 100)
    values = [one.get("value") for one in options]
    if len(set(values)) < len(values):
        errors.add(path, "COMPONENT_OPTION_VALUE_DUPLICATED", "The specified option value is already used")


def _inputs(components: Sequence[Any]) -> Iterator[Json]:
    """What a member fills in, in reading order."""
    for top in components:
        inner = [*(top.get("components") or []), top.get("component")] if isinstance(top, dict) else []
        yield from (one for one in inner if isinstance(one, dict))


# --- filling it in ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Form:
    """A modal on a member's screen. `upload` stores a file, `attachment` is it as the API writes it."""

    modal: Json
    upload: Callable[[File], Attachment]
    attachment: Callable[[Attachment], Json]
    resolved: dict[str, Json] = field(default_factory=dict)

    def filled(self, fields: Mapping[str, Any]) -> Json:
        """The `data` of the interaction; what is not named keeps what the bot put there. CommandError otherwise.

        `fields` by custom id: a text, one value of a menu or a list of them, a File or a list of them.
        """
        known = [str(one["custom_id"]) for one in _inputs(self.modal["components"])]
        unknown = [name for name in fields if name not in known]
        if unknown:
            raise CommandError(f"the modal has no field {unknown[0]!r}; it has: {', '.join(known)}")
        components = [self._top(number, top, fields) for number, top in enumerate(self.modal["components"], 1)]
        data: Json = {"custom_id": self.modal["custom_id"], "components": components}
        if self.resolved:
            data["resolved"] = {"attachments": self.resolved}
        return data

    def _top(self, number: int, top: Json, fields: Mapping[str, Any]) -> Json:
        shape: Json = {"type": top["type"], "id": top.get("id", number)}
        if top["type"] == LABEL:
            shape["component"] = self._input(top["component"], fields, top["label"])
        elif top["type"] == ACTION_ROW:
            shape["components"] = [self._input(one, fields, one["label"]) for one in top["components"]]
        return shape

    def _input(self, one: Json, fields: Mapping[str, Any], label: str) -> Json:
        name = one["custom_id"]
        shape: Json = {"type": one["type"], "custom_id": name, "id": one.get("id", 100)}
        if one["type"] == TEXT_INPUT:
            return {**shape, "value": _text(one, fields.get(name, one.get("value") or ""), label)}
        if one["type"] == SELECT:
            chosen = [option["value"] for option in one["options"] if option.get("default")]
            return {**shape, "values": choose_values(one, fields.get(name, chosen), label)}
        files = _several(fields.get(name, []))
        if not all(isinstance(file, File) for file in files):
            raise CommandError(f"{label!r} takes files, not {files!r}")
        _count(one, len(files), label)
        stored = [self.upload(file) for file in files]
        self.resolved |= {str(file.id): self.attachment(file) for file in stored}
        return {**shape, "values": [str(file.id) for file in stored]}


def choose_values(menu: Json, values: Any, label: str) -> list[Any]:
    """What a member chose in a menu with options of its own; CommandError where it does not let them."""
    chosen, offered = _several(values), [option["value"] for option in menu["options"]]
    wrong = [value for value in chosen if value not in offered]
    if wrong:
        raise CommandError(f"{label!r} takes one of {offered}, not {wrong[0]!r}")
    if len(set(chosen)) < len(chosen):
        raise CommandError(f"{label!r} takes each value once, not {chosen!r}")
    _count(menu, len(chosen), label)
    return chosen


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _text(one: Json, text: Any, label: str) -> str:
    if not isinstance(text, str):
        raise CommandError(f"{label!r} takes a text, not {text!r}")
    if not text and not one.get("required", True):
        return ""
    least, most = max(1, one.get("min_length") or 0), one.get("max_length") or TEXT_LENGTH
    if not least <= len(text) <= most:
        raise CommandError(f"{label!r} takes {least} to {most} characters, not {len(text)}")
    return text


def _count(one: Json, count: int, label: str) -> None:
    if not count and not one.get("required", True):
        return
    # A bound may be null, as a client library sends what was not given.
    least, most = max(1, one.get("min_values") or 1), one.get("max_values") or 1
    if not least <= count <= most:
        raise CommandError(f"{label!r} takes {least} to {most} values, not {count}")
