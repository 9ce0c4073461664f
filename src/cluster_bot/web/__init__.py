"""The bot's web side: what runners report home, and whether the bot is well."""

from cluster_bot.web.server import WebServer
from cluster_bot.web.tokens import Tokens, key_of, load_key

__all__ = ["Tokens", "WebServer", "key_of", "load_key"]
