"""GitHub's REST API over PyGithub, from threads of its own.

Called by the other modules of this package. PyGithub blocks and is not thread-safe, so there is one thread for reads
and one for writes, with clients of their own: a dispatch never waits behind a poll. Its retries are off, because it
would repeat a POST that took effect; its pauses are off, because we keep a budget of our own (`budget`), one for each
login (`tokens`): after GitHub named a limit, or said that nothing is left, nothing is sent before the time it named.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import github
import requests
import urllib3
from github.WorkflowRun import WorkflowRun

from cluster_bot.errors import ClusterBotError
from cluster_bot.launchers.github_actions.budget import Purse
from cluster_bot.launchers.github_actions.tokens import Account, Login, LoginError, tokens_of
from cluster_bot.meter import GITHUB_LEFT, GITHUB_LIMIT, GITHUB_REQUESTS, Meter

PUBLIC_API = "https://api.github.com"
TIMEOUT_S = 15
# How long to be quiet after a limit for which GitHub named no end; its documentation asks for a minute.
UNNAMED_LIMIT_S = 60.0
# A reset that lies further away is a clock that is wrong, ours or theirs.
LONGEST_LIMIT_S = 3700.0

# After one of several tokens met its limit: the next request takes another.
AT_ONCE_S = 1.0
# What differs from run to run, and what an admin's workflow file names: no part of a metric's label.
_NAMED = re.compile(r"/[0-9]+(?=/|$)|(?<=/concurrency_groups)/[^/]+|(?<=^/orgs)/[^/]+")
_LOGIN = "GitHub does not let the bot's App in; an admin should look at GITHUB_APP_ID and its key"

T = TypeVar("T")


class GithubError(ClusterBotError):
    """GitHub could not be asked, or did not answer; `sent` is False where the request certainly never left.

    `words` says so to people.
    """

    def __init__(self, detail: str, *, sent: bool, words: str = "GitHub can't be reached") -> None:
        super().__init__(detail)
        self.sent = sent
        self.words = words


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
    """One repository's API, and its organisation's; `base_url` is without a slash at its end.

    Paths are below the repository unless they begin with /orgs/; every method may raise the errors above.

    `logins`: who we are, or tokens with commas between. With several, requests go with the one that has most left.
    """

    def __init__(
        self,
        logins: str | Sequence[Login],
        repository: str,
        *,
        base_url: str = PUBLIC_API,
        timeout_s: int = TIMEOUT_S,
        meter: Meter | None = None,
    ) -> None:
        self.repository = repository
        site = "https://github.com" if base_url == PUBLIC_API else base_url.removesuffix("/api/v3")
        self.site = site
        self.page = f"{site}/{repository}"
        """Where people find the repository."""
        self._path = f"/repos/{repository}"
        self._meter = meter or Meter()

        def make(auth: github.Auth.Auth) -> github.Github:
            return github.Github(
                auth=auth,
                base_url=base_url,
                timeout=timeout_s,
                retry=None,
                lazy=True,
                seconds_between_requests=0,
                seconds_between_writes=0,
            )

        self.logins: Sequence[Login] = tokens_of(logins) if isinstance(logins, str) else logins
        self._accounts = [Account(login, repository, make) for login in self.logins]
        self.purse = Purse(len(self._accounts))
        self._read_thread = ThreadPoolExecutor(1, thread_name_prefix="github-read")
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="github-write")

    def close(self) -> None:
        """Let go of threads and connections; what is under way goes on to its end."""
        self._read_thread.shutdown(wait=False, cancel_futures=True)
        self._write_thread.shutdown(wait=False, cancel_futures=True)

    async def get(self, path: str, parameters: Mapping[str, str] | None = None, *, etag: str | None = None) -> Answer:
        """GET, not following redirects; with `etag` the answer may be a free 304."""
        headers = {} if etag is None else {"If-None-Match": etag}
        whole = self._whole(path)

        def send(client: github.Github) -> Answer:
            return _answer(*client.requester.requestJson("GET", whole, dict(parameters or {}), headers=headers))

        return await self._ask("GET", path, send)

    async def post(self, path: str, body: Any = None) -> Answer:
        """POST, by default without a body."""
        whole = self._whole(path)
        return await self._ask(
            "POST", path, lambda client: _answer(*client.requester.requestJson("POST", whole, input=body))
        )

    async def delete(self, path: str) -> Answer:
        """DELETE."""
        whole = self._whole(path)
        return await self._ask("DELETE", path, lambda client: _answer(*client.requester.requestJson("DELETE", whole)))

    def _whole(self, path: str) -> str:
        return path if path.startswith("/orgs/") else self._path + path

    async def dispatch(
        self, workflow: str, ref: str, inputs: Mapping[str, str], *, details: bool, allowed: Callable[[], bool]
    ) -> Answer | None:
        """Dispatch a workflow file. `allowed` is asked on the thread, as the last thing before the request leaves.

        None: it was not, and nothing was sent. The body of a 200 has `workflow_run_id` and `html_url`.
        """

        def send(client: github.Github) -> Answer | None:
            if not allowed():
                return None
            try:
                of = client.get_repo(self.repository).get_workflow(workflow)
                if not details:
                    of.create_dispatch(ref, dict(inputs), throw=True)
                    return Answer(204, _budget_of(client), None)
                told: bool | WorkflowRun = of.create_dispatch(ref, dict(inputs), throw=True, return_run_details=True)
            except github.GithubException as error:
                return Answer(error.status, _lower(error.headers), error.data)
            except (KeyError, TypeError) as error:
                # A good status with another body than GitHub's, which the library takes at its word.
                raise GithubError("GitHub answered a dispatch in an unknown way", sent=True) from error
            if isinstance(told, bool):
                return Answer(204, _budget_of(client), None)
            return Answer(200, _budget_of(client), {"workflow_run_id": told.id, "html_url": told.html_url})

        return await self._ask("POST", "/actions/workflows/{workflow}/dispatches", send)

    async def _ask(self, method: str, path: str, send: Callable[[github.Github], T]) -> T:
        write = method != "GET"
        index = self.purse.choose(write=write)
        if index is None:
            raise GithubLimitError(self.purse.wait_s())
        account, thread = self._accounts[index], self._write_thread if write else self._read_thread
        route, status = _NAMED.sub("/{id}", path), "none"
        try:
            answer = await asyncio.get_running_loop().run_in_executor(thread, lambda: send(account.client(write=write)))
            status = str(answer.status) if isinstance(answer, Answer) else "unsent"
        except LoginError as error:
            status = "unsent"
            raise GithubError(str(error), sent=False, words=_LOGIN) from error
        except requests.exceptions.RequestException as error:
            raise GithubError(_what(error), sent=not _never_left(error)) from error
        finally:
            self._meter.count(GITHUB_REQUESTS, method, route, status)
        if isinstance(answer, Answer):
            self._heed(index, answer)
        return answer

    def _heed(self, index: int, answer: Answer) -> None:
        """Keep what the answer says of our budget; raises GithubLimitError where it is one of GitHub's limits."""
        self.purse.note(index, answer.headers)
        budget = self.purse.budgets[index]
        if budget.remaining is not None:
            self._meter.set(GITHUB_LEFT, budget.remaining, str(index))
            self._meter.set(GITHUB_LIMIT, budget.limit, str(index))
        if answer.status == 401:
            self._accounts[index].forget()
        after_s = limited_for(answer, time.time())
        if after_s is not None:
            # The hour's limit is the token's; that on too many at once is ours, whatever token we show.
            spent = answer.headers.get("x-ratelimit-remaining") == "0" and "retry-after" not in answer.headers
            self.purse.be_quiet(index, after_s, all_of_them=not spent)
            raise GithubLimitError(after_s if self.purse.choose(write=True) is None else AT_ONCE_S)


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


def _budget_of(client: github.Github) -> dict[str, str]:
    """The budget as of the client's last answer, whose headers the library keeps to itself."""
    remaining, limit = client.requester.rate_limiting
    if limit < 0:
        return {}
    reset = client.requester.rate_limiting_resettime
    return {"x-ratelimit-remaining": str(remaining), "x-ratelimit-limit": str(limit), "x-ratelimit-reset": str(reset)}


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
