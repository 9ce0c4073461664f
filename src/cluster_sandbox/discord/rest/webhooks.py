"""What the bot may do with an interaction's token for fifteen minutes: the original answer and follow-ups."""

from __future__ import annotations

from ..errors import api_error
from ..interactions import Interaction
from ..limits import check_message
from ..model import Json
from .route import Answer, Call, Routes

routes = Routes()
HOOK = "/webhooks/{application_id}/{interaction_token}"
ORIGINAL = HOOK + "/messages/@original"
ONE = HOOK + "/messages/{message_id}"


def _interaction(call: Call) -> Interaction:
    return call.service.interactions.for_webhook(call.id("application_id"), call.params["interaction_token"])


@routes("POST", HOOK, auth=False, limit="webhook")
def follow_up(call: Call) -> Answer:
    interaction = _interaction(call)
    check_message(call.json, call.files, call.service.policy)
    message = call.service.interactions.follow_up(interaction, call.json, call.files, at=call.at)
    # For an application's own webhook the message always comes back, whatever `wait` says.
    return Answer(200, call.service.payloads.message(message))


@routes("GET", ORIGINAL, auth=False, limit="webhook")
def get_original(call: Call) -> Json:
    interactions = call.service.interactions
    return call.service.payloads.message(interactions.original(_interaction(call)))


@routes("PATCH", ORIGINAL, auth=False, limit="webhook")
def edit_original(call: Call) -> Json:
    interactions, interaction = call.service.interactions, _interaction(call)
    flags = interactions.original(interaction).flags
    check_message(call.json, call.files, call.service.policy, flags=flags)
    message = interactions.edit_original(interaction, call.json, call.files, at=call.at)
    return call.service.payloads.message(message)


@routes("DELETE", ORIGINAL, auth=False, limit="webhook")
def delete_original(call: Call) -> None:
    interactions, interaction = call.service.interactions, _interaction(call)
    interactions.delete(interaction, interactions.original(interaction), at=call.at)


@routes("GET", ONE, auth=False, limit="webhook")
def get_followup(call: Call) -> Json:
    interactions, interaction = call.service.interactions, _interaction(call)
    return call.service.payloads.message(interactions.message_of(interaction, call.id("message_id")))


@routes("PATCH", ONE, auth=False, limit="webhook")
def edit_followup(call: Call) -> Json:
    interactions, interaction = call.service.interactions, _interaction(call)
    message = interactions.message_of(interaction, call.id("message_id"))
    if message is interaction.original:
        return edit_original(call)  # type: ignore[no-any-return]
    check_message(call.json, call.files, call.service.policy, flags=message.flags)
    call.service.messaging.edit(message, call.json, call.files, at=call.at)
    return call.service.payloads.message(message)


@routes("DELETE", ONE, auth=False, limit="webhook")
def delete_followup(call: Call) -> None:
    interactions, interaction = call.service.interactions, _interaction(call)
    message = interactions.message_of(interaction, call.id("message_id"))
    if message.author.id != call.service.world.bot.id:
        raise api_error("missing_permissions")
    interactions.delete(interaction, message, at=call.at)
