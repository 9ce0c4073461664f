"""The real discord.py, over real sockets, against the sandbox."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiohttp
import discord
import pytest
from sample_bot import SampleBot, pointed_at

from cluster_sandbox.discord import CommandError, DiscordServer, Fault, File, Policy
from cluster_sandbox.discord.members import Acting


async def run_once(server: DiscordServer, ada: Acting) -> tuple[int, int]:
    """Let ada run a.py; the ids of the thread and of its status message."""
    answer = await ada.command(
        "run local",
        channel_id=server.channel_id("general"),
        options={"script": File("a.py", b"print(1)"), "arguments": "x"},
    )
    await server.wait_for(lambda event: event.content == "and a follow-up")
    assert answer.failed is None
    thread = server.threads()[-1]
    return thread.id, server.messages(thread.id)[1].id


async def test_a_run_from_command_to_verdict(server: DiscordServer, ada: Acting, bot: SampleBot) -> None:
    answer = await ada.command(
        "run local",
        channel_id=server.channel_id("general"),
        options={"script": File("a.py", b"print(1)"), "arguments": "x"},
    )
    await answer.acknowledged()
    assert answer.state == "deferred"
    await answer.answered()
    await server.wait_for(lambda event: event.content == "and a follow-up" and event.ephemeral)
    anchor = server.messages(server.channel_id("general"))[0]
    thread = server.channel(anchor.id)
    assert answer.content == f"see <#{thread.id}>" and answer.ephemeral
    assert answer.acknowledged_after is not None and 0 <= answer.acknowledged_after < 3
    assert thread.name == "a.py x" and thread.parent_id == server.channel_id("general")
    starter, status, lines, plot = server.messages(thread.id)
    assert int(starter.type) == 21
    assert status.content == "succeeded" and [one.content for one in status.history] == ["running", "succeeded"]
    assert lines.content == "```\nprint(1)\n```" and len(lines.edits) == 1
    assert server.attachment(plot.id, 0) == b"\x89PNG" and plot.attachments[0].filename == "plot.png"
    assert bot.problems == []
    assert all(entry.status and entry.status < 300 for entry in server.record)


async def test_the_record_has_every_request_with_its_time_and_no_token(
    server: DiscordServer, ada: Acting, bot: SampleBot
) -> None:
    await run_once(server, ada)
    routes = [entry.route for entry in server.record]
    assert "/interactions/{interaction_id}/{interaction_token}/callback" in routes
    assert "/channels/{channel_id}/messages/{message_id}/threads" in routes
    times = [entry.time for entry in server.record]
    assert times == sorted(times)
    hooks = [entry.path for entry in server.record if entry.path.startswith(("/webhooks", "/interactions"))]
    assert hooks and all("/***" in path for path in hooks)
    created = next(e for e in server.events if e.content == "running")
    request = next(entry for entry in server.record if "'content': 'running'" in str(entry.body))
    assert created.time == request.time and created.nonce == "run7-status"


async def test_a_persistent_button(server: DiscordServer, ada: Acting, bot: SampleBot) -> None:
    thread_id, status_id = await run_once(server, ada)
    with pytest.raises(CommandError, match="no component 'Stop'; it has"):
        await ada.press(status_id, channel_id=thread_id, label="Stop")
    answer = await ada.press(status_id, channel_id=thread_id, label="Cancel")
    await answer.answered()
    assert answer.content == "cancelling 7" and answer.ephemeral
    await server.wait_for(lambda event: event.event == "edit" and event.content == "run 7 cancelled")
    assert server.messages(thread_id)[1].components == []


async def test_autocomplete_and_modal(server: DiscordServer, ada: Acting, bot: SampleBot) -> None:
    general = server.channel_id("general")
    choices = await ada.autocomplete("cancel", channel_id=general, focused="run", value="1")
    assert choices == [{"name": "run 1", "value": "1"}, {"name": "run 12", "value": "12"}]
    opened = await (await ada.command("name", channel_id=general)).answered()
    assert opened.modal is not None and opened.modal["title"] == "Name"
    answer = await (await ada.submit(opened, {"name": "Ada"})).answered()
    assert answer.content == "hello Ada"


async def test_what_the_client_would_refuse_never_reaches_the_bot(
    server: DiscordServer, ada: Acting, bot: SampleBot
) -> None:
    general = server.channel_id("general")
    for name, options, message in (
        ("walk", {}, r"no command /walk; registered: /cancel, /later, /name, /run local, /silent, /survey"),
        ("run", {}, "/run is a group; there is: run local"),
        ("run local", {}, "needs the option 'script'"),
        ("run local", {"script": "a.py"}, "'script' takes a File"),
        ("cancel", {"run": "1", "force": True}, "has no option 'force'; it has: run"),
    ):
        with pytest.raises(CommandError, match=message):
            await ada.command(name, channel_id=general, options=options)
    with pytest.raises(CommandError, match="open a thread there"):
        await ada.command("name", channel_id=server.channel_id("questions"))


async def test_an_answer_after_three_seconds_is_too_late(server: DiscordServer, ada: Acting, bot: SampleBot) -> None:
    answer = await ada.command("later", channel_id=server.channel_id("general"))
    server.clock.advance(3.1)
    assert answer.state == "failed" and answer.content == "The application did not respond"
    bot.release.set()
    error = await bot.problem()
    assert isinstance(error, discord.NotFound) and error.code == 10062
    assert server.record[-1].error == "10062 Unknown interaction"


async def test_an_interaction_without_a_bot_fails_by_itself() -> None:
    async with DiscordServer(policy=Policy(ack_s=0.05)) as server:
        with pointed_at(server):
            async with SampleBot.running(server):
                pass
        answer = await server.member("ada").command("name", channel_id=server.channel_id("general"))
        await answer.answered()
        assert answer.failed == "The application did not respond"


@pytest.mark.parametrize("how", ["drop", "hard"])
async def test_resuming_replays_what_was_missed(server: DiscordServer, ada: Acting, bot: SampleBot, how: str) -> None:
    general = server.channel_id("general")
    if how == "drop":
        server.gateway.drop()
    else:
        server.gateway.disconnect_hard()
    await ada.say(general, "said while away")
    await server.gateway.wait_ready()
    assert (await bot.hear()).content == "said while away"
    await asyncio.wait_for(bot.resumed.wait(), 10)
    assert server.gateway.connections == server.gateway.sessions == 1


async def test_a_session_that_is_gone_means_logging_in_again(
    server: DiscordServer, ada: Acting, bot: SampleBot
) -> None:
    server.gateway.drop(resumable=False)
    await ada.say(server.channel_id("general"), "never heard")
    await server.gateway.wait_ready()
    await ada.say(server.channel_id("general"), "heard")
    assert (await bot.hear()).content == "heard"
    assert not bot.resumed.is_set()


async def test_the_client_waits_where_the_buckets_say_so(bot: SampleBot, server: DiscordServer) -> None:
    channel = bot.get_channel(server.channel_id("general"))
    assert isinstance(channel, discord.TextChannel)
    for number in range(7):
        await channel.send(f"line {number}")
    sent = [entry for entry in server.record if entry.route == "/channels/{channel_id}/messages"]
    assert [entry.status for entry in sent] == [200] * 7
    assert sent[5].time - sent[0].time >= 4.5


async def test_a_429_is_waited_for_and_repeated(server: DiscordServer, bot: SampleBot) -> None:
    server.faults.add(Fault(method="POST", route="/channels/{channel_id}/messages", status=429))
    channel = bot.get_channel(server.channel_id("general"))
    assert isinstance(channel, discord.TextChannel)
    await channel.send("once")
    assert [one.content for one in server.messages(channel.id)] == ["once"]
    assert [entry.status for entry in server.record][-2:] == [429, 200]


async def test_a_lost_answer_and_a_nonce_make_one_message(server: DiscordServer, bot: SampleBot) -> None:
    channel = bot.get_channel(server.channel_id("general"))
    assert isinstance(channel, discord.TextChannel)
    fault = Fault(route="/channels/{c}/messages", when="after", drop_connection=True)
    server.faults.add(fault)
    with pytest.raises(aiohttp.ClientError):
        await channel.send("first", nonce="n1")
    again = await channel.send("second", nonce="n1")
    assert again.content == "first" and again.nonce == "n1" and fault.hits == 1
    server.clock.advance(181)
    later = await channel.send("third", nonce="n1")
    assert later.id != again.id
    assert [one.content for one in server.messages(channel.id)] == ["first", "third"]
    assert [one.nonce async for one in channel.history()] == [None, None]


async def test_forum_posts_and_announcement_threads(server: DiscordServer, ada: Acting, bot: SampleBot) -> None:
    forum, news = bot.get_channel(server.channel_id("questions")), bot.get_channel(server.channel_id("news"))
    assert isinstance(forum, discord.ForumChannel) and isinstance(news, discord.TextChannel)
    made = await forum.create_thread(name="a post", content="its text")
    assert made.thread.id == made.message.id
    await made.thread.add_user(discord.Object(ada.user_id))
    anchor = await news.send("anchor")
    thread = await anchor.create_thread(name="below")
    assert thread.type is discord.ChannelType.news_thread and thread.id == anchor.id
    history = [one async for one in thread.history(oldest_first=True)]
    first = history[0]
    assert first.type is discord.MessageType.thread_starter_message
    assert first.reference is not None and first.reference.message_id == anchor.id
    post = server.start_post(forum.id, "by ada", "hello", owner=ada)
    heard = await bot.hear()
    while heard.content != "hello":
        heard = await bot.hear()
    assert heard.id == post and isinstance(heard.channel, discord.Thread)
    assert {one.name for one in await bot.guilds[0].active_threads()} == {"a post", "below", "by ada"}


async def test_a_command_in_a_thread_knows_it_is_in_one(server: DiscordServer, ada: Acting, bot: SampleBot) -> None:
    thread_id = server.start_thread(server.channel_id("general"), "talk", owner=ada)
    answer = await ada.command("cancel", channel_id=thread_id, options={"run": "3"})
    await answer.answered()
    assert answer.content == "cancelled 3"
    assert [one.content for one in server.messages(thread_id)] == ["cancelled 3"]


async def test_nickname_and_fetching(server: DiscordServer, ada: Acting, bot: SampleBot) -> None:
    guild = bot.guilds[0]
    await guild.me.edit(nick="Cluster Bot (Staging)")
    assert (await guild.fetch_member(server.bot_user_id)).nick == "Cluster Bot (Staging)"
    assert (await bot.fetch_user(ada.user_id)).name == "ada"
    assert (await bot.application_info()).id == server.application_id
    direct = await (await bot.fetch_user(ada.user_id)).send("psst")
    assert server.message(direct.id).guild_id is None
    message = await bot.get_partial_messageable(server.channel_id("general")).send("react")
    await message.add_reaction("🎉")
    assert (await message.fetch()).reactions[0].emoji == "🎉"
    await message.remove_reaction("🎉", guild.me)
    await message.delete()
    assert server.messages(server.channel_id("general")) == []


async def test_a_wrong_token(server: DiscordServer, pointed: None) -> None:
    client = SampleBot()
    with pytest.raises(discord.LoginFailure):
        await client.start("wrong")
    await client.close()
    assert server.record[0].status == 401


async def test_two_logins_with_one_token_both_hear(server: DiscordServer, ada: Acting, bot: SampleBot) -> None:
    async with SampleBot.running(server) as second:
        await ada.say(server.channel_id("general"), "hello both")
        heard = [(await one.hear()).content for one in (bot, second)]
        assert heard == ["hello both", "hello both"]


async def test_killed_at_a_border(server: DiscordServer, ada: Acting, pointed: None) -> None:
    """The bot ends at the moment its message has been made and before it hears so."""
    bot = SampleBot()
    task = asyncio.create_task(bot.start(server.bot_token))
    await server.gateway.wait_ready()
    ended = asyncio.Event()

    def kill(_request: object) -> None:
        task.cancel()
        ended.set()

    route = "/channels/{channel_id}/messages"
    server.faults.add(Fault(method="POST", route=route, when="after", skip=1, action=kill, drop_connection=True))
    await ada.command("run local", channel_id=server.channel_id("general"), options={"script": File("a.py", b"1")})
    await asyncio.wait_for(ended.wait(), 10)
    with suppress(asyncio.CancelledError):
        await task
    await bot.close()
    thread = server.threads()[0]
    assert [one.content for one in server.messages(thread.id)] == ["", "running"]
    async with SampleBot.running(server):
        await server.gateway.wait_ready(logins=2)
    assert server.gateway.logins == 2
