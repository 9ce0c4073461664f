"""The errors the API answers with: HTTP status, Discord's own code, its sentence.

Raised anywhere below the REST floor, turned into an answer in one place (`rest/pipeline.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """One refusal. `extra` joins the JSON body, `headers` the answer's headers."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        return {"message": self.message, "code": self.code, **self.extra}


# name -> (status, code, message)
TABLE: dict[str, tuple[int, int, str]] = {
    "unauthorized": (401, 0, "401: Unauthorized"),
    "unknown_application": (404, 10002, "Unknown Application"),
    "unknown_channel": (404, 10003, "Unknown Channel"),
    "unknown_guild": (404, 10004, "Unknown Guild"),
    "unknown_member": (404, 10007, "Unknown Member"),
    "unknown_message": (404, 10008, "Unknown Message"),
    "unknown_user": (404, 10013, "Unknown User"),
    "unknown_emoji": (400, 10014, "Unknown Emoji"),
    "unknown_webhook": (404, 10015, "Unknown Webhook"),
    "unknown_interaction": (404, 10062, "Unknown interaction"),
    "unknown_command": (404, 10063, "Unknown application command"),
    "too_many_threads": (400, 160006, "Maximum number of active threads reached"),
    "entity_too_large": (413, 40005, "Request entity too large"),
    "already_acknowledged": (400, 40060, "Interaction has already been acknowledged."),
    "missing_access": (403, 50001, "Missing Access"),
    "not_author": (403, 50005, "Cannot edit a message authored by another user"),
    "empty_message": (400, 50006, "Cannot send an empty message"),
    "non_text_channel": (400, 50008, "Cannot send messages in a non-text channel"),
    "closed_to_bot": (403, 50007, "Cannot send messages to this user"),
    "missing_permissions": (403, 50013, "Missing Permissions"),
    "system_message": (403, 50021, "Cannot execute action on a system message"),
    "wrong_channel_type": (400, 50024, "Cannot execute action on this channel type"),
    "invalid_token": (401, 50027, "Invalid Webhook Token"),
    "no_mutual_guild": (403, 50278, "Cannot send messages to this user due to having no mutual guilds"),
    "too_many_follow_ups": (400, 40094, "Maximum number of follow-up messages reached"),
    "thread_archived": (400, 50083, "Thread is archived"),
    "bad_json": (400, 50109, "The request body contains invalid JSON."),
    "thread_exists": (400, 160004, "A thread has already been created for this message"),
}


def api_error(name: str) -> ApiError:
    """The error called `name` in the table above."""
    return ApiError(*TABLE[name])


class FormErrors:
    """Collects what is wrong with a request body and raises it as one 50035, nested as Discord nests it."""

    def __init__(self) -> None:
        self._tree: dict[str, Any] = {}

    def add(self, path: str, code: str, message: str) -> None:
        """`path` is dotted, list positions are numbers: `embeds.0.title`."""
        node = self._tree
        for part in path.split("."):
            node = node.setdefault(part, {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def length(self, path: str, value: object, low: int, high: int, *, required: bool = False) -> None:
        """Check that `value` is a string of `low` to `high` characters; None passes unless required."""
        if value is None:
            if required:
                self.add(path, "BASE_TYPE_REQUIRED", "This field is required")
        elif not isinstance(value, str):
            self.add(path, "STRING_TYPE_CONVERT", "Could not interpret as string.")
        elif low <= len(value) <= high:
            return
        elif low and not value:
            self.add(path, "BASE_TYPE_REQUIRED", "This field is required")
        elif low:
            self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")
        else:
            self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {high} or fewer in length.")

    def count(self, path: str, value: object, high: int) -> bool:
        """Check that `value` is a list of at most `high`; False where its entries cannot be looked at."""
        if value is None:
            return False
        if not isinstance(value, list):
            self.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return False
        if len(value) > high:
            self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {high} or fewer in length.")
        return True

    def choice(self, path: str, value: object, allowed: tuple[object, ...]) -> None:
        if value not in allowed:
            listed = ", ".join(repr(one) for one in allowed)
            self.add(path, "BASE_TYPE_CHOICES", f"Value must be one of ({listed}).")

    def __bool__(self) -> bool:
        return bool(self._tree)

    def raise_if_any(self) -> None:
        if self._tree:
            raise ApiError(400, 50035, "Invalid Form Body", extra={"errors": self._tree})


def form_error(path: str, code: str, message: str) -> ApiError:
    """A 50035 with a single fault."""
    errors = FormErrors()
    errors.add(path, code, message)
    return ApiError(400, 50035, "Invalid Form Body", extra={"errors": errors._tree})
