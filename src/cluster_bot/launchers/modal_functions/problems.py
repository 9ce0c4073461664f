"""What Modal's no means: the sentence that a member reads, and whether asking later may help.

Called by `launcher` and `check`. Sentences are halves, as every launcher's: "modal refused to start it", then this.
"""

import modal.exception

from cluster_bot.runs.ports import LaunchRefusedError

# Modal's plain no's. Whatever else the client raises says nothing of what was done.
REFUSALS = (
    modal.exception.NotFoundError,
    modal.exception.AuthError,
    modal.exception.PermissionDeniedError,
    modal.exception.ResourceExhaustedError,
    modal.exception.InvalidError,
    modal.exception.VersionError,
)
_AGAIN_S = 30.0
_MOST_CHARS = 200


def nothing_started(detail: str) -> LaunchRefusedError:
    """A refusal for good."""
    return LaunchRefusedError(detail, again=False)


def words(error: BaseException) -> str:
    """What to do about it, in half a sentence."""
    if isinstance(error, modal.exception.NotFoundError):
        return "the bot's app is not deployed at Modal; an admin can do that with `cluster-bot modal deploy`"
    if isinstance(error, modal.exception.AuthError | modal.exception.PermissionDeniedError):
        return "Modal does not accept this bot's token; an admin can make a new one at modal.com/settings/tokens"
    if isinstance(error, modal.exception.ResourceExhaustedError):
        return f"Modal's limit for this account is reached ({_told(error)}); it is asked again until there is room"
    if isinstance(error, modal.exception.InvalidError):
        return f"Modal does not take such a call ({_told(error)})"
    if isinstance(error, modal.exception.VersionError):
        return "Modal does not speak to this bot's version of its client any more; an admin can upgrade the bot"
    return f"Modal can't be reached ({type(error).__name__})"


def refusal(error: BaseException, *, again: bool) -> LaunchRefusedError:
    """The refusal that `error` is: nothing was started. `again` where asking later may help, whatever it is."""
    exhausted = isinstance(error, modal.exception.ResourceExhaustedError)
    return LaunchRefusedError(words(error), again=again or exhausted, after_s=_AGAIN_S if exhausted else None)


def _told(error: BaseException) -> str:
    return " ".join(str(error).split())[:_MOST_CHARS].rstrip(".") or "it gave no reason"
