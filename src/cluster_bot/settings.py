"""Every setting, read from the environment and `.env`; built by the command line, never at import.

Names here are the names in `.env.example` in lower case; a test compares the two. Secrets are `SecretStr`, so that a
printed Settings shows none. A setting that cannot be becomes a StartupError with one sentence.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode, SettingsConfigDict
from pydantic_settings import PydanticBaseSettingsSource as Source

from cluster_bot.errors import StartupError

# A shorter part of a secret tells nothing, and may be a word that logs are full of.
_SHORTEST_PART = 12

# Where staging listens if it has an address and no port is said.
STAGING_WEB_PORT = 8081
_STAGING_APP_CHARS = 42

Ids = Annotated[frozenset[int], NoDecode]


class Settings(BaseSettings):
    """The settings; `Settings.read()` is how to get them."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    discord_token: SecretStr | None = None
    discord_debug_token: SecretStr | None = None
    discord_debug_cluster_staging_id: int | None = None
    discord_debug_database_url: SecretStr | None = None
    discord_debug_public_url: str | None = None
    discord_debug_web_port: int | None = Field(default=None, ge=0, le=65_535)
    discord_api_url: str | None = None
    discord_guilds: Ids = frozenset()
    discord_users: Ids = frozenset()
    discord_operators: Ids = frozenset()
    discord_writes_per_s: float = Field(default=40.0, gt=0, le=50)

    data_dir: Path = Path("data")
    database_url: SecretStr | None = None
    nats_url: SecretStr | None = None

    live_runs_per_member: int = Field(default=3, ge=1)
    runs_per_hour: int | None = Field(default=None, ge=0)
    gpu_minutes_per_day: float | None = Field(default=None, ge=0, le=1_000_000)
    limits_file: Path | None = None
    live_runs_in_all: int = Field(default=200, ge=1)
    content_rules_file: Path | None = None
    checker: str = ""
    checker_timeout_s: float = Field(default=10.0, gt=0, le=120)
    checker_fails: Literal["closed", "open"] = "closed"
    time_limit_s: int = Field(default=300, ge=1, le=86_400)
    max_time_limit_s: int = Field(default=3600, ge=1, le=86_400)
    queue_limit_s: float = Field(default=3600.0, gt=0)
    outcome_grace_s: float = Field(default=5.0, ge=0)

    github_token: SecretStr | None = None
    github_app_id: str | None = None
    github_app_private_key: SecretStr | None = None
    github_app_installation: int | None = Field(default=None, ge=1)
    github_repository: str | None = None
    github_ref: str = "main"
    github_gpus: str = ""
    github_container: str = ""
    github_api_url: str | None = None
    github_webhook_secret: SecretStr | None = None

    modal_token_id: str | None = None
    modal_token_secret: SecretStr | None = None
    modal_app: str = "cluster-bot"
    modal_environment: str = ""
    modal_gpus_file: Path | None = None
    modal_network: bool = False
    modal_most_containers: int | None = Field(default=None, ge=1)
    modal_server_url: str | None = None

    public_url: str | None = None
    web_host: str = "127.0.0.1"
    web_port: int | None = Field(default=None, ge=0, le=65_535)
    web_key: SecretStr | None = None
    metrics_token: SecretStr | None = None

    local_enabled: bool = False
    local_python: str | None = None
    local_cxx: str = "g++"
    local_nvcc: str = "nvcc"
    local_same_user: Literal["never", "if_needed", "always"] = "never"
    local_sandbox: Literal["auto", "none", "bubblewrap"] = "auto"
    local_network: bool = False
    local_task_limit: int = Field(default=4096, ge=16)
    local_memory_limit_mb: int | None = Field(default=None, ge=64)
    local_disk_limit_mb: int | None = Field(default=10_240, ge=64)

    log_level: str = "INFO"

    @field_validator("discord_guilds", "discord_users", "discord_operators", mode="before")
    @classmethod
    def _split_ids(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(int(part) for part in value.replace(",", " ").split())
        return value

    @field_validator(
        "discord_token",
        "discord_debug_token",
        "discord_debug_cluster_staging_id",
        "discord_debug_database_url",
        "discord_debug_public_url",
        "discord_debug_web_port",
        "discord_api_url",
        "database_url",
        "nats_url",
        "runs_per_hour",
        "gpu_minutes_per_day",
        "limits_file",
        "content_rules_file",
        "public_url",
        "web_port",
        "web_key",
        "metrics_token",
        "github_token",
        "github_app_id",
        "github_app_private_key",
        "github_app_installation",
        "github_repository",
        "github_api_url",
        "github_webhook_secret",
        "modal_token_id",
        "modal_token_secret",
        "modal_gpus_file",
        "modal_most_containers",
        "modal_server_url",
        "local_python",
        "local_memory_limit_mb",
        "local_disk_limit_mb",
        mode="before",
    )
    @classmethod
    def _blank_is_unset(cls, value: object) -> object:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("public_url", "discord_debug_public_url", "github_api_url", "modal_server_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value) is None:
            raise ValueError("must be an address such as https://bot.example.org")
        return value.rstrip("/")

    @field_validator("github_repository")
    @classmethod
    def _owner_and_name(cls, value: str | None) -> str | None:
        if value is not None and re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", value) is None:
            raise ValueError("must be OWNER/REPOSITORY")
        return value

    @field_validator("modal_app")
    @classmethod
    def _app_name(cls, value: str) -> str:
        # Modal takes 63 characters, and the names of what the app keeps are longer than its own.
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}", value) is None:
            raise ValueError("must be letters, digits, dots, dashes and underscores, at most 50")
        return value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: Source,
        env_settings: Source,
        dotenv_settings: Source,
        file_secret_settings: Source,
    ) -> tuple[Source, ...]:
        """The library's hook: without a file it would look at every setting a second time, for nothing."""
        assert isinstance(dotenv_settings, DotEnvSettingsSource)
        return init_settings, env_settings, *([dotenv_settings] if dotenv_settings.env_file else [])

    @classmethod
    def read(cls, env_file: Path | None = Path(".env"), **overrides: Any) -> "Settings":
        """The settings of the environment and `env_file`; `overrides` win. Raises StartupError, a line a problem."""
        try:
            return cls(_env_file=env_file, **overrides)  # type: ignore[call-arg]
        except ValidationError as error:
            raise StartupError("\n".join(map(_sentence, error.errors()))) from None

    def secrets(self) -> list[str]:
        """Every secret that is set, for whoever must not show one."""
        values = (getattr(self, name) for name in type(self).model_fields)
        whole = [one.get_secret_value() for one in values if isinstance(one, SecretStr)]
        # One token of several, one line of a key: what an error would quote.
        parts = [part.strip() for one in whole for part in re.split(r"[,\n]|\\n", one)]
        return whole + [part for part in parts if len(part) >= _SHORTEST_PART and part not in whole]

    @property
    def github_enabled(self) -> bool:
        """Whether there is a login to GitHub: a token, several, or an App."""
        return self.github_token is not None or self.github_app_id is not None

    @property
    def modal_enabled(self) -> bool:
        """Whether there is a login to Modal, or half of one."""
        return self.modal_token_id is not None or self.modal_token_secret is not None

    @property
    def web_enabled(self) -> bool:
        """Whether the bot listens at all."""
        return any(one is not None for one in (self.public_url, self.web_port, self.github_webhook_secret))

    def for_staging(self) -> "Settings":
        """These settings as `--debug` has them: nothing that is kept, or listened at, is the other bot's as well.

        Raises StartupError with one sentence where they would have it share a database.
        """
        database, public_url = self.discord_debug_database_url, self.discord_debug_public_url
        if database is not None and database == self.database_url:
            raise StartupError(
                "DISCORD_DEBUG_DATABASE_URL is the database of DATABASE_URL; give staging one of its own, or none."
            )
        listens = public_url is not None and self.discord_debug_web_port is None
        return self.model_copy(
            update={
                "data_dir": self.data_dir / "staging",
                "database_url": database,
                "public_url": public_url,
                "web_port": STAGING_WEB_PORT if listens else self.discord_debug_web_port,
                # Its own, made in its folder: a runner's token for the one bot says nothing to the other.
                "web_key": None,
                # GitHub's webhook leads to one address; staging hears one only where it has an address too.
                "github_webhook_secret": self.github_webhook_secret if public_url is not None else None,
                # Deployed apart (`cluster-bot modal deploy --debug`), so that a new one is tried beside the old one.
                "modal_app": f"{self.modal_app[:_STAGING_APP_CHARS]}-staging",
            }
        )

    def database(self) -> str:
        """The address, which may hold a password: `database_url`, or a SQLite file in the data folder."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.resolve() / 'cluster-bot.sqlite3'}"


def _sentence(problem: Mapping[str, Any]) -> str:
    # Only the name and the rule are quoted: the value might be a secret pasted into the wrong place.
    name = ".".join(str(part) for part in problem["loc"]).upper()
    return f"The setting {name} can't be used ({problem['msg'].lower()}); correct it in .env or the environment."
