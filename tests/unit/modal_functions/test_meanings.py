"""What Modal's words mean for a run, and for the member who reads of it."""

import modal.exception
import pytest
from modal_proto import api_pb2

from cluster_bot.launchers.modal_functions.connection import Output, status_word
from cluster_bot.launchers.modal_functions.problems import refusal, words
from cluster_bot.launchers.modal_functions.watch import meaning
from cluster_bot.runs.run import Reason, Sighting

STATUSES = [
    name.removeprefix("GENERIC_STATUS_").lower()
    for name in api_pb2.GenericResult.GenericStatus.keys()  # noqa: SIM118 - no mapping, but a wrapper of protobuf's
]


@pytest.mark.parametrize("status", STATUSES)
def test_every_word_there_is_means_an_end(status: str) -> None:
    seen = meaning(Output(status, "Traceback of its own"))
    assert seen.sighting is Sighting.FINISHED
    assert not seen.never_ran
    assert seen.detail


def test_a_word_of_a_newer_modal_means_an_end_too() -> None:
    assert status_word(1) == "success"
    assert meaning(Output(status_word(4711), "odd")).sighting is Sighting.FINISHED


@pytest.mark.parametrize(
    ("output", "ending"),
    [
        (Output("success"), None),
        (Output("terminated"), Reason.CANCELLED_OUTSIDE),
        (Output("timeout"), Reason.TIME_LIMIT),
        (Output("internal_failure"), None),
        (Output("failure", "killed", 137), Reason.OUT_OF_MEMORY),
        (Output("kernel_oom_kill"), Reason.OUT_OF_MEMORY),
        (Output("failure", "RefusedError('The order is odd.')"), Reason.SETUP_ERROR),
        (Output("init_failure", "ModuleNotFoundError: cluster_runner"), Reason.SETUP_ERROR),
    ],
)
def test_what_it_means_where_no_outcome_comes(output: Output, ending: Reason | None) -> None:
    assert meaning(output).ending is ending


@pytest.mark.parametrize(
    ("error", "again", "sentence"),
    [
        (modal.exception.NotFoundError("x"), False, "cluster-bot modal deploy"),
        (modal.exception.AuthError("x"), False, "modal.com/settings/tokens"),
        (modal.exception.PermissionDeniedError("x"), False, "modal.com/settings/tokens"),
        (modal.exception.ResourceExhaustedError("spend\nlimit."), True, "is reached (spend limit); it is asked again"),
        (modal.exception.InvalidError("no such gpu"), False, "does not take such a call (no such gpu)"),
        (modal.exception.VersionError("x"), False, "an admin can upgrade the bot"),
    ],
)
def test_a_no_says_what_to_do(error: Exception, again: bool, sentence: str) -> None:
    refused = refusal(error, again=False)
    assert refused.again is again
    assert sentence in refused.detail
    assert refused.detail == words(error)
    assert (refused.after_s is not None) is again
