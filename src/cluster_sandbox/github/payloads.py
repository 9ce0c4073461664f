"""How runs, jobs, artifacts and the rest look in answers: every required field of GitHub's OpenAPI description.

`base` is the API's address as the client named it: PyGithub refuses addresses of another host or port in an answer.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from .model import Artifact, Job, Machine, Run, RunnerGroup
from .workflow import Workflow
from .world import World

Json = dict[str, Any]
REPOSITORY_URLS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
USER_URLS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}


def stamp(at: float) -> str:
    """A time as GitHub writes it, to the second."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _stamp(at: float | None) -> str | None:
    return None if at is None else stamp(at)


def node_id(kind: str, number: int) -> str:
    return base64.b64encode(f"{len(kind):02d}:{kind}{number}".encode()).decode()


def account_id(login: str) -> int:
    """Always the same for an account; GitHub's are numbers by date, which nobody may rely on either."""
    return int.from_bytes(hashlib.sha256(login.encode()).digest()[:4], "big") % 200_000_000 + 1_000


class Payloads:
    """The shapes for one answer."""

    def __init__(self, world: World, base: str) -> None:
        self._world, self._base = world, base
        self.site = self._site = base.removesuffix("/api/v3")
        self._repository = f"{base}/repos/{world.full_name}"
        self._actor = self.user(world.actor)

    def user(self, login: str) -> Json:
        """An account; the repository's owner is an organization, all others are people or Apps."""
        url = f"{self._base}/users/{login}"
        number = account_id(login)
        kind = self._world.owner_type if login == self._world.owner else "Bot" if login.endswith("[bot]") else "User"
        return {
            "login": login,
            "id": number,
            "node_id": node_id("User", number),
            "avatar_url": f"{self._site}/avatars/{number}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self._site}/{login}",
            **{name: url + rest for name, rest in USER_URLS.items()},
            "type": kind,
            "site_admin": False,
        }

    def organization(self) -> Json:
        """The owner in its other shape."""
        login = self._world.owner
        url = f"{self._base}/orgs/{login}"
        return {
            "login": login,
            "id": account_id(login),
            "node_id": node_id("Organization", account_id(login)),
            "url": url,
            "repos_url": f"{url}/repos",
            "events_url": f"{url}/events",
            "hooks_url": f"{url}/hooks",
            "issues_url": f"{url}/issues",
            "members_url": f"{url}/members{{/member}}",
            "public_members_url": f"{url}/public_members{{/member}}",
            "avatar_url": f"{self._site}/avatars/{account_id(login)}",
            "description": "",
        }

    @cached_property
    def minimal_repository(self) -> Json:
        """The repository within other answers; made once an answer, which may hold it two hundred times."""
        world = self._world
        return {
            "id": world.id,
            "node_id": node_id("Repository", world.id),
            "name": world.name,
            "full_name": world.full_name,
            "owner": self.user(world.owner),
            "private": world.private,
            "html_url": f"{self._site}/{world.full_name}",
            "description": None,
            "fork": False,
            "url": self._repository,
            **{name: self._repository + rest for name, rest in REPOSITORY_URLS.items()},
        }

    def repository(self, *, permissions: Json | None) -> Json:
        """The repository at length; `permissions` of who asks, None within webhooks."""
        html, made = f"{self._site}/{self._world.full_name}", stamp(self._world.created_at)
        counts = "forks_count stargazers_count watchers_count size open_issues_count"
        if permissions is not None:
            counts += " subscribers_count network_count"
        return {
            **self.minimal_repository,
            "git_url": f"{html}.git",
            "ssh_url": f"{html}.git",
            "clone_url": f"{html}.git",
            "svn_url": html,
            "mirror_url": None,
            "homepage": None,
            "language": None,
            **dict.fromkeys([*counts.split(), "forks", "open_issues", "watchers"], 0),
            "default_branch": self._world.branch,
            **dict.fromkeys(("has_issues", "has_projects", "has_wiki", "has_downloads"), True),
            **dict.fromkeys(("has_pages", "has_discussions", "archived", "disabled"), False),
            "visibility": "private" if self._world.private else "public",
            "pushed_at": made,
            "created_at": made,
            "updated_at": made,
            "license": None,
            **({} if permissions is None else {"permissions": permissions}),
        }

    def workflow(self, workflow: Workflow) -> Json:
        world = self._world
        return {
            "id": workflow.id,
            "node_id": node_id("Workflow", workflow.id),
            "name": workflow.name,
            "path": workflow.path,
            "state": "active",
            "created_at": stamp(world.created_at),
            "updated_at": stamp(world.created_at),
            "url": f"{self._repository}/actions/workflows/{workflow.id}",
            "html_url": f"{self._site}/{world.full_name}/blob/{world.branch}/{workflow.path}",
            "badge_url": f"{self._site}/{world.full_name}/workflows/{workflow.file}/badge.svg",
        }

    def run_url(self, run: Run) -> str:
        return f"{self._repository}/actions/runs/{run.id}"

    def html_url(self, run: Run) -> str:
        return f"{self._site}/{self._world.full_name}/actions/runs/{run.id}"

    def run(self, run: Run) -> Json:
        url, repository = self.run_url(run), self.minimal_repository
        person = {"name": self._world.owner, "email": f"{self._world.owner}@users.noreply.github.com"}
        commit = {
            "id": run.sha,
            "tree_id": run.sha,
            "message": "The repository's folder",
            "timestamp": stamp(run.created_at),
        }
        return {
            "id": run.id,
            "name": run.workflow.name,
            "node_id": node_id("WorkflowRun", run.id),
            "head_branch": run.branch,
            "head_sha": run.sha,
            "path": run.workflow.path,
            "display_title": run.title,
            "run_number": run.number,
            "event": "workflow_dispatch",
            "status": run.status,
            "conclusion": run.conclusion,
            "workflow_id": run.workflow.id,
            "check_suite_id": run.id + 1,
            "check_suite_node_id": node_id("CheckSuite", run.id + 1),
            "url": url,
            "html_url": self.html_url(run),
            "pull_requests": [],
            "created_at": stamp(run.created_at),
            "updated_at": stamp(run.updated_at),
            "actor": self._actor,
            "run_attempt": 1,
            "referenced_workflows": [],
            "run_started_at": stamp(run.started_at),
            "triggering_actor": self._actor,
            "jobs_url": f"{url}/jobs",
            "logs_url": f"{url}/logs",
            "check_suite_url": f"{self._repository}/check-suites/{run.id + 1}",
            "artifacts_url": f"{url}/artifacts",
            "cancel_url": f"{url}/cancel",
            "rerun_url": f"{url}/rerun",
            "previous_attempt_url": None,
            "workflow_url": f"{self._repository}/actions/workflows/{run.workflow.id}",
            "head_commit": {**commit, "author": person, "committer": person},
            "repository": repository,
            "head_repository": repository,
        }

    def job(self, run: Run, job: Job) -> Json:
        machine = job.machine
        return {
            "id": job.id,
            "run_id": run.id,
            "workflow_name": run.workflow.name,
            "head_branch": run.branch,
            "run_url": self.run_url(run),
            "run_attempt": 1,
            "node_id": node_id("CheckRun", job.id),
            "head_sha": run.sha,
            "url": f"{self._repository}/actions/jobs/{job.id}",
            "html_url": f"{self.html_url(run)}/job/{job.id}",
            "status": job.status,
            "conclusion": job.conclusion,
            "created_at": stamp(job.created_at),
            "started_at": stamp(job.started_at or job.created_at),
            "completed_at": _stamp(job.completed_at),
            "name": job.name,
            "steps": [
                {
                    "name": step.name,
                    "status": step.status,
                    "conclusion": step.conclusion,
                    "number": step.number,
                    "started_at": _stamp(step.started_at),
                    "completed_at": _stamp(step.completed_at),
                }
                for step in job.steps
            ],
            "check_run_url": f"{self._repository}/check-runs/{job.id}",
            "labels": list(job.labels),
            "runner_id": machine.id if machine else None,
            "runner_name": machine.name if machine else None,
            "runner_group_id": 1 if machine else None,
            "runner_group_name": "Default" if machine else None,
        }

    def artifact(self, artifact: Artifact) -> Json:
        run = self._world.runs[artifact.run_id]
        url = f"{self._repository}/actions/artifacts/{artifact.id}"
        return {
            "id": artifact.id,
            "node_id": node_id("Artifact", artifact.id),
            "name": artifact.name,
            "size_in_bytes": len(artifact.data),
            "url": url,
            "archive_download_url": f"{url}/zip",
            "expired": artifact.expires_at <= self._world.now(),
            "digest": artifact.digest,
            "created_at": stamp(artifact.created_at),
            "updated_at": stamp(artifact.created_at),
            "expires_at": stamp(artifact.expires_at),
            "workflow_run": {
                "id": run.id,
                "repository_id": self._world.id,
                "head_repository_id": self._world.id,
                "head_branch": run.branch,
                "head_sha": run.sha,
            },
        }

    def runner(self, machine: Machine) -> Json:
        own = [{"id": number, "name": name, "type": "custom"} for number, name in enumerate(machine.labels, 100)]
        return {
            "id": machine.id,
            "runner_group_id": machine.group,
            "name": machine.name,
            "os": "linux" if machine.version else "unknown",
            "status": "online" if machine.online else "offline",
            "busy": machine.run_id is not None,
            "ephemeral": machine.ephemeral,
            **({"version": machine.version} if machine.version else {}),
            "labels": [
                {"id": 1, "name": "Linux", "type": "read-only"},
                {"id": 2, "name": "X64", "type": "read-only"},
                *own,
            ],
        }

    def runner_group(self, group: RunnerGroup) -> Json:
        """A group of the organization's runners, for all of its repositories."""
        url = f"{self._base}/orgs/{self._world.owner}/actions/runner-groups/{group.id}"
        return {
            "id": group.id,
            "name": group.name,
            "visibility": "all",
            "default": group.id == 1,
            "runners_url": f"{url}/runners",
            "hosted_runners_url": f"{url}/hosted-runners",
            "inherited": False,
            "allows_public_repositories": group.allows_public,
            "restricted_to_workflows": False,
            "selected_workflows": [],
            "workflow_restrictions_read_only": False,
        }
