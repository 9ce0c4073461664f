"""The ways to submit: several files, a .zip, a form, a right click on a message. One bot serves many cases a test."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pytest
from town import Place, Town, refused

from cluster_bot.discord_bot import messages
from cluster_bot.runs.run import Status
from cluster_sandbox.discord import File, Interaction

SAYS = "import words; print(words.SAY)"


def packed(files: Mapping[str, str | bytes]) -> bytes:
    held = BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


async def lines(town: Town, place: Place) -> list[str]:
    """What a run printed, once it ended well."""
    assert await town.verdict(place) is Status.SUCCEEDED
    return town.lines(place)


@pytest.mark.usefixtures("bot")
async def test_several_files_and_archives(town: Town) -> None:
    alone = await town.open(SAYS, file2=File("words.py", b"SAY = 'beside'"), file5=File("empty.py", b""))
    assert await lines(town, alone) == ["beside"]

    package = {"repo/main.py": "from pkg.words import SAY\nprint(SAY)", "repo/pkg/__init__.py": ""}
    whole = packed({**package, "repo/pkg/words.py": "SAY = 'packed'", "__MACOSX/repo/._main.py": b"\xff"})
    place = _place(await (await town.run(whole, "repo.zip")).answered())
    assert await lines(town, place) == ["packed"]
    assert (await town.run_of(place)).spec.main == "main.py"

    beside = await town.open(SAYS, file3=File("more.zip", packed({"words.py": "SAY = 'from a zip'"})), arguments="x")
    assert await lines(town, beside) == ["from a zip"]

    two = File("two.zip", packed({"a.py": "print('a')", "b.py": "print('b')"}))
    asked = await town.ada.command("run local", channel_id=town.general, options={"script": two, "main": "b.py"})
    await asked.answered()
    runs = await town.runs_of(town.ada)
    assert (runs[0].spec.main, set(runs[0].spec.files)) == ("b.py", {"a.py", "b.py"})


BAD: list[tuple[dict[str, tuple[str, bytes]], str]] = [
    ({"script": ("a.h", b"1"), "file2": ("a.cpp", b"1")}, "its name must end in"),
    ({"script": ("a.py", b"1"), "file2": ("A.PY", b"1")}, "rename one of the two"),
    ({"script": ("a.py", b"1"), "file2": ("b.bin", b"\xff")}, "`b.bin` is not text in UTF-8"),
    ({"script": ("a.py", b"1"), "file2": ("b.txt", b"x" * 2**20)}, "more than 1,048,576 bytes together"),
    ({"script": ("a.py", b"1"), "file2": ("-b.h", b"1")}, "rename the file"),
    ({"script": ("a.py", b" \n"), "file2": ("b.h", b"")}, "`a.py` is empty"),
    ({"script": ("a.zip", b"")}, "can't be unpacked"),
    ({"script": ("a.zip", b"PK\x05\x06 print()")}, "can't be unpacked"),
    ({"script": ("a.zip", b"x" * (4 * 2**20 + 1))}, "attach something smaller"),
    ({"script": ("a.zip", packed({"a.h": "1"}))}, "There is no program in `a.zip`"),
    ({"script": ("a.zip", packed({"a.py": "1", "b.py": "1"}))}, "say it with `main`: `a.py`, `b.py`."),
    ({"script": ("a.zip", packed({"a.py": ""}))}, "`a.py` is empty"),
    ({"script": ("a.zip", packed({"a.py": b"\xff"}))}, "`a.py` in `a.zip` is not text"),
    ({"script": ("a.zip", packed({"../a.py": "1"}))}, "a file whose name can't be used, `../a.py`"),
    ({"script": ("a.zip", packed({"a.py": "#" * 3 * 2**20}))}, "more than 1,048,576 bytes when unpacked"),
    ({"script": ("a.zip", packed(dict.fromkeys(map(str, range(101)), "")))}, "more than 100 files"),
]


@pytest.mark.usefixtures("bot")
async def test_files_that_cannot_be_run(town: Town) -> None:
    for files, said in BAD:
        options: dict[str, Any] = {name: File(*file) for name, file in files.items()}
        asked = await town.ada.command("run local", channel_id=town.general, options=options)
        refused(await asked.answered(), said)
    assert await town.runs_of(town.ada) == []
    assert town.server.messages(town.general) == []


async def _paste(town: Town, **fields: Any) -> Interaction:
    opened = await (await town.ada.command("run paste", channel_id=town.general)).answered()
    return await (await town.ada.submit(opened, fields)).answered()


def _place(answer: Interaction) -> Place:
    number, room = (part.strip("#<>") for part in answer.content.split() if "#" in part)
    return Place(int(number), int(room))


@pytest.mark.usefixtures("bot")
async def test_the_form(town: Town) -> None:
    answer = await _paste(town, code="```py\nimport sys\nprint(sys.argv[1:])\n```", arguments="a 'b c'", time_limit="9")
    place = _place(answer)
    assert await lines(town, place) == ["['a', 'b c']"]
    run = await town.run_of(place)
    assert (run.spec.main, run.spec.time_limit_s, run.spec.launcher) == ("paste.py", 9, "local")
    for fields, said in (
        ({"code": "print(1)", "time_limit": "a minute"}, "between 1 and 3600 seconds"),
        ({"code": "print(1)", "arguments": "'"}, "quote them as in a shell"),
    ):
        answer = await _paste(town, **fields)
        refused(answer, said)
        assert answer.message is not None
        (file,) = answer.message.attachments
        assert (file.filename, file.data) == ("paste.py", b"print(1)")
    assert len(await town.runs_of(town.ada)) == 1


@pytest.mark.usefixtures("bot")
async def test_a_right_click_on_a_message(town: Town) -> None:
    bob = town.server.member("bob")
    for text, files, fields, printed in (
        ("```py\nprint('code')\n```", [], {}, "code"),
        ("this", [File("main.py", SAYS.encode()), File("words.py", b"SAY = 'file'")], {"which": "0"}, "file"),
        ("```py\nprint('one')\n```\n```\nprint('two')\n```", [], {"which": "1"}, "two"),
        ("", [File("a.zip", packed({"main.py": SAYS, "words.py": "SAY = 'zip'"}))], {}, "zip"),
        ("", [File("b.zip", packed({"a.py": "print('a')", "b.py": "print('b')"}))], {"main": "b.py"}, "b"),
    ):
        said = await bob.say(town.general, text, files)
        opened = await (await town.ada.context("Run this code", said.id, channel_id=town.general)).answered()
        place = _place(await (await town.ada.submit(opened, fields)).answered())
        assert await lines(town, place) == [printed]
        assert (await town.run_of(place)).owner.name == "ada"


@pytest.mark.usefixtures("bot")
async def test_messages_that_cannot_be_run(town: Town) -> None:
    for text, files, said in (
        ("hello", [File("notes.txt", b"1")], "That message has no program"),
        ("```json\n{}\n``` `print(1)`", [], "That message has no program"),
        ("", [File("a.py", b"#" * (2**20 + 1))], "attach something smaller"),
        ("", [File("-a.py", b"1")], "That message has no program"),
        ("", [File("a.py", b"")], "`a.py` is empty"),
        ("", [File("a.py", b"\xff")], "`a.py` is not text in UTF-8"),
        ("", [File("a.zip", b"print(1)")], "`a.zip` can't be unpacked"),
        ("", [File("a.zip", packed({"a.py": "1", "b.py": "1"}))], "say it with `main`"),
    ):
        message = await town.ada.say(town.general, text, files)
        answer = await (await town.ada.context("Run this code", message.id, channel_id=town.general)).answered()
        if answer.modal is not None:
            answer = await (await town.ada.submit(answer, {})).answered()
        refused(answer, said)
    assert await town.runs_of(town.ada) == []


async def test_forms_and_menus_keep_to_the_lists(town: Town) -> None:
    async with town.bot(discord_users=frozenset({town.server.member("bob").user_id})):
        said = await town.ada.say(town.general, "```py\nprint(1)\n```")
        asked = [
            await town.ada.command("run paste", channel_id=town.general),
            await town.ada.context(messages.RUN_THIS_CODE, said.id, channel_id=town.general),
        ]
        for one in asked:
            refused(await one.answered(), "You are not on the list")
