"""The bot's first reaction to an interaction. Needs no token but the interaction's own."""

from __future__ import annotations

from ..errors import FormErrors, form_error
from ..interactions import Reaction
from ..limits import check_message, require_dict
from ..modals import check_modal
from ..model import Json
from .route import Answer, Call, Routes

routes = Routes()


@routes("POST", "/interactions/{interaction_id}/{interaction_token}/callback", auth=False, limit="none")
def callback(call: Call) -> Answer:
    interactions = call.service.interactions
    interaction = interactions.for_callback(call.id("interaction_id"), call.params["interaction_token"])
    kind, data = call.json.get("type"), require_dict(call.json.get("data") or {})
    if not isinstance(kind, int):
        raise form_error("type", "BASE_TYPE_REQUIRED", "This field is required")
    if kind in (Reaction.MESSAGE, Reaction.UPDATE):
        flags = interaction.source.flags if interaction.source and kind == Reaction.UPDATE else None
        check_message(data, call.files, call.service.policy, flags=flags)
    elif kind == Reaction.CHOICES:
        _check_choices(data)
    elif kind == Reaction.MODAL:
        check_modal(data)
    body = interactions.respond(interaction, kind, data, call.files, at=call.at)
    # Without the query parameter the real service answers 204; discord.py always asks for the body.
    return Answer(200, body) if call.flag("with_response") else Answer(204)


def _check_choices(data: Json) -> None:
    errors = FormErrors()
    choices = data.get("choices")
    if errors.count("data.choices", choices, 25) and isinstance(choices, list):
        for index, choice in enumerate(choices):
            errors.length(f"data.choices.{index}.name", choice.get("name"), 1, 100, required=True)
            value = choice.get("value")
            if isinstance(value, str):
                errors.length(f"data.choices.{index}.value", value, 1, 100)
    errors.raise_if_any()
