"""What GitHub still takes: which credential asks next, when none may, and how rare looks become."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from canned import BELOW, Canned, canned, reply
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cluster_bot.errors import StartupError
from cluster_bot.launchers.github_actions import GithubApi
from cluster_bot.launchers.github_actions.api import GithubError, GithubLimitError
from cluster_bot.launchers.github_actions.budget import LONGEST_PAUSE_S, Purse, stretched
from cluster_bot.launchers.github_actions.tokens import App, app_of
from cluster_bot.meter import GITHUB_LEFT, GITHUB_REQUESTS, Meter

HERE = "GET /here"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def headers(remaining: int, reset: float, limit: int = 5000) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(int(reset)),
    }


def named(remaining: int, reset: float) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers(remaining, reset).items()}


@pytest.fixture
async def github() -> AsyncIterator[Canned]:
    async with canned() as one:
        one.say(HERE, reply({}))
        yield one


def test_writes_take_the_fullest_and_reads_stay_a_while() -> None:
    clock = Clock()
    purse = Purse(2, wall=clock, clock=clock)
    purse.note(0, headers(3000, clock.now + 600))
    purse.note(1, headers(4000, clock.now + 600))
    assert purse.choose(write=True) == 1
    assert purse.choose(write=False) == 0
    purse.note(0, headers(1999, clock.now + 600))
    assert purse.choose(write=False) == 1
    # The other's hour begins anew: it is full, and reads move when that is worth it.
    purse.note(1, headers(2400, clock.now + 600))
    purse.note(0, headers(5000, clock.now + 3600))
    assert purse.choose(write=False) == 0


def test_when_nothing_is_left_it_says_until_when() -> None:
    clock = Clock()
    purse = Purse(2, wall=clock, clock=clock)
    purse.note(0, headers(0, clock.now + 600))
    assert purse.choose(write=True) == 1
    purse.note(1, headers(0, clock.now + 300))
    assert purse.choose(write=True) is None
    assert purse.wait_s() == 301
    clock.now += 302
    assert purse.choose(write=True) == 1
    assert purse.budgets[1].left(clock.now) == 5000


def test_a_limit_on_too_many_at_once_quietens_all_of_us() -> None:
    clock = Clock()
    purse = Purse(2, wall=clock, clock=clock)
    purse.be_quiet(0, 60, all_of_them=False)
    assert purse.choose(write=False) == 1
    purse.be_quiet(0, 60, all_of_them=True)
    assert purse.choose(write=False) is None
    clock.now += 61
    assert purse.choose(write=False) is not None


def test_an_answer_that_was_overtaken_adds_nothing() -> None:
    clock = Clock()
    purse = Purse(1, wall=clock, clock=clock)
    purse.note(0, headers(100, clock.now + 600))
    purse.note(0, headers(101, clock.now + 600))
    assert purse.budgets[0].remaining == 100
    for odd in ({}, {**headers(7, clock.now), "x-ratelimit-resource": "search"}, {"x-ratelimit-remaining": "7"}):
        purse.note(0, odd)
    assert purse.budgets[0].remaining == 100


@pytest.mark.parametrize(
    ("left", "reset_in_s", "pause_s"),
    [
        (5000, 3600, 2.0),  # as fast as the hour
        (2500, 600, 2.0),  # slower
        (500, 1800, 14.4),  # low: a quarter of it for looks
        (10, 3600, LONGEST_PAUSE_S),
        (0, 3600, LONGEST_PAUSE_S),
        (400, 1, 2.0),
    ],
)
def test_looks_become_rare_as_little_is_left(left: int, reset_in_s: float, pause_s: float) -> None:
    assert stretched(2.0, left, 5000, reset_in_s) == pytest.approx(pause_s)


def test_looks_become_rarer_the_faster_requests_go() -> None:
    pauses = [stretched(2.0, left, 5000, 1800) for left in range(2600, 500, -100)]
    assert pauses == sorted(pauses)
    assert pauses[0] == 2.0
    assert pauses[5] > 4.0


async def test_what_answers_say_is_heeded_and_counted(github: Canned) -> None:
    reset, meter = time.time() + 600, Meter()
    github.say(HERE, reply({}, **named(1, reset)), reply({}, **named(0, reset)))
    api = GithubApi("one", "gpu-club/kernels", base_url=github.url, meter=meter)
    for _ in range(2):
        await api.get("/here")
    with pytest.raises(GithubLimitError, match="rate limit") as limit:
        await api.get("/here")
    assert 590 < limit.value.after_s < 610
    assert re.search(r"ask again at \d\d:\d\d UTC", limit.value.words)
    assert github.count(HERE) == 2
    assert dict(meter.numbers(GITHUB_LEFT)) == {("0",): 0}
    assert dict(meter.numbers(GITHUB_REQUESTS)) == {("GET", "/here", "200"): 2}
    api.close()


async def test_a_spent_token_leaves_it_to_the_other(github: Canned) -> None:
    spent = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(int(time.time() + 900))}
    github.say(HERE, reply({"message": "API rate limit exceeded"}, 403, **spent), reply({}))
    api = GithubApi("one, two", "gpu-club/kernels", base_url=github.url)
    with pytest.raises(GithubLimitError) as limit:
        await api.get("/here")
    assert limit.value.after_s == 1
    await api.get("/here")
    assert [one.headers["authorization"].split()[-1] for one in github.asked] == ["one", "two"]
    api.close()


# --- a GitHub App -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pem() -> str:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def token(number: int, expires_in_s: float) -> object:
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + expires_in_s))
    return {"token": f"ghs_{number}", "expires_at": expires, "permissions": {}}


TOKENS = "POST /app/installations/7/access_tokens"
INSTALLATION = "GET /installation"


async def test_an_app_finds_its_installation_and_renews_its_token(github: Canned, pem: str) -> None:
    github.say(INSTALLATION, reply({"id": 7, "account": {}}))
    github.say(TOKENS, reply(token(1, 5), 201), reply(token(2, 3600), 201))
    api = GithubApi([App("42", pem)], "gpu-club/kernels", base_url=github.url)
    for _ in range(3):
        await api.get("/here")
    assert [one.what.removeprefix(BELOW) for one in github.asked] == [INSTALLATION, TOKENS, TOKENS, *[HERE] * 3]
    assert github.asked[0].headers["authorization"].startswith("Bearer ey")
    assert {one.headers["authorization"] for one in github.asked if one.what == HERE} == {"token ghs_2"}
    # The other thread has a token of its own.
    github.say("POST /there", reply({}))
    await api.post("/there")
    assert github.count(TOKENS) == 3
    assert github.count(INSTALLATION) == 2
    api.close()


async def test_a_token_that_is_not_accepted_is_replaced(github: Canned, pem: str) -> None:
    github.say(TOKENS, reply(token(1, 3600), 201), reply(token(2, 3600), 201))
    github.say(HERE, reply({"message": "Bad credentials"}, 401), reply({}))
    api = GithubApi([App("42", pem, 7)], "gpu-club/kernels", base_url=github.url)
    assert (await api.get("/here")).status == 401
    assert (await api.get("/here")).status == 200
    assert github.count(TOKENS) == 2
    api.close()


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_an_app_that_is_not_let_in_has_sent_nothing(github: Canned, pem: str, status: int) -> None:
    github.say(INSTALLATION, reply({"message": "no"}, status))
    api = GithubApi([App("42", pem)], "gpu-club/kernels", base_url=github.url)
    with pytest.raises(GithubError, match=f"answered {status} to the App's login") as error:
        await api.dispatch("a.yml", "main", {}, details=True, allowed=lambda: True)
    assert not error.value.sent
    assert "GITHUB_APP_ID" in error.value.words
    api.close()


def test_a_key_is_pem_or_a_path(pem: str, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(pem)
    assert app_of("42", pem, None) == app_of("42", str(file), None) == app_of("42", pem.replace("\n", "\\n"), None)
    assert "PRIVATE" not in repr(app_of("42", pem, None))
    for odd in ("", "nowhere.pem", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----", "MIIE"):
        with pytest.raises(StartupError, match=r"^GITHUB_APP_PRIVATE_KEY .*\.$") as refused:
            app_of("42", odd, None)
        assert not odd or odd not in str(refused.value)
