"""The machines that GitHub lists: at both places, page by page, for little, and as far as the login may see them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from canned import Canned, canned, reply

from cluster_bot.errors import UserError
from cluster_bot.launchers.github_actions.api import GithubApi
from cluster_bot.launchers.github_actions.donation import Download, Registration, download_of, script
from cluster_bot.launchers.github_actions.fleet import Fleet
from cluster_bot.launchers.github_actions.gpus import GpuSettings
from cluster_bot.launchers.github_actions.runners import Runners

OURS, THEIRS = "GET /actions/runners", "GET /orgs/gpu-club/actions/runners"
HOME = {"owner": {"login": "gpu-club", "type": "Organization"}, "private": True}


def runner(name: str, *labels: str, status: str = "online") -> dict[str, Any]:
    return {"id": 7, "name": name, "status": status, "busy": False, "labels": [{"name": one} for one in labels]}


@pytest.fixture
async def github() -> AsyncIterator[Canned]:
    async with canned() as one:
        one.say("GET ", reply(HOME, ETag='"home"'))
        one.say(OURS, reply({"total_count": 0, "runners": []}, ETag='"none"'))
        yield one


def fleet(github: Canned, *configured: GpuSettings, pause_s: float = 0.0) -> Fleet:
    api = GithubApi("ghp_secret", "gpu-club/kernels", base_url=github.url, timeout_s=1)
    return Fleet(api, configured=configured, pause_s=pause_s)


async def test_pages_of_both_places(github: Canned) -> None:
    first = [runner(f"box-{n}", "self-hosted", "nvidia", "T4") for n in range(100)]
    pages = [
        reply({"total_count": 101, "runners": one}) for one in (first, [runner("last", "self-hosted", "amd", "MI300")])
    ]
    github.say(THEIRS, *pages)
    here = fleet(github)
    await here.refresh()
    assert [gpu.name for gpu in here.gpus] == ["NVIDIA", "AMD", "T4", "MI300"]
    assert (here.online["T4"], here.online["MI300"], len(here.listed)) == (100, 1, 101)
    assert [one.query for one in github.asked if one.what == THEIRS] == [
        {"per_page": "100"},
        {"per_page": "100", "page": "2"},
    ]


async def test_what_has_not_changed_is_free_and_what_is_known_not_asked_for(github: Canned) -> None:
    github.say(THEIRS, reply({"runners": [runner("a", "nvidia", "H100")]}, ETag='"1"'), reply(None, 304))
    here = fleet(github, pause_s=60)
    await here.refresh()
    await here.refresh()
    assert github.count(THEIRS) == 1
    await here.look()
    asked = [one.headers.get("if-none-match") for one in github.asked if one.what in (OURS, THEIRS)]
    assert asked == [None, None, '"none"', '"1"']
    assert [one.box.name for one in here.listed] == ["a"]
    assert github.count("GET ") == 1


async def test_what_may_not_be_seen_is_left_out_and_a_bad_moment_forgets_nothing(github: Canned) -> None:
    github.say(THEIRS, reply({"runners": [runner("a", "nvidia", "H100")]}))
    here = fleet(github)
    await here.refresh()
    github.say(THEIRS, reply({}, 502))
    github.say(OURS, reply({"message": "Must have admin rights"}, 403))
    await here.refresh()
    assert [gpu.name for gpu in here.gpus] == ["NVIDIA", "AMD", "H100"]
    assert here.hidden == ("",)
    await here.refresh()
    # Not again and again, but for whoever asks for all of them.
    assert github.count(OURS) == 2
    await here.look(hidden_too=True)
    assert github.count(OURS) == 3


async def test_one_machine_by_its_name(github: Canned) -> None:
    github.say(THEIRS, reply({"runners": [runner("Bobs-box", "nvidia", "H100", "cluster-Bobs-box", status="offline")]}))
    here = fleet(github)
    assert here.gpu("H100@bobs-box") is None
    await here.refresh()
    assert [gpu.name for gpu in here.gpus] == ["NVIDIA", "AMD", "H100"]
    found = here.gpu("h100@bobs-BOX")
    assert found is not None
    assert found.labels == ("self-hosted", "nvidia", "H100", "cluster-bobs-box")
    assert here.gpu("H100@box") is here.gpu("T4@bobs-box") is None
    assert here.online["H100"] == 0


async def test_configured_gpus_stay_what_they_are(github: Canned) -> None:
    github.say(THEIRS, reply({"runners": [runner("a", "nvidia", "H100", "cluster-a")]}))
    here = fleet(github, GpuSettings("BIG", "my.yml", ("big",)))
    await here.refresh()
    assert [gpu.name for gpu in here.gpus] == ["BIG"]
    assert here.gpu("big@a") == GpuSettings("big@a", "my.yml", ("big", "cluster-a"))


async def test_what_cannot_be_seen_is_not_gone(github: Canned) -> None:
    github.say(THEIRS, reply({"runners": [runner("box", "nvidia")]}))
    here = fleet(github)
    boxes = Runners(GithubApi("ghp_secret", "gpu-club/kernels", base_url=github.url, timeout_s=1), here)
    seen = await boxes.sight("BOX")
    assert seen is not None
    assert seen.whose == "gpu-club"
    assert (await boxes.listed()).hidden == ""
    github.say(THEIRS, reply({"message": "Must be an organisation owner"}, 403))
    await here.look(hidden_too=True)
    with pytest.raises(UserError, match='give it the scope "admin:org"'):
        await boxes.sight("box")
    github.say("GET /actions/runners", reply({"message": "Not Found"}, 404))
    await here.look(hidden_too=True)
    with pytest.raises(UserError, match='give it the scope "admin:org"'):
        await boxes.listed()


async def test_a_person_has_no_organisation(github: Canned) -> None:
    github.say("GET ", reply({"owner": {"login": "ada", "type": "User"}, "private": False}))
    here = fleet(github)
    await here.refresh()
    assert not [one for one in github.asked if one.what.startswith("GET /orgs")]


def test_whatever_github_says_is_quoted() -> None:
    evil = "$(reboot)'; rm -rf /"
    how = Registration("https://github.com/gpu-club", evil, ("nvidia", "H100"), evil)
    text = script("box", "gpu-club", Download(f"https://example.org/{evil}", evil, evil), how, 0.0)
    bare = text.replace("'\"'\"'", "").replace("$(reboot); rm -rf /", "")
    assert "reboot" not in bare
    assert "1970-01-01 00:00 UTC" in text
    assert "sha256sum" not in script("box", "x", Download("https://example.org/a", ""), "e30=", 0.0)


def test_only_the_program_for_linux_will_do() -> None:
    others = [{"os": "linux", "architecture": "arm64"}, {"os": "win", "architecture": "x64"}, "odd"]
    assert download_of(others) is download_of({"message": "odd"}) is None
    one = {"os": "linux", "architecture": "x64", "download_url": "https://example.org/a"}
    assert download_of([*others, one]) == Download("https://example.org/a", "")
