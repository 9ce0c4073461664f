"""Tokens are good for one attempt of one run until they expire; the key is made once, and for one user."""

import base64
import hashlib
import hmac
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import warm
from cluster_bot.errors import StartupError
from cluster_bot.web import Tokens, key_of, load_key

KEY = b"k" * 32
RUN, OTHER = "0123456789abcdef" * 2, "f" * 32
NOW = 1_700_000_000.0
TOKEN = Tokens(KEY).mint(RUN, 3, NOW)


def test_a_token_is_what_the_contract_says() -> None:
    mac = hmac.new(KEY, f"v1.{RUN}.3.1700000000".encode(), hashlib.sha256).digest()
    assert "v1.3.1700000000." + base64.urlsafe_b64encode(mac).decode().rstrip("=") == TOKEN


def test_it_is_good_for_its_attempt_until_it_expires() -> None:
    tokens = Tokens(KEY)
    assert tokens.check(TOKEN, RUN, NOW - 0.5) == 3
    assert tokens.check(TOKEN, RUN, NOW) is None
    assert tokens.check(TOKEN, OTHER, NOW - 1) is None
    assert Tokens(b"j" * 32).check(TOKEN, RUN, NOW - 1) is None
    assert tokens.check(tokens.mint(RUN, 1, NOW + 0.25), RUN, NOW + 0.25) == 1


@pytest.mark.parametrize(
    "changed",
    [
        "",
        TOKEN[:-1],
        TOKEN + "A",
        TOKEN + "=",
        TOKEN + "\n",
        " " + TOKEN,
        TOKEN.replace("v1", "v2"),
        TOKEN.replace(".3.", ".4."),
        TOKEN.replace(".3.", ".03."),
        TOKEN.replace(".3.", ".-3."),
        TOKEN.replace(".3.", ".٣."),
        TOKEN.replace("1700000000", "1800000000"),
        TOKEN.replace("1700000000", "01700000000"),
        TOKEN.replace("1700000000", "9" * 5000),
        "v1.3.1700000000." + "A" * 43,
        "v1.3.1700000000.",
        "v1.3.1700000000",
    ],
)
def test_changed_it_is_good_for_nothing(changed: str) -> None:
    assert Tokens(KEY).check(changed, RUN, NOW - 1) is None


def test_no_two_texts_are_one_token() -> None:
    # The last digit of base64 has two bits that stand for nothing.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    good = [last for last in alphabet if Tokens(KEY).check(TOKEN[:-1] + last, RUN, NOW - 1) is not None]
    assert good == [TOKEN[-1]]


@given(st.text() | st.from_regex(r"v1\.[0-9]*\.[0-9]*\..{0,50}"))
def test_no_text_is_too_odd_to_refuse(text: str) -> None:
    assert Tokens(KEY).check(text, RUN, NOW) is None


# --- the key ----------------------------------------------------------------------------------------------------


def test_a_key_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "web.key"
    key = load_key(path)
    assert len(key) == 64
    assert load_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(tmp_path / "other.key") != key


def test_a_key_others_could_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "web.key"
    path.write_text("a" * 40 + "\n")
    path.chmod(0o644)
    assert load_key(path) == b"a" * 40
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_a_dead_process_left_empty_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "web.key"
    path.touch()
    assert len(load_key(path)) == 64


def test_threads_that_make_it_at_once_agree(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def load(path: Path) -> bytes:
        together.wait()
        return load_key(path)

    with ThreadPoolExecutor(8) as pool:
        for n in range(20):
            assert len(set(pool.map(load, [tmp_path / f"{n}.key"] * 8))) == 1


def test_processes_that_make_it_at_once_agree(tmp_path: Path) -> None:
    program = tmp_path / "load.py"
    program.write_text(
        "import sys; from pathlib import Path; from cluster_bot.web.tokens import load_key; print(flush=True);"
        "sys.stdin.readline(); print(load_key(Path(sys.argv[1])).decode())"
    )
    command = [warm.python(), str(program), str(tmp_path / "web.key")]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    for one in processes:
        assert one.stdout is not None
        one.stdout.readline()
    for one in processes:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    assert {one.communicate()[0] for one in processes} == {load_key(tmp_path / "web.key").decode() + "\n"}


@pytest.mark.parametrize("content", [b"short", b"\xff" * 64, b" \n" + b"x" * 10])
def test_a_file_without_a_key_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "web.key"
    path.write_bytes(content)
    with pytest.raises(StartupError, match="holds no key; delete it"):
        load_key(path)
    assert path.read_bytes() == content


def test_a_place_where_no_key_can_be(tmp_path: Path) -> None:
    (tmp_path / "link.key").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "folder.key").mkdir()
    for path in (tmp_path / "none" / "web.key", tmp_path / "link.key", tmp_path / "folder.key"):
        with pytest.raises(StartupError, match="can't be used"):
            load_key(path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_given_as_text() -> None:
    assert key_of(f" {'a' * 32}\n") == b"a" * 32
    with pytest.raises(StartupError, match="openssl") as caught:
        key_of("hunter2")
    assert "hunter2" not in str(caught.value)
