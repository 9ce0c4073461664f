"""Who may ask for what: tokens with permissions, GitHub Apps with their keys, and the tokens of their installations.

Used by the REST pipeline, which asks of every request whose token it carries and whether that may. Permissions have the
names of GitHub's API ("actions", "contents", "repository_hooks") and a level, "read" or "write". One App is installed
at most once here, on the one account there is.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .policy import Policy

LEVELS = {"read": 1, "write": 2}
EVERYTHING = (
    *("actions", "administration", "contents", "metadata", "organization_self_hosted_runners", "pull_requests"),
    *("repository_hooks", "workflows"),
)
SCOPES = {
    "repo": ("actions", "administration", "contents", "metadata", "pull_requests", "repository_hooks"),
    "workflow": ("workflows",),
    "admin:org": ("organization_self_hosted_runners",),
    "admin:repo_hook": ("repository_hooks",),
}
"""What the scopes of a classic token open, as permissions."""
BAD_JWT = "A JSON web token could not be decoded"
BAD_EXP = (
    "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion "
    "expires"
)
FAR_EXP = "'Expiration time' claim ('exp') is too far in the future"
BAD_IAT = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")


class AccessError(ValueError):
    """A token or a key that opens nothing; the text is GitHub's."""


def at_level(level: str) -> dict[str, str]:
    """Every permission, at one level."""
    return dict.fromkeys(EVERYTHING, level)


@dataclass(eq=False, slots=True)
class Token:
    """One token of the API. `scopes` is set for a classic one alone, `installation` for that of an App."""

    login: str
    permissions: dict[str, str]
    scopes: tuple[str, ...] | None = None
    installation: Installation | None = None
    expires_at: float | None = None

    @property
    def write(self) -> bool:
        """Whether it may dispatch and cancel."""
        return self.may("actions", "write")

    @write.setter
    def write(self, value: bool) -> None:
        self.permissions = at_level("write" if value else "read")

    def may(self, permission: str, level: str) -> bool:
        return LEVELS.get(self.permissions.get(permission, ""), 0) >= LEVELS[level]

    @property
    def purse(self) -> str:
        """Whose rate limit it spends: all tokens of a user share one, and all of an installation."""
        return f"installation {self.installation.id}" if self.installation else f"user {self.login}"

    @property
    def refusal(self) -> str:
        caller = "integration" if self.installation else "personal access token"
        return f"Resource not accessible by {caller}"


@dataclass(eq=False, slots=True)
class App:
    """A GitHub App. `private_key` is the PEM text its owner downloaded; the server has no use of it."""

    id: int
    slug: str
    client_id: str
    owner: str
    permissions: dict[str, str]
    created_at: float
    private_key: str
    public_key: str = field(repr=False)


@dataclass(eq=False, slots=True)
class Installation:
    """An App on the account of the repository. `permissions` are those the owner has accepted."""

    id: int
    app: App
    account: str
    permissions: dict[str, str]
    created_at: float
    suspended_at: float | None = None


class Access:
    """The tokens and Apps of one server."""

    def __init__(self, policy: Policy, owner: str, now: Callable[[], float], new_id: Callable[[], int]) -> None:
        self._policy, self._owner, self._now, self._new_id = policy, owner, now, new_id
        self.apps: dict[int, App] = {}
        self.installations: dict[int, Installation] = {}
        self.tokens: dict[str, Token] = {}

    # --- tokens -------------------------------------------------------------------------------------

    def add_token(
        self, *, login: str, permissions: Mapping[str, str], expires_at: float | None = None
    ) -> tuple[str, Token]:
        """A fine-grained token."""
        _known(permissions)
        text = "github_pat_" + secrets.token_hex(20)
        self.tokens[text] = token = Token(login, {"metadata": "read", **permissions}, expires_at=expires_at)
        return text, token

    def add_classic(self, *, login: str, scopes: Iterable[str]) -> tuple[str, Token]:
        """A classic token; ValueError for a scope that opens nothing here."""
        scopes = tuple(scopes)
        if unknown := [scope for scope in scopes if scope not in SCOPES]:
            raise ValueError(f"no such scope here: {', '.join(unknown)}")
        text = "ghp_" + secrets.token_hex(18)
        opened = {permission: "write" for scope in scopes for permission in SCOPES[scope]}
        self.tokens[text] = token = Token(login, opened, scopes=scopes)
        return text, token

    def find(self, text: str) -> Token | None:
        """The token of a request, None where it opens nothing (any more)."""
        token = self.tokens.get(text)
        if token is None or (token.expires_at is not None and token.expires_at <= self._now()):
            return None
        suspended = token.installation is not None and token.installation.suspended_at is not None
        return None if suspended else token

    # --- Apps ---------------------------------------------------------------------------------------

    def add_app(self, slug: str, permissions: Mapping[str, str], *, install: bool) -> App:
        """Register an App with a fresh key, and install it."""
        _known(permissions)
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        granted = {"metadata": "read", **permissions}
        client_id = "Iv23li" + secrets.token_hex(7)
        app = App(self._new_id(), slug, client_id, self._owner, granted, self._now(), private.decode(), public.decode())
        self.apps[app.id] = app
        if install:
            self.install(app)
        return app

    def install(self, app: App) -> Installation:
        """Put the App on the account, with all it asks for; it loses an earlier installation."""
        for known in [one for one in self.installations.values() if one.app is app]:
            self.uninstall(known)
        made = Installation(self._new_id(), app, self._owner, dict(app.permissions), self._now())
        self.installations[made.id] = made
        return made

    def uninstall(self, installation: Installation) -> None:
        self.installations.pop(installation.id, None)
        for text in [text for text, one in self.tokens.items() if one.installation is installation]:
            del self.tokens[text]

    def grant(self, installation: Installation, asked: Mapping[str, str] | None) -> tuple[str, Token]:
        """A token of an installation for an hour; AccessError where more is asked for than was granted."""
        wanted = {"metadata": "read", **asked} if asked else dict(installation.permissions)
        for name, level in wanted.items():
            if LEVELS.get(level, 3) > LEVELS.get(installation.permissions.get(name, ""), 0):
                raise AccessError("The permissions requested are not granted to this installation.")
        text = "ghs_" + secrets.token_hex(18)
        expires = self._now() + self._policy.installation_token_s
        token = Token(f"{installation.app.slug}[bot]", wanted, installation=installation, expires_at=expires)
        self.tokens[text] = token
        return text, token

    def app_of(self, text: str) -> App:
        """The App that signed a JSON web token; AccessError in GitHub's words where it is none."""
        try:
            claims = jwt.decode(text, options={"verify_signature": False})
            app = next(one for one in self.apps.values() if str(claims.get("iss")) in (str(one.id), one.client_id))
        except jwt.InvalidTokenError:
            raise AccessError(BAD_JWT) from None
        except StopIteration:
            raise AccessError("Integration must generate a public key") from None
        # The times are judged below, by this server's clock.
        unjudged = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_iss": False}
        try:
            jwt.decode(text, app.public_key, algorithms=["RS256"], options=unjudged)  # type: ignore[arg-type]
        except jwt.InvalidTokenError:
            raise AccessError(BAD_JWT) from None
        now, exp, iat = self._now() + self._policy.clock_ahead_s, claims.get("exp"), claims.get("iat")
        if not isinstance(exp, int | float) or exp <= now:
            raise AccessError(BAD_EXP)
        if exp > now + self._policy.longest_jwt_s:
            raise AccessError(FAR_EXP)
        if not isinstance(iat, int) or iat > now:
            raise AccessError(BAD_IAT)
        return app


def is_jwt(text: str) -> bool:
    """Whether a bearer token is meant to be a JSON web token."""
    return _JWT.fullmatch(text) is not None


def _known(permissions: Mapping[str, str]) -> None:
    """ValueError for a permission or a level the sandbox does not know: a test would believe it is enforced."""
    for name, level in permissions.items():
        if name not in EVERYTHING or level not in LEVELS:
            raise ValueError(f"no such permission here: {name}: {level}")
