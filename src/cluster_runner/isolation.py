"""How far a program is kept apart on this machine: its user, its view of the files, its sandbox, and one line on it.

Called by `execute` for a run, and by `__main__` to try the machine. Whether bubblewrap works is tried once, by whoever
starts runners, and then insisted on: a runner that fell back by itself could be made to, by a crowd of processes.
Limits: where there is neither another user nor a sandbox, nothing keeps a program from what its user may
do; that is said.
"""

import os
import select
import sys
from typing import Iterable, List, NamedTuple, Optional, Tuple

from cluster_runner import sandbox
from cluster_runner.identity import IF_NEEDED, NEVER, ROOT, Identity, Limits, SetupError, choose
from cluster_runner.mounts import View, plan, reachable
from cluster_runner.process import Command, Surroundings, end_descendants, how_it_ended, start
from cluster_runner.sandbox import AUTO, BUBBLEWRAP, Sandbox

_MOST_WORDS = 255
_PATIENCE_MS = 20_000


class Wishes(NamedTuple):
    """What the admin chose: may root run programs as root, which sandbox, the network in it. `without` says why there
    is no sandbox where somebody else found out; `container` what there is in its place, where each run has one to
    itself."""

    same_user: str = NEVER
    sandbox: str = AUTO
    network: bool = False
    without: str = ""
    container: str = ""


class Isolation(NamedTuple):
    """What surrounds a program, and where it finds its work folder."""

    around: Surroundings
    work: str


class Isolator:
    """Chooses in two steps, since the work folder is made in between, for the chosen user.

    `without` says why there is no sandbox, "" where there is one.
    """

    def __init__(self, wishes: Wishes, limits: Limits) -> None:
        self._wishes, self._limits = wishes, limits
        self._identity: Optional[Identity] = None
        self._words: Optional[str] = None
        self.without = ""

    @property
    def identity(self) -> Identity:
        """The chosen user."""
        assert self._identity is not None, "choose_user comes first"
        return self._identity

    @property
    def words(self) -> Optional[str]:
        """What people are told, as far as it is known."""
        return None if self._words is None else self._words[:_MOST_WORDS]

    def choose_user(self, run: str, attempt: int, folders: Iterable[str]) -> None:
        """Who the program is; `folders` are what its tool needs. Raises SetupError."""
        self._identity = choose(run, attempt, self._wishes.same_user)
        if self._identity.uid is not None and self._wishes.same_user == IF_NEEDED and not reachable(list(folders)):
            self._identity = ROOT
        self._words = self._identity.words

    def isolate(self, work: str, folders: Iterable[str], trying: bool = False) -> Isolation:
        """What surrounds the program; raises SetupError where the admin insists on what can't be had.

        `trying`: bubblewrap is tried even where it is insisted on.
        """
        folders = list(folders)
        box, without = sandbox.make(self._wishes.sandbox, work, folders, self._wishes.network)
        if box is not None:
            try:
                isolation = self._inside(box, work)
            except SetupError as problem:
                isolation, without = None, str(problem)
            if isolation is not None and (trying or self._wishes.sandbox == AUTO):
                without = _try(isolation)
            if isolation is not None and not without:
                self._words = "%s; %s" % (box.words, self._words)
                return isolation
        if self._wishes.sandbox == BUBBLEWRAP:
            raise SetupError("Programs must run in bubblewrap here, and can't: %s." % without.rstrip("."))
        self.without = self._wishes.without or without
        return self._outside(work, folders, self.without)

    def _inside(self, box: Sandbox, work: str) -> Isolation:
        view = self._view([*box.folders, os.path.dirname(box.bwrap)], work)
        return Isolation(Surroundings(self.identity, view, box, self._limits), sandbox.WORK)

    def _outside(self, work: str, folders: List[str], without: str) -> Isolation:
        view = self._view(folders, work)
        words = "no bubblewrap (%s), network open: %s" % (without, self._words)
        if self._wishes.container:
            words = "%s: %s" % (self._wishes.container, self._words)
        if self.identity.uid is None and not self._wishes.container:
            # What matters goes first: it may be the bot's own user.
            words = "NOT CONTAINED, can read and change what its user can: " + words
        self._words = "%s, sees only what it needs of %s" % (words, ", ".join(view.covers)) if view.covers else words
        return Isolation(Surroundings(self.identity, view, None, self._limits), work)

    def _view(self, folders: List[str], work: str) -> View:
        return View() if self.identity.uid is None else plan(folders, work)


def try_machine(wishes: Wishes, folders: Iterable[str]) -> Tuple[str, str]:
    """Why there is no sandbox here ("" where there is one) and how programs are kept apart; raises SetupError.

    Tried with a work folder in the current one.
    """
    isolator = Isolator(wishes, Limits())
    # Another user each time: two trials at once must not end each other's processes.
    isolator.choose_user(os.urandom(16).hex(), 1, folders)
    work = os.path.abspath("work")
    for path in (work, os.path.join(work, "tmp"), os.path.join(work, "shm")):
        os.mkdir(path, 0o700)
        if isolator.identity.uid is not None:
            os.chown(path, isolator.identity.uid, isolator.identity.uid)
    isolator.isolate(work, folders, trying=True)
    return isolator.without, isolator.words or ""


def _try(isolation: Isolation) -> str:
    """Why nothing can be started like that; "" where it can."""
    python = os.path.realpath(sys.executable)
    command = Command((python, "-I", "-S", "-c", "pass"), {}, isolation.work, False)
    try:
        child = start(command, isolation.around)
        try:
            poll = select.poll()
            poll.register(child.channel, select.POLLIN)
            poll.poll(_PATIENCE_MS)
            ended = how_it_ended(child)
        finally:
            end_descendants(isolation.around.identity)
            child.close()
    except SetupError as problem:
        return str(problem).rstrip(".")
    return "" if ended is not None and ended[0] == 0 else "it was tried and failed"
