"""One attempt of a run, from the payload to the outcome: set up, compile, run, collect, tell.

Called by `__main__` once the claim is won. Whatever happens, the outcome is the last event, and no process of the
program is left. Limits: a compiler has 120 seconds, and so has the installer of packages; everything else is bounded by
the rooms below.
"""

import os
from typing import TYPE_CHECKING, Mapping, NamedTuple, Optional, Sequence

from cluster_runner import artifacts, machine
from cluster_runner.disk import DiskWatch
from cluster_runner.identity import MOST_TASKS, Identity, Limits, SetupError
from cluster_runner.isolation import Isolation, Isolator, Wishes
from cluster_runner.languages import Tool, Tools, compile_command, find_tool, look_up, run_command, tool_folders
from cluster_runner.logs import LogBatch
from cluster_runner.process import Command, end_descendants, start
from cluster_runner.spool import Spool, stop_wished
from cluster_runner.supervise import Bounds, Ended, Supervision, Wakeup
from cluster_runner.wire import Outcome, Payload, WireError, payload_from_json
from cluster_runner.workspace import Workspace

if TYPE_CHECKING:
    from cluster_runner.packages import Packages

COMPILE_LIMIT_S = 120.0
_NO_GPU = "The program needs an NVIDIA GPU and this machine shows none; run it where there is one."


class Options(NamedTuple):
    """What the machine's admin chose; the limits are bytes or None. `scheduler_run` is the job's id there, if any;
    `packages` says whether those a program names are installed, `package_cache` where they are kept for others."""

    tools: Tools
    wishes: Wishes
    most_tasks: int = MOST_TASKS
    memory_limit: Optional[int] = None
    disk_limit: Optional[int] = None
    scheduler_run: Optional[str] = None
    packages: bool = False
    package_cache: Optional[str] = None


def execute(options: Options, spool: Spool, wakeup: Wakeup) -> None:
    """Execute what lies in the current folder and tell it all through `spool`, the outcome last."""
    try:
        outcome = _Attempt(options, spool, wakeup).outcome()
    except (SetupError, WireError) as problem:
        outcome = Outcome("setup_error", detail=str(problem)[:2000])
    except Exception as error:  # a border: whatever failed in the runner, the outcome must be told
        detail = "The runner failed (%s: %s)." % (type(error).__name__, error)
        outcome = Outcome("setup_error", detail=detail[:2000])
        end_descendants(Identity(None, False, ""))
    spool.finish(outcome)


class _Attempt:
    def __init__(self, options: Options, spool: Spool, wakeup: Wakeup) -> None:
        self._options, self._spool, self._wakeup = options, spool, wakeup
        with open("payload.json", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            self._payload: Payload = payload_from_json(file.read())
        self._language = self._payload.language
        self._limits = Limits(options.most_tasks, options.disk_limit)
        self._packages: "Optional[Packages]" = None

    def outcome(self) -> Outcome:
        """Everything up to the outcome, which is returned, not told yet."""
        if self._stop_wished():
            return Outcome("stopped", detail="It was stopped before it began.")
        tool = find_tool(self._language, self._options.tools)
        seen = machine.look(look_up(self._options.tools.nvcc))
        isolator = Isolator(self._options.wishes, self._limits)
        try:
            stage = self._prepare(tool, isolator)
        finally:
            # Said even where the preparation failed: people want to know on which machine.
            told = {"isolation": isolator.words, "scheduler_run": self._options.scheduler_run}
            self._spool.emit("hello", machine=seen.name, gpu=seen.gpu, driver=seen.driver, toolkit=seen.toolkit, **told)
        return self._stages(stage, tool, seen.cuda)

    def _stop_wished(self) -> bool:
        return self._wakeup.stop or stop_wished()

    def _prepare(self, tool: Tool, isolator: Isolator) -> "_Stage":
        folders = [] if tool.path is None else tool_folders(self._language, tool.path)
        self._packages = self._named(tool)
        shelf = None if self._packages is None else self._packages.shelf
        isolator.choose_user(self._payload.run, self._payload.attempt, folders)
        workspace = Workspace(self._payload, isolator.identity.uid)
        isolation = isolator.isolate(workspace.root, folders if shelf is None else [*folders, shelf])
        return _Stage(self._spool, self._wakeup, isolation, workspace, tool)

    def _named(self, tool: Tool) -> "Optional[Packages]":
        """The packages that the program names, None for none; raises SetupError where that can't be."""
        if "# /// " not in self._payload.files[self._payload.main]:
            # No block of them can be in there, and few programs are worth importing what reads one.
            return None
        from cluster_runner import packages

        names = packages.named(self._payload)
        if names and not self._options.packages:
            raise SetupError(packages.NOT_ALLOWED)
        if not names or tool.path is None:
            return None
        return packages.Packages(names, tool.path, self._options.package_cache)

    def _stages(self, stage: "_Stage", tool: Tool, gpu: bool) -> Outcome:
        payload = self._payload
        command = None if tool.path is None else compile_command(self._language, tool.path, payload.main, gpu)
        if self._language != "python":
            self._spool.emit("phase", phase="compile")
        if tool.path is None:
            return Outcome("tool_missing", detail=tool.missing)
        if command is not None:
            refusal = _compile_verdict(stage.go(command, False, self._bounds(COMPILE_LIMIT_S)), tool, COMPILE_LIMIT_S)
            if refusal is not None:
                return refusal
            if self._language == "cuda" and not gpu:
                return Outcome("gpu_missing", detail=_NO_GPU)
        if self._packages is not None:
            refusal = self._install(self._packages, stage, tool)
            if refusal is not None:
                return refusal
        self._spool.emit("phase", phase="run")
        run = run_command(self._language, tool.path, payload.main, payload.arguments)
        ended = stage.go(run, True, self._bounds(payload.time_limit_s))
        stage.collect()
        return _verdict(ended, self._spool.disk_full)

    def _install(self, wanted: "Packages", stage: "_Stage", tool: Tool) -> Optional[Outcome]:
        """Bring about the packages the program names; the outcome where that failed, else None."""
        from cluster_runner import packages

        shelf = wanted.shelf if stage.read_only_outside_work else None
        if shelf is not None and wanted.on_the_shelf():
            stage.packages = shelf
            return None
        self._spool.emit("phase", phase="compile")
        if wanted.uv is None or tool.path is None:
            return Outcome("tool_missing", detail=packages.NO_UV)
        folders = [*tool_folders(self._language, tool.path), os.path.dirname(wanted.uv)]
        isolator = Isolator(self._options.wishes._replace(network=True), self._limits)
        isolator.choose_user(self._payload.run, self._payload.attempt, folders)
        uv = Tool("uv", wanted.uv, packages.NO_UV)
        installing = stage.around_another(isolator.isolate(stage.root, folders), uv, packages.environment())
        ended = installing.go(wanted.command(), False, self._bounds(packages.INSTALL_LIMIT_S))
        refusal = _compile_verdict(ended, uv, packages.INSTALL_LIMIT_S)
        if refusal is not None:
            if refusal.result != "compile_error":
                return refusal
            return refusal._replace(result="setup_error", detail=packages.NOT_INSTALLED)
        stage.packages = os.path.join(stage.work, "build", "packages")
        if shelf is not None:
            wanted.keep(os.path.join(stage.root, "build", "packages"))
            stage.packages = shelf
        return None

    def _bounds(self, time_limit_s: float) -> Bounds:
        limit = self._options.disk_limit
        disk = None if limit is None else DiskWatch(os.path.abspath("work"), limit)
        return Bounds(time_limit_s, self._options.memory_limit, disk, stop_wished)


class _Stage:
    """What compiler, program and installer have in common: who they are and where they run.

    `packages` is where the program finds those it named, "" where it named none; `root` is the work folder, and `work`
    is what the program knows it as.
    """

    def __init__(self, spool: Spool, wakeup: Wakeup, isolation: Isolation, workspace: Workspace, tool: Tool) -> None:
        self._spool, self._wakeup, self._isolation, self._workspace = spool, wakeup, isolation, workspace
        self.root, self.work, self.packages = workspace.root, isolation.work, ""
        folders = [] if tool.path is None else [os.path.dirname(tool.path)]
        self._env = workspace.environment(folders, isolation.work)

    def go(self, argv: Sequence[str], terminal: bool, bounds: Bounds) -> Ended:
        """Start it, watch it to its end, settle its log."""
        env = dict(self._env, PYTHONPATH=self.packages) if self.packages else self._env
        child = start(Command(argv, env, env["PWD"], terminal), self._isolation.around)
        identity = self._isolation.around.identity
        ended = Supervision(child, identity, LogBatch(self._spool), bounds, self._wakeup).run()
        self._spool.settle()
        return ended

    @property
    def read_only_outside_work(self) -> bool:
        """Whether the program can write to nothing of the runner's, being somebody else or in a sandbox."""
        return self._isolation.around.sandbox is not None or self._isolation.around.identity.uid is not None

    def around_another(self, isolation: Isolation, tool: Tool, env: Mapping[str, str]) -> "_Stage":
        """The stage of another tool in the same workspace, with more in its environment."""
        other = _Stage(self._spool, self._wakeup, isolation, self._workspace, tool)
        other._env.update(env)
        return other

    def collect(self) -> None:
        """Keep the files the program left."""
        uid = self._isolation.around.identity.uid
        artifacts.collect(self._workspace.artifacts, os.geteuid() if uid is None else uid, self._spool)


def _compile_verdict(ended: Ended, tool: Tool, limit_s: float) -> Optional[Outcome]:
    """The outcome where the compiler did not make a program, else None."""
    if ended.by_us is None and ended.exit_code == 0:
        return None
    if ended.by_us == "time_limit":
        detail = "%s took longer than %d seconds." % (tool.name, limit_s)
    elif ended.by_us is not None:
        detail = ""
    elif ended.signal is not None:
        detail = "%s was ended by %s." % (tool.name, ended.signal)
    else:
        detail = "%s refused the program." % tool.name
    # The compiler's own clock, not the one the member set.
    result = "compile_error" if ended.by_us in (None, "time_limit") else str(ended.by_us)
    return Outcome(result, ended.exit_code, ended.signal, ended.duration_s, None, detail)


def _verdict(ended: Ended, disk_full: bool) -> Outcome:
    result = ended.by_us or ("exited" if ended.signal is None else "signalled")
    details = []
    if result == "signalled" and ended.signal == "SIGKILL":
        details.append("Something else than the runner killed it; often that is a machine out of memory.")
    if disk_full:
        details.append("The machine's disk was full, so that part of the output is lost.")
    return Outcome(result, ended.exit_code, ended.signal, ended.duration_s, ended.peak_memory_bytes, " ".join(details))
