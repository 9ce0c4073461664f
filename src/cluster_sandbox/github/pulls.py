"""The pull requests of the repository: opened, followed while their branches move, merged.

Called by the REST handlers.
"""

from __future__ import annotations

from collections.abc import Callable

from .git_store import GitError, GitStore
from .model import Pull


class Pulls:
    """`all` by number, oldest first; `changed` is called after each change."""

    def __init__(
        self,
        git: GitStore,
        owner: str,
        now: Callable[[], float],
        new_id: Callable[[], int],
        changed: Callable[[], None],
    ) -> None:
        self._git, self._owner, self._now, self._new_id, self._changed = git, owner, now, new_id, changed
        self.all: dict[int, Pull] = {}

    def open(self, title: str, body: str | None, login: str, head: str, base: str, *, draft: bool) -> Pull:
        """A new one between two branches that are there."""
        now, number = self._now(), len(self.all) + 1
        pull = Pull(self._new_id(), number, title, body, login, head, base, "", "", now, now, draft)
        self.follow(pull)
        self.all[number] = pull
        self._changed()
        return pull

    def follow(self, pull: Pull) -> None:
        """Let an open pull request know where its branches are now; one whose branch is gone is closed."""
        if pull.state != "open":
            return
        head, base = self._git.branch(pull.head), self._git.branch(pull.base)
        if head is None or base is None:
            pull.state, pull.closed_at = "closed", self._now()
        else:
            pull.head_sha, pull.base_sha = head, base

    def merge(self, pull: Pull) -> None:
        """Merge it, as its button does; GitError where that cannot be."""
        self.follow(pull)
        if pull.state == "closed":
            raise GitError("Pull Request is not mergeable")
        message = f"Merge pull request #{pull.number} from {self._owner}/{pull.head}\n\n{pull.title}"
        pull.merge_sha = self._git.merge(pull.base, pull.head_sha, message, self._git.person(self._owner))
        pull.state = "closed"
        pull.closed_at = pull.merged_at = pull.updated_at = self._now()
        self._changed()
