"""Evaluates the expressions GitHub itself evaluates before a runner exists: run-name, runs-on, timeout-minutes.

Literals, `inputs.x`, `github.x`, `fromJSON`, `format`, `==`, `!=`, `!`, `&&`, `||` and parentheses; anything else is an
ExpressionError, which ends a run as `startup_failure`: a guess would run a workflow GitHub runs differently. Steps are
`act`'s matter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>-?[0-9]+(?:\.[0-9]+)?)|(?P<op>==|!=|&&|\|\||[!(),])"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*))"
)
PLACE = re.compile(r"\$\{\{((?:(?!\}\}).)*)\}\}", re.DOTALL)


class ExpressionError(ValueError):
    """An expression the sandbox does not evaluate."""


def evaluate(value: Any, contexts: Mapping[str, Any]) -> Any:
    """`value` with its `${{ }}` replaced; one that is nothing but a place keeps the type of its result."""
    if not isinstance(value, str):
        return value
    whole = PLACE.fullmatch(value.strip())
    if whole:
        return _Parser(whole[1], contexts).result()
    return PLACE.sub(lambda match: as_text(_Parser(match[1], contexts).result()), value)


def as_text(value: Any) -> str:
    """A value as it appears within a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


class _Parser:
    def __init__(self, text: str, contexts: Mapping[str, Any]) -> None:
        self._contexts, self._text = contexts, text.strip()
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(self._text):
            match = TOKEN.match(self._text, at)
            if match is None or match.lastgroup is None:
                raise self._error()
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()

    def _error(self) -> ExpressionError:
        return ExpressionError(f"the sandbox does not evaluate ${{{{ {self._text} }}}}")

    def result(self) -> Any:
        value = self._either()
        if self._tokens:
            raise self._error()
        return value

    def _take(self, *operators: str) -> str | None:
        if self._tokens and self._tokens[0][0] == "op" and self._tokens[0][1] in operators:
            return self._tokens.pop(0)[1]
        return None

    def _either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._take("&&"):
            other = self._compared()
            value = value and other
        return value

    def _compared(self) -> Any:
        value = self._single()
        while operator := self._take("==", "!="):
            other = self._single()
            same = _folded(value) == _folded(other)
            value = same if operator == "==" else not same
        return value

    def _single(self) -> Any:
        if self._take("!"):
            return not self._single()
        if self._take("("):
            value = self._either()
            self._close()
            return value
        if not self._tokens:
            raise self._error()
        kind, text = self._tokens.pop(0)
        if kind == "string":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind != "name":
            raise self._error()
        return self._call(text.lower()) if self._take("(") else self._named(text)

    def _close(self) -> None:
        if not self._take(")"):
            raise self._error()

    def _call(self, name: str) -> Any:
        arguments = [self._either()]
        while self._take(","):
            arguments.append(self._either())
        self._close()
        if name == "fromjson" and len(arguments) == 1:
            try:
                return json.loads(as_text(arguments[0]))
            except ValueError as error:
                raise ExpressionError(f"fromJSON: {error}") from None
        if name == "format":
            return re.sub(r"{(\d+)}", lambda match: as_text(arguments[1 + int(match[1])]), as_text(arguments[0]))
        raise self._error()

    def _named(self, name: str) -> Any:
        if name in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[name]
        first, *rest = name.split(".")
        if first not in self._contexts or not rest:
            raise self._error()
        value: Any = self._contexts[first]
        for part in rest:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value
