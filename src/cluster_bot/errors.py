"""The exceptions that cross floors.

Their program failing is a result and no exception; ours failing is one. `UserError` is the only exception whose text
reaches a user; everything else becomes a neutral sentence with a reference number, and the log gets the rest.
"""


class ClusterBotError(Exception):
    """Base of every exception this package raises on purpose."""


class UserError(ClusterBotError):
    """Somebody asked for what cannot be; `message` is one sentence that says what to do about it."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class StartupError(ClusterBotError):
    """The bot cannot start; the text is one sentence for the admin who started it."""


class StaleRunError(ClusterBotError):
    """A save was refused because somebody else moved the run first: load it again."""


class UnreadableRunError(ClusterBotError):
    """What is stored of a run is no run to this version of the program; the text quotes nothing that was stored."""


class UnknownRunError(ClusterBotError):
    """No run has this id."""
