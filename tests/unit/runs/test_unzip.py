"""A .zip of a stranger's: whatever its bytes, it is files that can travel, or one sentence, and it costs little."""

import stat
import struct
import time
import tracemalloc
import warnings
import zipfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from zips import packed, packed_entries, renamed

from cluster_bot.errors import UserError
from cluster_bot.runs import unzip as unzip_module
from cluster_bot.runs.refusals import Refusal
from cluster_bot.runs.spec import MAX_SOURCE_BYTES, check_paths
from cluster_bot.runs.unzip import is_zip, unzip, without_top_folder

ROOM = MAX_SOURCE_BYTES
GOOD = {"main.py": "import pkg\n", "pkg/__init__.py": "", "pkg/ü.py": "x = 'ü'\n"}


def refused(content: bytes, room: int = ROOM) -> str:
    with pytest.raises(UserError) as caught:
        unzip("a.zip", content, room)
    assert len(caught.value.message) < 300
    return caught.value.reason


def entry(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_and_folders_come_out_as_they_were(how: int) -> None:
    assert unzip("a.zip", packed(GOOD, how), ROOM) == GOOD


def test_what_packers_add_is_left_out() -> None:
    added = ["__MACOSX/._main.py", "pkg/.DS_Store", ".git/index", "pkg/__pycache__/a.pyc", "Thumbs.db"]
    content = packed({**GOOD, "pkg/": b"", "empty/": b"", **dict.fromkeys(added, b"\xff\0")})
    assert unzip("a.zip", content, ROOM) == GOOD


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert unzip("a.zip", packed({"a.py": b"\xef\xbb\xbfprint()"}), ROOM) == {"a.py": "print()"}


def test_names_in_utf_8_that_do_not_say_so_are_read() -> None:
    content = packed({"ü.py": "1"})
    flagged = b"\x00\x08"
    assert flagged in content
    assert unzip("a.zip", content.replace(flagged, b"\x00\x00"), ROOM) == {"ü.py": "1"}


def test_names_of_old_packers_are_read() -> None:
    content = renamed(packed({"xxxx.py": "1"}), b"xxxx", b"\x81ber")
    assert unzip("a.zip", content, ROOM) == {"über.py": "1"}


@pytest.mark.parametrize(
    "name",
    [
        *("../a.py", "a/../../b.py", "/etc/passwd", "a//b", "./a.py", "C:\\a.py", "a\\b.py", "-rf", "a`b.py"),
        *(
            "a\nb.py",
            "a\x1b[31m.py",
            "a\u202eyp.py",
            "x" * 101,
            "/".join("abcdefghi"),
            "a" * 65_000,
            "a|b",
            "..",
            "@\r",
        ),
        *("C:/a.py", "c:a.py"),
    ],
    ids=range(20),
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(UserError) as caught:
        unzip("a.zip", packed({"ok.py": "1", name: "1"}), ROOM)
    assert caught.value.reason == Refusal.ZIP_BAD_NAME
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300
    assert caught.value.message.count("`") == 4


def test_a_name_with_a_nul_is_not_cut_there() -> None:
    assert refused(renamed(packed({"a.pyX..": "1"}), b"a.pyX..", b"a.py\0..")) == Refusal.ZIP_BAD_NAME
    assert refused(renamed(packed({"a/X..": "1"}), b"a/X..", b"a/\0..")) == Refusal.ZIP_BAD_NAME


@pytest.mark.parametrize(
    ("first", "second"), [("a.py", "a.py"), ("b/a.py", "b/a.py")], ids=["at the top", "in a folder"]
)
def test_two_of_one_name_are_refused(first: str, second: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = packed_entries([(entry(first), "1"), (entry(second), "2")])
    assert refused(content) == Refusal.SAME_NAME


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_only_files_are_files(kind: int) -> None:
    assert refused(packed_entries([(entry("a.py", kind | 0o777), "/etc/passwd")])) == Refusal.ZIP_LINK


def test_an_ordinary_mode_is_fine() -> None:
    assert unzip("a.zip", packed_entries([(entry("a.py", stat.S_IFREG | 0o4755), "1")]), ROOM) == {"a.py": "1"}


def test_a_locked_one_is_refused() -> None:
    content = bytearray(packed({"a.py": "1"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    assert refused(bytes(content)) == Refusal.ZIP_LOCKED


@pytest.mark.parametrize("content", [b"\xff", b"a\0b", packed(GOOD), "print()".encode("utf-16")])
def test_what_is_no_text_is_named(content: bytes) -> None:
    with pytest.raises(UserError) as caught:
        unzip("a.zip", packed({"a.py": "1", "inner/b.zip": content}), ROOM)
    assert caught.value.reason == Refusal.ZIP_NOT_TEXT
    assert "`inner/b.zip` in `a.zip`" in caught.value.message


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_ways_of_packing_are_refused(how: int) -> None:
    assert refused(packed({"a.py": "1"}, how)) == Refusal.BAD_ZIP


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"print()",
        packed(GOOD)[:-10],
        packed(GOOD)[10:],
        packed(GOOD, zipfile.ZIP_STORED).replace(b"import pkg", b"import pkX"),
    ],
    ids=["empty", "short", "text", "no end", "no start", "wrong sum"],
)
def test_damaged_ones_are_refused(content: bytes) -> None:
    assert refused(content) == Refusal.BAD_ZIP


def test_there_may_be_a_hundred_files_and_no_more() -> None:
    most = {f"d/{n}.h": "" for n in range(100)}
    assert len(unzip("a.zip", packed(most), ROOM)) == 100
    assert refused(packed({**most, "one.h": ""})) == Refusal.ZIP_TOO_MANY_FILES


def test_the_room_is_that_of_all_files_together() -> None:
    assert unzip("a.zip", packed({"a": "x" * 6, "b": "x" * 4}), 10)
    assert refused(packed({"a": "x" * 6, "b": "x" * 5}), 10) == Refusal.ZIP_TOO_LARGE
    assert refused(packed({"a": "x"}), 0) == Refusal.ZIP_TOO_LARGE


def test_a_bomb_costs_no_more_than_the_room() -> None:
    bomb = packed({"main.py": b" " * 200_000_000})
    assert len(bomb) < 250_000
    tracemalloc.start()
    try:
        assert refused(bomb) == Refusal.ZIP_TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 8 * ROOM
    finally:
        tracemalloc.stop()


def lying(size: int) -> bytes:
    """An archive that says its one file, of 5,000,000 bytes, has `size`."""
    content = bytearray(packed({"a.py": b"#" * 5_000_000}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.index(signature) + offset, size)
    return bytes(content)


@pytest.mark.parametrize("size", [0, 1, 1000, 4_000_000_000])
def test_a_size_that_is_a_lie_is_of_no_use(size: int) -> None:
    assert refused(lying(size)) in (Refusal.ZIP_TOO_LARGE, Refusal.BAD_ZIP)


def test_a_hundred_thousand_entries_are_not_even_looked_at() -> None:
    one = packed({"a": ""})
    listed, end = one.index(b"PK\x01\x02"), one.index(b"PK\x05\x06")
    central = one[listed:end] * 100_000
    tail = bytearray(one[end:])
    struct.pack_into("<HHII", tail, 8, 0xFFFF, 0xFFFF, len(central), listed)
    content = one[:listed] + central + bytes(tail)
    began = time.process_time()
    assert refused(content) == Refusal.ZIP_TOO_MANY_FILES
    assert time.process_time() - began < 0.5


def test_entries_that_share_their_bytes_are_counted_each() -> None:
    """As in a bomb without nesting: many entries, one body."""
    content = packed({"a": b"x" * 300_000})
    listed, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    central = content[listed:end] * 50
    tail = bytearray(content[end:])
    struct.pack_into("<HHII", tail, 8, 50, 50, len(central), listed)
    assert refused(content[:listed] + central + bytes(tail)) in (Refusal.SAME_NAME, Refusal.BAD_ZIP)


@given(st.binary(max_size=400))
@example(b"PK\x05\x06" + b"\0" * 18)
def test_any_bytes_are_files_or_a_refusal(content: bytes) -> None:
    _judge(content)


@given(st.data())
def test_an_archive_with_any_bytes_changed_is_files_or_a_refusal(data: st.DataObject) -> None:
    content = bytearray(packed(GOOD, data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=6)
    ):
        content[place] = value
    _judge(bytes(content))


@given(
    st.dictionaries(
        st.text("ab./\\-`ü\n", min_size=1, max_size=9) | st.text(min_size=1, max_size=30),
        st.text(max_size=20),
        max_size=5,
    )
)
def test_any_names_are_files_that_can_be_written_or_a_refusal(files: dict[str, str]) -> None:
    try:
        content = packed({name: text.encode("utf-8", "surrogatepass") for name, text in files.items()})
    except (UnicodeEncodeError, UserWarning):
        return
    _judge(content)


def _judge(content: bytes) -> None:
    try:
        found = unzip("a.zip", content, ROOM)
    except UserError as error:
        assert error.reason in list(Refusal)
        assert error.message.isprintable()
        return
    for path, text in found.items():
        check_paths([path])
        text.encode()


def test_the_top_folder_is_taken_away_once() -> None:
    assert without_top_folder({"p/a.py": "", "p/q/b.h": ""}) == {"a.py": "", "q/b.h": ""}
    assert without_top_folder({"p/q/a.py": ""}) == {"q/a.py": ""}
    for kept in ({"a.py": "", "p/b.h": ""}, {"p/a.py": "", "q/b.h": ""}, {}):
        assert without_top_folder(kept) == kept


def test_an_archive_is_told_by_its_name() -> None:
    assert [is_zip(name) for name in ("a.zip", "A.ZIP", "zip", "a.zip.py")] == [True, True, False, False]
    assert unzip_module.MAX_ZIP_BYTES > ROOM
