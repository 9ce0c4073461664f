"""Lending GitHub a machine, and taking it away again: the `Boxes` port, over the repository's or its owner's runners.

Given to the front end by the composition root, through `GithubActions.boxes`. Where an organisation owns the
repository its runners are meant, for which the login needs a right of its own; a person has runners at the repository
alone. What GitHub hands out for a machine, a token or a configuration, goes into the text for the donor and is neither
kept nor logged.
"""

import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from cluster_bot.errors import UserError
from cluster_bot.launchers.github_actions.admin import READ, WRITE, TokenKind
from cluster_bot.launchers.github_actions.api import Answer, GithubApi, GithubError, GithubLimitError
from cluster_bot.launchers.github_actions.donation import Registration, download_of, script
from cluster_bot.launchers.github_actions.fleet import Fleet, Home
from cluster_bot.launchers.github_actions.gpus import is_gpu
from cluster_bot.log import get_logger
from cluster_bot.runs.machines import Box, Invitation, Listed, Wanted, own_label
from cluster_bot.runs.refusals import Refusal, refuse

log = get_logger(__name__)

T = TypeVar("T")

# As long as the tokens that GitHub gives; for what it gives no end.
AN_HOUR_S = 3600.0
# While one is waited for, the list is asked for this often at most, whoever waits.
SIGHT_S, LIST_S = 3.0, 5.0
_USUAL_GROUP = 1


@dataclass(frozen=True, slots=True)
class _Group:
    id: int
    name: str
    public: bool


class Runners:
    """`Boxes`: the self-hosted runners."""

    def __init__(self, api: GithubApi, fleet: Fleet) -> None:
        self._api = api
        self._fleet = fleet
        self._kind = TokenKind.of(api.logins[0])

    # --- looking ------------------------------------------------------------------------------------------------

    async def listed(self) -> Listed:
        """Those there are now; raises UserError where the login may see none."""
        await _reached(self._fleet.look(LIST_S, hidden_too=True))
        hidden = self._hidden()
        if hidden and not self._fleet.sees_some:
            raise self._not_allowed(READ, organisation=any(self._fleet.hidden))
        return Listed([one.box for one in self._fleet.listed], hidden)

    def _hidden(self) -> str:
        return " ".join(
            f"Those of {place.removeprefix('/orgs/') or self._api.repository} can't be seen with the bot's login; "
            f"{self._kind.allow('Self-hosted runners' if place else 'Administration', READ)}."
            for place in self._fleet.hidden
        )

    async def sight(self, name: str) -> Box | None:
        """One of them, as GitHub lists it now or did a moment ago."""
        await _reached(self._fleet.look(SIGHT_S))
        found = next((one.box for one in self._fleet.listed if one.box.name.lower() == name.lower()), None)
        if found is None and self._fleet.place in self._fleet.hidden:
            raise self._not_allowed(READ, organisation=bool(self._fleet.place))
        return found

    # --- adding -------------------------------------------------------------------------------------------------

    async def invite(self, wanted: Wanted) -> Invitation:
        """A registration token, or a just-in-time configuration, in a text for the donor."""
        if not is_gpu(wanted.gpu):
            raise refuse(Refusal.BAD_GPU_LABEL)
        home = await self._home()
        group = await self._group(home, wanted)
        await self._check_free(home, wanted.name)
        download = download_of(await self._asked(self._api.get(f"{home.organisation}/actions/runners/downloads"), home))
        if download is None:
            raise refuse(Refusal.GITHUB_ODD, what="downloads")
        gpu = self._fleet.gpu(wanted.gpu) if self._fleet.configured else None
        by_setting = _named_by(gpu.labels if gpu else ())
        labels = tuple(dict.fromkeys([*by_setting, wanted.vendor, wanted.gpu, own_label(wanted.name)]))
        whose = home.owner if home.organisation else self._api.repository
        how: Registration | str
        if wanted.once:
            how, until = await self._just_in_time(home, wanted.name, labels, group), time.time() + AN_HOUR_S
        else:
            token, until = await self._token(home)
            how = Registration(f"{self._api.site}/{whose}", token, labels, group.name if wanted.group else "")
        return Invitation(
            script(wanted.name, whose, download, how, until),
            labels,
            whose,
            group.name,
            until,
            public=not home.private,
            shut_out=bool(home.organisation) and not home.private and not group.public,
            unnamed=self._fleet.configured and gpu is None,
        )

    async def _home(self) -> Home:
        home = await _reached(self._fleet.home())
        if home is None:
            raise refuse(Refusal.GITHUB_ODD, what="the repository")
        return home

    async def _group(self, home: Home, wanted: Wanted) -> _Group:
        """The runner group that is meant; a person's repository has none to choose."""
        if not home.organisation:
            if wanted.group:
                raise refuse(Refusal.NO_GROUPS)
            return _Group(_USUAL_GROUP, "", public=True)
        told = await self._asked(self._api.get(f"{home.organisation}/actions/runner-groups", {"per_page": "100"}), home)
        groups = [_group_of(one) for one in (told.get("runner_groups") or [] if isinstance(told, dict) else [])]
        for one in groups:
            if one.name.lower() == wanted.group.lower() if wanted.group else one.id == _USUAL_GROUP:
                return one
        if wanted.group:
            raise refuse(Refusal.NO_SUCH_GROUP, offered=", ".join(f"`{one.name}`" for one in groups[:10]) or "none")
        return _Group(_USUAL_GROUP, "Default", public=False)

    async def _check_free(self, home: Home, name: str) -> None:
        """Whether no runner has the name; one of another place could not be told from it."""
        await _reached(self._fleet.look(hidden_too=True))
        if any(one.box.name.lower() == name.lower() for one in self._fleet.listed):
            raise refuse(Refusal.MACHINE_EXISTS, name=name)
        if home.organisation in self._fleet.hidden:
            raise self._not_allowed(WRITE, organisation=bool(home.organisation))

    async def _token(self, home: Home) -> tuple[str, float]:
        made = await self._asked(self._api.post(f"{home.organisation}/actions/runners/registration-token"), home)
        try:
            return str(made["token"]), datetime.fromisoformat(str(made["expires_at"])).timestamp()
        except (KeyError, TypeError, ValueError):
            raise refuse(Refusal.GITHUB_ODD, what="a token") from None

    async def _just_in_time(self, home: Home, name: str, labels: Sequence[str], group: _Group) -> str:
        # Of these labels a registered runner has the first three by itself, a just-in-time one only what it is given.
        body = {
            "name": name,
            "runner_group_id": group.id,
            "labels": ["self-hosted", "Linux", "X64", *labels],
            "work_folder": "_work",
        }
        asking = self._api.post(f"{home.organisation}/actions/runners/generate-jitconfig", body)
        made = await self._asked(asking, home, name)
        try:
            return str(made["encoded_jit_config"])
        except (KeyError, TypeError):
            raise refuse(Refusal.GITHUB_ODD, what="a configuration") from None

    # --- removing -----------------------------------------------------------------------------------------------

    async def remove(self, name: str) -> Box:
        """Delete it at GitHub, which refuses while it has a job."""
        await _reached(self._fleet.look(hidden_too=True))
        found = next((one for one in self._fleet.listed if one.box.name.lower() == name.strip().lower()), None)
        if found is None:
            if self._fleet.hidden:
                raise self._not_allowed(WRITE, organisation=any(self._fleet.hidden))
            raise refuse(Refusal.NO_SUCH_MACHINE)
        answer = await _reached(self._api.delete(found.path))
        if answer.status == 422:
            raise refuse(Refusal.MACHINE_BUSY, name=found.box.name)
        if answer.status == 403:
            raise self._not_allowed(WRITE, organisation=found.path.startswith("/orgs/"))
        # One that is gone already is what was wished.
        if answer.status not in (204, 404):
            raise _odd(answer, "a removal")
        await _reached(self._fleet.look())
        return found.box

    # --- asking -------------------------------------------------------------------------------------------------

    async def _asked(self, asking: Awaitable[Answer], home: Home, name: str = "") -> Any:
        """The body of an answer that must be good. Raises UserError."""
        answer = await _reached(asking)
        if answer.status in (403, 404):
            raise self._not_allowed(WRITE, organisation=bool(home.organisation))
        if answer.status == 409:
            raise refuse(Refusal.MACHINE_EXISTS, name=name)
        if answer.status not in (200, 201):
            raise _odd(answer, "that")
        return answer.body

    def _not_allowed(self, level: str, *, organisation: bool) -> UserError:
        right = "Self-hosted runners" if organisation else "Administration"
        return refuse(Refusal.RUNNERS_NOT_ALLOWED, how=self._kind.allow(right, level))


async def _reached(asking: Awaitable[T]) -> T:
    """What GitHub answers; raises UserError where it does not."""
    try:
        return await asking
    except (GithubError, GithubLimitError) as error:
        raise refuse(Refusal.GITHUB_AWAY, why=error.words) from error


def _odd(answer: Answer, what: str) -> UserError:
    # GitHub's own words may quote what was sent, a secret among it; only the log's reader may have the status.
    log.warning("GitHub answered %s to %s", answer.status, what, extra={"action": "runners_odd"})
    return refuse(Refusal.GITHUB_ODD, what=what)


def _group_of(told: Any) -> _Group:
    return _Group(int(told.get("id", 0)), str(told.get("name", "")), bool(told.get("allows_public_repositories")))


def _named_by(labels: Sequence[str]) -> list[str]:
    """Of a configured GPU's labels, those that GitHub does not give by itself."""
    return [one for one in labels if one.lower() not in ("self-hosted", "linux", "x64")]
