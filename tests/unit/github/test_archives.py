"""The spool out of GitHub's storage: another host that must not see the token, and archives nobody trusts."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from canned import Canned, canned, reply
from test_dispatch import RUNS, a_run, launcher, listed

from cluster_bot.launchers.github_actions import GithubActions
from cluster_bot.launchers.github_actions.api import GithubError
from cluster_bot.runs.run import Handle, Run
from cluster_runner.wire import Event, Outcome, event_to_line

ARTIFACTS = "GET /actions/artifacts"
ZIP = "GET /actions/artifacts/77/zip"
NAME = f"{'ab' * 16}-3"


@pytest.fixture
async def github() -> AsyncIterator[Canned]:
    async with canned() as one:
        one.say(RUNS, reply({"workflow_runs": [listed(5, NAME, "completed", "success")]}))
        one.say(ARTIFACTS, reply({"artifacts": [artifact(77, 5)]}))
        yield one


@pytest.fixture
async def storage(github: Canned) -> AsyncIterator[Canned]:
    async with canned() as one:
        github.say(ZIP, web.Response(status=302, headers={"Location": f"{one.url}/blob?sig=s"}))
        yield one


def artifact(number: int, workflow_run: int, name: str = NAME) -> dict[str, object]:
    return {"id": number, "name": name, "expired": False, "workflow_run": {"id": workflow_run}}


def archive(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> web.Response:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return web.Response(body=packed.getvalue())


def events(count: int) -> bytes:
    logs = [Event(n, 1.0, "log", {"stream": "stdout", "text": f"{n}\n"}) for n in range(1, count)]
    ended = Event(count, 2.0, "outcome", Outcome("exited", 0)._asdict())
    return b"".join(event_to_line(one) for one in [*logs, ended])


async def over(here: GithubActions) -> Run:
    run = replace(a_run(), handle=Handle('{"run": 5}'))
    assert run.handle is not None
    await here.poll([run.handle])
    return run


async def test_everything_comes_once_from_any_number(github: Canned, storage: Canned, tmp_path: Path) -> None:
    storage.say("GET /blob", archive({"events.ndjson": events(1200), "artifacts/plot.png": b"png"}))
    here = launcher(github, tmp_path)
    assert await here.fetch(replace(a_run(), handle=Handle('{"run": 5}')), 0) == []  # not seen to be over yet
    run = await over(here)
    told: list[Event] = []
    while more := await here.fetch(run, len(told)):
        told += more
    assert [one.n for one in told] == list(range(1, 1201))
    assert told[-1].outcome.exit_code == 0
    assert [one.n for one in await here.fetch(run, 1198)] == [1199, 1200]
    assert await here.artifact(run, "plot.png") == b"png"
    assert await here.artifact(run, "../events.ndjson") is None
    assert [one.what for one in storage.asked] == ["GET /blob"]
    assert "authorization" not in storage.asked[0].headers
    assert list(await here.left()) == [("ab" * 16, 3)]
    await here.discard(run)
    assert list(await here.left()) == []
    assert list(tmp_path.iterdir()) == []


async def test_one_listing_serves_many(github: Canned, storage: Canned, tmp_path: Path) -> None:
    github.say(RUNS, reply({"workflow_runs": [listed(5, NAME, "completed"), listed(6, "x", "completed")]}))
    github.say(ARTIFACTS, reply({"artifacts": [artifact(77, 5), artifact(77, 6, f"{'cd' * 16}-3")]}))
    storage.say("GET /blob", archive({"events.ndjson": events(2)}))
    here = launcher(github, tmp_path)
    first = await over(here)
    second = replace(first, id="cd" * 16, handle=Handle('{"run": 6}'))
    assert [len(await here.fetch(one, 0)) for one in (first, second)] == [2, 2]
    assert github.count(ARTIFACTS) == 1


async def test_without_an_artifact_there_is_nothing(github: Canned, tmp_path: Path) -> None:
    github.say(ARTIFACTS, reply({"artifacts": [artifact(77, 4), artifact(78, 5, "other")]}))
    here = launcher(github, tmp_path)
    for _ in range(3):
        assert await here.fetch(await over(here), 0) == []
    assert github.count(ARTIFACTS) == 1
    github.say(ARTIFACTS, reply({"artifacts": [artifact(77, 5)]}))
    for status in (404, 410):
        github.say(ZIP, reply({"message": "Artifact has expired"}, status))
        here = launcher(github, tmp_path)
        assert await here.fetch(await over(here), 0) == []


async def test_storage_that_fails_is_asked_again(github: Canned, storage: Canned, tmp_path: Path) -> None:
    storage.say("GET /blob", web.Response(status=503), archive({"events.ndjson": events(3)}))
    here = launcher(github, tmp_path)
    run = await over(here)
    with pytest.raises(GithubError, match="storage answered 503"):
        await here.fetch(run, 0)
    assert len(await here.fetch(run, 0)) == 3


async def test_storage_that_fails_for_ever_is_given_up(github: Canned, storage: Canned, tmp_path: Path) -> None:
    storage.say("GET /blob", web.Response(status=503))
    here = launcher(github, tmp_path, artifact_patience_s=0, artifact_again_s=0)
    run = await over(here)
    assert await here.fetch(run, 0) == []
    # Until the grace is over it is still asked for.
    storage.say("GET /blob", archive({"events.ndjson": events(3)}))
    assert len(await here.fetch(run, 0)) == 3


HOSTILE = {
    "../../evil": b"x",
    "/etc/evil": b"x",
    "artifacts/../evil": b"x",
    "artifacts/sub/evil": b"x",
    "artifacts/": b"",
    "payload.json": b"x",
    "artifacts/a\nb": b"x",
    "artifacts/fine.txt": b"fine",
    "events.ndjson": b'{"n": 1}\n' + events(2),
}


async def test_of_a_hostile_archive_only_names_of_ours_are_taken(
    github: Canned, storage: Canned, tmp_path: Path
) -> None:
    storage.say("GET /blob", archive(HOSTILE))
    here = launcher(github, tmp_path / "root")
    run = await over(here)
    assert [one.n for one in await here.fetch(run, 0)] == [1, 2]
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {f"root/{NAME}/events.ndjson", f"root/{NAME}/artifacts/fine.txt"}


async def test_a_bomb_is_cut_off(github: Canned, storage: Canned, tmp_path: Path) -> None:
    storage.say("GET /blob", archive({"artifacts/bomb": b"\0" * (40 << 20), "events.ndjson": events(2)}))
    here = launcher(github, tmp_path)
    assert len(await here.fetch(await over(here), 0)) == 2
    assert (tmp_path / NAME / "artifacts" / "bomb").stat().st_size <= 16 << 20


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", json.dumps({"no": "zip"}).encode()])
async def test_what_is_no_archive_holds_nothing(
    github: Canned, storage: Canned, tmp_path: Path, content: bytes
) -> None:
    storage.say("GET /blob", web.Response(body=content))
    here = launcher(github, tmp_path)
    assert await here.fetch(await over(here), 0) == []
