"""What GitHub's words mean: limits, conclusions, statuses, steps."""

import pytest

from cluster_bot.launchers.github_actions.api import LONGEST_LIMIT_S, UNNAMED_LIMIT_S, Answer, limited_for
from cluster_bot.launchers.github_actions.conclusions import CONCLUSIONS, observation
from cluster_bot.launchers.github_actions.watch import step_words
from cluster_bot.runs.run import Reason, Sighting

NOW = 1000.0


@pytest.mark.parametrize(
    ("status", "headers", "message", "after_s"),
    [
        (200, {"x-ratelimit-remaining": "0"}, "", None),
        (403, {}, "Resource not accessible by personal access token", None),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1090"}, "API rate limit exceeded", 91.0),
        (429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "900"}, "", 1.0),
        (429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, "", UNNAMED_LIMIT_S),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999"}, "", LONGEST_LIMIT_S),
        (403, {"retry-after": "30"}, "You have exceeded a secondary rate limit", 30.0),
        (429, {"retry-after": "99999999"}, "", LONGEST_LIMIT_S),
        (403, {}, "You have exceeded a secondary rate limit", UNNAMED_LIMIT_S),
        (429, {"retry-after": "a while"}, "", UNNAMED_LIMIT_S),
    ],
)
def test_a_limit_says_for_how_long(status: int, headers: dict[str, str], message: str, after_s: float | None) -> None:
    assert limited_for(Answer(status, headers, {"message": message}), NOW) == after_s


@pytest.mark.parametrize(
    ("conclusion", "ending"),
    [
        ("success", None),
        ("failure", None),
        ("cancelled", Reason.CANCELLED_OUTSIDE),
        ("timed_out", Reason.TIME_LIMIT),
        ("startup_failure", Reason.LAUNCHER_REFUSED),
        ("action_required", Reason.LAUNCHER_REFUSED),
        ("skipped", Reason.LAUNCHER_REFUSED),
        ("stale", Reason.QUEUE_LIMIT),
        ("neutral", None),
        ("new in 2031", None),
        (None, None),
    ],
)
def test_every_conclusion_has_a_meaning_and_a_sentence(conclusion: str | None, ending: Reason | None) -> None:
    seen = observation("completed", conclusion, detail="", url="https://github.com/x")
    assert (seen.sighting, seen.ending, seen.never_ran) == (Sighting.FINISHED, ending, False)
    assert seen.detail.endswith(".")
    assert seen.url == "https://github.com/x"


def test_no_conclusion_has_another_s_sentence() -> None:
    assert len({sentence for _, sentence in CONCLUSIONS.values()}) == len(CONCLUSIONS)


@pytest.mark.parametrize(
    ("status", "sighting"),
    [
        ("queued", Sighting.PENDING),
        ("requested", Sighting.PENDING),
        ("waiting", Sighting.PENDING),
        ("pending", Sighting.PENDING),
        ("in_progress", Sighting.RUNNING),
        ("new in 2031", Sighting.UNKNOWN),
        ("", Sighting.UNKNOWN),
    ],
)
def test_a_run_that_is_not_over(status: str, sighting: Sighting) -> None:
    assert observation(status, None, detail="d", url=None).sighting is sighting


def test_the_step_under_way_is_named() -> None:
    steps = [
        {"number": 1, "name": "Set up job", "status": "completed"},
        {"number": 2, "name": "Run the program", "status": "in_progress"},
        {"number": 3, "name": "Complete job", "status": "queued"},
    ]
    assert step_words([{"steps": steps}]) == "step 2 of 3: Run the program"
    assert step_words([{"steps": steps[:1]}, {"steps": None}, {}]) == ""
    assert step_words([]) == ""
