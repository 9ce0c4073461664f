"""Reads workflow and action files: the part of YAML 1.2 they are written in.

Block and flow mappings and lists, plain and quoted scalars on one line, `|` and `>` texts, comments. `on` and `yes`
stay words, as GitHub reads them. Anchors, tags, several documents and plain scalars over several lines are refused with
the line: what is not understood must not be executed as something else. `act` parses the same file once more, in full.
"""

from __future__ import annotations

import json
import re
from typing import Any

KEY = re.compile(
    r"""(?P<key>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s\[\]{}#&*!|>'"%@`,?:-][^#]*?|-[^\s#][^#]*?)\s*:(?=\s|$)"""
)
BLOCK_TEXT = re.compile(r"(?P<style>[|>])(?P<chomp>[+-]?)\s*(?:#.*)?$")
INTEGER = re.compile(r"[-+]?[0-9]+")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class YamlError(ValueError):
    """The text is not of the YAML understood here; the message names the line."""


def read(text: str) -> Any:
    """The value of a document: dicts, lists, str, int, float, bool, None. YamlError says where it cannot."""
    return _Reader(text).document()


def _strip_comment(text: str) -> str:
    """`text` without a comment at its end; a # within quotes or a word is none."""
    quote = ""
    for at, char in enumerate(text):
        if quote:
            if char == quote and not (quote == '"' and text[at - 1] == "\\"):
                quote = ""
        elif char in "'\"" and (at == 0 or text[at - 1] in " [{,:"):
            quote = char
        elif char == "#" and (at == 0 or text[at - 1] in " \t"):
            return text[:at].rstrip()
    return text.rstrip()


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = text.lstrip("\ufeff").splitlines()
        self._at = 0

    def document(self) -> Any:
        if self._peek() is not None and self._lines[self._at].strip() == "---":
            self._at += 1
        first = self._peek()
        value = None if first is None else self._block(first)
        if self._peek() is not None:
            raise self._error("this line belongs to nothing above it")
        return value

    def _error(self, what: str) -> YamlError:
        return YamlError(f"line {self._at + 1}: {what}")

    def _peek(self) -> int | None:
        """The indentation of the next line that says something, None at the end."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            stripped = line.lstrip(" ")
            if stripped.startswith("\t"):
                raise self._error("a tab cannot indent")
            if stripped and not stripped.startswith("#"):
                return len(line) - len(stripped)
            self._at += 1
        return None

    def _block(self, indent: int) -> Any:
        content = _strip_comment(self._lines[self._at][indent:])
        if content == "-" or content.startswith("- "):
            return self._list(indent)
        if KEY.match(content):
            return self._mapping(indent)
        self._at += 1
        return self._scalar(content)

    def _list(self, indent: int) -> list[Any]:
        items: list[Any] = []
        while self._peek() == indent:
            line = self._lines[self._at]
            content = _strip_comment(line[indent:])
            if content != "-" and not content.startswith("- "):
                break
            rest = content[1:].strip()
            if rest and not rest.startswith(("|", ">", "[", "{")) and (KEY.match(rest) or rest.startswith("- ")):
                # `- key: value`: a block whose first line begins after the dash.
                inner = len(line) - len(line[indent + 1 :].lstrip(" "))
                self._lines[self._at] = " " * inner + line[inner:]
                items.append(self._block(inner))
            else:
                items.append(self._value(rest, indent))
        return items

    def _mapping(self, indent: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._peek() == indent:
            content = _strip_comment(self._lines[self._at][indent:])
            match = KEY.match(content)
            if match is None:
                raise self._error("expected `key: value`")
            key = match["key"]
            key = str(self._quoted(key)) if key[0] in "'\"" else key
            if key in found:
                raise self._error(f"{key} is there twice")
            found[key] = self._value(content[match.end() :].strip(), indent, in_mapping=True)
        return found

    def _value(self, rest: str, indent: int, *, in_mapping: bool = False) -> Any:
        """What follows a colon or a dash on this line, or stands indented below it."""
        if rest == "":
            self._at += 1
            below = self._peek()
            if below is None or below < indent or (below == indent and not in_mapping):
                return None
            if below == indent and not self._lines[self._at][indent:].startswith("-"):
                return None
            return self._block(below)
        if match := BLOCK_TEXT.match(rest):
            self._at += 1
            return self._text(indent, match["style"], match["chomp"])
        if rest[0] in "[{":
            return self._flow_lines(rest)
        self._at += 1
        value = self._scalar(rest)
        below = self._peek()
        if below is not None and below > indent:
            raise self._error("a plain value over several lines is not understood here; use | or >")
        return value

    def _text(self, indent: int, style: str, chomp: str) -> str:
        lines: list[str] = []
        inner: int | None = None
        while self._at < len(self._lines):
            line = self._lines[self._at]
            depth = len(line) - len(line.lstrip(" "))
            if line.strip() and inner is None:
                inner = depth
            if line.strip() and (depth <= indent or depth < (inner or 0)):
                break
            lines.append("" if inner is None else line[inner:])
            self._at += 1
        ending = len(lines)
        while ending and not lines[ending - 1]:
            ending -= 1
        text = "\n".join(lines[:ending]) if style == "|" else _fold(lines[:ending])
        if chomp == "-" or not text:
            return text
        return text + "\n" * (1 + (len(lines) - ending if chomp == "+" else 0))

    def _flow_lines(self, rest: str) -> Any:
        flow = _Flow(rest)
        while True:
            try:
                value = flow.whole()
            except EOFError:
                self._at += 1
                if self._peek() is None:
                    raise self._error("a bracket is not closed") from None
                flow = _Flow(flow.text + " " + _strip_comment(self._lines[self._at].strip()))
                continue
            except ValueError as error:
                raise self._error(str(error)) from None
            self._at += 1
            return value

    def _scalar(self, text: str) -> Any:
        if text[0] in "'\"":
            return self._quoted(text)
        if text[0] in "[{":
            self._at -= 1
            return self._flow_lines(text)
        if text[0] in "&*!%@`" or ": " in text:
            raise self._error(f"not understood here: {text[:40]}")
        return plain(text)

    def _quoted(self, text: str) -> str:
        try:
            value, end = quoted(text, 0)
        except (ValueError, EOFError) as error:
            raise self._error(str(error) or "a quote is not closed on its line") from None
        if text[end:].strip():
            raise self._error("something follows the closing quote")
        return value


def _fold(lines: list[str]) -> str:
    """Lines joined by spaces; an empty line is a line feed, and lines indented further keep theirs."""
    text, before, empty = "", "", 0
    for number, line in enumerate(lines):
        if not line:
            empty += 1
            continue
        deeper = line[0] in " \t" or before[:1] in (" ", "\t")
        if number:
            text += "\n" * (empty + 1) if deeper and before else "\n" * empty or " "
        text += line
        before, empty = line, 0
    return text


def plain(text: str) -> Any:
    """What an unquoted scalar means."""
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    return float(text) if FLOAT.fullmatch(text) else text


def quoted(text: str, start: int) -> tuple[str, int]:
    """The string that opens at `start`, and where it ends. EOFError where it does not."""
    if text[start] == "'":
        match = re.compile(r"'((?:[^']|'')*)'").match(text, start)
        if match is None:
            raise EOFError
        return match[1].replace("''", "'"), match.end()
    match = re.compile(r'"(?:[^"\\]|\\.)*"').match(text, start)
    if match is None:
        raise EOFError
    return str(json.loads(match[0], strict=False)), match.end()


class _Flow:
    """A flow value, `[a, {b: c}]`. EOFError: more lines are needed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._at = 0

    def whole(self) -> Any:
        self._at = 0
        value = self._value("")
        if self.text[self._at :].strip():
            raise ValueError("something follows the closing bracket")
        return value

    def _next(self) -> str:
        while self._at < len(self.text) and self.text[self._at] in " \t":
            self._at += 1
        if self._at >= len(self.text):
            raise EOFError
        return self.text[self._at]

    def _value(self, ends: str) -> Any:
        char = self._next()
        if char == "[":
            return self._list()
        if char == "{":
            return self._mapping()
        if char in "'\"":
            value, self._at = quoted(self.text, self._at)
            return value
        match = re.compile(
            rf"[^{re.escape(',[]{}')}]*?(?=\s*(?:[{re.escape(',]}')}]|:(?:\s|$){'' if ends else '(?!)'}))"
        ).match(self.text, self._at)
        if match is None:
            raise EOFError
        self._at = match.end()
        return plain(match[0])

    def _list(self) -> list[Any]:
        self._at += 1
        items: list[Any] = []
        while self._next() != "]":
            items.append(self._value(""))
            self._comma("]")
        self._at += 1
        return items

    def _mapping(self) -> dict[str, Any]:
        self._at += 1
        found: dict[str, Any] = {}
        while self._next() != "}":
            key = str(self._value(":"))
            if self._next() == ":":
                self._at += 1
                found[key] = None if self._next() in ",}" else self._value("")
            else:
                found[key] = None
            self._comma("}")
        self._at += 1
        return found

    def _comma(self, end: str) -> None:
        char = self._next()
        if char == ",":
            self._at += 1
        elif char != end:
            raise ValueError(f"expected , or {end}")
