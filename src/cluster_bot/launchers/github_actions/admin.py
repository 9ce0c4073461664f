"""GitHub as an admin's commands ask it: any path, one request at a time, and what to click where a right is missing.

Called by `cluster-bot check` and `cluster-bot github install`; the bot itself goes through `api`, which knows of
budgets and of threads. Nothing here is repeated: whoever runs the command runs it again.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from enum import Enum
from functools import partial
from typing import Any
from urllib.parse import quote

import github
import requests

from cluster_bot.errors import StartupError
from cluster_bot.launchers.github_actions.api import PUBLIC_API, TIMEOUT_S, Answer, limited_for

# What GitHub calls the rights on its pages, and the scope of a classic token that includes each.
_SCOPES = {"Workflows": "workflow", "Webhooks": "admin:repo_hook"}
READ, WRITE = "Read-only", "Read and write"


class TokenKind(Enum):
    """The kinds of token, as each is given rights on another page."""

    FINE_GRAINED = "fine-grained"
    CLASSIC = "classic"
    APP = "App"

    @classmethod
    def of(cls, token: str) -> "TokenKind":
        """By the prefix GitHub gives it; what came before there were prefixes is classic."""
        if token.startswith("github_pat_"):
            return cls.FINE_GRAINED
        return cls.APP if token.startswith("ghs_") else cls.CLASSIC

    def allow(self, right: str, level: str) -> str:
        """What to click to give the right, such as `Contents` with `Read and write`; the middle of a sentence."""
        if self is TokenKind.APP:
            return (
                f'give the App "{right}: {level}" (its settings, Permissions & events, Repository permissions), and '
                "accept that where it is installed (Settings, GitHub Apps, Review request)"
            )
        if self is TokenKind.CLASSIC:
            scope = _SCOPES.get(right, "repo")
            return f'give it the scope "{scope}" (your Settings, Developer settings, Tokens (classic))'
        return (
            f'give it "{right}: {level}" (your Settings, Developer settings, Fine-grained tokens, the token, Edit, '
            "Repository permissions)"
        )


class AdminError(StartupError):
    """GitHub did not do what was asked; one sentence that says what to do about it."""


class AdminApi:
    """GitHub's REST API with one token. `base_url` is without a slash at its end."""

    def __init__(self, token: str, *, base_url: str = PUBLIC_API, timeout_s: int = TIMEOUT_S) -> None:
        self.kind = TokenKind.of(token)
        self._one = asyncio.Lock()
        self._client = github.Github(
            auth=github.Auth.Token(token),
            base_url=base_url,
            timeout=timeout_s,
            retry=None,
            lazy=True,
            seconds_between_requests=0,
            seconds_between_writes=0,
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    async def ask(self, method: str, path: str, body: Any = None, **parameters: str) -> Answer:
        """One request to a path such as /rate_limit, whatever its status.

        Raises AdminError where GitHub can't be reached, wants no token like this one, or no more requests for a while.
        """
        send = partial(self._client.requester.requestJson, method, path, parameters, input=body)
        async with self._one:
            try:
                status, headers, text = await asyncio.to_thread(send)
            except requests.exceptions.RequestException as error:
                # The library's own text quotes addresses.
                raise AdminError(
                    f"GitHub can't be reached at {self._client.requester.base_url} ({type(error).__name__}); look at "
                    "the network, and at GITHUB_API_URL."
                ) from error
        answer = Answer(status, {name.lower(): str(value) for name, value in headers.items()}, _json(text))
        self._judge(answer)
        return answer

    async def good(self, method: str, path: str, body: Any = None, **parameters: str) -> Any:
        """The JSON of a request that must succeed. Raises AdminError."""
        answer = await self.ask(method, path, body, **parameters)
        if answer.status >= 300:
            raise AdminError(odd(answer, f"{method} {path}"))
        return answer.body

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
