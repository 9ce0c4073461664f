"""Shipping to a bot that works, fails, lies and comes back: every event once and in order, or it is said what was not.

The real job, the real runner and a real HTTP server on loopback.
"""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster_runner import wire
from cluster_runner.home import Home
from cluster_runner.ship import Shipper, Tail
from cluster_runner.wire import Event, event_to_line

from .bot import TOKEN, Bot, Reply
from .conftest import PATIENCE_S, RUN_ID
from .github_job import GitHubJob

_FOREVER = "import time\nprint('ready', flush=True)\ntime.sleep(1000)"
_SAY_HELLO = "import time\nfor i in range(5): print(i); time.sleep(0.05)"


@pytest.fixture
def bot() -> Iterator[Bot]:
    bot = Bot()
    yield bot
    bot.close()


@pytest.fixture
def job(home: Path) -> Iterator[GitHubJob]:
    job = GitHubJob(home)
    yield job
    job.close()


def ask(job: GitHubJob, bot: Bot, text: str, **inputs: str) -> None:
    job.ask(text, **{"report_to": bot.address + "/", "token": TOKEN, **inputs})


def assert_all_arrived(job: GitHubJob, bot: Bot) -> None:
    sent = [json.loads(line) for line in (job.upload / "events.ndjson").read_bytes().splitlines()]
    assert bot.events == sent
    assert sent[-1]["kind"] == "outcome"
    assert TOKEN not in job.log


def test_every_event_arrives_over_one_connection(job: GitHubJob, bot: Bot) -> None:
    ask(job, bot, _SAY_HELLO)
    assert job.run() == 0
    assert_all_arrived(job, bot)
    assert bot.text() == "0\n1\n2\n3\n4\n"
    assert len({request.connection for request in bot.requests}) == 1
    assert f"{len(bot.events)} events were shipped." in job.log
    assert "were not" not in job.log


def test_lines_arrive_while_the_program_runs(job: GitHubJob, bot: Bot, outside: Path) -> None:
    ask(job, bot, f"import os, time\nprint('first')\nwhile not os.path.exists('{outside}/go'): time.sleep(0.01)")
    process = job.start()
    bot.wait_for(lambda: bot.text() == "first\n")
    (outside / "go").touch()
    assert process.wait(PATIENCE_S) == 0
    assert_all_arrived(job, bot)


def test_a_flood_is_few_requests_of_bounded_size(job: GitHubJob, bot: Bot) -> None:
    ask(job, bot, "for _ in range(30000): print('x' * 99)")
    assert job.run() == 0
    assert_all_arrived(job, bot)
    posts = [request for request in bot.requests if request.what == "events"]
    assert max(post.size for post in posts) <= 256 * 1024
    assert len(posts) < 60


def test_a_silent_program_is_kept_alive_and_hears_of_the_wish_to_stop(job: GitHubJob, bot: Bot) -> None:
    ask(job, bot, _FOREVER)
    process = job.start()
    bot.wait_for(lambda: bot.text())
    bot.stop = True
    assert process.wait(PATIENCE_S) == 0
    assert job.outcome().result == "stopped"
    posts = [request for request in bot.requests if request.what == "events"]
    heartbeat = next(index for index, post in enumerate(posts) if post.size == 0)
    assert posts[heartbeat].at - posts[heartbeat - 1].at > 4.9
    assert_all_arrived(job, bot)


def test_artifacts_come_before_the_event_that_names_them(job: GitHubJob, bot: Bot) -> None:
    text = "import os\nfor name in 'ab': open(os.environ['CLUSTER_ARTIFACTS'] + '/' + name, 'w').write(name * 5)"
    bot.replies["artifacts"] = [Reply(503), Reply(0)]
    ask(job, bot, text)
    assert job.run() == 0
    assert_all_arrived(job, bot)
    assert sorted(bot.files.values()) == [b"aaaaa", b"bbbbb"]


def test_an_artifact_that_is_refused_is_left_out(job: GitHubJob, bot: Bot) -> None:
    bot.replies["artifacts"] = [Reply(413)]
    ask(job, bot, "import os\nopen(os.environ['CLUSTER_ARTIFACTS'] + '/a', 'w').write('a')")
    # The stand-in insists on the file; the real bot takes the event without it.
    bot.files = dict.fromkeys(range(20), b"")
    assert job.run() == 0
    assert_all_arrived(job, bot)
    assert "1 files were not taken" in job.log


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param([Reply(500), Reply(502), Reply(429, (("Retry-After", "1"),))], id="refused"),
        pytest.param([Reply(0), Reply(0, keep=True)], id="dropped"),
        pytest.param([Reply(200, keep=True, body=b"not json"), Reply(200, body=b'{"ack": true}')], id="odd"),
        pytest.param([Reply(200, body=b'{"ack": 0, "stop": false}')], id="not kept"),
        pytest.param([Reply(307, (("Location", "/elsewhere"),))], id="redirected"),
        pytest.param([Reply(200, body=b"x" * 1_000_000)], id="huge"),
    ],
)
def test_whatever_the_bot_answers_all_arrives_once(job: GitHubJob, bot: Bot, replies: list[Reply]) -> None:
    bot.replies["events"] = replies
    ask(job, bot, _SAY_HELLO)
    assert job.run() == 0
    assert_all_arrived(job, bot)
    assert not bot.replies["events"]


def test_a_bot_that_forgot_gets_it_all_again(job: GitHubJob, bot: Bot, outside: Path) -> None:
    wait = f"while not os.path.exists('{outside}/go'): time.sleep(0.01)"
    ask(job, bot, f"import os, time\nprint('first')\n{wait}\nprint('second')")
    process = job.start()
    bot.wait_for(lambda: bot.text())
    with bot.news:
        bot.events.clear()
    (outside / "go").touch()
    assert process.wait(PATIENCE_S) == 0
    assert_all_arrived(job, bot)


def test_an_outage_does_not_hold_up_the_program(job: GitHubJob, bot: Bot, outside: Path) -> None:
    bot.replies["events"] = [Reply(503)] * 3
    ask(job, bot, f"import os\nos.mkdir('{outside}/ran')\nprint('done')")
    process = job.start()
    bot.wait_for(lambda: not bot.replies["events"])
    assert (outside / "ran").exists()
    assert process.wait(PATIENCE_S) == 0
    assert_all_arrived(job, bot)


@pytest.mark.parametrize("status", [401, 410])
def test_a_bot_that_wants_no_more_is_left_alone_and_the_artifact_has_it(job: GitHubJob, bot: Bot, status: int) -> None:
    bot.replies["events"] = [Reply(status)]
    ask(job, bot, _SAY_HELLO if status == 401 else _FOREVER)
    assert job.run() == 0
    assert [request.status for request in bot.requests if request.what == "events"] == [status]
    assert "the artifact has them" in job.log
    # Where nobody will ever hear of its end, the program is not left running either.
    assert job.outcome().result == ("exited" if status == 401 else "stopped")


def test_a_batch_that_is_refused_is_halved_until_the_one_is_found(bot: Bot, tmp_path: Path) -> None:
    events = [Event(n, 1.0, "log", {"stream": "stdout", "text": "x"}) for n in range(1, 9)]
    (tmp_path / "events.ndjson").write_bytes(b"".join(map(event_to_line, events)))
    home = Home(bot.address, TOKEN)
    shipper = Shipper(home, RUN_ID, str(tmp_path), lambda: None)
    bot.replies["events"] = [Reply(413), Reply(400), Reply(200, keep=True, body=b'{"ack": 2}')] + [Reply(400)] * 4
    while not shipper.done:
        shipper.hurry = True
        shipper.turn()
    home.close()
    assert [request.size // len(event_to_line(events[0])) for request in bot.requests] == [8, 4, 2, 6, 3, 1]
    assert (shipper.acknowledged, shipper.unshipped()) == (2, 6)
    assert "event 3 was refused with status 400" in shipper.reason


def test_what_a_refusing_bot_kept_is_not_sent_again(bot: Bot, tmp_path: Path) -> None:
    events = [Event(n, 1.0, "log", {"stream": "stdout", "text": "x"}) for n in range(1, 9)]
    (tmp_path / "events.ndjson").write_bytes(b"".join(map(event_to_line, events)))
    home = Home(bot.address, TOKEN)
    shipper = Shipper(home, RUN_ID, str(tmp_path), lambda: None)
    refusal = b'{"error": "odd", "ack": 6}'
    bot.replies["events"] = [Reply(400, body=refusal)] * 3
    while not shipper.done:
        shipper.hurry = True
        shipper.turn()
    home.close()
    assert [request.size // len(event_to_line(events[0])) for request in bot.requests] == [8, 2, 1]
    assert (shipper.acknowledged, shipper.reason) == (6, "event 7 was refused with status 400")


def test_a_bot_that_forgot_gets_the_files_again_too(bot: Bot, tmp_path: Path) -> None:
    artifact = Event(1, 1.0, "artifact", {"name": "a", "stored": "a", "size": 5})
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "a").write_bytes(b"aaaaa")
    (tmp_path / "events.ndjson").write_bytes(event_to_line(artifact))
    home = Home(bot.address, TOKEN)
    shipper = Shipper(home, RUN_ID, str(tmp_path), lambda: None)
    shipper.hurry = True
    while shipper.acknowledged < 1:
        shipper.turn()
    bot.events.clear()
    bot.files.clear()
    with (tmp_path / "events.ndjson").open("ab") as file:
        file.write(event_to_line(Event(2, 1.0, "outcome", {"result": "exited", "exit_code": 0, "duration_s": 1.0})))
    while not shipper.done:
        shipper.turn()
    home.close()
    assert [event["n"] for event in bot.events] == [1, 2]
    assert bot.files == {1: b"aaaaa"}


def test_a_refused_event_ends_the_shipping_but_not_the_heartbeat(job: GitHubJob, bot: Bot) -> None:
    bot.replies["events"] = [Reply(400)] * 3
    ask(job, bot, _FOREVER)
    process = job.start()
    bot.wait_for(lambda: not bot.replies["events"])
    bot.stop = True
    assert process.wait(PATIENCE_S) == 0
    assert job.outcome().result == "stopped"


@pytest.mark.parametrize("status", [401, 409, 410])
def test_without_the_claim_nothing_is_executed(job: GitHubJob, bot: Bot, outside: Path, status: int) -> None:
    bot.replies["claim"] = [Reply(status)]
    ask(job, bot, f"import os\nos.mkdir('{outside}/ran')")
    assert job.run() == 0
    assert not (outside / "ran").exists()
    assert not job.output.exists()
    assert [request.what for request in bot.requests] == ["claim"]
    assert "Nothing was executed." in job.log


def test_a_claim_is_asked_for_until_there_is_an_answer(job: GitHubJob, bot: Bot) -> None:
    bot.replies["claim"] = [Reply(502), Reply(0, keep=True), Reply(200, body=b"<html>"), Reply(404)]
    ask(job, bot, "print('ran')")
    assert job.run() == 0
    assert_all_arrived(job, bot)


def test_a_second_job_of_the_attempt_executes_nothing(home: Path, job: GitHubJob, bot: Bot, outside: Path) -> None:
    (home / "other").mkdir()
    other = GitHubJob(home / "other")
    for one in (job, other):
        ask(one, bot, f"open('{outside}/ran', 'a').write('x')")
    processes = [job.start(), other.start()]
    assert [process.wait(PATIENCE_S) for process in processes] == [0, 0]
    assert (outside / "ran").read_text() == "x"
    assert ("another runner's" in job.log) != ("another runner's" in other.log)


def test_a_job_cancelled_before_the_claim_executes_nothing(job: GitHubJob, bot: Bot, outside: Path) -> None:
    bot.replies["claim"] = [Reply(503, (("Retry-After", "60"),))] * 100
    ask(job, bot, f"import os\nos.mkdir('{outside}/ran')")
    process = job.start()
    bot.wait_for(lambda: bot.requests)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    assert not (outside / "ran").exists()


def test_the_last_words_of_a_cancelled_program_arrive(job: GitHubJob, bot: Bot) -> None:
    ask(job, bot, _FOREVER)
    process = job.start()
    bot.wait_for(lambda: bot.text())
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    assert_all_arrived(job, bot)
    assert job.outcome().result == "stopped"


def test_a_large_payload_is_fetched(job: GitHubJob, bot: Bot) -> None:
    bot.replies["payload"] = [Reply(503), Reply(0)]
    payload = job.ask(f"print(len('{'x' * 100_000}'))", inline=False, report_to=bot.address, token=TOKEN)
    bot.payload = wire.payload_to_json(payload).encode()
    assert job.run() == 0
    assert bot.text() == "100000\n"
    assert_all_arrived(job, bot)


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b"x" * (9 << 20)])
def test_an_odd_payload_is_told(job: GitHubJob, bot: Bot, payload: bytes) -> None:
    bot.payload = payload
    ask(job, bot, "pass", payload="")
    assert job.run() == 0
    assert [event["kind"] for event in bot.events] == ["outcome"]
    assert bot.events[0]["result"] == "setup_error"


def test_a_proxy_of_the_environment_is_asked(job: GitHubJob, bot: Bot) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        ask(job, bot, "pass")
        process = job.start(env={"http_proxy": f"http://127.0.0.1:{port}"})
        unused.listen()
        unused.settimeout(PATIENCE_S)
        connection, _ = unused.accept()
        with connection:
            asked = connection.recv(4096)
        assert asked.startswith(f"POST {bot.address}/runs/".encode())
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0


def test_the_tail_reads_whole_lines_in_order_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    tail = Tail(str(path))
    assert tail.read(1000) == []
    lines = [event_to_line(Event(n, 1.0, "log", {"stream": "stdout", "text": "a\u2028b\rc\n"})) for n in range(1, 4)]
    path.write_bytes(lines[0] + b"odd\r\n" + b"\n" + lines[2] + lines[0] + lines[1][:-3])
    assert [event.n for event, _ in tail.read(1000)] == [1]
    assert tail.read(1000) == []
    with path.open("ab") as file:
        file.write(lines[1][-3:] + lines[2])
    assert tail.read(len(lines[1]) - 1) == []
    assert [line for _, line in tail.read(len(lines[1]))] == [lines[1]]
    assert [line for _, line in tail.read(1000)] == [lines[2]]
    with path.open("ab") as file:
        file.write(b"x" * 600_000 + b"\n" + event_to_line(Event(4, 1.0, "phase", {"phase": "run"})))
    found = [tail.read(1000) for _ in range(4)]
    assert [event.kind for part in found for event, _ in part] == ["phase"]
