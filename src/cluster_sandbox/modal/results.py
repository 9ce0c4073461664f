"""How calls end that no container brought to an end itself: the results the server writes, in one place.

The sentences are ours where the client's package does not hold Modal's; a client shows them as they are.
"""

from __future__ import annotations

from modal_proto import api_pb2 as pb

Result = pb.GenericResult


def terminated() -> Result:
    return Result(status=Result.GENERIC_STATUS_TERMINATED)


def timed_out(input_id: str, timeout_s: float) -> Result:
    sentence = f"Task's current input {input_id} hit its timeout of {timeout_s:g}s"
    return Result(status=Result.GENERIC_STATUS_TIMEOUT, exception=sentence)


def killed(container_id: str) -> Result:
    sentence = f"Container {container_id} was terminated while it worked on the input"
    return Result(status=Result.GENERIC_STATUS_INTERNAL_FAILURE, exception=sentence)


def out_of_memory(container_id: str) -> Result:
    sentence = f"Container {container_id} was killed: it ran out of memory"
    return Result(status=Result.GENERIC_STATUS_FAILURE, exception=sentence, exitcode=137)


def exited(container_id: str, code: int) -> Result:
    sentence = f"Container {container_id} ended without a result, with exit code {code}"
    return Result(status=Result.GENERIC_STATUS_FAILURE, exception=sentence, exitcode=code)


def init_failure(container_id: str, code: int | None, told: Result | None, late: bool) -> Result:
    """Of a container that never asked for an input; `told` is what it said of it before it ended, its own exception
    and traceback in it; `late`: whether it took longer than it may."""
    result = Result(status=Result.GENERIC_STATUS_INIT_FAILURE)
    if told is None:
        how = (
            "was not ready within its startup timeout" if late else f"ended before it was ready, with exit code {code}"
        )
        result.exception = f"Container {container_id} {how}"
        return result
    result.MergeFrom(told)
    result.status = Result.GENERIC_STATUS_INIT_FAILURE
    return result
