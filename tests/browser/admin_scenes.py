"""How the admins' commands look when they are used; part of the handbook's scenes.

All of them are played in one window of one admin. Whatever a scene orders it takes back, since the scenes after it are
of members who want to run something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playwright.async_api import expect
from stage import Scene, Stage, answer_to, choose, fill, put, send


async def order(stage: Stage, command: str, **options: Any) -> None:
    """Something that the admin does before or after what is shown."""
    opened = await stage.server.member("admin").command(
        f"admin {command}", channel_id=stage.server.channel_id("general"), options=options
    )
    told = (await opened.answered(30)).content
    assert "Done" in told, told


async def ordered(stage: Stage, command: str, alt: str, shows: str, options: Mapping[str, str]) -> None:
    """A command whose answer is one private message; options whose text ends in … are chosen among suggestions."""
    admin = await stage.admin()
    form = await fill(admin, command)
    for option, text in options.items():
        if text.endswith("…"):
            await choose(admin, form, option, text.removesuffix("…"))
        else:
            await put(form, option, text)
    await send(form)
    await expect(answer_to(admin, command)).to_contain_text(shows)
    await stage.picture(admin, command.replace(" ", "-"), alt)


def simple(command: str, alt: str, shows: str, undo: Mapping[str, bool] | None = None, **options: str) -> Scene:
    """A scene of one command; `undo` are the options of the /admin resume after it."""

    async def scene(stage: Stage) -> None:
        await ordered(stage, command, alt, shows, options)
        if undo is not None:
            await order(stage, "resume", **undo)

    return scene


async def ban(stage: Stage) -> None:
    what = {"member": "@friend", "why": "be kind to each other", "hours": "24"}
    await ordered(stage, "admin ban", "A ban for a day; the member is told why", "banned", what)
    await order(stage, "unban", member=stage.server.member("friend"))


async def unban(stage: Stage) -> None:
    await order(stage, "ban", member=stage.server.member("friend"))
    await ordered(stage, "admin unban", "The ban is taken back", "unbanned", {"member": "@friend"})


async def cancel(stage: Stage) -> None:
    channel = stage.server.add_channel("cluster")
    await stage.waits(channel)
    await ordered(stage, "admin cancel", "A member's runs are stopped", "cancelled", {"member": "@you"})


async def channel(stage: Stage) -> None:
    await ordered(stage, "admin channel", "Runs are kept to one channel", "only in", {"channel": "#general"})
    await order(stage, "channel", channel=stage.server.channel_id("general"), allowed=False)


async def log(stage: Stage) -> None:
    """The journal as its channel shows it: another than the admin's, where it would stand between the answers."""
    admin, room = await stage.admin(), stage.server.add_channel("journal")
    form = await fill(admin, "admin log")
    await put(form, "channel", "#journal")
    await send(form)
    await expect(answer_to(admin, "admin log")).to_contain_text("let the journal be shown in")
    await order(stage, "pause", why="new driver")
    await order(stage, "resume")
    reader = await stage.enter("admin", room, low=True)
    await reader.see("resumed everything")
    await stage.picture(reader, "admin-log", "The journal in the channel that was chosen for it")


async def resume(stage: Stage) -> None:
    await order(stage, "pause", launcher="local")
    await ordered(stage, "admin resume", "All that was paused goes on", "resumed", {})


async def limit(stage: Stage) -> None:
    what = {"role": "@helpers", "runs_at_once": "1", "gpus": "H100* T4"}
    await ordered(stage, "admin limit", "A role gets limits of its own: one run at once, on these GPUs", "gave", what)


async def role(stage: Stage) -> None:
    await ordered(stage, "admin role", "Who has a role may do what admins may", "gave", {"role": "@helpers"})
    roles = stage.server.service.world.guilds[stage.server.guild_id].roles.values()
    await order(stage, "role", role=next(one.id for one in roles if one.name == "helpers"), may=False)


async def runner_add(stage: Stage) -> None:
    """In a window of its own height: there is a file, and what to do with it."""
    admin = await stage.enter("admin")
    form = await fill(admin, "admin runner add")
    for option, text in {"name": "lab-box", "gpu": "H100", "vendor": "nvidia"}.items():
        await put(form, option, text)
    await send(form)
    await expect(answer_to(admin, "admin runner add")).to_contain_text("start-runner.sh")
    await stage.picture(admin, "admin-runner-add", "The file for the machine's owner, and that it is watched for")


async def settings(stage: Stage) -> None:
    admin = await stage.enter("admin")
    await send(await fill(admin, "admin settings"))
    await expect(answer_to(admin, "admin settings")).to_contain_text("Orders")
    await stage.picture(admin, "admin-settings", "All that is ordered and set, and where it comes from")


async def change(stage: Stage) -> None:
    what = {"setting": "runs_per_hour…", "value": "20"}
    await ordered(stage, "admin set", "A setting gets another value at once", "set runs_per_hour", what)
    await order(stage, "set", setting="runs_per_hour", value="default")


async def resync(stage: Stage) -> None:
    admin = await stage.admin()
    await send(await fill(admin, "resync"))
    await expect(answer_to(admin, "resync")).to_contain_text("registered")
    await stage.picture(admin, "resync", "The answer, which only the admin sees")


async def verify(stage: Stage) -> None:
    admin = await stage.admin()
    await send(await fill(admin, "verify"))
    # Everybody may read it: it outlives the minutes in which a private answer could be brought up to date.
    table = admin.page.locator(".message", has=admin.page.locator(".context .pill", has_text="/verify")).last
    await expect(table).to_contain_text("All well", timeout=60_000)
    await stage.picture(admin, "verify", "The table, once every launcher has answered")


SCENES: dict[str, Scene] = {
    "admin ban": ban,
    "admin cancel": cancel,
    "admin channel": channel,
    "admin drain": simple(
        "admin drain", "No new runs before the bot is stopped", "drained", {"everywhere": True}, why="upgrade"
    ),
    "admin journal": simple("admin journal", "What was decided, newest first", "Journal"),
    "admin limit": limit,
    "admin log": log,
    "admin pause": simple(
        "admin pause", "No new runs on one launcher for two hours", "paused", {}, launcher="local…", hours="2"
    ),
    "admin resume": resume,
    "admin role": role,
    "admin runner add": runner_add,
    "admin runner remove": simple(
        "admin runner remove", "A machine is let go, or not waited for any more", "lab-box", name="lab-box"
    ),
    "admin runners": simple("admin runners", "The machines, what they offer and what they do", "online"),
    "admin set": change,
    "admin settings": settings,
    "admin unban": unban,
    "resync": resync,
    "verify": verify,
}
