"""Watching workflow runs: when GitHub is asked, and what is said of each run meanwhile.

Called by `launcher`, whose `poll` is one look at most: the pace is quick while things change and slows down while they
don't, while the webhook can be relied on, and while the hour's budget goes too fast. A job that has shown no line yet
is asked for its step, one job a look.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cluster_bot.launchers.github_actions.api import GithubApi, GithubError, GithubLimitError
from cluster_bot.launchers.github_actions.conclusions import observation
from cluster_bot.launchers.github_actions.listing import Listing, Seen, seen_in
from cluster_bot.launchers.github_actions.turns import Turns
from cluster_bot.launchers.github_actions.webhook import RUN_ENDS_WITHIN_S, Redelivery, Reliance, run_named
from cluster_bot.log import get_logger
from cluster_bot.runs.run import Observation, Sighting

log = get_logger(__name__)

# Of runs that may be over before a look has seen them, nothing else is ever heard here.
MOST_LINKS = 1000


@dataclass(frozen=True, slots=True)
class Timing:
    """How often GitHub is asked, and how long it is given; seconds.

    A look follows the last by `fast_s` while things change and, growing, by `slow_s` while they don't; by `told_fast_s`
    to `told_slow_s` while the webhook can be relied on. `listed_s` is how long an accepted dispatch may take to be
    listed; `steps_after_s` when, for want of lines, people are told the step; `cancel_again_s` how soon a cancel is
    repeated, and `force_after_s` when by force; `artifact_again_s` how soon an artifact that was not there is asked for
    again; `artifacts_s` how soon one listing of artifacts may follow another, so that it serves all that ended
    meanwhile; `artifact_patience_s` for how long one that can't be fetched is asked for before the run is told as lost;
    `last_words_s` for how long the end of a run that failed unheard waits for why.
    """

    fast_s: float = 2.0
    slow_s: float = 10.0
    told_fast_s: float = 15.0
    told_slow_s: float = 30.0
    listed_s: float = 60.0
    steps_after_s: float = 15.0
    cancel_again_s: float = 30.0
    force_after_s: float = 60.0
    runners_s: float = 60.0
    artifact_again_s: float = 3.0
    artifacts_s: float = 2.0
    artifact_patience_s: float = 900.0
    last_words_s: float = 30.0

    def with_reports(self) -> "Timing":
        """The same for a bot whose runners report by themselves: GitHub has little to add."""
        return replace(self, fast_s=1.5 * self.fast_s, slow_s=2 * self.slow_s, listed_s=self.listed_s / 4)


@dataclass(frozen=True, slots=True)
class _Step:
    """When a silent job was last asked for its step (or first seen running), and what it said."""

    at: float
    etag: str = ""
    words: str = ""


class Watch:
    """Looks at GitHub for one launcher. `heard` are the titles of runs whose runner has spoken: they need no step.

    `redelivery` None: there is no webhook, or nobody may ask GitHub about it.
    """

    def __init__(
        self,
        api: GithubApi,
        timing: Timing,
        redelivery: Redelivery | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._timing = timing
        self._clock = clock
        self._redelivery = redelivery
        self._ask_again = redelivery is not None
        self._reliance = Reliance(clock)
        self._ending: dict[int, float] = {}
        self.listing = Listing(api, self._found, clock)
        self._turns = Turns(api, clock)
        self.heard: set[str] = set()
        self._trouble: Observation | None = None
        self._links: dict[int, str] = {}
        self._next_look = 0.0
        self._pause_s = timing.fast_s
        self._steps: dict[int, _Step] = {}

    async def look(self, wanted: Collection[int]) -> None:
        """Ask GitHub about the workflow runs `wanted`, unless it is too early; trouble is remembered, not raised."""
        if self._reliance.missed():
            self._ask_again = self._redelivery is not None
            self._next_look = self._clock()
        if self._clock() < self._due():
            return
        self._ending = {one: at for one, at in self._ending.items() if at > self._clock()}
        self._steps = {one: step for one, step in self._steps.items() if one in wanted}
        before = self.listing.changed_at
        try:
            await self.listing.look(wanted)
            await self._ask_for_a_step(wanted)
            await self._turns.look({one for one in wanted if (seen := self.listing.get(one)) and seen.waits_its_turn})
            self._trouble = None
        except (GithubError, GithubLimitError) as error:
            log.warning("could not look: %s", error, extra={"action": "look_failed", "launcher": "github"})
            words = error.words if isinstance(error, GithubLimitError) else ""
            self._trouble = Observation(Sighting.UNKNOWN, words)
        if self._ask_again and self._redelivery is not None and self._trouble is None:
            self._ask_again = False
            await self._redelivery.ask()
        changed = self.listing.changed_at > before
        fast_s, slow_s = self._pace()
        self._pause_s = fast_s if changed else min(max(self._pause_s, fast_s) * 1.5, slow_s)
        self._next_look = self._clock() + self._api.purse.stretch(self._pause_s)

    def _pace(self) -> tuple[float, float]:
        """The shortest and the longest pause between two looks."""
        timing = self._timing
        if not self._reliance.on:
            return timing.fast_s, timing.slow_s
        return max(timing.fast_s, timing.told_fast_s), max(timing.slow_s, timing.told_slow_s)

    def _due(self) -> float:
        """When the next look is due: sooner where a job's end was told and its run's end is not."""
        for number in [one for one in self._ending if (seen := self.listing.get(one)) is None or seen.over]:
            del self._ending[number]
        return min(self._next_look, *self._ending.values()) if self._ending else self._next_look

    def hurry(self) -> None:
        """Something was done whose effect should be seen soon."""
        self._pause_s = self._pace()[0]
        self._next_look = min(self._next_look, self._clock() + self._api.purse.stretch(self._pause_s))

    # --- the webhook --------------------------------------------------------------------------------------------

    def hear(self, event: str, payload: Mapping[str, Any]) -> str | None:
        """Take a delivery; the id of the run it has news of, None where it has none.

        One of another form than GitHub's raises KeyError, TypeError or ValueError.
        """
        if event == "workflow_run":
            return self._hear_run(seen_in(payload["workflow_run"]))
        if event == "workflow_job":
            return self._hear_job(payload["workflow_job"])
        self._reliance.delivered()
        return None

    def _hear_run(self, told: Seen) -> str | None:
        self._reliance.delivered(told.id, told.status)
        run_id = run_named(told.title)
        return run_id if run_id is not None and self.listing.hear(told) else None

    def _hear_job(self, job: Mapping[str, Any]) -> str | None:
        number = int(job["run_id"])
        seen = self.listing.get(number)
        run_id = None if seen is None or seen.over else run_named(seen.title)
        if seen is None or run_id is None:
            return None
        if job.get("status") == "completed":
            # Its run ends with it, as our workflows have one job; where that is not told, a look finds it.
            self._ending.setdefault(number, self._clock() + RUN_ENDS_WITHIN_S)
            return None
        if job.get("status") != "in_progress":
            return None
        words = step_words([job])
        if words:
            self._steps[number] = _Step(self._clock(), words=words)
        return run_id if self.listing.hear(replace(seen, status="in_progress")) or words else None

    def _found(self, seen: Seen) -> None:
        if run_named(seen.title) is not None:
            self._reliance.found(seen.id, seen.status)

    # --- what is said -------------------------------------------------------------------------------------------

    def link(self, number: int, url: str) -> None:
        """Where people find a workflow run that no look has seen yet."""
        self._links[number] = url
        if len(self._links) > MOST_LINKS:
            del self._links[next(iter(self._links))]

    def observation(self, number: int) -> Observation:
        """What the last look saw of a workflow run."""
        seen = self.listing.get(number)
        if seen is not None and seen.over:
            return observation(seen.status, seen.conclusion, detail="", url=seen.url)
        if self._trouble is not None:
            return replace(self._trouble, url=self._links.get(number))
        if seen is not None and not self.listing.missing_for(number):
            return observation(seen.status, None, detail=self._words(seen), url=seen.url)
        # A run may be known to the dispatch before it is known to the rest of GitHub.
        if self.listing.missing_for(number) > self._timing.listed_s:
            return Observation(Sighting.MISSING, "GitHub does not know the workflow run any more")
        return Observation(Sighting.UNKNOWN, url=self._links.get(number))

    def _words(self, seen: Seen) -> str:
        if not seen.waits:
            return self._steps[seen.id].words if seen.id in self._steps else ""
        if seen.waits_its_turn:
            return self._turns.words(seen.id)
        before = self.listing.waiting(seen.workflow, seen.id)
        return f"waits for a runner, {before} before it" if before else "waits for a runner"

    async def _ask_for_a_step(self, wanted: Collection[int]) -> None:
        """The current step of one silent job: the one that has waited longest for it."""
        now = self._clock()
        silent = []
        for number in wanted:
            seen = self.listing.get(number)
            if seen is None or seen.status != "in_progress" or seen.title in self.heard:
                continue
            at = self._steps.setdefault(number, _Step(now)).at
            if now - at >= self._timing.steps_after_s:
                silent.append((at, number))
        if not silent:
            return
        number = min(silent)[1]
        last = self._steps[number]
        answer = await self._api.get(f"/actions/runs/{number}/jobs", etag=last.etag or None)
        self._steps[number] = replace(last, at=now)
        if answer.status == 200 and isinstance(answer.body, dict):
            words = step_words(answer.body.get("jobs", ()))
            self._steps[number] = _Step(now, answer.headers.get("etag", ""), words)


def step_words(jobs: Sequence[Mapping[str, Any]]) -> str:
    """Which step a job is at, for people; "" where none is under way."""
    for job in jobs:
        steps = job.get("steps") or ()
        for step in steps:
            if step.get("status") == "in_progress":
                return f"step {step.get('number')} of {len(steps)}: {step.get('name')}"[:200]
    return ""
