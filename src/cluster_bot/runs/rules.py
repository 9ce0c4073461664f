"""The bounds an admin may choose: clocks for the state machine, limits for admission.

Filled from `Settings` by the composition root, read by `advance` and by the store's `admit`.
"""

from dataclasses import dataclass

from cluster_bot.runs.refusals import Refusal, refuse


@dataclass(frozen=True, slots=True)
class Rules:
    """The clocks, in seconds, and the number of attempts a run may take when launches provably did nothing."""

    queue_limit_s: float = 3600.0
    setup_allowance_s: float = 300.0
    outcome_grace_s: float = 5.0
    retry_pause_s: float = 5.0
    max_attempts: int = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """How many runs may be under way at once, for one member and in all."""

    live_per_member: int = 3
    live_in_all: int = 200

    def check(self, live_of_member: int, live_in_all: int) -> None:
        """Refuse one more run, with UserError, where a limit is reached."""
        if live_of_member >= self.live_per_member:
            raise refuse(Refusal.TOO_MANY_LIVE_RUNS, live=live_of_member, limit=self.live_per_member)
        if live_in_all >= self.live_in_all:
            raise refuse(Refusal.BOT_FULL, limit=self.live_in_all)
