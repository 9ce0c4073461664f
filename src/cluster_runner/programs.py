"""Where on this machine a program is: what `shutil.which` tells, without the compressors that importing it brings.

Called by whoever needs a tool; a run is too short for modules that nobody uses. Limits: Linux.
"""

import os
from typing import Optional

_STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def search_path() -> str:
    """The folders that programs are looked for in, with colons between them."""
    return os.environ.get("PATH", _STANDARD_PATH)


def which(name: str, path: str) -> Optional[str]:
    """The program `name`, which may be a path, as found in the folders of `path`; None where none can be executed."""
    # An empty entry would be the current folder, where nobody's program is meant.
    folders = [""] if os.path.dirname(name) else filter(None, path.split(":"))
    found = (os.path.join(folder, name) for folder in folders)
    return next((one for one in found if os.path.isfile(one) and os.access(one, os.X_OK)), None)
