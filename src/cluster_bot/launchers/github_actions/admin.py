"""GitHub as an admin's commands ask it: any path, one request at a time, and what to click where a right is missing.

Called by `cluster-bot check` and `cluster-bot github install`; the bot itself goes through `api`, which knows of
budgets and of threads. Nothing here is repeated: whoever runs the command runs it again.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from enum import Enum
from typing import Any
from urllib.parse import quote

import github
import requests

from cluster_bot.errors import StartupError
from cluster_bot.launchers.github_actions.api import PUBLIC_API, TIMEOUT_S, Answer, limited_for
from cluster_bot.launchers.github_actions.tokens import Account, App, Login, LoginError

# What GitHub calls the rights on its pages, and the scope of a classic token that includes each.
_SCOPES = {"Workflows": "workflow", "Webhooks": "admin:repo_hook", "Self-hosted runners": "admin:org"}
# Rights that GitHub's pages list apart, as they are an organisation's.
_OF_ORGANISATIONS = frozenset({"Self-hosted runners"})
READ, WRITE = "Read-only", "Read and write"


class TokenKind(Enum):
    """The kinds of token, as each is given rights on another page."""

    FINE_GRAINED = "fine-grained"
    CLASSIC = "classic"
    APP = "App"

    @classmethod
    def of(cls, login: Login) -> "TokenKind":
        """By the prefix GitHub gives it; what came before there were prefixes is classic."""
        if isinstance(login, App) or login.token.startswith("ghs_"):
            return cls.APP
        return cls.FINE_GRAINED if login.token.startswith("github_pat_") else cls.CLASSIC

    def allow(self, right: str, level: str) -> str:
        """What to click to give the right, such as `Contents` with `Read and write`; the middle of a sentence."""
        whose = "Organization" if right in _OF_ORGANISATIONS else "Repository"
        if self is TokenKind.APP:
            return (
                f'give the App "{right}: {level}" (its settings, Permissions & events, {whose} permissions), and '
                "accept that where it is installed (Settings, GitHub Apps, Review request)"
            )
        if self is TokenKind.CLASSIC:
            scope = _SCOPES.get(right, "repo")
            return f'give it the scope "{scope}" (your Settings, Developer settings, Tokens (classic))'
        return (
            f'give it "{right}: {level}" (your Settings, Developer settings, Fine-grained tokens, the token, Edit, '
            f"{whose} permissions)"
        )


class AdminError(StartupError):
    """GitHub did not do what was asked; one sentence that says what to do about it."""


class AdminApi:
    """GitHub's REST API with one login. `base_url` is without a slash at its end.

    `repository` is that at which an App is installed; of no meaning for a token.
    """

    def __init__(
        self, login: Login, repository: str, *, base_url: str = PUBLIC_API, timeout_s: int = TIMEOUT_S
    ) -> None:
        self.kind = TokenKind.of(login)
        self._repository = repository
        self._base_url = base_url
        self._one = asyncio.Lock()
        self._clients: list[github.Github] = []

        def make(auth: github.Auth.Auth) -> github.Github:
            client = github.Github(
                auth=auth,
                base_url=base_url,
                timeout=timeout_s,
                retry=None,
                lazy=True,
                seconds_between_requests=0,
                seconds_between_writes=0,
            )
            self._clients.append(client)
            return client

        self._account = Account(login, repository, make)

    def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients:
            client.close()

    async def ask(self, method: str, path: str, body: Any = None, **parameters: str) -> Answer:
        """One request to a path such as /rate_limit, whatever its status.

        Raises AdminError where GitHub can't be reached, wants no token like this one, or no more requests for a while.
        """

        def send() -> tuple[int, Mapping[str, Any], str]:
            client = self._account.client(write=True)
            return client.requester.requestJson(method, path, parameters, input=body)

        async with self._one:
            try:
                status, headers, text = await asyncio.to_thread(send)
            except requests.exceptions.RequestException as error:
                raise self._unreachable(error) from error
            except LoginError as error:
                raise self._not_let_in(error) from error
        answer = Answer(status, {name.lower(): str(value) for name, value in headers.items()}, _json(text))
        self._judge(answer)
        return answer

    async def good(self, method: str, path: str, body: Any = None, **parameters: str) -> Any:
        """The JSON of a request that must succeed. Raises AdminError."""
        answer = await self.ask(method, path, body, **parameters)
        if answer.status >= 300:
            raise AdminError(odd(answer, f"{method} {path}"))
        return answer.body

    def _unreachable(self, error: BaseException) -> AdminError:
        # The library's own text quotes addresses.
        return AdminError(
            f"GitHub can't be reached at {self._base_url} ({type(error).__name__}); look at the network, and at "
            "GITHUB_API_URL."
        )

    def _not_let_in(self, error: LoginError) -> AdminError:
        cause = error.__cause__
        if not isinstance(cause, github.GithubException):
            return self._unreachable(cause or error)
        if cause.status == 404:
            return AdminError(
                f"The App is not installed at {self._repository}, or there is no such repository; install it (the "
                "App's settings, Install App, Only select repositories), and look at GITHUB_REPOSITORY."
            )
        return AdminError(
            f"GitHub does not let the App in ({cause.status}); GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY must be of the "
            "same App (its settings, General), and this machine's clock must be right."
        )

    def _judge(self, answer: Answer) -> None:
        after_s = limited_for(answer, time.time())
        if after_s is not None:
            raise AdminError(f"GitHub wants no more requests for now; try again in {after_s:.0f} s.")
        if answer.status == 401:
            raise AdminError(
                "GitHub does not accept the token: it was mistyped, has expired or was revoked; make a new one (your "
                "Settings, Developer settings) and put it behind GITHUB_TOKEN."
            )
        sso = answer.headers.get("x-github-sso", "")
        if answer.status == 403 and sso:
            raise AdminError(
                "The organisation wants its single sign-on for this token; authorise it (your Settings, Developer "
                "settings, Tokens (classic), Configure SSO)."
            )

    async def repository(self, name: str) -> Mapping[str, Any]:
        """GitHub's description of OWNER/REPOSITORY. Raises AdminError where the token can't see it."""
        answer = await self.ask("GET", f"/repos/{name}")
        if answer.status in (403, 404):
            raise AdminError(self._no_such(name))
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise AdminError(odd(answer, f"the question for {name}"))
        return answer.body

    def _no_such(self, name: str) -> str:
        said = f"GitHub shows this token no repository {name}; look at the spelling"
        if self.kind is TokenKind.APP:
            return f"{said}, and install the App there (the App's settings, Install App, Only select repositories)."
        if self.kind is TokenKind.CLASSIC:
            return f"{said}, and {self.kind.allow('Contents', WRITE)}."
        return (
            f"{said}, choose it under the token's Repository access, and have the organisation approve the token (its "
            "Settings, Personal access tokens, Pending requests)."
        )

    async def blobs(self, repository: str, folder: str, ref: str) -> dict[str, str] | None:
        """Path to the git id of each file right in `folder` at a branch or commit; None where the token may not look.

        No such folder is an empty one. Folders are asked for one by one, since a whole tree may come cut short.
        """
        answer = await self.ask("GET", f"/repos/{repository}/contents/{quote(folder)}", ref=ref)
        if answer.status == 404:
            return {}
        if answer.status == 403:
            return None
        if answer.status != 200 or not isinstance(answer.body, list):
            raise AdminError(odd(answer, f"the question for {folder}"))
        return {str(one["path"]): str(one["sha"]) for one in answer.body if one.get("type") == "file"}


def odd(answer: Answer, what: str) -> str:
    """The sentence for an answer nobody planned for."""
    said = f" ({answer.message[:200]})" if answer.message else ""
    return f"GitHub answered {answer.status}{said} to {what}; try again, and look at githubstatus.com."


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None
