"""The record of this server is that of all stand-ins; here under the name it had first."""

from ..record import Record, Request

__all__ = ["Record", "Request"]
