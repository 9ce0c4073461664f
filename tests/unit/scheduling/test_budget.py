"""The budget of writes: never faster than allowed, and in order of importance."""

import asyncio
import time

from cluster_bot.scheduling.budget import Budget, Priority


async def test_who_matters_more_goes_first() -> None:
    # The next turn is a fifth of a second away: until then all of them ask, on a slow machine too.
    budget = Budget(per_s=5)
    await budget.turn(Priority.TAIL)
    order: list[Priority] = []

    async def wait(priority: Priority) -> None:
        await budget.turn(priority)
        order.append(priority)

    async with asyncio.TaskGroup() as group:
        for priority in (Priority.TAIL, Priority.STATUS, Priority.VERDICT, Priority.FIRST):
            group.create_task(wait(priority))
    assert order == sorted(order)


async def test_a_second_holds_no_more_than_the_rate_and_one_burst() -> None:
    budget = Budget(per_s=100)
    began = time.monotonic()
    for _ in range(70):
        await budget.turn(Priority.TAIL)
    # 20 at once, 50 more at 100 a second: never sooner, however fast the machine.
    assert time.monotonic() - began >= 0.49


async def test_a_waiter_that_gave_up_costs_nothing() -> None:
    # The one turn that is there is taken; the next comes in half a second, in which a slow machine gets here too.
    budget = Budget(per_s=2)
    await budget.turn(Priority.TAIL)
    gone = asyncio.create_task(budget.turn(Priority.VERDICT))
    waiting = asyncio.create_task(budget.turn(Priority.TAIL))
    await asyncio.wait({gone}, timeout=0)
    gone.cancel()
    await waiting
    assert gone.cancelled()
