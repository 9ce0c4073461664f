"""The named borders of `/run github`: requests to GitHub, and what runners report to the bot.

As with Discord's, a border of GitHub's is a fault of the server: before anything has happened, or after the effect and
without an answer. The rest are trip wires in the bot.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cluster_sandbox.record import Request

from .borders import When
from .github_stage import GithubStage
from .programs import LEAVES_A_FILE, SHORT, STAYS, Program

REPO = "/repos/{owner}/{repo}/actions"
DISPATCH = f"{REPO}/workflows/{{workflow_id}}/dispatches"
LIST = f"{REPO}/runs"
Concerns = Callable[[GithubStage, Request, str], bool]


@dataclass(frozen=True)
class GithubBorder:
    """One border: `arm` makes the next life of the bot die there, on account of the run of a file."""

    name: str
    program: Program = SHORT
    verb: str = ""
    step: str | None = None
    method: str = "GET"
    route: str = ""
    concerns: Concerns = lambda stage, request, file: False
    modes: tuple[bool, ...] = (True, False)
    """With a public address, and without."""

    async def arm(self, stage: GithubStage, when: When, file: str) -> None:
        """Start a life that dies here on account of the run of `file`."""
        if self.verb:
            await stage.start({"verb": self.verb, "step": self.step, "when": when, "nth": 1, "victim": file})
            return
        life = await stage.start()
        stage.order(
            self.route,
            self.method,
            when,
            lambda request: self.concerns(stage, request, file),
            lambda request: life.kill(),
        )


def _dispatched(stage: GithubStage, request: Request, file: str) -> bool:
    inputs = request.body["inputs"] if isinstance(request.body, dict) else {}
    return stage.file_of_run(str(inputs.get("run_id"))) == file


def _under_way(stage: GithubStage, request: Request, file: str) -> bool:
    return any(not one.completed for one in stage.jobs(file))


def _over(stage: GithubStage, request: Request, file: str) -> bool:
    return any(one.completed for one in stage.jobs(file))


def _uploaded(stage: GithubStage, request: Request, file: str) -> bool:
    """The list that is asked for has its artifact; one is enough for all runs that ended at about the same time."""
    of = {one.id for one in stage.jobs(file)}
    return any(one.run_id in of for one in stage.github.world.artifacts.values())


def _of_the_artifact(stage: GithubStage, request: Request, file: str) -> bool:
    of = {one.id for one in stage.jobs(file)}
    kept = stage.github.world.artifacts.values()
    return any(one.run_id in of and f"/{one.id}/" in request.path for one in kept)


def _of_the_job(stage: GithubStage, request: Request, file: str) -> bool:
    return any(f"/{one.id}/" in request.path for one in stage.jobs(file))


ALONE, PUBLIC = (False,), (True,)
BORDERS = [
    GithubBorder("dispatch", method="POST", route=DISPATCH, concerns=_dispatched),
    GithubBorder("wish-saved", verb="save", step="wish"),
    GithubBorder("handle-saved", verb="save", step="handle"),
    GithubBorder("list-under-way", route=LIST, concerns=_under_way),
    GithubBorder("cancel", STAYS, method="POST", route=f"{REPO}/runs/{{run_id}}/cancel", concerns=_of_the_job),
    # Where runners report, the artifact is not needed.
    GithubBorder("list-over", route=LIST, concerns=_over, modes=ALONE),
    GithubBorder("artifact-list", LEAVES_A_FILE, route=f"{REPO}/artifacts", concerns=_uploaded, modes=ALONE),
    GithubBorder(
        "artifact-download",
        LEAVES_A_FILE,
        route=f"{REPO}/artifacts/{{artifact_id}}/zip",
        concerns=_of_the_artifact,
        modes=ALONE,
    ),
    GithubBorder("put-blob", LEAVES_A_FILE, verb="put_blob"),
    GithubBorder("append", verb="append"),
    GithubBorder("claim", verb="claim", modes=PUBLIC),
    GithubBorder("final-saved", verb="save", step="final"),
    GithubBorder("discard-spool", LEAVES_A_FILE, verb="discard", modes=ALONE),
]
