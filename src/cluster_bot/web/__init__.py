"""The bot's web side: what runners report home, what GitHub tells, whether the bot is well, and what it counts."""

from cluster_bot.web.github_webhook import GithubWebhook
from cluster_bot.web.metrics import LoopLag, Metrics
from cluster_bot.web.server import WebServer
from cluster_bot.web.tokens import Tokens, key_of, load_key

__all__ = ["GithubWebhook", "LoopLag", "Metrics", "Tokens", "WebServer", "key_of", "load_key"]
