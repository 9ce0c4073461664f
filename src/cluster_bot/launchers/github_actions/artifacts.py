"""The spool as GitHub keeps it: the workflow artifact that a run's job uploads at its end.

Called by `launcher` for a run that is over and whose outcome did not come another way. The archive is fetched from
GitHub's storage, which is another host and must not see the token; it was packed on a machine we do not trust, so
everything is bounded and only names of ours are unpacked. One listing serves all runs that ended before it.
"""

import asyncio
import shutil
import time
import zipfile
from pathlib import Path

import aiohttp

from cluster_bot.launchers.github_actions.api import GithubApi, GithubError
from cluster_bot.log import get_logger
from cluster_runner import wire

log = get_logger(__name__)

MOST_ARCHIVE_BYTES = 64 * 1024 * 1024
MOST_EVENT_BYTES = 32 * 1024 * 1024
MOST_FILE_BYTES = 16 * 1024 * 1024
MOST_FILES = 200
DOWNLOAD_S = 120.0
EVENTS = "events.ndjson"
_FOLDER = "artifacts/"
_PIECE = 256 * 1024


class SpoolArchives:
    """Fetches spools into folders below `root`, one at a time for each run."""

    def __init__(self, api: GithubApi, root: Path, *, pause_s: float) -> None:
        self._api = api
        self._pause_s = pause_s
        self._root = root
        self._listing = asyncio.Lock()
        self._listed_at = float("-inf")
        self._listed: dict[tuple[int, str], int] = {}

    async def fetch(self, workflow_run: int, name: str) -> bool:
        """Bring the artifact `name` of a workflow run to `root / name`; False where there is none.

        Raises GithubError where asking again may help.
        """
        target = self._root / name
        if await asyncio.to_thread(target.exists):
            return True
        artifact = await self._find(workflow_run, name)
        if artifact is None:
            return False
        place = await self._location(artifact)
        if place is None:
            return False
        archive = self._root / f"{name}.zip"
        try:
            await asyncio.to_thread(self._root.mkdir, mode=0o700, parents=True, exist_ok=True)
            await _download(place, archive)
            await asyncio.to_thread(_unpack, archive, target)
        finally:
            await asyncio.to_thread(archive.unlink, missing_ok=True)
        return True

    async def _find(self, workflow_run: int, name: str) -> int | None:
        """The artifact's id, from a listing that is younger than this question, shared with whoever asks meanwhile."""
        asked_at = time.monotonic()
        async with self._listing:
            if (workflow_run, name) not in self._listed and self._listed_at < asked_at:
                # Whoever asks meanwhile waits here too, and finds its own in the same listing.
                due = asyncio.Event()
                asyncio.get_running_loop().call_later(max(0.0, self._listed_at + self._pause_s - asked_at), due.set)
                await due.wait()
                self._listed_at = time.monotonic()
                self._listed = await self._list("/actions/artifacts", {"per_page": "100"})
            if (workflow_run, name) not in self._listed:
                # Not among the newest hundred, or not at all.
                self._listed |= await self._list(f"/actions/runs/{workflow_run}/artifacts", {"name": name})
        return self._listed.get((workflow_run, name))

    async def _list(self, path: str, parameters: dict[str, str]) -> dict[tuple[int, str], int]:
        answer = await self._api.get(path, parameters)
        if answer.status == 404:
            return {}
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise GithubError(f"GitHub answered {answer.status} to the list of artifacts", sent=True)
        listed = {}
        for one in answer.body.get("artifacts", ()):
            of = (one.get("workflow_run") or {}).get("id")
            if of is not None and not one.get("expired"):
                listed[int(of), str(one["name"])] = int(one["id"])
        return listed

    async def _location(self, artifact: int) -> str | None:
        """Where the archive lies for the next minute; None where it has expired."""
        answer = await self._api.get(f"/actions/artifacts/{artifact}/zip")
        if answer.status in (404, 410):
            return None
        if answer.status != 302 or "location" not in answer.headers:
            raise GithubError(f"GitHub answered {answer.status} to an artifact", sent=True)
        return answer.headers["location"]


async def _download(place: str, target: Path) -> None:
    """Plain GET, without our token: the address is signed and the host is not GitHub's API."""
    timeout = aiohttp.ClientTimeout(total=DOWNLOAD_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(place) as response:
            if response.status != 200:
                raise GithubError(f"GitHub's storage answered {response.status}", sent=True)
            size = 0
            with target.open("wb") as file:
                async for piece in response.content.iter_chunked(_PIECE):
                    size += len(piece)
                    if size > MOST_ARCHIVE_BYTES:
                        log.warning("a spool's archive is too large and was cut off", extra={"action": "archive_cut"})
                        break
                    await asyncio.to_thread(file.write, piece)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise GithubError(f"GitHub's storage could not be read ({type(error).__name__})", sent=True) from error


def _unpack(archive: Path, target: Path) -> None:
    """Unpack what is ours to a folder that appears whole or not at all; an archive that is none leaves it empty."""
    draft = target.with_name(target.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "artifacts").mkdir(mode=0o700, parents=True)
    try:
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist()[:MOST_FILES]:
                _unpack_one(packed, entry, draft)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError) as error:
        # RuntimeError is what the library raises for an encrypted entry, or for one packed in a way it does not know.
        log.warning("a spool's archive can't be read: %s", error, extra={"action": "archive_unreadable"})
    draft.rename(target)


def _unpack_one(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, draft: Path) -> None:
    name = entry.filename
    if name == EVENTS:
        place, most = draft / EVENTS, MOST_EVENT_BYTES
    elif name.startswith(_FOLDER) and wire.is_plain_name(name.removeprefix(_FOLDER)):
        place, most = draft / "artifacts" / name.removeprefix(_FOLDER), MOST_FILE_BYTES
    else:
        return
    # The sizes an archive tells of itself may lie: what is read counts.
    with packed.open(entry) as source, place.open("wb") as file:
        left = most
        while left > 0 and (piece := source.read(min(_PIECE, left))):
            file.write(piece)
            left -= len(piece)
