"""Who we are to GitHub: one or several tokens, or the installation of a GitHub App.

Used by `api`, made by the composition root. An App's tokens live for an hour; PyGithub renews them when they are about
to end, on the thread that needs one. Clients are not thread-safe, so each thread has its own, and an App's two threads
have a token each. Limits: what an App may do is decided at its installation, not here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import github
import requests

from cluster_bot.errors import ClusterBotError, StartupError

Make = Callable[[github.Auth.Auth], github.Github]


class LoginError(ClusterBotError):
    """GitHub gave no token; whatever was to be asked was not sent."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that somebody made by hand."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class App:
    """A GitHub App with its private key (PEM); `installation` None: that of the repository."""

    app_id: str
    private_key: str = field(repr=False)
    installation: int | None = None


Login = Token | App


def tokens_of(text: str) -> list[Token]:
    """The tokens of a list with commas."""
    return [Token(one) for part in text.split(",") if (one := part.strip())]


def app_of(app_id: str, key: str, installation: int | None) -> App:
    """An App by its key or the path of its key's file. Raises StartupError with one sentence where it can't be."""
    pem = key.replace("\\n", "\n").strip()
    if not pem.startswith("-----BEGIN"):
        try:
            pem = Path(key.strip()).expanduser().read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            # The text is not quoted: it may be half of a key.
            raise StartupError(
                "GITHUB_APP_PRIVATE_KEY is neither a private key (-----BEGIN …) nor a file that can be read."
            ) from None
    try:
        github.Auth.AppAuth(app_id, pem).create_jwt()
    except Exception:
        # The border to the library's cryptography, which has many ways to say that this is no key.
        raise StartupError(
            "GITHUB_APP_PRIVATE_KEY holds no RSA private key; make one on the App's page under Private keys."
        ) from None
    return App(app_id, pem, installation)


class Account:
    """One login, with a client for each of the two threads. `make` builds one for an authentication."""

    def __init__(self, login: Login, repository: str, make: Make) -> None:
        self._login = login
        self._repository = repository
        self._make = make
        self._clients: dict[bool, github.Github] = {}

    def client(self, *, write: bool) -> github.Github:
        """The client of the reading or of the writing thread, called there; logged in. Raises LoginError."""
        client = self._clients.get(write)
        if client is None:
            client = self._clients[write] = self._make(self._auth())
        if isinstance(self._login, App):
            # Here, and not within the request: what fails now was certainly not sent.
            _login(lambda: client.requester.auth and client.requester.auth.token)
        return client

    def forget(self) -> None:
        """GitHub does not accept what we have: log in anew, where that gives another token."""
        if isinstance(self._login, App):
            self._clients = {}

    def _auth(self) -> github.Auth.Auth:
        if isinstance(self._login, Token):
            return github.Auth.Token(self._login.token)
        app = github.Auth.AppAuth(self._login.app_id, self._login.private_key)
        return app.get_installation_auth(self._login.installation or self._installation(app))

    def _installation(self, app: github.Auth.AppAuth) -> int:
        path = f"/repos/{self._repository}/installation"
        _, found = _login(lambda: self._make(app).requester.requestJsonAndCheck("GET", path))
        return int(found["id"])


def _login(step: Callable[[], Any]) -> Any:
    try:
        return step()
    except github.GithubException as error:
        raise LoginError(f"GitHub answered {error.status} to the App's login") from error
    except requests.exceptions.RequestException as error:
        raise LoginError(f"GitHub could not be asked for a token ({type(error).__name__})") from error
