"""The runner's command: executes the attempt that lies in one spool folder, once.

`python -m cluster_runner --spool DIR`, or `python PATH/cluster_runner --spool DIR` where the package is not installed.
`--github` in the place of `--spool DIR` makes it a GitHub job, see `github`.
Started by launchers, in a session of its own, so that it survives them. It ends with 0 once the outcome is written,
with 3 where another runner has the claim, with 4 where the folder is gone, with 1 where it failed.
"""

import os
import sys
from typing import TYPE_CHECKING, List, Optional

if TYPE_CHECKING:
    import argparse
    from typing import NoReturn

EXIT_TOLD, EXIT_FAILED, EXIT_CLAIM_LOST, EXIT_FOLDER_GONE = 0, 1, 3, 4


def main(arguments: Optional[List[str]] = None) -> int:
    """Execute the attempt in `--spool`; the exit code."""
    _keep_standard_streams_only()
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["--github"]:
        from cluster_runner import github

        # What the runner would refuse is refused before the attempt is claimed.
        _parser().parse_args(["--spool", ".", *arguments[1:]])
        return github.main(arguments[1:])
    import signal

    from cluster_runner import linux
    from cluster_runner.execute import Options, execute
    from cluster_runner.identity import SetupError
    from cluster_runner.isolation import Wishes, try_machine
    from cluster_runner.languages import Tools, find_tool, tool_folders
    from cluster_runner.spool import Spool, claim, take_lock
    from cluster_runner.supervise import Wakeup

    chosen = _parser().parse_args(arguments)
    os.umask(0o077)
    for name in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(name, signal.SIG_IGN)
    wakeup = Wakeup()
    try:
        os.chdir(chosen.spool)
        if not chosen.try_machine and not (take_lock() and claim(os.urandom(16).hex())):
            return EXIT_CLAIM_LOST
    except FileNotFoundError:
        return EXIT_FOLDER_GONE
    # No process of the program's may read this one's memory; whatever the program starts and leaves comes to us.
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    if chosen.end_with is not None:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGTERM)
        # It may have ended before it was asked for.
        wakeup.stop = wakeup.stop or os.getppid() != chosen.end_with
    tools = Tools(chosen.python, chosen.cxx, chosen.nvcc)
    wishes = Wishes(chosen.same_user, chosen.sandbox, chosen.network, chosen.without, chosen.container)
    if chosen.try_machine:
        try:
            tool = find_tool("python", tools)
            print(*try_machine(wishes, [] if tool.path is None else tool_folders("python", tool.path)), sep="\n")
        except SetupError as problem:
            print(problem)
            return EXIT_FAILED
        return EXIT_TOLD
    memory, disk = (None if size is None else size << 20 for size in (chosen.memory_limit_mb, chosen.disk_limit_mb))
    more = (chosen.scheduler_run, chosen.packages, chosen.package_cache)
    options = Options(tools, wishes, chosen.task_limit, memory, disk, *more)
    execute(options, Spool(), wakeup)
    return EXIT_TOLD


def _parser() -> "argparse.ArgumentParser":
    import argparse

    from cluster_runner.identity import MOST_TASKS, NEVER, SAME_USER
    from cluster_runner.sandbox import AUTO, CHOICES

    # With a width it asks for no terminal's, which it would for each option, and brings `shutil` for that.
    parser = argparse.ArgumentParser(
        prog="cluster_runner",
        description="Execute one run and write its events.",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=100),
    )
    add = parser.add_argument
    add("--spool", required=True, metavar="DIR", help="the folder that holds payload.json")
    add("--python", default=sys.executable, metavar="PATH", help="the interpreter for Python programs")
    add("--cxx", default="g++", metavar="PATH", help="the compiler for C++ programs")
    add("--nvcc", default="nvcc", metavar="PATH", help="the compiler for CUDA programs")
    add(
        "--same-user",
        choices=SAME_USER,
        default=NEVER,
        help="whether root may run programs as root: never, if_needed (where no other user can be had), always",
    )
    add(
        "--sandbox",
        choices=CHOICES,
        default=AUTO,
        help="bubblewrap around programs: auto (where it works, which is tried), none, bubblewrap (or refuse)",
    )
    add("--without", default="", metavar="WHY", help="why there is no sandbox, for people")
    add("--container", default="", metavar="WORDS", help="what each run has to itself in a sandbox's place, for people")
    add("--network", action="store_true", help="leave the network open to programs in the sandbox")
    add("--task-limit", type=int, default=MOST_TASKS, metavar="N", help="processes and threads a program may have")
    add("--memory-limit-mb", type=int, metavar="N", help="end a program that takes more MiB in all")
    add("--disk-limit-mb", type=int, metavar="N", help="end a program whose files take more MiB in all")
    add("--packages", action="store_true", help="install the packages that a Python program names (PEP 723), with uv")
    add("--package-cache", type=os.path.abspath, metavar="DIR", help="keep installed packages there for other runs")
    add("--scheduler-run", metavar="ID", help="the scheduler's own id of this job, told in hello")
    add("--end-with", type=int, metavar="PID", help="stop the program when this process, the parent, ends")
    add(
        "--try",
        action="store_true",
        dest="try_machine",
        help="run nothing: say why there is no sandbox here, and how programs are kept apart",
    )
    return parser


def _keep_standard_streams_only() -> None:
    """Close what a careless parent left open: it must not reach the user's program through us."""
    # The listing's own descriptor is in the list and closed by then.
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.close(int(name))
            except OSError:
                continue


def _end(status: int) -> "NoReturn":
    """End at once: taking the interpreter apart would be a tenth of the work of a whole run."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError):
            # There is none, or it was closed.
            continue
        except OSError:
            # What was to be said is lost, and that is no success.
            status = status or EXIT_FAILED
    os._exit(status)


if __name__ == "__main__":
    if not __package__:
        # Started as a folder: its parent is where the package is, and its own modules must not pose as the library's.
        sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != os.path.dirname(__file__)]
        sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    _end(main())
