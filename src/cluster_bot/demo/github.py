"""The demo's GitHub: the sandbox's, executing this repository's own workflow files on runners that are processes here.

Called by `world`. It is imported only where a demo wants it. The bot is told by settings alone, as with the real one.
"""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cluster_bot.errors import StartupError
from cluster_sandbox.github import GitHubServer, Runner

ROOT = Path(__file__).parents[3]
WORKFLOW = ROOT / ".github" / "workflows" / "nvidia_workflow.yml"
OWNER, NAME = "gpu-club", "kernels"
RUNNERS = (
    Runner("nvidia-box", ("self-hosted", "nvidia"), count=2),
    Runner("amd-box", ("self-hosted", "amd")),
)


@asynccontextmanager
async def demo_github(programs_python: Path) -> AsyncIterator[GitHubServer]:
    """A GitHub with this repository and two kinds of runners, whose `python3` is `programs_python`'s environment."""
    if not WORKFLOW.is_file():
        raise StartupError("`/run github` needs the workflow files of the repository; run the demo from a checkout.")
    path = os.pathsep.join([str(programs_python.parent), os.environ.get("PATH", os.defpath)])
    async with GitHubServer(
        repository=ROOT, owner=OWNER, name=NAME, runners=RUNNERS, environment={"PATH": path}
    ) as github:
        yield github


def github_settings(github: GitHubServer, *, public: bool) -> dict[str, str]:
    """The bot's settings for that GitHub; with `public`, runners report by themselves."""
    settings = {
        "GITHUB_TOKEN": github.token,
        "GITHUB_REPOSITORY": github.full_name,
        "GITHUB_API_URL": github.api_url,
    }
    if public:
        port = _free_port()
        settings |= {"PUBLIC_URL": f"http://127.0.0.1:{port}", "WEB_PORT": str(port)}
    return settings


def _free_port() -> int:
    """A port nobody has now; the bot takes it a moment later, and says so if somebody was quicker."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
