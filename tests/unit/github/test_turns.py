"""Runs that wait for another of their concurrency group are told their place; asking for it is cheap."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from canned import Canned, canned, reply

from cluster_bot.launchers.github_actions import GithubApi
from cluster_bot.launchers.github_actions.turns import Turns
from cluster_bot.meter import GITHUB_REQUESTS, Meter

OF_7, OF_8 = "GET /actions/runs/7/concurrency_groups", "GET /actions/runs/8/concurrency_groups"
GROUP = "GET /actions/concurrency_groups/a box/1"


@pytest.fixture
async def github() -> AsyncIterator[Canned]:
    async with canned() as one:
        yield one


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def turns(github: Canned, clock: Clock) -> Turns:
    return Turns(GithubApi("ghp_secret", "gpu-club/kernels", base_url=github.url, timeout_s=1), clock, again_s=10)


def of_run(position: int) -> dict[str, Any]:
    member = {"run_id": 7, "position": position, "status": "pending"}
    groups = [{"group_name": "other", "group_members": []}, {"group_name": "a box/1", "group_members": [member]}]
    return {"total_count": 2, "concurrency_groups": groups}


def members(*numbers: int) -> dict[str, Any]:
    return {"group_name": "a box/1", "group_members": [{"run_id": one} for one in numbers]}


async def test_one_listing_tells_the_places_of_all(github: Canned) -> None:
    clock = Clock()
    github.say(OF_7, reply(of_run(1)))
    github.say(GROUP, reply(members(5, 7, 6, 8), ETag='"x"'), reply(None, 304), reply(members(7, 8)))
    here = turns(github, clock)
    assert here.words(7) == "waits for its turn"
    await here.look({7, 8})
    assert [here.words(one) for one in (7, 8)] == [
        "waits for its turn in 'a box/1', 1 before it",
        "waits for its turn in 'a box/1', 3 before it",
    ]
    await here.look({7, 8})
    assert len(github.asked) == 2
    clock.now += 10
    await here.look({7, 8})
    assert here.words(8).endswith("3 before it")
    clock.now += 10
    await here.look({8})
    assert here.words(8).endswith("1 before it")
    assert [github.count(what) for what in (OF_7, OF_8, GROUP)] == [1, 0, 3]
    assert github.asked[2].headers["if-none-match"] == '"x"'


async def test_a_github_without_groups_is_left_alone_for_an_hour(github: Canned) -> None:
    clock = Clock()
    here = turns(github, clock)
    for _ in range(3):
        await here.look({7})
        clock.now += 600
    assert github.count(OF_7) == 1
    assert here.words(7) == "waits for its turn"
    clock.now += 3600
    await here.look({7})
    assert github.count(OF_7) == 2


async def test_a_run_that_is_gone_keeps_no_other_from_its_place(github: Canned) -> None:
    clock = Clock()
    github.say(OF_7, reply(of_run(2)))
    github.say(GROUP, reply(members(5, 6, 7)), reply(members(6, 7)))
    here = turns(github, clock)
    await here.look({7})
    await here.look({7, 9})
    assert github.count("GET /actions/runs/9/concurrency_groups") == 1
    clock.now += 10
    await here.look({7, 9})
    assert here.words(7).endswith("1 before it")


async def test_a_run_that_has_its_turn_in_one_group_is_looked_for_in_another(github: Canned) -> None:
    clock = Clock()
    member = {"run_id": 7, "position": 1}
    later = {"concurrency_groups": [{"group_name": "of the job", "group_members": [member]}]}
    github.say(OF_7, reply(of_run(1)), reply(later))
    github.say(GROUP, reply(members(5, 7)), reply(members(7)))
    github.say("GET /actions/concurrency_groups/of the job", reply(members(6, 7)))
    here = turns(github, clock)
    for _ in range(3):
        await here.look({7})
        clock.now += 10
    assert here.words(7) == "waits for its turn in 'of the job', 1 before it"


async def test_what_a_group_is_called_is_no_label(github: Canned) -> None:
    github.say(OF_7, reply(of_run(1)))
    github.say(GROUP, reply(members(5, 7)))
    meter = Meter()
    api = GithubApi("ghp_secret", "gpu-club/kernels", base_url=github.url, timeout_s=1, meter=meter)
    await Turns(api).look({7})
    assert {labels[1] for labels in meter.numbers(GITHUB_REQUESTS)} == {
        "/actions/runs/{id}/concurrency_groups",
        "/actions/concurrency_groups/{id}",
    }


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {},
        {"concurrency_groups": [1, {"group_members": None}]},
        {"concurrency_groups": [{"group_members": [3]}]},
    ],
)
async def test_an_answer_of_another_form_tells_nothing(github: Canned, odd: Any) -> None:
    github.say(OF_7, reply(odd))
    here = turns(github, Clock())
    await here.look({7})
    assert here.words(7) == "waits for its turn"
    assert len(github.asked) == 1


async def test_trouble_is_nobody_elses(github: Canned) -> None:
    github.say(OF_7, reply({"message": "try later"}, 403, retry_after="60"))
    await turns(github, Clock()).look({7})
    assert len(github.asked) == 1
