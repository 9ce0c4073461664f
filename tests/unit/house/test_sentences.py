"""Every refusal has its sentence, and each reads as one: it fits a message, ends, and says what to do next."""

import string

import pytest

from cluster_bot.runs.refusals import SENTENCES, Refusal, refuse

FACTS = {"size": 7, "limit": 5, "live": 3, "number": 128}


@pytest.mark.parametrize("reason", Refusal)
def test_a_refusal_reads_as_a_sentence(reason: Refusal) -> None:
    fields = [name for _, name, _, _ in string.Formatter().parse(SENTENCES[reason]) if name]
    error = refuse(reason, **{name: FACTS.get(name, "kernel.py") for name in fields})
    assert error.reason == reason.value
    assert error.message[0].isupper() or error.message[0] == "`"
    assert error.message.endswith(".")
    assert "\n" not in error.message
    assert "{" not in error.message
    assert len(error.message) < 300


def test_there_is_no_sentence_without_a_refusal() -> None:
    assert list(SENTENCES) == list(Refusal)
