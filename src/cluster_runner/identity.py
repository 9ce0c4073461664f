"""Who the user's program is: an unprivileged user of its own where the runner is root, else the runner's own user.

Called by `execute` (to choose) and by the forked child (to become). Root never runs user code unless its admin said
`--same-user`. Limits: Linux; a user of its own needs five capabilities, which a container may lack.
"""

import os
import pwd
import resource
import signal
from typing import NamedTuple, Optional

from cluster_runner import linux

# Far above what systems, containers and systemd hand out, and below 2**31.
_FIRST_UID, _UIDS = 700_000_000, 500_000_000
_NOBODY = 65534
_NEEDED = {linux.CAP_CHOWN, linux.CAP_DAC_OVERRIDE, linux.CAP_KILL, linux.CAP_SETGID, linux.CAP_SETUID}
# The most tasks, threads included, that a program may have where its admin says nothing.
MOST_TASKS = 4096

# Whether root may run programs as root: what `--same-user` takes.
NEVER, IF_NEEDED, ALWAYS = SAME_USER = ("never", "if_needed", "always")


class SetupError(Exception):
    """The program cannot be started here; the text is one sentence for people."""


class Identity(NamedTuple):
    """`uid` (and gid) to become, None to stay; `own`: no other process has it; `words`: one honest line for people."""

    uid: Optional[int]
    own: bool
    words: str


ROOT = Identity(None, False, "same user as the runner (root, as its admin allowed), no new privileges")


def choose(run: str, attempt: int, same_user: str) -> Identity:
    """The identity for an attempt; raises SetupError where root could not become anybody else and must."""
    if os.geteuid() != 0:
        return Identity(None, False, "same user as the runner (%s), no new privileges" % _user_name())
    alone = bool(_NEEDED - linux.capabilities()) or not linux.uid_exists(_NOBODY)
    if same_user == ALWAYS or (same_user == IF_NEEDED and alone):
        return ROOT
    if alone:
        raise SetupError(
            "The runner is root but may not change users here, and does not run programs as root: "
            "start it as an ordinary user, or with --same-user if_needed."
        )
    # A run's name is random digits already.
    uid = _FIRST_UID + (int(run, 16) + attempt) % _UIDS
    if linux.uid_exists(uid):
        return Identity(uid, True, "unprivileged user of its own (%d), no new privileges" % uid)
    return Identity(_NOBODY, False, "unprivileged user %d, shared with other runs, no new privileges" % _NOBODY)


class Limits(NamedTuple):
    """What the system itself holds a program to: tasks (processes and threads), bytes of one file (None: no bound)."""

    tasks: int = MOST_TASKS
    file_bytes: Optional[int] = None


def become(identity: Identity, limits: Limits) -> None:
    """Turn this process, a forked child about to exec, into `identity` for good; raises OSError."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.file_bytes is not None:
        _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    # The system counts all of a user's tasks, the bot's own among them where it is the same user.
    others = 0 if identity.own else linux.tasks_of(os.geteuid() if identity.uid is None else identity.uid)
    _lower(resource.RLIMIT_NPROC, limits.tasks + others)
    _offer_to_the_oom_killer()
    if identity.uid is not None:
        os.setgroups([])
        os.setresgid(identity.uid, identity.uid, identity.uid)
        os.setresuid(identity.uid, identity.uid, identity.uid)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    # After the change of user, which clears it: should the runner be killed, the program goes with it.
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)


def _lower(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(hard, most)
    resource.setrlimit(what, (most, most))


def end_all(identity: Identity) -> None:
    """SIGKILL every process of an identity that is the run's own, in one blow that no fork can outrun."""
    if identity.uid is None or not identity.own:
        return
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(identity.uid, identity.uid, identity.uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def _offer_to_the_oom_killer() -> None:
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
    except OSError:
        # A read-only /proc: the kernel chooses by itself then.
        return


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
