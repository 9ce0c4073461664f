"""Archives for tests: honest ones, and those that no packer makes."""

import zipfile
from collections.abc import Mapping
from io import BytesIO


def packed(files: Mapping[str, str | bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these files."""
    return packed_entries([(zipfile.ZipInfo(name), content) for name, content in files.items()], how)


def packed_entries(entries: list[tuple[zipfile.ZipInfo, str | bytes]], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of these entries."""
    held = BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for info, content in entries:
            archive.writestr(info, content, how)
    return held.getvalue()


def renamed(content: bytes, old: bytes, new: bytes) -> bytes:
    """The archive with a name of the same length in its place, wherever it stands."""
    assert len(old) == len(new)
    return content.replace(old, new)
