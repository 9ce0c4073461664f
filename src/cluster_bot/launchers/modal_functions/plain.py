"""What Modal keeps in a Dict or a Queue, read without being executed.

Modal's client pickles what is put there, and to load a pickle is to do what it says: whoever got out of a program's
user in some container could then say it to the bot. A string or bytes alone take a handful of opcodes, which are read
here as data. Called by `connection`.
"""

import pickletools

_NOTHING_BUT_FRAMES = frozenset({"PROTO", "FRAME", "MEMOIZE", "STOP"})
# Two for the frame, one for the value, one for the memo, one for the end; a little more does no harm.
_MOST_OPCODES = 8
_VALUES = frozenset({"BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BINUNICODE", "BINUNICODE8", "SHORT_BINUNICODE"})


class NotPlainError(ValueError):
    """It is no pickle of bytes or a string, and nothing else."""


def plain_value(pickled: bytes) -> bytes | str:
    """The bytes or the string that `pickled` holds; raises NotPlainError for whatever else it is."""
    found: list[bytes | str] = []
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(pickled)):
            if number >= _MOST_OPCODES:
                raise NotPlainError("it does more than to hold a value")
            if opcode.name in _VALUES and isinstance(argument, bytes | str):
                found.append(argument)
            elif opcode.name not in _NOTHING_BUT_FRAMES:
                raise NotPlainError(f"{opcode.name} is no part of plain bytes")
    except NotPlainError:
        raise
    except (ValueError, IndexError, OverflowError, UnicodeDecodeError) as error:
        raise NotPlainError("it is no pickle") from error
    if len(found) != 1:
        raise NotPlainError("it holds not one value")
    return found[0]
