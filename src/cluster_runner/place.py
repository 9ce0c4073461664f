"""Where a job has its folders: the spool of its runner, what the next step uploads, and the doorbell between.

Called by `github`, which says where, and by `job`. What the runner writes goes straight to `upload`, through links in
the spool, so that it is there however early the job ends. Limits: the program's own user must be able to pass through
to the spool; where neither the modes of the folders above nor a view of the files allow it, the spool lies in /tmp.
"""

import os
import socket
import subprocess
import tempfile

from cluster_runner import linux
from cluster_runner.mounts import closed_above


class NotOursError(Exception):
    """There is nothing to do, and that is right; the text is one sentence for people."""


class Place:
    """The folders of one attempt below `base`, made now: the spool, and `upload`, which outlives the job.

    Raises NotOursError where they are there already: an attempt is executed once, and this is one's trace.
    """

    def __init__(self, base: str, run: str, attempt: int) -> None:
        name = "%s-%d" % (run, attempt)
        root = os.path.join(os.path.abspath(base), "cluster-" + name)
        # As root, programs are users of their own and must pass through to their work; listing stays closed to them.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        os.makedirs(base, exist_ok=True)
        try:
            _make(root, mode)
        except FileExistsError as error:
            raise NotOursError("This attempt has been executed on this machine already.") from error
        self.upload = os.path.join(root, "upload")
        _make(self.upload, 0o700)
        closed = mode == 0o711 and closed_above(os.path.join(root, "x")) is not None
        if closed and linux.CAP_SYS_ADMIN not in linux.capabilities():
            # Nobody but root gets through to there, and no view of the files can be made: a container's usual case.
            root = tempfile.mkdtemp(prefix="cluster-", dir="/tmp")
            os.chmod(root, mode)
        self.spools = root
        self.spool = os.path.join(root, name)
        _make(self.spool, mode)
        _make(os.path.join(self.upload, "artifacts"), 0o700)
        for entry in ("events.ndjson", "artifacts"):
            os.symlink(os.path.join(self.upload, entry), os.path.join(self.spool, entry))
        # Empty, not missing: the next step uploads it however early this one ends.
        open(os.path.join(self.upload, "events.ndjson"), "ab").close()

    def clean(self) -> None:
        """Remove the spool: the payload, and all the program left. Python's own would follow it thousands deep."""
        subprocess.run(["rm", "-rf", "--", self.spool], cwd="/", stderr=subprocess.DEVNULL, check=False)
        if os.path.dirname(self.upload) != self.spools:
            os.rmdir(self.spools)


def _make(path: str, mode: int) -> None:
    os.mkdir(path, mode)
    # mkdir's mode passes through the umask.
    os.chmod(path, mode)


class Doorbell:
    """The socket beside the spool at which the runner says that there is news."""

    def __init__(self, spools: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        # Bound by a relative name, because a socket's path may have 108 characters and a job's folder more.
        os.chdir(spools)
        self._socket.bind("doorbell")
        self._path = os.path.join(spools, "doorbell")
        self.fd = self._socket.fileno()

    def clear(self) -> None:
        """Forget what it rang for."""
        try:
            while self._socket.recv(100):
                pass
        except BlockingIOError:
            return

    def __enter__(self) -> "Doorbell":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        os.unlink(self._path)
