"""The truth: runs, their events, feeds' places and blobs, in one database."""

from cluster_bot.store.alone import no_bot, only_bot
from cluster_bot.store.sql_store import BlobTooLargeError, SqlStore

__all__ = ["BlobTooLargeError", "SqlStore", "no_bot", "only_bot"]
