"""The checks of what `/run github` stands on; none of them starts or changes anything.

Called by the package. Each says what to click where something is missing. A token may do its work without seeing
everything: what can't be seen is a warning, never a failure.
"""

import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from cluster_bot.app import github_logins
from cluster_bot.check.hook import look_at_webhook
from cluster_bot.check.inputs import misfits
from cluster_bot.check.lines import Check, Said, UntriedError
from cluster_bot.errors import StartupError
from cluster_bot.github_install import differing, shipped
from cluster_bot.launchers.github_actions import PUBLIC_API, GpuSettings, parse_gpus
from cluster_bot.launchers.github_actions.admin import READ, WRITE, AdminApi, AdminError, odd
from cluster_bot.launchers.github_actions.api import Answer
from cluster_bot.launchers.github_actions.gpus import offered_by
from cluster_bot.settings import Settings
from cluster_bot.web.github_webhook import PATH as WEBHOOK_PATH

EXPIRES_SOON_S = 14 * 86_400
INSTALL = "run `cluster-bot github install` and merge its pull request"
NEEDED_ACTIONS = "actions/checkout, actions/upload-artifact and astral-sh/setup-uv"


@asynccontextmanager
async def checks_of_github(settings: Settings) -> AsyncIterator[list[tuple[str, Check]]]:
    """The checks with their names; a single one where `/run github` is switched off, or can't be."""
    if not settings.github_enabled:
        yield [("GitHub", _off)]
        return
    apis: list[AdminApi] = []

    async def logins() -> Said:
        return Said(f"{len(github_logins(settings))} of them")

    try:
        name, base_url = settings.github_repository or "", settings.github_api_url or PUBLIC_API
        apis += [AdminApi(login, name, base_url=base_url) for login in github_logins(settings)]
    except StartupError:
        yield [("GitHub token", logins)]
        return
    try:
        of = _OfGithub(settings, apis)
        several = len(apis) > 1
        yield [
            *((f"GitHub token{f' {n}' if several else ''}", partial(of.token, api)) for n, api in enumerate(apis, 1)),
            ("GitHub repository", of.repository),
            ("GitHub Actions", of.actions),
            ("GitHub workflow files", of.files),
            ("GitHub workflows", of.workflows),
            ("GitHub dispatches", of.dispatches),
            ("GitHub runners", of.runners),
            ("GitHub webhook", of.webhook),
        ]
    finally:
        for api in apis:
            api.close()


async def _off() -> Said:
    return Said("switched off (GITHUB_TOKEN)")


class _OfGithub:
    """The checks, in order; the first ones say whether the others can be tried.

    Of several logins the first that is accepted is asked for what all see alike, and each for its right to dispatch.
    """

    def __init__(self, settings: Settings, apis: Sequence[AdminApi]) -> None:
        self._settings = settings
        self._api = apis[0]
        self._accepted: list[AdminApi] = []
        self._repository: Mapping[str, Any] | None = None

    # --- the token and the repository ---------------------------------------------------------------------------

    async def token(self, api: AdminApi) -> Said:
        answer = await api.ask("GET", "/rate_limit")
        if answer.status != 200:
            raise AdminError(odd(answer, "the question for the rate limit"))
        self._accepted.append(api)
        self._api = self._accepted[0]
        core = answer.body["resources"]["core"]
        reset = time.strftime("%H:%M", time.gmtime(core["reset"]))
        left = f"{core['remaining']} of {core['limit']} requests left until {reset} UTC"
        expiry = _expiry(answer)
        soon = expiry is not None and expiry - time.time() < EXPIRES_SOON_S
        until = "" if expiry is None else f", expires on {datetime.fromtimestamp(expiry, UTC):%Y-%m-%d}"
        renew = "; make a new one before (your Settings, Developer settings)" if soon else ""
        low = core["remaining"] < core["limit"] / 10
        return Said(f"accepted ({api.kind.value}){until}{renew}; {left}", warning=soon or low)

    async def repository(self) -> Said:
        if not self._accepted:
            raise UntriedError("not tried, as GitHub does not accept the token")
        name = self._settings.github_repository
        if name is None:
            raise StartupError("GITHUB_TOKEN is set and GITHUB_REPOSITORY is not; set it to OWNER/REPOSITORY.")
        told = await self._api.repository(name)
        self._repository = told
        if told.get("archived"):
            raise StartupError(f"{name} is archived, nothing runs there; unarchive it (Settings, Danger Zone).")
        full_name = str(told["full_name"])
        if full_name.lower() != name.lower():
            return Said(f"found, but it is called {full_name} now; set GITHUB_REPOSITORY to that", warning=True)
        if not told.get("private"):
            return Said(
                f"{name} is public: everybody may read the logs and artifacts of its runs, and GitHub advises against "
                "runners of your own for public repositories; make it private (Settings, Danger Zone, Change "
                "visibility)",
                warning=True,
            )
        return Said(f"{name} found, private")

    def _known(self) -> Mapping[str, Any]:
        if self._repository is None:
            raise UntriedError("not tried, as the repository can't be reached")
        return self._repository

    def _below(self, path: str) -> str:
        return f"/repos/{self._known()['full_name']}{path}"

    def _gpus(self) -> tuple[GpuSettings, ...]:
        try:
            return parse_gpus(self._settings.github_gpus)
        except ValueError as error:
            raise StartupError(f"The setting GITHUB_GPUS can't be used ({error}); correct it in .env.") from None

    # --- what there is to run -----------------------------------------------------------------------------------

    async def actions(self) -> Said:
        answer = await self._api.ask("GET", self._below("/actions/permissions"))
        if answer.status in (403, 404):
            return Said(
                f"whether they are enabled can't be seen with this token; {self._may_see('Administration')}, or look "
                "under the repository's Settings, Actions, General",
                warning=True,
            )
        if answer.status != 200:
            raise AdminError(odd(answer, "the question whether Actions are enabled"))
        if not answer.body.get("enabled"):
            raise StartupError("Actions are disabled; allow them (the repository's Settings, Actions, General).")
        allowed = answer.body.get("allowed_actions")
        if allowed == "local_only":
            raise StartupError(
                f"Actions of others are not allowed, and jobs need {NEEDED_ACTIONS}; allow those (the repository's "
                "Settings, Actions, General, Allow select actions)."
            )
        if allowed == "selected":
            return Said(f"enabled for selected actions; {NEEDED_ACTIONS} must be among them", warning=True)
        return Said("enabled")

    def _may_see(self, right: str) -> str:
        return self._api.kind.allow(right, READ)

    async def files(self) -> Said:
        ref, files = self._settings.github_ref, shipped()
        self._known()
        if await self._no_branch():
            raise StartupError(
                f"There is no branch {ref}; make it, or set GITHUB_REF to another, such as "
                f"{self._known()['default_branch']}."
            )
        different = await differing(self._api, str(self._known()["full_name"]), ref, files)
        if different is None:
            return Said(f"can't be read with this token; {self._may_see('Contents')}", warning=True)
        if len(different) == len(files):
            raise StartupError(f"the branch {ref} has none of them; {INSTALL}.")
        if different:
            named = ", ".join(different[:3]) + (f" and {len(different) - 3} more" if len(different) > 3 else "")
            return Said(
                f"on the branch {ref}, {named} differ from this version's or are missing; unless that is a change of "
                f"yours, {INSTALL}",
                warning=True,
            )
        return Said(f"all {len(files)} on the branch {ref}, as in this version")

    async def _no_branch(self) -> bool:
        answer = await self._api.ask("GET", self._below(f"/git/ref/heads/{quote(self._settings.github_ref)}"))
        return answer.status in (404, 409)

    async def workflows(self) -> Said:
        """Whether GitHub knows them, has them enabled, and they take what the bot sends."""
        notes, names = [], sorted({gpu.workflow for gpu in self._gpus() or offered_by(())})
        for name in names:
            answer = await self._api.ask("GET", self._below(f"/actions/workflows/{name}"))
            if answer.status == 404:
                raise StartupError(
                    f"GitHub knows no workflow {name}: the default branch {self._known()['default_branch']} must have "
                    f"it, whatever GITHUB_REF says; {INSTALL}."
                )
            if answer.status == 403:
                raise _no_actions(self._api)
            if answer.status == 200 and answer.body.get("state") != "active":
                raise StartupError(
                    f"The workflow {name} is switched off ({answer.body.get('state')}); switch it on (Actions, the "
                    "workflow, Enable workflow)."
                )
            notes.append(await self._misfits(name))
        unread = [name for name, note in zip(names, notes, strict=True) if note is None]
        if unread:
            return Said(f"known to GitHub; whether {', '.join(unread)} takes what the bot sends can't be seen", True)
        return Said(f"{', '.join(names)}: enabled, and each takes what the bot sends")

    async def _misfits(self, name: str) -> str | None:
        """ "" where the file takes what the bot sends, None where that can't be seen. Raises StartupError."""
        path = quote(f".github/workflows/{name}")
        answer = await self._api.ask("GET", self._below(f"/contents/{path}"), ref=self._settings.github_ref)
        said = misfits(answer.body) if answer.status == 200 else None
        if said:
            raise StartupError(f"{name} on the branch {self._settings.github_ref} {said}; {INSTALL}.")
        return said

    async def dispatches(self) -> Said:
        """Ask for a dispatch that cannot be: GitHub looks at the right to dispatch before it looks for the branch."""
        self._known()
        for api in self._accepted:
            await self._may_dispatch(api)
        several = len(self._accepted) > 1
        return Said(f"the token{'s' if several else ''} may start workflows")

    async def _may_dispatch(self, api: AdminApi) -> None:
        name = (self._gpus() or offered_by(()))[0].workflow
        # No branch has this name, and no inputs are sent, though each of our workflows requires one.
        nowhere = {"ref": f"cluster-bot/no-such-branch-{secrets.token_hex(16)}", "inputs": {}}
        answer = await api.ask("POST", self._below(f"/actions/workflows/{name}/dispatches"), nowhere)
        if answer.status == 403:
            raise _no_actions(api)
        if answer.status == 404:
            raise AdminError(
                f"GitHub knows no workflow {name}, or hides it from this token: see above, and "
                f"{api.kind.allow('Actions', WRITE)}."
            )
        if answer.status != 422:
            raise AdminError(odd(answer, f"the question whether {name} may be dispatched"))
        if "workflow_dispatch" in answer.message:
            raise AdminError(f"The workflow {name} has no workflow_dispatch trigger; {INSTALL}.")

    # --- who runs it --------------------------------------------------------------------------------------------

    async def runners(self) -> Said:
        found, hidden, unseen = await self._all_runners()
        gpus = self._gpus() or offered_by(found)
        online = {gpu.name: sum(_serves(one, gpu.labels) for one in found) for gpu in gpus}
        missing = [gpu for gpu in gpus if not online[gpu.name]]
        counted = ", ".join(f"{name}: {count} online" for name, count in online.items() if count)
        if hidden and missing:
            seen = f"{counted}; others can't be seen" if counted else "can't be seen"
            return Said(
                f"{seen} with this token; {self._may_see('Administration')}, or look under the repository's Settings, "
                "Actions, Runners",
                warning=True,
            )
        if missing:
            wanted = "; ".join(f"{gpu.name} (labels {', '.join(gpu.labels)})" for gpu in missing)
            return Said(
                f"{counted + '; ' if counted else ''}no runner is online for {wanted}: start its service (./svc.sh "
                "start), register one with these labels (the repository's Settings, Actions, Runners, New self-hosted "
                "runner), or name in GITHUB_GPUS what there is",
                warning=True,
            )
        if unseen:
            right = self._api.kind.allow("Self-hosted runners", WRITE)
            return Said(f"{counted}; for `/admin runner` to see and add those of {unseen}, {right}")
        return Said(counted)

    async def webhook(self) -> Said:
        if self._settings.github_webhook_secret is None:
            return Said("none (GITHUB_WEBHOOK_SECRET): the bot looks at GitHub every few seconds instead")
        if self._settings.public_url is None:
            raise StartupError("GITHUB_WEBHOOK_SECRET is set and PUBLIC_URL is not; set it to the bot's address.")
        address = f"{self._settings.public_url}{WEBHOOK_PATH}"
        return await look_at_webhook(self._api, self._below("/hooks"), address)

    async def _all_runners(self) -> tuple[Sequence[Mapping[str, Any]], bool, str]:
        """The repository's runners and its organisation's, as far as the token sees them.

        Then whether the repository's are hidden, and the organisation whose are, "" where none.
        """
        told = self._known()
        places = [self._below("/actions/runners")]
        if told.get("owner", {}).get("type") == "Organization":
            places.append(f"/orgs/{told['owner']['login']}/actions/runners")
        found, hidden, unseen = [], False, ""
        for number, place in enumerate(places):
            answer = await self._api.ask("GET", place, per_page="100")
            if answer.status == 200:
                found += answer.body["runners"]
            elif number == 0:
                hidden = True
            else:
                unseen = str(told["owner"]["login"])
        return found, hidden, unseen


def _no_actions(api: AdminApi) -> AdminError:
    return AdminError(f"The token may not start workflows; {api.kind.allow('Actions', WRITE)}.")


def _serves(runner: Mapping[str, Any], labels: Sequence[str]) -> bool:
    own = {str(one.get("name", "")).lower() for one in runner.get("labels", ())}
    return runner.get("status") == "online" and own.issuperset(map(str.lower, labels))


def _expiry(answer: Answer) -> float | None:
    """When the token expires, where GitHub says so: `2026-12-01 10:00:00 UTC`, or with an offset in place of UTC."""
    said = answer.headers.get("github-authentication-token-expiration", "").replace("UTC", "+0000")
    try:
        return datetime.strptime(said, "%Y-%m-%d %H:%M:%S %z").timestamp()
    except ValueError:
        return None
