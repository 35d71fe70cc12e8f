import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photos import POLICY, SETTLED, Work, by_hand, kept_files, photo, photos, right

from convoscope.data import once, pixels, room
from convoscope.data.item import Item
from convoscope.data.kept import images_folder
from convoscope.data.ledger import Ledger
from convoscope.data.mapped import Rows
from convoscope.data.pixels import Decoded, decode_items
from convoscope.data.reading import read_headers
from convoscope.errors import DataError, StorageError


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


def damaged(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "a pixel":
        content[100] ^= 1
    elif how == "the index":
        content[6 * 90 + 5] ^= 1
    elif how == "the record":
        content[-80] ^= 1
    elif how == "the tail":
        content[-3] ^= 1
    elif how == "cut":
        content = content[:-1000] if len(content) > 1000 else content[:40]
    elif how == "empty":
        content = bytearray()
    elif how == "longer":
        content = content[:10] + content
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["a pixel", "the index", "the record", "the tail", "cut", "empty", "longer"])
def test_a_damaged_file_of_the_cache_is_made_anew(how: str, tmp_path: Path, work: Work) -> None:
    items = photos(tmp_path / "photos")
    decode_items(items, POLICY)
    work.done()
    (path,) = kept_files()
    damaged(path, how)
    assert right(decode_items(items, POLICY), items)
    assert work.done() == (6, 6)
    assert right(decode_items(items, POLICY), items)
    assert work.done() == (0, 0)


@pytest.mark.parametrize("how", ["lost", "garbage", "a folder"])
def test_without_its_ledger_the_cache_is_only_slower(how: str, tmp_path: Path, work: Work) -> None:
    items = photos(tmp_path / "photos")
    decode_items(items, POLICY)
    work.done()
    (ledger,) = images_folder().glob("ledger*.sqlite")
    ledger.unlink()
    if how == "garbage":
        ledger.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 20)
    elif how == "a folder":
        ledger.mkdir()
    for _ in range(2):
        assert right(decode_items(items, POLICY), items)
        assert work.done()[1] == 0


def test_two_threads_and_two_orders_at_once_agree(tmp_path: Path) -> None:
    items = photos(tmp_path / "photos", 40)
    requests = [items, items, items[::-1], items[5:], items] * 2
    with ThreadPoolExecutor(10) as pool:
        for some, found in zip(requests, pool.map(lambda some: decode_items(some, POLICY), requests), strict=True):
            assert right(found, some)
    assert not list(images_folder().glob("*.part"))


SCRIPT = """
import os, sys, time, zlib
from pathlib import Path
from convoscope.data import once
from convoscope.data.image import ImagePolicy
from convoscope.data.item import Item
folder, kill_after = Path(sys.argv[1]), int(sys.argv[2])
items = [Item(path.name, path, "train", 0) for path in sorted(folder.iterdir())]
decode, n = once.decode_image, 0
def counted(*given):
    global n
    n += 1
    time.sleep(0.005)
    return decode(*given)
once.decode_image = counted
from convoscope.data.pixels import decode_items
def progress(done, total):
    if kill_after and done >= kill_after:
        os.kill(os.getpid(), 9)
found = decode_items(items, ImagePolicy(3, 6, 5), memory="mapped", progress=progress)
print(n, zlib.crc32(found.pixels[:].tobytes()))
"""


def in_a_process(folder: Path, kill_after: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(folder), str(kill_after)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_of_two_processes_one_decodes_and_a_killed_one_leaves_nothing(tmp_path: Path) -> None:
    photos(tmp_path / "photos", 100)
    with in_a_process(tmp_path / "photos", kill_after=32) as killed:
        assert killed.wait() == -signal.SIGKILL
    assert len(list(images_folder().glob("*.part"))) == 1
    with in_a_process(tmp_path / "photos") as one, in_a_process(tmp_path / "photos") as other:
        answers = [process.communicate()[0].split() for process in (one, other)]
    assert sorted(int(n) for n, _ in answers) == [0, 100]
    assert answers[0][1] == answers[1][1]
    assert [path.suffix for path in images_folder().glob("*.*")].count(".part") == 0


def test_rubbish_of_other_requests_is_removed(tmp_path: Path) -> None:
    images_folder().mkdir(parents=True)
    (images_folder() / "dead.part").write_bytes(bytes(1000))
    decode_items(photos(tmp_path / "photos", 2), POLICY)
    assert not list(images_folder().glob("*.part"))


def fill(tmp_path: Path, names: str) -> Iterator[list[Item]]:
    for name in names:
        items = photos(tmp_path / name, 4, start=100 * ord(name))
        decode_items(items, POLICY)
        yield items


def sources() -> list[str]:
    return sorted(Path(one.source).name for one in room.list_kept())


def test_the_least_recently_used_goes_first_and_never_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_use, _, newest = fill(tmp_path, "abc")
    reader = decode_items(in_use, POLICY, memory="mapped")
    decode_items(newest, POLICY)
    each = kept_files()[0].stat().st_size
    monkeypatch.setenv(room.LIMIT_VARIABLE, str(int(3.5 * each)))
    list(fill(tmp_path, "d"))
    assert sources() == ["a", "c", "d"]
    monkeypatch.setenv(room.LIMIT_VARIABLE, str(int(2.5 * each)))
    others = photos(tmp_path / "e", 4, start=900)
    found = decode_items(others, POLICY)
    assert sources() == ["a", "e"]
    assert right(found, others)
    assert right(reader, in_use)


def refused(found: Decoded, items: list[Item]) -> str:
    assert np.array_equal(np.asarray(found.pixels), by_hand(items))
    assert isinstance(found.pixels, np.ndarray)
    (finding,) = found.findings
    assert finding.name == "cache-unused"
    assert finding.hint
    return finding.message


@pytest.mark.parametrize("memory", ["memory", "mapped"])
def test_over_the_limit_images_stay_in_memory_and_that_is_told(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = photos(tmp_path / "photos", 3)
    monkeypatch.setenv(room.LIMIT_VARIABLE, "0.5kB")
    assert "keeps at most 0.5 kB" in refused(decode_items(items, POLICY, memory=memory), items)
    monkeypatch.setattr(pixels, "free_bytes", lambda: 100)
    with pytest.raises(StorageError, match="Nor do they fit in memory") as told:
        decode_items(items, POLICY, memory="mapped")
    assert "--limit" in told.value.hint
    assert "--image-size" in told.value.hint


def test_a_full_disk_is_told_and_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    items = photos(tmp_path / "photos", 3)
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        assert "No space left" in refused(decode_items(items, POLICY), items)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert "No space left" in refused(decode_items(items, POLICY), items)
    with monkeypatch.context() as patched:
        patched.setattr(room, "free_on_disk", lambda: 1000)
        patched.setenv(room.LIMIT_VARIABLE, "1GB")
        assert "free" in refused(decode_items(items, POLICY), items)
    assert not list(images_folder().glob("*.part"))
    assert right(decode_items(items, POLICY), items)


def test_a_cache_that_cannot_be_made_is_told_and_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = photos(tmp_path / "photos", 3)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("CONVOSCOPE_CACHE", str(tmp_path / "file"))
    assert "cannot be used" in refused(decode_items(items, POLICY, memory="mapped"), items)
    assert len(list(read_headers(items))) == 3


def test_where_pixels_lie_follows_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = photos(tmp_path / "photos", 4)  # 360 bytes of pixels
    lies_in_file = [True, False, True, False, False]
    for free, processes, mapped in zip((1440, 1441, 2000, 3000, 0), (1, 1, 2, 2, 1), lies_in_file, strict=True):
        monkeypatch.setattr(pixels, "free_bytes", lambda free=free: free)
        monkeypatch.setattr(pixels, "processes_here", lambda n=processes: n)
        assert isinstance(decode_items(items, POLICY).pixels, Rows) is mapped
    monkeypatch.setattr(pixels, "free_bytes", lambda: 470)
    with pytest.raises(DataError, match="memory mapped") as told:
        decode_items(items, POLICY, memory="memory")
    assert "--memory mapped" in told.value.hint
    with pytest.raises(DataError, match="'disk'"):
        decode_items(items, POLICY, memory="disk")


def test_a_newer_state_of_a_folder_stands_for_the_older_one(tmp_path: Path) -> None:
    items = photos(tmp_path / "photos", 30)
    decode_items(items, POLICY)
    items += photos(tmp_path / "photos", 1, start=60)
    decode_items(items, POLICY)
    assert [one.n_images for one in room.list_kept()] == [31]
    photo(items[4].path, 99)
    decode_items(items, POLICY)
    assert [one.n_images for one in room.list_kept()] == [31]


def test_digests_that_end_in_zero_bytes_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Work) -> None:
    items = photos(tmp_path / "photos", 4)
    read = once.read_item

    def short(item: Item) -> Any:
        seen, content = read(item)
        return seen._replace(value=seen.value[:29] + bytes(3)), content

    monkeypatch.setattr(once, "read_item", short)
    items[1].path.write_bytes(b"broken")
    time.sleep(SETTLED)
    for _ in range(2):
        found = decode_items(items, POLICY)
        assert found.kept.tolist() == [0, 2, 3]
    assert work.done() == (4, 4)
    decode_items([*items, photo(tmp_path / "photos" / "new.png", 8)], POLICY)
    assert work.done()[1] == 1


def test_a_ledger_that_another_process_holds_does_not_stop_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = photos(tmp_path / "photos", 3)
    decode_items(items, POLICY)
    monkeypatch.setattr("convoscope.data.ledger._WAIT", 0.05)
    with Ledger(images_folder()) as ledger:
        assert ledger._base is not None
        ledger._base.execute("BEGIN EXCLUSIVE")
        thread = threading.Thread(target=lambda: decode_items(items[::-1], POLICY))
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
        ledger._base.execute("ROLLBACK")
