"""The parts that read: YAML, expressions, storage of the other host, upload patterns."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from scratch import Client, ended

from cluster_sandbox.github import GitHubServer, StorageFault
from cluster_sandbox.github.expressions import ExpressionError, evaluate
from cluster_sandbox.github.yaml_reader import YamlError, read

CONTEXTS = {"inputs": {"n": "3", "list": '["a", "b"]', "empty": "", "on": True}, "github": {"run_id": "7"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, 'y z', {c: d}]\n", {"a": 1, "b": ["x", "y z", {"c": "d"}]}),
        ("on: push\nyes: no\n", {"on": "push", "yes": "no"}),
        ("a:\n- 1\n- b: 2\n  c: 3\nd:\n", {"a": [1, {"b": 2, "c": 3}], "d": None}),
        ("a: | # text\n  x: y # z\n\n    deep\nb: end\n", {"a": "x: y # z\n\n  deep\n", "b": "end"}),
        ("a: >-\n  one\n  two\n\n  three\n", {"a": "one two\nthree"}),
        ("a: 'it''s' # c\nb: \"q\\n#\"\nc: x#y\n", {"a": "it's", "b": "q\n#", "c": "x#y"}),
        ("a: [\n  b, # first\n  c\n]\nd: {}\n", {"a": ["b", "c"], "d": {}}),
        ("a: ${{ inputs.x }}-${{ inputs.y }}\n", {"a": "${{ inputs.x }}-${{ inputs.y }}"}),
        ("- - 1\n  - 2\n- x\n", [[1, 2], "x"]),
        ("a: true\nb: ~\nc: 1.5\nd: '1'\n", {"a": True, "b": None, "c": 1.5, "d": "1"}),
        ("a: 007\nb: 2026-11-20\nc: 0x1f\nd: 1_000\n", {"a": 7, "b": "2026-11-20", "c": 31, "d": "1_000"}),
        ("1: a\ntrue: b\n", {"1": "a", "true": "b"}),
        ("a: &x [1]\nb: *x\nc: d\n  e\n", {"a": [1], "b": [1], "c": "d e"}),
    ],
)
def test_yaml_is_read(text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "a: *x\n",
        "a: 1\n a: 2\n",
        "? [a]\n: b\n",
        "a: \x07\n",
        "a: [1\n",
        "a: 1\na: 2\n",
        "\ta: 1\n",
        "a: 'x\n",
        "a: !!str 1",
    ],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(YamlError, match=r"line \d"):
        read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ fromJSON(inputs.list) }}", ["a", "b"]),
        ("${{ fromJSON(inputs.n) }}", 3),
        ("x-${{ inputs.n }}-${{ github.run_id }}", "x-3-7"),
        ("${{ inputs.empty || 'default' }}", "default"),
        ("${{ inputs.on && 'it''s on' || 'off' }}", "it's on"),
        ("${{ (inputs.n == '3') != false }}", True),
        ("${{ format('{0} of {1}', inputs.n, 5) }}", "3 of 5"),
        ("${{ inputs.unknown }}", None),
        ("plain", "plain"),
        (["not", "text"], ["not", "text"]),
    ],
)
def test_expressions_are_evaluated(text: Any, value: Any) -> None:
    assert evaluate(text, CONTEXTS) == value


@pytest.mark.parametrize(
    "text", ["${{ secrets.X }}", "${{ hashFiles('x') }}", "${{ inputs.n + 1 }}", "${{ (1 }}", "${{ }}"]
)
def test_expressions_that_are_not_known_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text, CONTEXTS)


async def test_the_other_host_is_strict_and_can_fail(github: GitHubServer, client: Client) -> None:
    run = await ended(await client.dispatch("a", "echo x > spool/x"), github)
    (artifact,) = github.world.artifacts.values()
    path = f"/actions/artifacts/{artifact.id}/zip"
    link = (await client.get(path))[1]["location"]
    async with aiohttp.ClientSession() as session:

        async def fetch(url: str, **headers: str) -> int:
            async with session.get(url, headers=headers) as answer:
                await answer.read()
                return answer.status

        assert await fetch(link, Authorization=f"Bearer {github.token}") == 401
        assert await fetch(link) == 200
        assert await fetch(link.replace("sig=", "sig=x")) == 403
        github.storage.faults.append(StorageFault(status=503))
        assert [await fetch(link), await fetch(link)] == [503, 200]
        github.storage.faults.append(StorageFault(cut=True))
        with pytest.raises(aiohttp.ClientPayloadError):
            await fetch(link)
        github.policy.link_s = 0
        assert await fetch((await client.get(path))[1]["location"]) == 403
    artifact.expires_at = 0
    assert (await client.get(path))[0] == 410
    assert (await client.get(f"/actions/runs/{run.id}/logs"))[0] == 302


async def test_uploads_need_the_token_of_a_running_job(github: GitHubServer, client: Client) -> None:
    run = await ended(await client.dispatch("a"), github)
    async with aiohttp.ClientSession() as session:
        url = f"{github.api_url}/sandbox/runs/{run.id}/artifacts/late"
        for token in (run.token, github.token):
            async with session.put(url, data=b"x", headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == 403
