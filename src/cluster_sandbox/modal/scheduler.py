"""Which container gets which input, and how calls end: queueing, timeouts, cancellation, death, rescheduling.

`calls.py` and `containers.py` of the RPCs tell it what clients and containers want; it starts containers through
`start` and ends them by setting `container.ending`, both of which `containers.py` heeds. Everything happens in the one
event loop, between two awaits, so that no state in between can be seen.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from modal_proto import api_pb2 as pb

from . import results
from .ids import timed_id
from .model import Call, Container, Definition, Function, Log
from .options import merged, wishes
from .policy import Policy
from .world import World


class Scheduler:
    """`start` begins the life of a container that is already in the world."""

    def __init__(self, world: World, policy: Policy, start: Callable[[Container], None]) -> None:
        self._world, self._policy, self._start = world, policy, start
        self.queue: list[Call] = []
        """Inputs no container has, oldest first."""
        self.held = False
        """Whether no container is started."""
        self.closed = False

    # --- calls --------------------------------------------------------------------------------------

    def submit(self, call: Call) -> None:
        self._world.calls[call.id] = self._world.inputs[call.input_id] = call
        self.queue.append(call)
        self.schedule()

    def schedule(self) -> None:
        """Give inputs to containers that wait for one; start as many more as the rest needs and there is room for."""
        coming: Counter[str] = Counter()
        for container in self._living():
            # One that has just finished an input asks for another in a moment.
            between = container.state == "idle" and container.asking is None and not container.leaving
            if (container.state == "starting" or between) and self._fits(container):
                coming[container.function.id] += 1
        for call in [] if self.closed else list(self.queue):
            function, definition = call.function, call.function.deployed
            asker = next((one for one in self._idle(function) if self._fits(one)), None)
            if asker is not None and asker.asking is not None:
                self._give(asker, call)
            elif coming[function.id] > 0:
                coming[function.id] -= 1
            elif definition is not None and not self.held and self._has_room(function, definition):
                self._begin(function, definition)
        self._world.changed()

    def _living(self) -> list[Container]:
        return [one for one in self._world.containers.values() if one.alive and not one.unwanted]

    @staticmethod
    def _idle(function: Function) -> list[Container]:
        return [
            one
            for one in function.containers
            if one.alive and not one.unwanted and one.asking is not None and not one.asking.done()
        ]

    @staticmethod
    def _fits(container: Container) -> bool:
        """Whether it runs what is deployed now."""
        return container.definition is container.function.deployed

    def _has_room(self, function: Function, definition: Definition) -> bool:
        living = [one for one in self._world.containers.values() if one.alive]
        proto = merged(definition.proto, function.options)
        limit = proto.autoscaler_settings.max_containers or proto.concurrency_limit
        if limit and sum(one.function is function for one in living) >= limit:
            return False
        gpus = self._policy.gpus
        if gpus is not None and wishes(proto)[1] + sum(one.gpu_count for one in living) > gpus:
            return False
        return len(living) < self._policy.most_containers

    def _begin(self, function: Function, definition: Definition) -> None:
        proto = merged(definition.proto, function.options)
        gpu, count = wishes(proto)
        container = Container(
            id=timed_id("ta"),
            function=function,
            definition=definition,
            proto=proto,
            log=Log(self._policy.log_bytes),
            enqueued_at=self._world.now(),
            gpu=gpu,
            gpu_count=count,
        )
        self._world.containers[container.id] = container
        function.containers.append(container)
        if proto.startup_timeout_secs:
            loop = asyncio.get_running_loop()
            container.timer = loop.call_later(proto.startup_timeout_secs, self._give_up, container)
        self._start(container)

    def _give_up(self, container: Container) -> None:
        if container.state == "starting":
            self.end(container, "startup")

    def _give(self, container: Container, call: Call) -> None:
        assert container.asking is not None
        self.queue.remove(call)
        call.container, call.started_at = container, self._world.now()
        call.containers.append(container)
        container.call, container.state = call, "busy"
        container.calls.append(call)
        if container.timer is not None:
            container.timer.cancel()
        limit = float(container.proto.timeout_secs)
        if limit > 0:
            call.timers.append(asyncio.get_running_loop().call_later(limit, self.time_out, call, container, limit))
        container.asking.set_result(call)
        container.asking = None

    def finish(self, call: Call, result: pb.GenericResult, data_format: int = 0, began: float = 0.0) -> None:
        """Write a call's result, unless it has one."""
        if call.output is not None:
            return
        call.ended_at = self._world.now()
        call.output = pb.FunctionGetOutputsItem(
            result=result,
            idx=0,
            input_id=call.input_id,
            data_format=data_format,  # type: ignore[arg-type]
            task_id=call.container.id if call.container else "",
            input_started_at=began or call.started_at or 0.0,
            output_created_at=call.ended_at,
        )
        self._forget_timers(call)
        if call in self.queue:
            self.queue.remove(call)
        call.over.set()
        self._world.changed()

    @staticmethod
    def _forget_timers(call: Call) -> None:
        while call.timers:
            call.timers.pop().cancel()

    def time_out(self, call: Call, container: Container, limit: float) -> None:
        """A call has had its `limit` seconds in this container: both are over."""
        if call.container is container:
            self.finish(call, results.timed_out(call.input_id, limit))
            self.end(container, "timeout")

    # --- cancellation -------------------------------------------------------------------------------

    def cancel(self, call: Call, terminate: bool) -> None:
        """Cancel a call; one that is over stays as it is. A running one is over once its container has said so."""
        if call.output is not None:
            return
        container = call.container if call.started_at is not None else None
        if container is None or terminate:
            self.finish(call, results.terminated())
            self._end_surplus(call.function)
            if container is not None:
                self.end(container, "cancelled")
        elif not call.cancelling:
            call.cancelling = True
            container.told.set()
            loop = asyncio.get_running_loop()
            call.timers.append(loop.call_later(self._policy.cancel_grace_s, self.cancel, call, True))
        self._world.changed()

    def _end_surplus(self, function: Function) -> None:
        """End the containers that were on their way for inputs which are gone."""
        starting = [one for one in function.containers if one.state == "starting" and not one.unwanted]
        waiting = sum(call.function is function for call in self.queue)
        for container in starting[waiting:]:
            self.end(container, "not needed")

    # --- containers ---------------------------------------------------------------------------------

    async def next_input(self, container: Container) -> Call | None:
        """The next input for a container, once there is one; None: it is to end."""
        if container.timer is not None:
            container.timer.cancel()
        container.state = "idle"
        if container.unwanted or not self._fits(container) or self._is_used_up(container):
            self._leave(container)
            return None
        loop = asyncio.get_running_loop()
        asking: asyncio.Future[Call | None] = loop.create_future()
        container.asking = asking
        patience = container.proto.task_idle_timeout_secs or self._policy.scaledown_s
        container.timer = loop.call_later(patience, self.dismiss, container)
        self.schedule()
        try:
            return await asking
        finally:
            if container.asking is asking:
                container.asking = None

    @staticmethod
    def _is_used_up(container: Container) -> bool:
        single = container.proto.single_use_containers or container.proto.max_inputs == 1
        return single and bool(container.calls)

    def dismiss(self, container: Container) -> None:
        """Let a container that waits for an input end in peace."""
        if container.asking is not None and not container.asking.done():
            container.asking.set_result(None)
            container.asking = None
            self._leave(container)

    def dismiss_outdated(self) -> None:
        """After a deployment: containers of the old version finish what they have and take nothing more."""
        for container in self._living():
            if not self._fits(container):
                self.dismiss(container)
        self.schedule()

    def put_output(self, container: Container, item: pb.FunctionPutOutputsItem) -> None:
        """A container has finished an input; of one that is no longer its own it is too late to speak."""
        call = self._world.inputs.get(item.input_id)
        if call is None or call.container is not container or container.call is not call:
            return
        container.call, container.state = None, "idle"
        self.finish(call, item.result, item.data_format, item.input_started_at)
        if self._is_used_up(container):
            self._leave(container)

    def _leave(self, container: Container) -> None:
        container.leaving = True
        if container.timer is not None:
            container.timer.cancel()
        loop = asyncio.get_running_loop()
        container.timer = loop.call_later(self._policy.linger_s, self.end, container, "lingered")

    def end(self, container: Container, why: str) -> None:
        """Kill a container with all its processes; it is over a moment later."""
        if container.alive and not container.unwanted:
            container.unwanted = why
            container.ending.set()
            self._world.changed()

    def ended(self, container: Container) -> None:
        """A container is over, by itself or not: what becomes of its input, or of one it was started for."""
        was_starting = container.state == "starting"
        container.state, container.ended_at = "ended", self._world.now()
        if container.timer is not None:
            container.timer.cancel()
        call = container.call
        container.call = None
        if call is not None and call.output is None:
            if self._policy.reschedule and not call.cancelling and container.unwanted != "app stopped":
                self._forget_timers(call)
                call.started_at = None
                self.queue.insert(0, call)
            else:
                self.finish(call, self._epitaph(container, call))
        elif was_starting and container.unwanted in ("", "startup"):
            waiting = next((one for one in self.queue if one.function is container.function), None)
            if waiting is not None:
                waiting.container = container
                waiting.containers.append(container)
                late, told = container.unwanted == "startup", container.init_result
                self.finish(waiting, results.init_failure(container.id, container.exit_code, told, late))
        container.over.set()
        self.schedule()

    @staticmethod
    def _epitaph(container: Container, call: Call) -> pb.GenericResult:
        if call.cancelling or container.unwanted == "app stopped":
            return results.terminated()
        if container.unwanted == "out of memory":
            return results.out_of_memory(container.id)
        if container.unwanted:
            return results.killed(container.id)
        return results.exited(container.id, -1 if container.exit_code is None else container.exit_code)
