"""An app as anyone might deploy it: what its functions do is in the order they are given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import modal
from modal.exception import InputCancellation

image = (
    modal.Image.from_registry("nvidia/cuda:12.8.1-devel-ubuntu22.04", add_python="3.12")
    .apt_install("g++")
    .uv_pip_install("torch==2.7.1")
    .env({"SET_BY_IMAGE": "two words"})
    .add_local_python_source("modal_helper")
    .add_local_file(Path(__file__), "/data/notes.txt")
)
app = modal.App("jobs")


def say(words: str) -> None:
    print(words, flush=True)


def hang() -> None:
    say("hanging")
    time.sleep(3600)


def hang_stubbornly() -> None:
    while True:
        try:
            hang()
        except InputCancellation:
            say("I will not")


def leave_daemons() -> None:
    """Two processes in sessions of their own, one an orphan; each says when it is there."""
    sleep = [sys.executable, "-S", "-c", "import time; print('daemon', flush=True); time.sleep(3600)"]
    subprocess.Popen(sleep, start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sleep[0], sleep)
        os._exit(0)
    os.wait()
    say("left them")


def about() -> dict[str, Any]:
    import modal_helper

    return {
        "answer": modal_helper.ANSWER,
        "image": os.environ["SET_BY_IMAGE"],
        "given": os.environ.get("GIVEN"),
        "task": os.environ["MODAL_TASK_ID"],
        "environment": os.environ["MODAL_ENVIRONMENT"],
        "session": os.getsid(0) == os.getpid(),
        "stdin": sys.stdin.read(),
        "argv": sys.argv[1:],
        "main": sys.modules["__main__"].__name__,
        "here": sys.path[0] == str(Path.cwd()) == str(Path(__file__).parent),
        "notes": Path("../data/notes.txt").exists(),
    }


def claim(key: str) -> bool:
    return modal.Dict.from_name("claims", create_if_missing=True).put(key, os.getpid(), skip_if_exists=True)


def work(order: str) -> str:
    wish = json.loads(order)
    match wish["do"]:
        case "about":
            return json.dumps(about())
        case "claim":
            return json.dumps(claim(wish["key"]))
        case "hang":
            hang()
        case "hang stubbornly":
            hang_stubbornly()
        case "claim and hang":
            say("won" if claim(wish["key"]) else "lost")
            hang()
        case "daemons":
            leave_daemons()
            hang()
        case "daemons, then return":
            leave_daemons()
        case "exit":
            os._exit(3)
        case "fail":
            raise ValueError("this went wrong")
        case "flood":
            say("x" * wish["bytes"] + "the end")
        case "large":
            return "y" * wish["bytes"]
        case "spool":
            queue = modal.Queue.from_name("events", create_if_missing=True)
            for number in range(wish["lines"]):
                queue.put(f"line {number}", partition=wish["run"])
    return json.dumps(os.getpid())


@app.function(
    image=image,
    timeout=3600,
    single_use_containers=True,
    block_network=True,
    retries=0,
    _experimental_restrict_output=True,
)
def run(order: str) -> str:
    return work(order)


@app.function(image=image, retries=0)
def run_often(order: str) -> str:
    return work(order)


@app.function(image=image, restrict_modal_access=True, single_use_containers=True)
def run_apart(order: str) -> str:
    return work(order)
