"""The forms: a program typed or pasted, and a program in a message that somebody wants to run.

Used by `/run paste`, by the message command and by the listener that takes what was filled in. A form knows nothing:
what is filled in arrives as an interaction of its own, perhaps in another life of the bot. Code is in the form itself
where there is one program and it is text; else the form names, by a token, what this life remembers of the message.
Fetching the message again would not help, since Discord shows its content only to who was asked about it.
"""

import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, cast

import discord
from discord import ui

from cluster_bot.discord_bot import messages
from cluster_bot.discord_bot.access import orders_of
from cluster_bot.discord_bot.code_blocks import blocks, guess, pasted
from cluster_bot.discord_bot.error_reply import GivenBack, reply_to_error
from cluster_bot.discord_bot.intake import Asked, Intake
from cluster_bot.discord_bot.places import Place, place_of, places, preselected
from cluster_bot.discord_bot.sent import Attached, Sent, Typed, download
from cluster_bot.runs.refusals import Refusal, refuse
from cluster_bot.runs.spec import Language, is_program
from cluster_bot.runs.unzip import is_zip
from cluster_bot.scheduling.scheduler import Scheduler

FORM, AGAIN = "form:", "form-again"
CODE, WHICH, MAIN, LANGUAGE = "code", "which", "main", "language"
WHERE, ARGUMENTS, TIME_LIMIT = "where", "arguments", "time_limit"
# Discord's bounds.
LONGEST_CODE, MOST_CHOICES, LONGEST_TITLE = 4000, 25, 45
LONGEST_ARGUMENTS, LONGEST_TIME, LONGEST_PATH = 1000, 9, 200
# Messages and members that this life of the bot remembers.
REMEMBERED = 500
# The library keeps a form, and buttons, in memory for so long; they are answered at any time.
FORM_S = 900.0
_ENDINGS = {Language.PYTHON: ".py", Language.CPP: ".cpp", Language.CUDA: ".cu"}
_BESIDE = frozenset({".h", ".hh", ".hpp", ".hxx", ".inl", ".inc", ".cuh"})


@dataclass(frozen=True, slots=True)
class Piece:
    """One program of a message: how it is called among others, and its code or its files."""

    label: str
    language: Language | None = None
    code: str = ""
    files: Sequence[discord.Attachment] = ()

    def sent(self, language: Language | None = None, main: str | None = None) -> Sent:
        """As it is handed in: code in a language, if not in the one it was found to be in; of a .zip, the main file."""
        if self.files:
            return Attached(self.files, main if self.is_zip else None)
        return typed(self.code, language or self.language)

    @property
    def is_zip(self) -> bool:
        """Whether it has to be unpacked, and so may hold several programs."""
        return any(is_zip(one.filename) for one in self.files)


class Forms:
    """Opens forms and takes what is filled in."""

    def __init__(self, scheduler: Scheduler, intake: Intake) -> None:
        self._scheduler = scheduler
        self._intake = intake
        self._messages: OrderedDict[str, Sequence[Piece]] = OrderedDict()
        # What members filled in last, but for the code.
        self._last: OrderedDict[int, Mapping[str, str]] = OrderedDict()

    async def open_empty(self, interaction: discord.Interaction) -> None:
        """Answer with a form to type or paste a program into. Raises UserError."""
        self._intake.check_submitter(interaction)
        form = self._form(messages.FORM_TITLE, "")
        form.add_item(_code(""))
        form.add_item(_languages(None))
        await self._send(interaction, form, None)

    async def open_for(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """Answer with a form to run what is in `message`. Raises UserError."""
        self._intake.check_submitter(interaction)
        found = pieces(message)
        if not found:
            raise refuse(Refusal.NOTHING_TO_RUN)
        first = found[0]
        if len(found) > 1:
            form = self._form(messages.RUN_THIS_CODE, self._remember(found))
            form.add_item(
                _select(WHICH, messages.WHICH_LABEL, [(str(n), one.label, "") for n, one in enumerate(found)])
            )
            # A form has room for five fields, and three are those of all forms.
            if any(one.code for one in found):
                form.add_item(_languages(None))
            elif any(one.is_zip for one in found):
                form.add_item(_main())
        elif first.code and len(first.code) <= LONGEST_CODE:
            form = self._form(messages.RUN_THIS_CODE, "")
            form.add_item(_code(first.code))
            form.add_item(_languages(first.language))
        else:
            first.sent().check()
            form = self._form(messages.FORM_OF_ONE.format(name=first.label), self._remember(found))
            if first.is_zip:
                form.add_item(_main())
        await self._send(interaction, form, first.language)

    async def hear(self, interaction: discord.Interaction) -> None:
        """Take what was filled in, or open the form again; what is no form of ours is let pass."""
        data = cast(Mapping[str, Any], interaction.data or {})
        custom_id = str(data.get("custom_id", ""))
        filled: Mapping[str, str] = {}
        try:
            if interaction.type is discord.InteractionType.modal_submit and custom_id.startswith(FORM):
                filled = _filled(data)
                await self._intake.enter(interaction)
                await self._take(interaction, custom_id.removeprefix(FORM), filled)
            elif interaction.type is discord.InteractionType.component and custom_id == AGAIN:
                await self._intake.enter(interaction)
                await self._open_again(interaction)
        except Exception as error:
            # The border of a form, as the command tree is one for commands.
            await reply_to_error(interaction, error, typed=_given_back(filled))

    async def _take(self, interaction: discord.Interaction, token: str, filled: Mapping[str, str]) -> None:
        self._last[interaction.user.id] = {name: text for name, text in filled.items() if name != CODE}
        _forget(self._last)
        sent = self._sent(token, filled)
        place, prefer = place_of(filled.get(WHERE, ""))
        limit = _seconds(filled.get(TIME_LIMIT, ""))
        asked = Asked(place.launcher, place.gpu, filled.get(ARGUMENTS, ""), limit, prefer)
        await self._intake.take(interaction, asked, sent)

    async def _open_again(self, interaction: discord.Interaction) -> None:
        """Answer the button under a refusal: the code is in the file there, the rest is remembered, or not."""
        self._intake.check_submitter(interaction)
        files = interaction.message.attachments if interaction.message is not None else []
        if not files:
            raise refuse(Refusal.NO_CODE)
        text = (await download(files[0])).decode("utf-8", "replace")
        before = self._last.get(interaction.user.id, {})
        form = self._form(messages.FORM_TITLE, "")
        form.add_item(_code(text[:LONGEST_CODE]))
        form.add_item(_languages(_language(before)))
        await self._send(interaction, form, None, before)

    def _sent(self, token: str, filled: Mapping[str, str]) -> Sent:
        if CODE in filled:
            return _typed(filled[CODE], filled)
        which = filled.get(WHICH, "0")
        found = self._messages.get(token, ())
        if not which.isdecimal() or int(which[:4]) >= len(found):
            raise refuse(Refusal.FORM_OF_BEFORE)
        return found[int(which[:4])].sent(_language(filled), filled.get(MAIN, "").strip() or None)

    def _form(self, title: str, token: str) -> ui.Modal:
        return ui.Modal(title=title[:LONGEST_TITLE], timeout=FORM_S, custom_id=f"{FORM}{token}")

    async def _send(
        self,
        interaction: discord.Interaction,
        form: ui.Modal,
        language: Language | None,
        before: Mapping[str, str] | None = None,
    ) -> None:
        """Show the form, with what all forms ask for; `before`: what was filled in and refused."""
        found, before = places(await self._scheduler.all_offers(orders_of(interaction))), before or {}
        if not found:
            raise refuse(Refusal.NOTHING_ON_OFFER)
        last = self._last.get(interaction.user.id, {}).get(WHERE)
        form.add_item(_where(found, preselected(found, language, last)))
        limits = self._intake.limits_of(interaction)
        arguments = ui.TextInput[ui.Modal](
            custom_id=ARGUMENTS, required=False, max_length=LONGEST_ARGUMENTS, default=before.get(ARGUMENTS) or None
        )
        form.add_item(_label(messages.ARGUMENTS_LABEL, arguments, messages.ARGUMENTS_HELP))
        time_limit = ui.TextInput[ui.Modal](
            custom_id=TIME_LIMIT,
            required=False,
            max_length=LONGEST_TIME,
            placeholder=str(limits.usual_time_limit_s),
            default=before.get(TIME_LIMIT) or None,
        )
        help_text = messages.TIME_LIMIT_HELP.format(longest=limits.max_time_limit_s)
        form.add_item(_label(messages.TIME_LIMIT_LABEL, time_limit, help_text))
        await interaction.response.send_modal(form)

    def _remember(self, found: Sequence[Piece]) -> str:
        token = secrets.token_hex(8)
        self._messages[token] = found
        _forget(self._messages)
        return token


def pieces(message: discord.Message) -> list[Piece]:
    """The programs of a message, and of what was forwarded with it: its code blocks, then its attached files."""
    parts: list[discord.Message | discord.MessageSnapshot] = [message, *message.message_snapshots]
    code = [block for part in parts for block in blocks(part.content)]
    found = [
        Piece(messages.block_name(n, block.language, block.code), block.language, block.code)
        for n, block in enumerate(code, 1)
    ]
    for part in parts:
        beside = [one for one in part.attachments if is_program(one.filename) or _ending(one) in _BESIDE]
        for one in part.attachments:
            if is_zip(one.filename):
                found.append(Piece(messages.file_name(one.filename, 0), files=[one]))
            elif is_program(one.filename):
                # Two files of one message may share their name; those of a run may not.
                others = list({other.filename.lower(): other for other in beside if other is not one}.values())
                others = [other for other in others if other.filename.lower() != one.filename.lower()]
                found.append(Piece(messages.file_name(one.filename, len(others)), files=[one, *others]))
    return found[:MOST_CHOICES]


def typed(code: str, language: Language | None) -> Typed:
    """A program that came as text, under a name that says its language."""
    return Typed(f"paste{_ENDINGS[language or guess(code)]}", code)


def _typed(text: str, filled: Mapping[str, str]) -> Typed:
    block = pasted(text)
    return typed(block.code, _language(filled) or block.language)


def _given_back(filled: Mapping[str, str]) -> GivenBack | None:
    """What was typed into a form that was refused; what came from a message is still there."""
    text = filled.get(CODE, "")
    if not text.strip():
        return None
    buttons = ui.View(timeout=FORM_S)
    buttons.add_item(ui.Button[ui.View](label=messages.AGAIN_BUTTON, custom_id=AGAIN))
    return GivenBack(_typed(text, filled).name, text, buttons)


def _language(filled: Mapping[str, str]) -> Language | None:
    chosen = filled.get(LANGUAGE, "")
    return Language(chosen) if chosen in list(Language) else None


def _seconds(text: str) -> int | None:
    """What was typed as a time limit; what is no number becomes one that no run may have."""
    plain = text.strip()
    if not plain:
        return None
    return int(plain) if plain.isdecimal() and len(plain) <= LONGEST_TIME else 0


def _filled(data: Mapping[str, Any]) -> dict[str, str]:
    """What each field holds, by its custom id; of a menu, the choice."""
    found: dict[str, str] = {}
    for row in data.get("components", ()):
        for one in (row.get("component"), *row.get("components", ())):
            if one is not None:
                values = one.get("values") or [one.get("value")]
                if isinstance(values[0], str):
                    found[str(one.get("custom_id"))] = values[0]
    return found


def _code(text: str) -> ui.Label[ui.Modal]:
    box = ui.TextInput[ui.Modal](
        custom_id=CODE,
        style=discord.TextStyle.paragraph,
        max_length=LONGEST_CODE,
        default=text or None,
        placeholder=messages.CODE_HINT,
    )
    return _label(messages.CODE_LABEL, box)


def _languages(chosen: Language | None) -> ui.Label[ui.Modal]:
    """Without a choice, what the code says of itself."""
    options = [(one.value, words, "") for one, words in messages.LANGUAGES.items()]
    if chosen is None:
        options.insert(0, ("any", messages.TOLD_BY_THE_CODE, ""))
    return _select(LANGUAGE, messages.LANGUAGE_LABEL, options, "any" if chosen is None else chosen.value)


def _main() -> ui.Label[ui.Modal]:
    box = ui.TextInput[ui.Modal](custom_id=MAIN, required=False, max_length=LONGEST_PATH)
    return _label(messages.MAIN_LABEL, box, messages.MAIN_HELP)


def _where(found: Sequence[Place], chosen: str) -> ui.Label[ui.Modal]:
    return _select(WHERE, messages.WHERE_LABEL, found, chosen)


def _select(
    custom_id: str, label: str, options: Sequence[tuple[str, str, str]], chosen: str = "0"
) -> ui.Label[ui.Modal]:
    made = [
        discord.SelectOption(value=value, label=words, description=about or None, default=value == chosen)
        for value, words, about in options
    ]
    return _label(label, ui.Select[ui.Modal](custom_id=custom_id, options=made))


def _label(text: str, component: ui.Item[ui.Modal], about: str | None = None) -> ui.Label[ui.Modal]:
    return ui.Label(text=text, component=component, description=about)


def _ending(one: discord.Attachment) -> str:
    return PurePosixPath(one.filename).suffix.lower()


def _forget(remembered: OrderedDict[Any, Any]) -> None:
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)
