"""Reads workflow and action files: PyYAML with the words of YAML 1.2, as GitHub reads them.

`on`, `yes` and dates stay words. What PyYAML lets pass and GitHub does not is refused here: a key that is there twice,
and tags. `act` parses the same file once more, in full.
"""

from __future__ import annotations

import copy
import functools
import re
from typing import Any

import yaml


class YamlError(ValueError):
    """The text is no YAML as GitHub takes it; the message names the line."""


class _Loader(yaml.SafeLoader):
    """SafeLoader, but for what its words mean."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own way


for _kind, _words, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", [*"-+0123456789"]),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_words})\Z"), _first)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        # As it is written: GitHub's keys are texts, `1:` and `true:` too.
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is None or key in found:
            reason = "a key is a text" if key is None else f"{key} is there twice"
            raise yaml.MarkedYAMLError(problem=reason, problem_mark=key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def read(text: str) -> Any:
    """The value of a document: dicts, lists, str, int, float, bool, None. YamlError says where it cannot."""
    # Each dispatch and each job reads the same few files, which takes longer than a job's own Python.
    return copy.deepcopy(_read(text))


@functools.lru_cache(maxsize=16)
def _read(text: str) -> Any:
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None):
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise YamlError(f"line {line}: a tag is not understood here")
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise YamlError(f"line {line}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise YamlError(f"line 1: {error}") from None
