"""A day's budget, simulated: an hour of GitHub's carries the runs it should; the rest wait, and go on when it is over.

The watch, its listing and the budget are the product's; GitHub and all clocks are simulated, a second a step.
"""

import hashlib
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import pytest

from cluster_bot.launchers.github_actions.api import Answer, GithubLimitError
from cluster_bot.launchers.github_actions.budget import Purse
from cluster_bot.launchers.github_actions.watch import Timing, Watch

LIMIT = 5000
HOUR = 3600
NEWEST = 100


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Job:
    number: int
    title: str
    ends_at: float
    status: str = "in_progress"

    def shape(self) -> dict[str, Any]:
        """As GitHub writes it, in short."""
        run = {"id": self.number, "display_title": self.title, "status": self.status, "path": "a/b"}
        return run | {"conclusion": "success" if self.status == "completed" else None}


@dataclass
class Hours:
    """GitHub by the hour: counts what is not a 304, and says no when the hour's are spent."""

    clock: Clock
    purse: Purse
    jobs: list[Job] = field(default_factory=list)
    reset_at: float = 0.0
    left: int = LIMIT
    used: deque[int] = field(default_factory=lambda: deque([0]))
    refusals: int = 0

    async def get(self, path: str, parameters: Mapping[str, str] | None = None, *, etag: str | None = None) -> Answer:
        asked = path.removeprefix("/actions/runs").strip("/")
        if asked.isdigit():
            return self._answer(self.jobs[int(asked) - 1].shape(), etag)
        if asked:
            return self._answer({}, None)
        page = int((parameters or {}).get("page", "1"))
        newest = self.jobs[::-1][NEWEST * (page - 1) : NEWEST * page]
        return self._answer({"workflow_runs": [one.shape() for one in newest]}, etag)

    def spend(self) -> None:
        """One request of another kind: a dispatch, an artifact."""
        self._answer({}, None)

    def _answer(self, body: Any, etag: str | None) -> Answer:
        if self.purse.choose(write=True) is None:
            raise GithubLimitError(self.purse.wait_s())
        if self.clock.now >= self.reset_at:
            self.reset_at, self.left = self.clock.now + HOUR, LIMIT
            self.used.append(0)
        tag = hashlib.sha256(json.dumps(body).encode()).hexdigest()
        if tag == etag:
            return Answer(304, self._headers(tag), None)
        if self.left == 0:
            self.refusals += 1
            raise AssertionError("GitHub was asked although nothing was left")
        self.left -= 1
        self.used[-1] += 1
        answer = Answer(200, self._headers(tag), body)
        self.purse.note(0, answer.headers)
        return answer

    def _headers(self, tag: str) -> dict[str, str]:
        numbers = {"limit": LIMIT, "remaining": self.left, "reset": int(self.reset_at)}
        return {"etag": tag} | {f"x-ratelimit-{name}": str(number) for name, number in numbers.items()}


@dataclass
class Result:
    done: int = 0
    waited: list[float] = field(default_factory=list)
    noticed: list[float] = field(default_factory=list)


async def simulate(hours: int, a_run_every_s: float, *, artifacts: bool, told: bool, lasts_s: float = 60) -> Result:
    """Submit runs evenly; each costs a dispatch, what looks cost, and with `artifacts` the listing and the download."""
    clock, result = Clock(), Result()
    purse = Purse(1, wall=clock, clock=clock)
    github = Hours(clock, purse)
    timing = Timing() if artifacts else Timing().with_reports()
    watch = Watch(github, timing, clock=clock)  # type: ignore[arg-type]
    submitted, waiting, live, next_at = 0, deque[float](), dict[int, Job](), clock.now
    fetching: deque[Job] = deque()
    end = clock.now + hours * HOUR
    if told:
        watch.hear("ping", {})
    while clock.now < end:
        while next_at <= clock.now:
            waiting.append(next_at)
            next_at += a_run_every_s
        while waiting and purse.choose(write=True) is not None:
            github.spend()
            submitted += 1
            job = Job(submitted, f"{submitted:032x}-1", clock.now + lasts_s)
            github.jobs.append(job)
            live[job.number] = job
            result.waited.append(clock.now - waiting.popleft())
            watch.hurry()
        for job in live.values():
            if job.status == "in_progress" and job.ends_at <= clock.now:
                job.status = "completed"
                if told:
                    watch.hear(
                        "workflow_run",
                        {"workflow_run": {"id": job.number, "display_title": job.title, "status": "completed"}},
                    )
        watch.heard.update(job.title for job in live.values())
        await watch.look(set(live))
        over = [job for job in live.values() if (seen := watch.listing.get(job.number)) is not None and seen.over]
        for job in over:
            del live[job.number]
            result.noticed.append(clock.now - job.ends_at)
            fetching.append(job)
        if artifacts and over and purse.choose(write=False) is not None:
            github.spend()  # one listing for all that ended
        while fetching and (not artifacts or purse.choose(write=False) is not None):
            fetching.popleft()
            result.done += 1
            if artifacts:
                github.spend()
        clock.now += 1
    assert all(used <= LIMIT for used in github.used)
    return result


@pytest.mark.parametrize(
    ("artifacts", "told"),
    # A webhook needs a public address, by which runners report as well.
    [(True, False), (False, False), (False, True)],
    ids=["artifacts", "reports", "reports and webhook"],
)
async def test_an_hour_carries_fifteen_hundred_runs(artifacts: bool, told: bool) -> None:
    result = await simulate(3, HOUR / 1500, artifacts=artifacts, told=told)
    assert result.done >= 3 * 1500 - 100
    assert max(result.waited) < 60
    assert median(result.noticed) <= (0 if told else 1.5 * Timing().fast_s)


async def test_more_than_an_hour_takes_waits_and_goes_on_after_it() -> None:
    result = await simulate(3, HOUR / 6000, artifacts=False, told=True)
    assert result.done >= 3 * 4000
    assert 600 < max(result.waited) < 3 * HOUR
