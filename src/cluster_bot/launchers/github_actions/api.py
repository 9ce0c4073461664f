"""GitHub's REST API over PyGithub, from threads of its own.

Called by the other modules of this package. PyGithub blocks and is not thread-safe, so there is one client with one
thread for reads and one for writes: a dispatch never waits behind a poll. Its retries are off, because it would repeat
a POST that took effect; its pauses are off, because we keep a budget of our own: after GitHub named a limit, nothing is
sent before the time it named.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import github
import requests
import urllib3
from github.WorkflowRun import WorkflowRun

from cluster_bot.errors import ClusterBotError

PUBLIC_API = "https://api.github.com"
TIMEOUT_S = 15
# How long to be quiet after a limit for which GitHub named no end; its documentation asks for a minute.
UNNAMED_LIMIT_S = 60.0
# A reset that lies further away is a clock that is wrong, ours or theirs.
LONGEST_LIMIT_S = 3700.0

T = TypeVar("T")


class GithubError(ClusterBotError):
    """GitHub could not be asked, or did not answer; `sent` is False where the request certainly never left."""

    def __init__(self, detail: str, *, sent: bool) -> None:
        super().__init__(detail)
        self.sent = sent


class GithubLimitError(ClusterBotError):
    """GitHub does not want to hear from us for `after_s` seconds; nothing took effect."""

    def __init__(self, after_s: float) -> None:
        super().__init__(f"GitHub's rate limit is used up for {after_s:.0f} s")
        self.after_s = after_s

    @property
    def words(self) -> str:
        """The same for people, who want to know when."""
        clock = time.strftime("%H:%M", time.gmtime(time.time() + self.after_s))
        return f"GitHub's limit is used up; it lets us ask again at {clock} UTC"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the headers (names in lower case) and the JSON, None where the body is none."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def message(self) -> str:
        """What GitHub says went wrong, "" where it does not say."""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else ""


class GithubApi:
    """One repository's API. `base_url` is without a slash at its end; every method may raise the errors above."""

    def __init__(self, token: str, repository: str, *, base_url: str = PUBLIC_API, timeout_s: int = TIMEOUT_S) -> None:
        self.repository = repository
        self._path = f"/repos/{repository}"
        self._limited_until = 0.0
        make = partial(
            github.Github,
            auth=github.Auth.Token(token),
            base_url=base_url,
            timeout=timeout_s,
            retry=None,
            lazy=True,
            seconds_between_requests=0,
            seconds_between_writes=0,
        )
        self._reader, self._writer = make(), make()
        self._read_thread = ThreadPoolExecutor(1, thread_name_prefix="github-read")
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="github-write")

    def close(self) -> None:
        """Let go of threads and connections; what is under way goes on to its end."""
        self._read_thread.shutdown(wait=False, cancel_futures=True)
        self._write_thread.shutdown(wait=False, cancel_futures=True)

    async def get(self, path: str, parameters: Mapping[str, str] | None = None, *, etag: str | None = None) -> Answer:
        """GET below the repository, not following redirects; with `etag` the answer may be a free 304."""
        headers = {} if etag is None else {"If-None-Match": etag}
        send = partial(
            self._reader.requester.requestJson, "GET", self._path + path, dict(parameters or {}), headers=headers
        )
        return await self._ask(self._read_thread, lambda: _answer(*send()))

    async def post(self, path: str) -> Answer:
        """POST without a body below the repository."""
        send = partial(self._writer.requester.requestJson, "POST", self._path + path)
        return await self._ask(self._write_thread, lambda: _answer(*send()))

    async def dispatch(
        self, workflow: str, ref: str, inputs: Mapping[str, str], *, details: bool, allowed: Callable[[], bool]
    ) -> Answer | None:
        """Dispatch a workflow file. `allowed` is asked on the thread, as the last thing before the request leaves.

        None: it was not, and nothing was sent. The body of a 200 has `workflow_run_id` and `html_url`.
        """

        def send() -> Answer | None:
            if not allowed():
                return None
            try:
                of = self._writer.get_repo(self.repository).get_workflow(workflow)
                if not details:
                    of.create_dispatch(ref, dict(inputs), throw=True)
                    return Answer(204, {}, None)
                told: bool | WorkflowRun = of.create_dispatch(ref, dict(inputs), throw=True, return_run_details=True)
            except github.GithubException as error:
                return Answer(error.status, _lower(error.headers), error.data)
            except (KeyError, TypeError) as error:
                # A good status with another body than GitHub's, which the library takes at its word.
                raise GithubError("GitHub answered a dispatch in an unknown way", sent=True) from error
            if isinstance(told, bool):
                return Answer(204, {}, None)
            return Answer(200, {}, {"workflow_run_id": told.id, "html_url": told.html_url})

        return await self._ask(self._write_thread, send)

    async def _ask(self, thread: ThreadPoolExecutor, send: Callable[[], T]) -> T:
        left_s = self._limited_until - time.monotonic()
        if left_s > 0:
            raise GithubLimitError(left_s)
        try:
            answer = await asyncio.get_running_loop().run_in_executor(thread, send)
        except requests.exceptions.RequestException as error:
            raise GithubError(_what(error), sent=not _never_left(error)) from error
        if isinstance(answer, Answer):
            after_s = limited_for(answer, time.time())
            if after_s is not None:
                self._limited_until = max(self._limited_until, time.monotonic() + after_s)
                raise GithubLimitError(after_s)
        return answer


def limited_for(answer: Answer, now: float) -> float | None:
    """Seconds until GitHub may be asked again, where the answer is one of its limits; None where it is not."""
    if answer.status not in (403, 429):
        return None
    retry_after = answer.headers.get("retry-after", "")
    if retry_after.isdigit():
        return min(float(retry_after), LONGEST_LIMIT_S)
    if answer.headers.get("x-ratelimit-remaining") == "0":
        reset = answer.headers.get("x-ratelimit-reset", "")
        # A second more: the reset is rounded.
        after_s = float(reset) - now + 1 if reset.isdigit() else UNNAMED_LIMIT_S
        return min(max(after_s, 1.0), LONGEST_LIMIT_S)
    if answer.status == 429 or "rate limit" in answer.message.lower():
        return UNNAMED_LIMIT_S
    return None


def _answer(status: int, headers: Mapping[str, Any], text: str) -> Answer:
    try:
        body = json.loads(text) if text else None
    except ValueError:
        body = None
    return Answer(status, _lower(headers), body)


def _lower(headers: Mapping[str, Any] | None) -> dict[str, str]:
    return {name.lower(): str(value) for name, value in (headers or {}).items()}


def _never_left(error: requests.exceptions.RequestException) -> bool:
    """Whether no connection was ever made, so that nothing can have been heard."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError)


def _what(error: requests.exceptions.RequestException) -> str:
    # The library's own text quotes addresses with their parameters.
    return f"GitHub could not be asked ({type(error).__name__})"
