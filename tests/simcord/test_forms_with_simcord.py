"""The forms on SimCord's Discord: what they are made of, what comes of them, and forms of an earlier life."""

from __future__ import annotations

from typing import Any

import pytest

from cluster_bot.discord_bot import messages
from cluster_bot.runs.run import Status

pytestmark = pytest.mark.simcord(settle_timeout=30)

MODAL, DEFERRED, ANSWERED = 9, 5, 4
FILLED = {"language": ["any"], "where": ["local"]}
TWO = "One:\n```py\nprint('first')\n```\nand another:\n```\nprint('second')\n```"


def fields(shown: Any) -> dict[str, dict[str, Any]]:
    """What a form is made of, by custom id."""
    return {row["component"]["custom_id"]: row["component"] for row in shown.modal["components"]}


def chosen(field: dict[str, Any]) -> list[str]:
    """What a menu has chosen already."""
    return [one["value"] for one in field["options"] if one.get("default")]


async def test_a_program_pasted_into_the_form(stage: Any) -> None:
    shown = await stage.ada.slash(stage.channel, "run paste")
    made = fields(shown)
    assert list(made) == ["code", "language", "where", "arguments", "time_limit"]
    assert (chosen(made["language"]), chosen(made["where"])) == (["any"], ["local"])
    code = "```py\nimport sys\nprint('got', sys.argv[1:])\n```"
    told = await stage.ada.submit_modal(shown, {**FILLED, "code": code, "arguments": "'a b' c", "time_limit": "30"})
    assert stage.reactions() == [MODAL, DEFERRED]
    assert told.ephemeral
    assert await stage.until(stage.verdict) is Status.SUCCEEDED
    assert told.response.content == messages.OPENED.format(number=1, room=stage.thread().id)
    assert "got ['a b', 'c']" in "\n".join(stage.texts())
    (run,) = await stage.house.store.of_member(str(stage.ada.id), 10)
    assert (run.spec.main, run.spec.time_limit_s, dict(run.spec.files)) == (
        "paste.py",
        30,
        {"paste.py": "import sys\nprint('got', sys.argv[1:])\n"},
    )


@pytest.mark.parametrize(
    ("typed", "said", "given_back"),
    [
        ({"code": "  \n"}, "There is no code in that", False),
        ({"code": "int main() {}", "time_limit": "soon"}, "between 1 and 600 seconds", True),
        ({"code": "int main() {}", "time_limit": "9000"}, "between 1 and 600 seconds", True),
        ({"code": "int main() {}", "arguments": "'"}, "quote them", True),
        ({"code": "int main() {}\0"}, "is not text", True),
    ],
)
async def test_what_cannot_be_run_comes_back(stage: Any, typed: dict[str, str], said: str, given_back: bool) -> None:
    shown = await stage.ada.slash(stage.channel, "run paste")
    told = await stage.ada.submit_modal(shown, {**FILLED, **typed})
    assert told.ephemeral
    assert said in told.response.content
    files = told.response.attachments
    assert [one.filename for one in files] == (["paste.cpp"] if given_back else [])
    if given_back:
        assert await files[0].read() == typed["code"].encode()
        assert told.response.content.endswith("What you typed comes back with this.")
    assert await stage.house.store.of_member(str(stage.ada.id), 10) == []


async def test_a_refused_form_is_opened_again(stage: Any) -> None:
    shown = await stage.ada.slash(stage.channel, "run paste")
    filled = {**FILLED, "code": "```py\nprint('kept')\n```", "arguments": "a b", "time_limit": "9000"}
    told = await stage.ada.submit_modal(shown, filled)
    again = await stage.ada.click(told.response, label=messages.AGAIN_BUTTON)
    made = fields(again)
    assert [made[name].get("value") for name in ("code", "arguments", "time_limit")] == [
        filled[name] for name in ("code", "arguments", "time_limit")
    ]
    # The same by a bot that began anew: the code is in the message, the rest is gone.
    await stage.env.restart_bot(stage.house.bot())
    made = fields(await stage.ada.click(told.response, label=messages.AGAIN_BUTTON))
    assert [made[name].get("value") for name in ("code", "arguments")] == [filled["code"], None]
    await stage.ada.submit_modal(again, {**filled, "time_limit": "9"})
    assert await stage.until(stage.verdict) is Status.SUCCEEDED
    assert "kept" in "\n".join(stage.texts())


async def test_the_code_of_a_message(stage: Any) -> None:
    bob = stage.member("bob")
    said = await bob.send(stage.channel, "look:\n```cuda\nint main() { k<<<1, 1>>>(); }\n```")
    shown = await stage.ada.context_menu(stage.channel, messages.RUN_THIS_CODE, said)
    made = fields(shown)
    assert made["code"]["value"] == "int main() { k<<<1, 1>>>(); }"
    assert chosen(made["language"]) == ["cuda"]
    # Filled in after the bot began anew; in another language, and changed.
    await stage.env.restart_bot(stage.house.bot())
    told = await stage.ada.submit_modal(shown, {"code": "print('mine')", "language": ["python"], "where": ["local"]})
    assert told.ephemeral
    assert await stage.until(stage.verdict) is Status.SUCCEEDED
    assert "mine" in "\n".join(stage.texts())
    (run,) = await stage.house.store.of_member(str(stage.ada.id), 10)
    assert (run.spec.main, run.owner.name) == ("paste.py", "ada")


async def test_one_of_several_programs_of_a_message(stage: Any) -> None:
    files = [("main.py", b"import words; print(words.SAY)"), ("words.py", b"SAY = 'attached'"), ("a.png", b"\x89PNG")]
    said = await stage.ada.send(stage.channel, TWO, attachments=files)
    shown = await stage.ada.context_menu(stage.channel, messages.RUN_THIS_CODE, said)
    made = fields(shown)
    assert list(made) == ["which", "language", "where", "arguments", "time_limit"]
    assert [one["label"] for one in made["which"]["options"]] == [
        "1. Python, 1 line(s): print('first')",
        "2. Python, 1 line(s): print('second')",
        "main.py with 1 more file(s)",
        "words.py with 1 more file(s)",
    ]
    await stage.ada.submit_modal(shown, {**FILLED, "which": ["2"]})
    assert await stage.until(stage.verdict) is Status.SUCCEEDED
    assert "attached" in "\n".join(stage.texts())

    # The same, by a bot that began anew in between: it has forgotten the message, and says so.
    again = await stage.ada.context_menu(stage.channel, messages.RUN_THIS_CODE, said)
    assert chosen(fields(again)["where"]) == ["local"]
    await stage.env.restart_bot(stage.house.bot())
    told = await stage.ada.submit_modal(again, {**FILLED, "which": ["0"]})
    assert "choose *Run this code* on the message again" in told.response.content
    assert len(await stage.house.store.of_member(str(stage.ada.id), 10)) == 1


async def test_a_message_with_nothing_to_run(stage: Any) -> None:
    for text, files in (("hello", []), ("```json\n{}\n```", [("a.png", b"\x89PNG")])):
        said = await stage.ada.send(stage.channel, text, attachments=files)
        told = await stage.ada.context_menu(stage.channel, messages.RUN_THIS_CODE, said)
        assert told.modal is None
        assert told.response.content.startswith("That message has no program")
    assert stage.refusals() == ["nothing_to_run"] * 2
