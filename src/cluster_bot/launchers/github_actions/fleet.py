"""The self-hosted runners that GitHub lists for us, and the GPUs they offer: of the repository and its organisation.

GitHub's list at the repository does not hold those of the organisation, so both are asked, as far as the login may see
them. Asked by `launcher` at most once a minute, and sooner by `runners`, who waits for a new one: what is seen then is
on offer from then on.
"""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cluster_bot.launchers.github_actions.api import GithubApi, GithubError, GithubLimitError
from cluster_bot.launchers.github_actions.gpus import GpuSettings, labels_of, offered_by, online
from cluster_bot.log import get_logger
from cluster_bot.runs.machines import Box, own_label

log = get_logger(__name__)

A_PAGE, MOST_PAGES = 100, 20
# What the login may not see is asked for again after so long: somebody may have given it the right.
HIDDEN_S = 600.0


@dataclass(frozen=True, slots=True)
class Home:
    """Whose the repository is: `organisation` is its path in the API, "" where a person owns it."""

    owner: str
    organisation: str
    private: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """One of GitHub's runner objects as a box, and the path under which it can be deleted."""

    box: Box
    path: str


class Fleet:
    """What was seen last. `configured` are the GPUs of a setting, instead of what labels say."""

    def __init__(self, api: GithubApi, *, configured: Sequence[GpuSettings] = (), pause_s: float = 60.0) -> None:
        self._api = api
        self._configured = tuple(configured)
        self._pause_s = pause_s
        self._looked_at = -math.inf
        self._looking = asyncio.Lock()
        self._home: Home | None = None
        self._home_etag: str | None = None
        self._pages: dict[tuple[str, int], tuple[str, Any]] = {}
        self._hidden_at: dict[str, float] = {}
        self._seen: dict[str, Sequence[Mapping[str, Any]]] = {}
        self.gpus: tuple[GpuSettings, ...] = self._configured or offered_by(())
        self.online: Mapping[str, int] = {}
        self.listed: Sequence[Listed] = ()

    @property
    def configured(self) -> bool:
        """Whether an admin named the GPUs."""
        return bool(self._configured)

    @property
    def hidden(self) -> Sequence[str]:
        """The places, "" the repository, whose runners the login may not see."""
        return tuple(self._hidden_at)

    @property
    def place(self) -> str:
        """Where machines are added, as far as that is known: the organisation's path, or "" for the repository."""
        return self._home.organisation if self._home else ""

    @property
    def sees_some(self) -> bool:
        """Whether a place lists its runners, be there any or not."""
        return bool(self._seen)

    def gpu(self, name: str) -> GpuSettings | None:
        """What a run asks for, by a GPU's name in any case; `H100@box` is that GPU on one machine that is listed."""
        wanted, at, machine = (part.strip() for part in name.partition("@"))
        found = next((gpu for gpu in self.gpus if gpu.name.lower() == wanted.lower()), None)
        if found is None or not at:
            return found
        label = own_label(machine).lower()
        there = any(label == one.lower() for listed in self.listed for one in listed.box.labels)
        return replace(found, name=name, labels=(*found.labels, label)) if there else None

    async def refresh(self) -> None:
        """Look where it is time; without the right to see, what was known stays. Never raises."""
        try:
            await self.look(self._pause_s)
        except (GithubError, GithubLimitError) as error:
            log.info("runners not known: %s", error, extra={"action": "runners_unknown"})

    async def look(self, within_s: float = 0.0, *, hidden_too: bool = False) -> None:
        """Look, unless somebody did `within_s` seconds ago; `hidden_too`: also where the login might not see lately.

        Raises what `api` raises.
        """
        asked_at = time.monotonic()
        async with self._looking:
            if self._looked_at > asked_at - within_s:
                return
            self._looked_at = time.monotonic()
            home = self._home or await self.home()
            for place in ["", *([home.organisation] if home and home.organisation else [])]:
                if hidden_too or time.monotonic() - self._hidden_at.get(place, -math.inf) >= HIDDEN_S:
                    await self._look_at(place)
            self._listed_anew()

    async def _look_at(self, place: str) -> None:
        """Keep what a place lists; what it does not say for a moment stays as it was."""
        found: list[Mapping[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            status, runners = await self._page(place, page)
            if status in (403, 404):
                self._hidden_at[place] = time.monotonic()
                self._seen.pop(place, None)
            if runners is None:
                return
            found += runners
            if len(runners) < A_PAGE:
                break
        self._hidden_at.pop(place, None)
        self._seen[place] = found

    async def _page(self, place: str, page: int) -> tuple[int, Sequence[Mapping[str, Any]] | None]:
        """The status, and the runners of a page; None where GitHub does not say."""
        etag, known = self._pages.get((place, page), (None, None))
        asked = {"per_page": str(A_PAGE), **({"page": str(page)} if page > 1 else {})}
        answer = await self._api.get(f"{place}/actions/runners", asked, etag=etag)
        if answer.status == 304:
            return 304, known
        if answer.status != 200 or not isinstance(answer.body, dict):
            return answer.status, None
        runners = [one for one in answer.body.get("runners", ()) if isinstance(one, dict)]
        if "etag" in answer.headers:
            self._pages[place, page] = (answer.headers["etag"], runners)
        return 200, runners

    def _listed_anew(self) -> None:
        everything = [one for found in self._seen.values() for one in found]
        if not self._configured and self._seen:
            self.gpus = offered_by(everything)
            self.online = {gpu.name: online(everything, gpu) for gpu in self.gpus}
        self.listed = [
            Listed(_box(one, place.removeprefix("/orgs/") or self._api.repository), _path(place, one))
            for place, found in self._seen.items()
            for one in found
        ]

    async def home(self) -> Home | None:
        """Whose the repository is, as GitHub says now; None where it does not say. Raises what `api` raises."""
        answer = await self._api.get("", etag=self._home_etag)
        if answer.status == 200 and isinstance(answer.body, dict):
            owner = answer.body.get("owner") or {}
            login = str(owner.get("login", ""))
            organisation = f"/orgs/{login}" if owner.get("type") == "Organization" else ""
            self._home = Home(login, organisation, bool(answer.body.get("private")))
            self._home_etag = answer.headers.get("etag")
        return self._home


def _path(place: str, runner: Mapping[str, Any]) -> str:
    return f"{place}/actions/runners/{runner.get('id')}"


def _box(runner: Mapping[str, Any], whose: str) -> Box:
    labels = tuple(labels_of(runner))
    return Box(str(runner.get("name", "")), labels, runner.get("status") == "online", bool(runner.get("busy")), whose)
