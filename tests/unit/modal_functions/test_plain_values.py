"""What comes out of a Queue is read, never executed."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_bot.launchers.modal_functions.plain import NotPlainError, plain_value

# Those that Modal's client has ever written.
PROTOCOLS = st.integers(4, pickle.HIGHEST_PROTOCOL)


@given(st.text() | st.binary(), PROTOCOLS)
def test_text_and_bytes_come_back(value: str | bytes, protocol: int) -> None:
    pickled = pickle.dumps(value, protocol)
    assert plain_value(pickled) == pickle.loads(pickled) == value


class Hostile:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_hostile_pickle_does_nothing(tmp_path: Path) -> None:
    pickled = pickle.dumps(Hostile(tmp_path / "made"))
    with pytest.raises(NotPlainError):
        plain_value(pickled)
    assert not (tmp_path / "made").exists()
    pickle.loads(pickled)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "value", [5, None, True, 1.5, ["a"], ("a",), {"a": b"b"}, {b"a"}, bytearray(b"a"), [b"a", b"a"], Path("a")]
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_everything_else_is_refused(value: object, protocol: int) -> None:
    with pytest.raises(NotPlainError):
        plain_value(pickle.dumps(value, protocol))


@given(st.binary(max_size=200))
def test_noise_is_refused_or_plain(noise: bytes) -> None:
    for pickled in (noise, b"\x80\x04" + noise, pickle.dumps(b"abc")[:-1] + noise):
        try:
            assert isinstance(plain_value(pickled), str | bytes)
        except NotPlainError:
            continue


def test_a_huge_place_in_the_memo_takes_no_room() -> None:
    # LONG_BINPUT with the largest number: loading it would take gigabytes.
    with pytest.raises(NotPlainError):
        plain_value(b"\x80\x04C\x01ar\xff\xff\xff\x7f.")
