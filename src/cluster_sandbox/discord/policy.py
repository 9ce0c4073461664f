"""The numbers of the real service, in one place, so that a test can change one of them.

Defaults are Discord's own where it documents them, the long-observed value where it does not. Buckets are
`(requests, seconds)`.
"""

from __future__ import annotations

from dataclasses import dataclass

Bucket = tuple[int, float]
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits of one server. Seconds unless the name says otherwise."""

    nonce_memory_s: float = 180.0
    """How long a message nonce is remembered ("the past few minutes", says the documentation)."""
    ack_s: float = 3.0
    """How long an application has to answer an interaction for the first time."""
    token_life_s: float = 900.0
    """How long an interaction token can edit and follow up."""
    follow_ups_of_users: int = 5
    """Follow-ups an interaction takes where only its user installed the application."""
    resume_window_s: float = 180.0
    """How long a gateway session without a connection can be resumed."""
    heartbeat_s: float = 41.25
    gateway_bucket: Bucket = (120, 60.0)

    global_per_s: int = 50
    message_bucket: Bucket = (5, 5.0)
    edit_bucket: Bucket = (5, 5.0)
    webhook_bucket: Bucket = (10, 5.0)
    default_bucket: Bucket = (20, 5.0)
    rename_bucket: Bucket = (2, 600.0)
    """Name and topic of a channel: a limit below the bucket's, visible only as a 429 with requests left."""

    old_edit_s: float = 3600.0
    """Age from which edits of a message are counted against `old_edits`."""
    old_edits: int = 3
    """Edits of old messages a channel takes within `old_edit_window_s`; then 30046."""
    old_edit_window_s: float = 3600.0
    old_edit_retry_s: float = 1.0
    """`retry_after` sent with 30046. It is shorter than the window: clients retry and still fail."""

    file_bytes: int = 10 * MIB
    request_bytes: int = 25 * MIB
    attachment_url_s: float = 86_400.0
    max_active_threads: int = 1000
    disallowed_intents: int = 0
    """Gateway intents that close the connection with 4014, as privileged ones do when not granted."""
