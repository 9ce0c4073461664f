"""The numbers of the real service, in one place, so that a test can change one of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Policy:
    """Limits of one server. Seconds unless the name says otherwise."""

    minute_s: float = 60.0
    """How long a minute of `timeout-minutes` lasts; a test makes it short."""
    interrupt_s: float = 7.5
    """From SIGINT to SIGTERM of a cancelled step."""
    terminate_s: float = 2.5
    """From SIGTERM to the end of its process tree."""
    cancel_s: float = 300.0
    """After which a cancelled job that still works is ended by force."""
    lost_s: float = 600.0
    """After which a job whose runner is silent ends as failed ("lost communication")."""
    timeout_conclusion: str = "timed_out"
    """What a job is called that took longer than `timeout-minutes`; "cancelled" has been seen too."""
    listing_delay_s: float = 0.0
    """How long after its dispatch a run appears in lists."""
    link_s: float = 60.0
    """How long the address of a log or an artifact can be used."""
    retention_days: int = 90

    primary_limit: int = 5_000
    """Requests of one token within `primary_window_s`; an answer 304 is free."""
    primary_window_s: float = 3_600.0
    points_per_minute: int = 900
    """Secondary limit: a reading request costs 1 point, a writing one 5."""
    most_concurrent: int = 100
    """Secondary limit: requests of one token under way at once."""
    secondary_retry_s: int = 60

    installation_token_s: float = 3_600.0
    """How long the token of an App's installation can be used."""
    longest_jwt_s: float = 600.0
    """How far ahead a JSON web token may expire."""
    clock_ahead_s: float = 0.0
    """How far GitHub's clock is ahead of the client's, for JSON web tokens; negative: behind."""

    runner_token_s: float = 3_600.0
    """How long a token for registering or removing a runner can be used."""

    delivery_timeout_s: float = 10.0
    """How long a receiver of webhooks may take."""
    delivery_days: int = 3
    """How long deliveries are kept and can be sent again."""
