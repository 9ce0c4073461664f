"""What a message may be: lengths, counts, embeds, components, files. Pure; refusals are ApiErrors.

Called by the REST handlers on the parsed body before anything happens. Whether a message is empty is known only
after an edit is merged, so that check is in `messaging.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from . import mentions
from .components import check_components
from .errors import FormErrors, api_error, form_error
from .model import Json, MessageFlag
from .policy import Policy

CONTENT = 2000
NONCE = 25
FILES = 10
EMBEDS = 10
EMBED_TOTAL = 6000
SENDABLE = (
    MessageFlag.SUPPRESS_EMBEDS | MessageFlag.EPHEMERAL | MessageFlag.SUPPRESS_NOTIFICATIONS | MessageFlag.COMPONENTS_V2
)


@dataclass(frozen=True, slots=True)
class Upload:
    """One `files[n]` part of a multipart request."""

    filename: str
    data: bytes = field(repr=False)
    content_type: str


def check_message(data: Json, files: Mapping[int, Upload], policy: Policy, *, flags: int | None = None) -> None:
    """Raise 50035 (or 40005 for a file too large) unless `data` can be a message.

    `flags`: those the message already has, for an edit.
    """
    errors = FormErrors()
    errors.length("content", data.get("content"), 0, CONTENT)
    nonce = data.get("nonce")
    errors.length("nonce", str(nonce) if isinstance(nonce, int) else nonce, 0, NONCE)
    if data.get("enforce_nonce") and nonce is None:
        errors.add("nonce", "BASE_TYPE_REQUIRED", "This field is required")
    mentions.check(data.get("allowed_mentions"), errors)
    _check_embeds(data.get("embeds"), errors)
    asked = data.get("flags") or 0
    if not isinstance(asked, int):
        errors.add("flags", "NUMBER_TYPE_COERCE", f'Value "{asked}" is not int.')
        asked = 0
    v2 = bool((asked | (flags or 0)) & MessageFlag.COMPONENTS_V2)
    check_components(data.get("components"), errors, v2=v2)
    if v2 and (data.get("content") or data.get("embeds")):
        for name in ("content", "embeds"):
            if data.get(name):
                message = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
                errors.add(name, "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", message)
    _check_files(data.get("attachments"), files, policy, errors)
    errors.raise_if_any()


def _check_files(listed: object, files: Mapping[int, Upload], policy: Policy, errors: FormErrors) -> None:
    if any(len(one.data) > policy.file_bytes for one in files.values()):
        raise api_error("entity_too_large")
    if len(files) > FILES:
        errors.add("files", "BASE_TYPE_MAX_LENGTH", f"Must be {FILES} or fewer in length.")
    if errors.count("attachments", listed, FILES) and isinstance(listed, list):
        for index, one in enumerate(listed):
            if not isinstance(one, dict) or "id" not in one:
                errors.add(f"attachments.{index}.id", "BASE_TYPE_REQUIRED", "This field is required")
                continue
            errors.length(f"attachments.{index}.description", one.get("description"), 0, 1024)


def _check_embeds(embeds: object, errors: FormErrors) -> None:
    if not errors.count("embeds", embeds, EMBEDS) or not isinstance(embeds, list):
        return
    total = 0
    for index, embed in enumerate(embeds):
        path = f"embeds.{index}"
        if not isinstance(embed, dict):
            errors.add(path, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
            continue
        footer, author = embed.get("footer") or {}, embed.get("author") or {}
        fields = embed.get("fields") or []
        errors.length(f"{path}.title", embed.get("title"), 0, 256)
        errors.length(f"{path}.description", embed.get("description"), 0, 4096)
        errors.length(f"{path}.footer.text", footer.get("text"), 0, 2048)
        errors.length(f"{path}.author.name", author.get("name"), 0, 256)
        errors.count(f"{path}.fields", fields, 25)
        for number, one in enumerate(fields):
            errors.length(f"{path}.fields.{number}.name", one.get("name"), 1, 256, required=True)
            errors.length(f"{path}.fields.{number}.value", one.get("value"), 1, 1024, required=True)
        texts = [embed.get("title"), embed.get("description"), footer.get("text"), author.get("name")]
        texts += [one.get(key) for one in fields for key in ("name", "value")]
        total += sum(len(text) for text in texts if isinstance(text, str))
    if total > EMBED_TOTAL:
        message = f"Embed size exceeds maximum size of {EMBED_TOTAL}"
        errors.add("embeds", "MAX_EMBED_SIZE_EXCEEDED", message)


def check_thread(data: Json) -> None:
    """Raise 50035 unless `data` can start a thread or change one."""
    errors = FormErrors()
    errors.length("name", data.get("name"), 1, 100, required=True)
    duration = data.get("auto_archive_duration")
    if duration is not None:
        errors.choice("auto_archive_duration", duration, (60, 1440, 4320, 10080))
    errors.raise_if_any()


def require_dict(value: object) -> Json:
    """A JSON body that must be an object."""
    if not isinstance(value, dict):
        raise form_error("_", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
    return value
