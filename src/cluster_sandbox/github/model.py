"""What this GitHub knows: runs with their job and steps, artifacts, runners, executions, pull requests, hooks
and their deliveries. Plain records, no behaviour.

Times are unix seconds, None where the moment has not come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from .workflow import Plan, Workflow

Status = Literal["queued", "in_progress", "completed"]
Level = Literal["organization", "repository"]
"""Where a self-hosted runner belongs; each level lists its own alone."""
MACHINE_LABELS = ("Linux", "X64")
"""What every self-hosted runner of this kind has besides its own labels."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Machines to order for a server: `count` of them, each taking one job at a time."""

    name: str
    labels: tuple[str, ...] = ("self-hosted",)
    count: int = 1
    level: Level = "repository"


@dataclass(eq=False, slots=True)
class RunnerGroup:
    """Runners of the organization, and whether jobs of a public repository may have them."""

    id: int
    name: str
    allows_public: bool = False


@dataclass(eq=False, slots=True)
class Machine:
    """One runner of the server. `ephemeral`: it takes one job and is removed; `secret` is what its program shows."""

    id: int
    name: str
    labels: tuple[str, ...]
    level: Level = "repository"
    group: int = 1
    ephemeral: bool = False
    online: bool = True
    version: str | None = "2.330.0"
    secret: str = field(default="", repr=False)
    run_id: int | None = None

    def fits(self, labels: Iterable[str]) -> bool:
        """Whether it has all labels, whatever their case, as on GitHub."""
        own = {one.casefold() for one in (*self.labels, *MACHINE_LABELS)}
        return all(label.casefold() in own for label in labels)


@dataclass(slots=True)
class Step:
    number: int
    name: str
    status: Status = "queued"
    conclusion: str | None = None
    started_at: float | None = None
    completed_at: float | None = None


@dataclass(slots=True)
class Job:
    id: int
    name: str
    labels: tuple[str, ...]
    created_at: float
    steps: list[Step] = field(default_factory=list)
    status: Status = "queued"
    conclusion: str | None = None
    started_at: float | None = None
    completed_at: float | None = None
    machine: Machine | None = None
    log: list[str] = field(default_factory=list)
    """Lines as GitHub keeps them, with a time in front; masked."""

    @property
    def log_text(self) -> str:
        return "".join(line + "\n" for line in self.log)


@dataclass(eq=False, slots=True)
class Run:
    id: int
    number: int
    workflow: Workflow
    inputs: dict[str, str]
    ref: str
    title: str
    sha: str
    created_at: float
    updated_at: float
    token: str
    """The GITHUB_TOKEN of its job."""
    visible_at: float = 0.0
    """From when lists show it."""
    status: str = "queued"
    conclusion: str | None = None
    started_at: float = 0.0
    plan: Plan | None = None
    job: Job | None = None
    failure: str | None = None
    """Why it could not start or how it was lost, for people."""
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    forced: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def branch(self) -> str:
        return self.ref.removeprefix("refs/heads/")

    @property
    def completed(self) -> bool:
        return self.status == "completed"


@dataclass(slots=True)
class Artifact:
    id: int
    run_id: int
    name: str
    data: bytes
    digest: str
    created_at: float
    expires_at: float


@dataclass(slots=True)
class Execution:
    """One time a job was really executed."""

    run_id: int
    runner: str
    started: float
    ended: float | None = None
    exit_code: int | None = None


@dataclass(eq=False, slots=True)
class Pull:
    """A pull request between two branches of the repository. `head_sha` and `base_sha` follow them while it is open."""

    id: int
    number: int
    title: str
    body: str | None
    login: str
    head: str
    base: str
    head_sha: str
    base_sha: str
    created_at: float
    updated_at: float
    draft: bool = False
    state: Literal["open", "closed"] = "open"
    closed_at: float | None = None
    merged_at: float | None = None
    merge_sha: str | None = None


EVENTS = ("workflow_run", "workflow_job")
"""What a hook can hear of here, besides the ping; it may want other events in vain."""


@dataclass(eq=False, slots=True)
class Hook:
    """A webhook of the repository, or of an App where `app_id` is set. `secret` empty: unsigned."""

    id: int
    url: str
    secret: str
    events: tuple[str, ...]
    created_at: float
    updated_at: float
    content_type: str = "form"
    insecure_ssl: str = "0"
    active: bool = True
    app_id: int | None = None
    installation_id: int | None = None
    last: Delivery | None = None

    def wants(self, event: str) -> bool:
        return self.active and bool(self.url) and (event == "ping" or "*" in self.events or event in self.events)


@dataclass(eq=False, slots=True)
class Delivery:
    """One attempt to tell one hook of one event; `status_code` 0 while it is under way."""

    id: int
    guid: str
    hook: Hook
    event: str
    action: str | None
    payload: dict[str, Any]
    delivered_at: float
    redelivery: bool = False
    duration: float = 0.0
    status: str = ""
    status_code: int = 0
    request_headers: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status_code < 300
