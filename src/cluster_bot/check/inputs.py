"""Whether a workflow file of somebody's own takes what the bot sends: its inputs, against those of the file we ship.

Called by `of_github`. A file is read line by line, as people write them: what is written in YAML's other ways is "not
seen", never "wrong".
"""

import base64
import re
from typing import Any

from cluster_bot.github_install import WORKFLOWS, shipped

_KEY = re.compile(r"( *)([\w-]+|\"[\w-]+\"|'[\w-]+'):(.*)")


def declared(text: str) -> dict[str, bool] | None:
    """Input to whether a dispatch must have it, of a workflow file's text; None where they can't be made out."""
    inputs: dict[str, bool] = {}
    above: list[tuple[int, str]] = []
    seen = False
    for line in text.splitlines():
        found = _KEY.fullmatch(line)
        if found is None:
            continue
        depth, name, value = len(found[1]), found[2].strip("\"'"), found[3].partition(" #")[0].strip()
        above = [one for one in above if one[0] < depth]
        path = [one[1] for one in above]
        above.append((depth, name))
        if [*path, name] == ["on", "workflow_dispatch", "inputs"]:
            seen = not value
        elif path == ["on", "workflow_dispatch", "inputs"]:
            inputs[name] = False
        elif path[:3] == ["on", "workflow_dispatch", "inputs"] and name == "required":
            inputs[path[3]] = value == "true"
    return inputs if seen else None


def misfits(contents: Any) -> str | None:
    """What is wrong with the inputs of a file as GitHub's contents endpoint gives it, the end of a sentence.

    "": they fit; None: it can't be seen.
    """
    try:
        there = declared(base64.b64decode(contents["content"]).decode("utf-8"))
    except (KeyError, TypeError, ValueError):
        return None
    sent = declared(shipped()[f"{WORKFLOWS}/nvidia_workflow.yml"].decode("utf-8"))
    if there is None or sent is None:
        return None
    unknown = [name for name in sent if name not in there]
    if unknown:
        return f"declares no input {', '.join(unknown)}, which the bot sends"
    unsent = [name for name, required in there.items() if required and name not in sent]
    return f"requires the input {', '.join(unsent)}, which the bot does not send" if unsent else ""
