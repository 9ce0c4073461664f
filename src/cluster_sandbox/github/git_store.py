"""The repository's history, in memory over its folder: blobs, trees, commits and branches with git's own ids.

The folder is the default branch. Whenever somebody asks for that branch, its files are looked at, and a commit is made
where they are not those of the last one. The first time something is written to the default branch (a merged pull
request, a file put there), the folder is copied and the copy takes its place, so that nobody's files are changed; what
happens in the old folder from then on is not seen. Called by the REST handlers and `world.py`, in the event loop.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .workspace import copy_tree, listed, walk

FILE, EXECUTABLE, LINK, FOLDER = "100644", "100755", "120000", "040000"
MODES = (FILE, EXECUTABLE, LINK)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a tree says of one name in it: its mode, and the id of a blob or, for a folder, a tree."""

    mode: str
    sha: str


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    email: str
    at: float
    """Unix seconds, to the second."""


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    message: str
    author: Person
    committer: Person


Files = dict[str, Entry]
"""Every file of a tree, folders resolved: its path to its entry."""


class GitError(ValueError):
    """Something git does not do; the text is GitHub's."""


class GitStore:
    def __init__(self, root: Path, branch: str, owner: str, now: Callable[[], float]) -> None:
        self.root, self.default = root, branch
        self._owner, self._now = owner, now
        self._copy: Path | None = None
        self._seen: dict[str, tuple[tuple[int, int, int, int], Entry]] = {}
        self.blobs: dict[str, bytes] = {}
        self.trees: dict[str, dict[str, Entry]] = {}
        self.commits: dict[str, Commit] = {}
        self._branches: dict[str, str] = {}

    def close(self) -> None:
        """Remove the copy of the folder, where there is one."""
        if self._copy is not None:
            shutil.rmtree(self._copy, ignore_errors=True)

    # --- the folder ---------------------------------------------------------------------------------

    def head(self) -> str:
        """The commit of the default branch, after a look at the folder."""
        tree = self.add_tree({path: self._look(path) for path in self._listed()})
        known = self._branches.get(self.default)
        if known is None or self.commits[known].tree != tree:
            person = self.person(self._owner)
            parents = () if known is None else (known,)
            known = self._branches[self.default] = self.add_commit(tree, parents, "What the folder holds", person)
        return known

    def _listed(self) -> list[str]:
        return listed(self.root) if self._copy is None else walk(self.root)

    def _look(self, path: str) -> Entry:
        """The entry of a file; it is read again only where it seems to have changed."""
        file = self.root / path
        state = file.lstat()
        key = (state.st_mtime_ns, state.st_size, state.st_ino, state.st_mode)
        known = self._seen.get(path)
        if known is None or known[0] != key:
            if file.is_symlink():
                entry = Entry(LINK, self.add_blob(str(file.readlink()).encode()))
            else:
                entry = Entry(EXECUTABLE if state.st_mode & 0o100 else FILE, self.add_blob(file.read_bytes()))
            self._seen[path] = known = (key, entry)
        return known[1]

    def _write(self, commit: str) -> None:
        """Make the folder what a commit says; a copy of the folder, the first time."""
        if self._copy is None:
            self._copy = Path(tempfile.mkdtemp(prefix="sandbox-github-main-"))
            copy_tree(self.root, self._copy / "repository")
            self.root = self._copy / "repository"
            self._seen.clear()
        wanted, found = self.files(commit), {path: self._look(path) for path in self._listed()}
        for path in found.keys() - wanted.keys():
            (self.root / path).unlink()
        for path, entry in wanted.items():
            if found.get(path) == entry:
                continue
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            if entry.mode == LINK:
                file.symlink_to(self.blobs[entry.sha].decode())
            else:
                file.write_bytes(self.blobs[entry.sha])
                file.chmod(0o755 if entry.mode == EXECUTABLE else 0o644)

    # --- branches -----------------------------------------------------------------------------------

    def branches(self) -> dict[str, str]:
        """Every branch and its commit, the default one first."""
        return {self.default: self.head(), **self._branches}

    def branch(self, name: str) -> str | None:
        return self.head() if name == self.default else self._branches.get(name)

    def resolve(self, ref: str) -> str | None:
        """The commit of a branch, by short or full name, or of a commit's own id."""
        return self.branch(ref.removeprefix("refs/heads/")) or (ref if ref in self.commits else None)

    def set_branch(self, name: str, commit: str, *, force: bool = False) -> None:
        """Make or move a branch; GitError where that would forget commits."""
        known = self.branch(name)
        if known is not None and not force and known not in self.history(commit):
            raise GitError("Update is not a fast forward")
        if name == self.default:
            self._write(commit)
        self._branches[name] = commit

    def delete_branch(self, name: str) -> None:
        """Forget a branch; GitError for the default one."""
        if name == self.default:
            raise GitError("Cannot delete the default branch")
        del self._branches[name]

    # --- objects ------------------------------------------------------------------------------------

    def add_blob(self, data: bytes) -> str:
        sha = _id("blob", data)
        self.blobs[sha] = data
        return sha

    def add_tree(self, files: Mapping[str, Entry]) -> str:
        """The id of the tree that holds these files, by their paths; trees below it are made with it."""
        inside: dict[str, dict[str, Entry]] = {}
        names: dict[str, Entry] = {}
        for path, entry in files.items():
            name, _, rest = path.partition("/")
            if rest:
                inside.setdefault(name, {})[rest] = entry
            else:
                names[name] = entry
        names |= {name: Entry(FOLDER, self.add_tree(below)) for name, below in inside.items()}
        # git sorts a folder as if its name ended with a slash.
        order = sorted(names, key=lambda name: name + "/" * (names[name].mode == FOLDER))
        tree = {name: names[name] for name in order}
        parts = (f"{one.mode.lstrip('0')} {name}\0".encode() + bytes.fromhex(one.sha) for name, one in tree.items())
        sha = _id("tree", b"".join(parts))
        self.trees[sha] = tree
        return sha

    def add_commit(self, tree: str, parents: tuple[str, ...], message: str, author: Person) -> str:
        lines = [f"tree {tree}", *(f"parent {one}" for one in parents)]
        lines += [f"{role} {author.name} <{author.email}> {int(author.at)} +0000" for role in ("author", "committer")]
        sha = _id("commit", "\n".join([*lines, "", message]).encode())
        self.commits[sha] = Commit(sha, tree, parents, message, author, author)
        return sha

    def person(self, name: str, email: str = "", at: float | None = None) -> Person:
        moment = int(self._now() if at is None else at)
        return Person(name, email or f"{name}@users.noreply.github.com", moment)

    # --- reading ------------------------------------------------------------------------------------

    def files(self, commit: str) -> Files:
        return self.tree_files(self.commits[commit].tree)

    def tree_files(self, tree: str) -> Files:
        found: Files = {}
        for name, entry in self.trees[tree].items():
            if entry.mode == FOLDER:
                found |= {f"{name}/{path}": one for path, one in self.tree_files(entry.sha).items()}
            else:
                found[name] = entry
        return found

    def history(self, commit: str) -> list[str]:
        """The commit and all before it, nearest first."""
        found = [commit]
        for sha in found:
            found += [one for one in self.commits[sha].parents if one not in found]
        return found

    def changed(self, base: str, head: str) -> dict[str, Entry | None]:
        """What a branch has changed since it left another: path to entry, None where it was removed."""
        theirs = self.history(base)
        fork = next((one for one in self.history(head) if one in theirs), None)
        before, after = self.files(fork) if fork else {}, self.files(head)
        found: dict[str, Entry | None] = {path: one for path, one in after.items() if before.get(path) != one}
        return found | dict.fromkeys(before.keys() - after.keys())

    # --- writing ------------------------------------------------------------------------------------

    def change(
        self, branch: str, changes: Mapping[str, Entry | None], message: str, author: Person, *, also: str = ""
    ) -> str:
        """One more commit on a branch, with other files; `also`: a second parent, for a merge."""
        known = self.branch(branch)
        assert known is not None
        files = {**self.files(known), **changes}
        tree = self.add_tree({path: entry for path, entry in files.items() if entry is not None})
        made = self.add_commit(tree, (known, *filter(None, [also])), message, author)
        self.set_branch(branch, made)
        return made

    def merge(self, base: str, head: str, message: str, author: Person) -> str:
        """Merge a branch's commit into a branch; GitError where both changed a file."""
        into = self.branch(base)
        assert into is not None
        ours, theirs = self.changed(head, into), self.changed(into, head)
        if any(ours[path] != theirs[path] for path in ours.keys() & theirs.keys()):
            raise GitError("Pull Request is not mergeable")
        return self.change(base, theirs, message, author, also=head)


def _id(kind: str, data: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


def moment(person: Person) -> str:
    """When somebody committed, as GitHub writes it."""
    return f"{datetime.fromtimestamp(person.at, UTC):%Y-%m-%dT%H:%M:%SZ}"
