"""No sentence changes unseen: what members read is as `sentences.txt` has it."""

from sentences import EXAMPLES, KEPT, functions, written

HOW = "run `.venv/bin/python tests/unit/discord_bot/sentences.py --write` and look at what changed"


def test_the_sentences_are_as_they_were_kept() -> None:
    assert KEPT.read_text("utf-8") == written(), HOW


def test_every_function_of_the_messages_has_an_example() -> None:
    assert set(EXAMPLES) == functions(), "add an example to sentences.py"
