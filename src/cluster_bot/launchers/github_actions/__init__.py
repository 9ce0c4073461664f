"""The GitHub Actions launcher: runs are workflow runs of one repository, dispatched with a token.

Imported by the composition root alone, when a token is configured. The parts, top to bottom: `launcher` (the port's
verbs), `dispatch` (one request that may never be doubled), `watch` and `listing` (one look at all
runs), `artifacts` (the spool as
GitHub keeps it), `gpus` (what members may ask for), `conclusions` (what GitHub's words mean), `api` (PyGithub on
threads of its own).
"""

from cluster_bot.launchers.github_actions.api import PUBLIC_API, GithubApi
from cluster_bot.launchers.github_actions.dispatch import Reporting
from cluster_bot.launchers.github_actions.gpus import GpuSettings, parse_gpus
from cluster_bot.launchers.github_actions.launcher import GithubActions
from cluster_bot.launchers.github_actions.watch import Timing

__all__ = ["PUBLIC_API", "GithubActions", "GithubApi", "GpuSettings", "Reporting", "Timing", "parse_gpus"]
