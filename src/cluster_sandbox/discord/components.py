"""Components of messages: rows of buttons and menus, and the layouts of version two. Pure.

`limits.py` checks what the bot sends with them, `members.py` looks for what can be pressed, `payloads.py` writes them
as the service does: numbered, and with the addresses of the files they show.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from .errors import FormErrors, form_error
from .modals import check_options
from .model import Json, Message, MessageFlag

ROWS = 5
V2_COMPONENTS = 40
V2_TEXT = 4000
CUSTOM_ID = 100
ROW, BUTTON, SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER = 1, 2, 9, 10, 11, 12, 13, 14, 17
STRING_SELECT = 3
SELECTS = (STRING_SELECT, 5, 6, 7, 8)
IN_CONTAINER = (ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR)
ATTACHED = "attachment://"


def walk(components: object) -> list[Json]:
    """Every component of a message, nested ones and accessories included, in reading order."""
    found: list[Json] = []
    for one in components if isinstance(components, list) else []:
        if isinstance(one, dict):
            found.append(one)
            found += walk(one.get("components"))
            found += walk([one["accessory"]] if isinstance(one.get("accessory"), dict) else None)
    return found


def check_components(components: object, errors: FormErrors, *, v2: bool) -> None:
    """Add to `errors` what is wrong with the components of a message; `v2`: the message has the flag."""
    if not errors.count("components", components, V2_COMPONENTS if v2 else ROWS):
        return
    assert isinstance(components, list)
    for index, top in enumerate(components):
        _check_one(f"components.{index}", top, errors, (*IN_CONTAINER, CONTAINER) if v2 else (ROW,))
    everything = walk(components)
    ids = [one["custom_id"] for one in everything if "custom_id" in one]
    for repeated in {one for one in ids if ids.count(one) > 1}:
        message = f"Component custom id cannot be duplicated: {repeated}"
        errors.add("components", "COMPONENT_CUSTOM_ID_DUPLICATED", message)
    if v2 and len(everything) > V2_COMPONENTS:
        errors.add("components", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {V2_COMPONENTS} in length.")
    if v2 and sum(len(one.get("content") or "") for one in everything if one.get("type") == TEXT) > V2_TEXT:
        message = f"The total text size cannot exceed {V2_TEXT} characters."
        errors.add("components", "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", message)


def _check_one(path: str, one: object, errors: FormErrors, allowed: tuple[int, ...]) -> None:
    if not isinstance(one, dict):
        errors.add(path, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
        return
    kind = one.get("type")
    errors.choice(f"{path}.type", kind, allowed)
    if kind not in allowed:
        return
    if kind == ROW:
        _check_row(path, one, errors)
    elif kind == BUTTON:
        _check_button(path, one, errors)
    elif kind == TEXT:
        errors.length(f"{path}.content", one.get("content"), 1, V2_TEXT, required=True)
    elif kind == SEPARATOR and one.get("spacing") is not None:
        errors.choice(f"{path}.spacing", one["spacing"], (1, 2))
    elif kind == SECTION:
        _check_section(path, one, errors)
    elif kind == CONTAINER:
        _check_container(path, one, errors)
    elif kind in (GALLERY, THUMBNAIL, FILE):
        _check_media(path, one, errors)


def _children(path: str, one: Json, most: int, errors: FormErrors) -> Iterator[tuple[str, object]]:
    children = one.get("components")
    if not isinstance(children, list) or not 1 <= len(children) <= most:
        errors.add(f"{path}.components", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {most} in length.")
        return
    for index, child in enumerate(children):
        yield f"{path}.components.{index}", child


def _check_section(path: str, section: Json, errors: FormErrors) -> None:
    for here, child in _children(path, section, 3, errors):
        _check_one(here, child, errors, (TEXT,))
    if section.get("accessory") is None:
        errors.add(f"{path}.accessory", "BASE_TYPE_REQUIRED", "This field is required")
    else:
        _check_one(f"{path}.accessory", section["accessory"], errors, (BUTTON, THUMBNAIL))


def _check_container(path: str, container: Json, errors: FormErrors) -> None:
    color = container.get("accent_color")
    if color is not None and (not isinstance(color, int) or not 0 <= color <= 0xFFFFFF):
        errors.add(f"{path}.accent_color", "NUMBER_TYPE_MAX", "int value should be between 0 and 16777215.")
    for here, child in _children(path, container, V2_COMPONENTS, errors):
        _check_one(here, child, errors, IN_CONTAINER)


def _check_media(path: str, one: Json, errors: FormErrors) -> None:
    if one.get("type") == GALLERY:
        items = one.get("items")
        if not isinstance(items, list) or not 1 <= len(items) <= 10:
            errors.add(f"{path}.items", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 10 in length.")
            return
        places = [(f"{path}.items.{index}", item, "media") for index, item in enumerate(items)]
    else:
        places = [(path, one, "file" if one["type"] == FILE else "media")]
    for here, item, key in places:
        errors.length(f"{here}.description", item.get("description"), 0, 1024)
        url = (item.get(key) or {}).get("url")
        schemes = (ATTACHED,) if key == "file" else (ATTACHED, "http://", "https://")
        if not isinstance(url, str) or not url:
            errors.add(f"{here}.{key}.url", "BASE_TYPE_REQUIRED", "This field is required")
        elif not url.startswith(schemes):
            listed = ", ".join(repr(one) for one in schemes)
            errors.add(f"{here}.{key}.url", "URL_TYPE_INVALID_SCHEME", f"Scheme must be one of ({listed}).")


def _check_row(path: str, row: Json, errors: FormErrors) -> None:
    children = list(_children(path, row, 5, errors))
    kinds = [child.get("type") for _, child in children if isinstance(child, dict)]
    if len(children) > 1 and any(kind in SELECTS for kind in kinds):
        errors.add(f"{path}.components", "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "The specified component exceeds")
    for here, child in children:
        _check_one(here, child, errors, (BUTTON, *SELECTS))
        if isinstance(child, dict) and child.get("type") in SELECTS:
            _check_select(here, child, errors)


def _check_select(path: str, select: Json, errors: FormErrors) -> None:
    errors.length(f"{path}.custom_id", select.get("custom_id"), 1, CUSTOM_ID, required=True)
    errors.length(f"{path}.placeholder", select.get("placeholder"), 0, 150)
    if select.get("type") == STRING_SELECT:
        check_options(select.get("options"), f"{path}.options", errors)


def _check_button(path: str, button: Json, errors: FormErrors) -> None:
    errors.choice(f"{path}.style", button.get("style"), (1, 2, 3, 4, 5, 6))
    errors.length(f"{path}.label", button.get("label"), 0, 80)
    if button.get("style") == 5:
        errors.length(f"{path}.url", button.get("url"), 1, 512, required=True)
        if "custom_id" in button:
            errors.add(path, "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", "A custom id and url")
    else:
        errors.length(f"{path}.custom_id", button.get("custom_id"), 1, CUSTOM_ID, required=True)
    if not button.get("label") and not button.get("emoji"):
        message = "A button must have a label or an emoji."
        errors.add(path, "BUTTON_COMPONENT_INVALID_EMOJI_LABEL", message)


# --- with the message around them --------------------------------------------------------------------------------


def media(components: object) -> Iterator[Json]:
    """Every `{"url"}` that the components of a message show."""
    for one in walk(components):
        for item in [one, *(one.get("items") or [])]:
            yield from (found for key in ("media", "file") if isinstance(found := item.get(key), dict))


def check_whole(message: Message) -> None:
    """Raise 50035 where a message, as it would be now, mixes the versions or shows a file it does not have."""
    if message.flags & MessageFlag.COMPONENTS_V2:
        for name in ("content", "embeds"):
            if getattr(message, name):
                text = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
                raise form_error(name, "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", text)
    names: Collection[str] = [one.filename for one in message.attachments]
    for one in media(message.components):
        url = str(one.get("url"))
        if url.startswith(ATTACHED) and url.removeprefix(ATTACHED) not in names:
            text = f"The referenced attachment {url.removeprefix(ATTACHED)!r} was not found"
            raise form_error("components", "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND", text)


def written(message: Message, address: Callable[[str], Json]) -> list[Json]:
    """The components as the service writes them; `address` by name is a file of the message as the API has it."""
    if not message.flags & MessageFlag.COMPONENTS_V2:
        return message.components
    taken = {one["id"] for one in walk(message.components) if one.get("id")}
    numbers = (number for number in range(1, 1000) if number not in taken)
    return [_written(one, numbers, address) for one in message.components]


def _written(one: Json, numbers: Iterator[int], address: Callable[[str], Json]) -> Json:
    shape = {**one, "id": one.get("id") or next(numbers)}
    for key in ("media", "file"):
        if key in shape:
            shape[key] = _shown(shape[key], address)
    if shape["type"] == FILE:
        attached = address(str(one["file"]["url"]).removeprefix(ATTACHED))
        shape |= {"name": attached["filename"], "size": attached["size"]}
    if "items" in shape:
        shape["items"] = [{**item, "media": _shown(item["media"], address)} for item in shape["items"]]
    if "components" in shape:
        shape["components"] = [_written(child, numbers, address) for child in shape["components"]]
    if isinstance(shape.get("accessory"), dict):
        shape["accessory"] = _written(shape["accessory"], numbers, address)
    return shape


def _shown(item: Json, address: Callable[[str], Json]) -> Json:
    url = str(item["url"])
    if not url.startswith(ATTACHED):
        return {**item, "proxy_url": url, "loading_state": 2}
    attached = address(url.removeprefix(ATTACHED))
    return {
        **item,
        "url": attached["url"],
        "proxy_url": attached["url"],
        "content_type": attached["content_type"],
        "attachment_id": attached["id"],
        "loading_state": 2,
    }
