"""One named task a run, woken by hints, never two for the same run.

The follower and the relay both are "look at everything, then look again at what was hinted"; this is what they share.
A worker that fails is woken again after a growing pause, and the others do not notice.
"""

import asyncio
from collections.abc import Awaitable, Callable

from cluster_bot.log import get_logger

log = get_logger(__name__)

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0


class Bell:
    """Rung from anywhere in the loop, waited for by one task; ringing twice before the wait counts once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake the waiter, now or at its next wait."""
        self._event.set()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a ring; False where `timeout_s` passed first."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Workers:
    """Runs `work(run id, bell)` once per run id at a time; `work` returns when there is nothing left to do for it."""

    def __init__(self, name: str, work: Callable[[str, Bell], Awaitable[None]]) -> None:
        self._name = name
        self._work = work
        self._bells: dict[str, Bell] = {}
        self._group: asyncio.TaskGroup | None = None

    def attach(self, group: asyncio.TaskGroup) -> None:
        """Start workers in `group` from now on."""
        self._group = group

    def busy(self, run_id: str) -> bool:
        """Whether a worker has this run."""
        return run_id in self._bells

    def wake(self, run_id: str) -> None:
        """Have a look at this run: rings its worker, or starts one."""
        bell = self._bells.get(run_id)
        if bell is not None:
            bell.ring()
        elif self._group is not None:
            bell = Bell()
            working = self._keep_working(run_id, bell)
            try:
                self._group.create_task(working, name=f"{self._name}-{run_id[:8]}")
            except RuntimeError:
                # The group has ended, as the bot does: whoever hints then is not at fault, and the next life looks at
                # everything.
                working.close()
                log.debug("hint came too late", extra={"action": "hint_too_late", "run": run_id})
                return
            self._bells[run_id] = bell

    def ring(self, run_id: str) -> None:
        """Ring the worker of this run where there is one; start none."""
        if run_id in self._bells:
            self._bells[run_id].ring()

    async def _keep_working(self, run_id: str, bell: Bell) -> None:
        pause_s = FIRST_PAUSE_S
        try:
            while True:
                try:
                    await self._work(run_id, bell)
                    return
                except Exception:
                    # The border of one run: whatever went wrong with it must not end the others. It is looked at
                    # again from the store, as after a restart.
                    log.exception("worker failed", extra={"action": "worker_failed", "run": run_id, "pause_s": pause_s})
                # Not the run's own bell: a program that prints a lot must not shorten the pause.
                await Bell().wait(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        finally:
            del self._bells[run_id]
