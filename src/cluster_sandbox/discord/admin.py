"""What the admins of a guild do: members come and go, roles are given, threads and messages are taken away.

`DiscordServer.admin` is one of these; `admin_api.py` lets other processes have it.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import permissions
from .gateway import Intent
from .members import Acting
from .model import Channel, Guild, Json, MessageFlag, Role
from .service import Service


class Admin:
    """Acts in any guild; where none is named, in `guild_id`. Ids may be text."""

    def __init__(self, service: Service, guild_id: int) -> None:
        self._service = service
        self._guild_id = guild_id

    # --- members and roles --------------------------------------------------------------------------

    def kick(self, member: Acting, *, guild_id: int | str | None = None) -> None:
        """Take a member out of a guild and its threads; they can't act there until they `rejoin`."""
        member.leave(self._guild(guild_id))

    def rejoin(self, member: Acting, *, guild_id: int | str | None = None) -> None:
        """Let one who left, or was kicked, in again; without the roles they had."""
        guild = self._guild(guild_id)
        member.left.discard(guild.id)
        member.join(guild)

    def give_role(
        self, member: Acting, name: str, names: Iterable[str] = (), *, guild_id: int | str | None = None
    ) -> int:
        """Give a member the role of that name, made with these permissions where there is none; its id."""
        guild = self._guild(guild_id)
        role = self._role(guild, name)
        if role is None:
            role = self._service.world.add_role(guild, name, permissions.bits(names))
            shape = {"guild_id": str(guild.id), "role": self._service.payloads.role(role)}
            self._service.gateway.dispatch("GUILD_ROLE_CREATE", shape, Intent.GUILDS)
        roles = guild.members[member.user_id].roles
        if role.id not in roles:
            roles.append(role.id)
        self._changed(guild, member)
        return role.id

    def take_role(self, member: Acting, name: str, *, guild_id: int | str | None = None) -> None:
        """Take a role from a member; ValueError where they do not have it."""
        guild = self._guild(guild_id)
        role = self._role(guild, name)
        if role is None or role.id not in guild.members[member.user_id].roles:
            raise ValueError(f"{member.name} has no role {name!r}")
        guild.members[member.user_id].roles.remove(role.id)
        self._changed(guild, member)

    def let_use(self, role_id: int | str, command: str, *, guild_id: int | str | None = None) -> None:
        """Let a role see a command that only some see by default, as under Server Settings, Integrations."""
        self._guild(guild_id).commands_of_roles.setdefault(int(role_id), set()).add(command)

    def _changed(self, guild: Guild, member: Acting) -> None:
        shape = self._service.payloads.member(guild.members[member.user_id])
        self._service.gateway.dispatch(
            "GUILD_MEMBER_UPDATE", {**shape, "guild_id": str(guild.id)}, Intent.GUILD_MEMBERS
        )

    # --- threads and messages -----------------------------------------------------------------------

    def change_thread(self, thread_id: int | str, *, archived: bool, locked: bool) -> None:
        """Archive, open, lock or unlock: messages open an archived thread again, unless it is locked."""
        self._service.threads.update(self._thread(thread_id), {"archived": archived, "locked": locked})

    def archive(self, thread_id: int | str, *, locked: bool = False) -> None:
        """Archive a thread, and lock it where `locked`."""
        self.change_thread(thread_id, archived=True, locked=locked)

    def delete_thread(self, thread_id: int | str) -> None:
        """Delete a thread with all its messages; the one it hangs from stays."""
        thread, world = self._thread(thread_id), self._service.world
        del world.channels[thread.id]
        del world.messages[thread.id]
        start = world.messages.get(thread.parent_id or 0, {}).get(thread.id)
        if start is not None:
            start.thread_id = None
            start.flags &= ~MessageFlag.HAS_THREAD
        gone = {"id": thread.id, "guild_id": thread.guild_id, "parent_id": thread.parent_id}
        shape: Json = {key: str(value) for key, value in gone.items()}
        self._service.gateway.dispatch("THREAD_DELETE", {**shape, "type": int(thread.type)}, Intent.GUILDS)

    def delete_message(self, channel_id: int | str, message_id: int | str) -> None:
        """Delete a message; ApiError where there is none that everyone sees."""
        self._service.messaging.delete(self._service.world.message(int(channel_id), int(message_id)))

    # --- parts --------------------------------------------------------------------------------------

    def _guild(self, guild_id: int | str | None) -> Guild:
        return self._service.world.guild(int(guild_id or self._guild_id))

    @staticmethod
    def _role(guild: Guild, name: str) -> Role | None:
        return next((one for one in guild.roles.values() if one.name == name), None)

    def _thread(self, thread_id: int | str) -> Channel:
        thread = self._service.world.channel(int(thread_id))
        if thread.thread is None:
            raise ValueError(f"{thread.name!r} is no thread")
        return thread
