"""The GitHub Actions launcher: runs are workflow runs of one repository, dispatched with a token.

Imported by the composition root alone, when a token is configured. The parts, top to bottom: `launcher` (the port's
verbs), `dispatch` (one request that may never be doubled), `watch` and `listing` (one look at all runs), `webhook`
(what GitHub tells by itself), `artifacts` (the spool as GitHub keeps it), `gpus` (what members may ask for), `fleet`
(which machines there are), `runners` and `donation` (how people lend one), `conclusions` (what GitHub's words mean),
`api` (PyGithub on threads of its own), with `budget` (how much GitHub takes of us) and `tokens` (who we are to it).
"""

from cluster_bot.launchers.github_actions.api import PUBLIC_API, GithubApi
from cluster_bot.launchers.github_actions.dispatch import Reporting
from cluster_bot.launchers.github_actions.gpus import GpuSettings, parse_gpus
from cluster_bot.launchers.github_actions.launcher import GithubActions
from cluster_bot.launchers.github_actions.tokens import App, Login, Token, app_of, tokens_of
from cluster_bot.launchers.github_actions.watch import Timing

__all__ = [
    "PUBLIC_API",
    "App",
    "GithubActions",
    "GithubApi",
    "GpuSettings",
    "Login",
    "Reporting",
    "Timing",
    "Token",
    "app_of",
    "parse_gpus",
    "tokens_of",
]
