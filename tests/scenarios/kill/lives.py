"""Lives of the bot as the test's process sees them: started by the zygote, watched by a descriptor of the process."""

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any, Self

import warm

ZYGOTE = Path(__file__).with_name("zygote.py")


class Life:
    """One process of the bot, from its start to its death."""

    def __init__(self, pid: int, log: Path, reap: asyncio.Queue["Life"]) -> None:
        self.pid = pid
        self.log = log
        self.died = asyncio.Event()
        self.exit_code: int | None = None
        self._reap = reap
        # Nobody collects the process before `_ended`, so the number is still this one's.
        self._fd = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._fd, self._ended)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signal it; once it is dead nothing happens."""
        if not self.died.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, number)

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        self._reap.put_nowait(self)

    def reaped(self, exit_code: int) -> None:
        """It is dead and buried; `exit_code` is minus the signal where one killed it."""
        os.close(self._fd)
        self.exit_code = exit_code
        self.died.set()


class Zygote:
    """Forks lives on demand; `async with Zygote() as zygote`."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._reap: asyncio.Queue[Life] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            warm.python(), str(ZYGOTE), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._reaper = asyncio.create_task(self._reap_all(), name="reaper")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reaper.cancel()
        await asyncio.wait({self._reaper})
        stdin = self._process.stdin
        assert stdin is not None
        stdin.close()
        await self._process.wait()

    async def start(self, log: Path, order: dict[str, Any]) -> Life:
        """A new life by `order` (`zygote.py` says what goes in), its log appended to `log`."""
        return Life((await self._order({**order, "log": str(log)}))["pid"], log, self._reap)

    async def _reap_all(self) -> None:
        while True:
            life = await self._reap.get()
            life.reaped((await self._order({"reap": life.pid}))["exit_code"])

    async def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        async with self._turn:
            stdin.write(json.dumps(order).encode() + b"\n")
            await stdin.drain()
            answer: dict[str, Any] = json.loads(await stdout.readline())
            return answer
