import os
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from photos import POLICY, SETTLED, Work, by_hand, kept_files, photo, photos, right
from PIL import Image

from convoscope.data import once, reading
from convoscope.data.image import DecodeError, ImagePolicy, decode_image
from convoscope.data.item import Item
from convoscope.data.ledger import Stamp
from convoscope.data.mapped import Rows
from convoscope.data.pixels import decode_items
from convoscope.data.reading import read_headers

# Of what `test_the_decoder_gives_what_its_number_says` decodes: CRC-32.
SUMS = {"grey16": 3672805630, "colour": 3654532520, "alpha": 3319143312, "palette": 3592491479}


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


@pytest.mark.parametrize("memory", ["memory", "mapped", "auto"])
def test_a_second_opening_neither_reads_nor_decodes(memory: str, tmp_path: Path, work: Work) -> None:
    items = photos(tmp_path / "photos")
    told: list[tuple[int, int]] = []
    first = decode_items(items, POLICY, memory=memory, progress=lambda *done: told.append(done))
    assert right(first, items)
    assert work.done() == (6, 6)
    assert told[-1] == (6, 6)
    told.clear()
    second = decode_items(items, POLICY, memory=memory, progress=lambda *done: told.append(done))
    assert right(second, items)
    assert work.done() == (0, 0)
    assert told == [(6, 6)]
    assert isinstance(second.pixels, Rows if memory == "mapped" else np.ndarray)
    assert second.kept.tolist() == list(range(6))


def test_a_changed_an_added_and_a_removed_file_cost_only_themselves(tmp_path: Path, work: Work) -> None:
    items = photos(tmp_path / "photos")
    decode_items(items, POLICY)
    work.done()
    photo(items[2].path, 77)
    items = [*items[:5], *photos(tmp_path / "photos", 1, start=50)]  # the sixth is gone, another is there
    assert right(decode_items(items, POLICY), items)
    assert work.done() == (2 + 2, 2)  # both are hashed to see whether they are known, then decoded
    assert right(decode_items(items, POLICY), items)
    assert work.done() == (0, 0)


def test_order_parts_and_copies_are_found_in_what_is_there(tmp_path: Path, work: Work) -> None:
    items = photos(tmp_path / "photos")
    decode_items(items, POLICY)
    work.done()
    for some in (items[::-1], items[2:4], [items[1], items[1]]):
        assert right(decode_items(some, POLICY, memory="mapped"), some)
    assert work.done() == (0, 0)
    (tmp_path / "photos").rename(tmp_path / "moved")
    moved = [Item(item.name, tmp_path / "moved" / item.name, "test", 1) for item in items]
    assert right(decode_items(moved, POLICY), moved)
    assert work.done() == (6, 0)  # by content
    assert len(kept_files()) == 1


def test_a_file_written_back_with_its_old_time_is_seen(tmp_path: Path) -> None:
    items = photos(tmp_path / "photos", 2)
    decode_items(items, POLICY)
    before = items[0].path.stat()
    content = bytearray(items[0].path.read_bytes())
    Image.fromarray(np.full((8, 9, 3), 200, np.uint8)).save(items[0].path, compress_level=0)
    items[0].path.write_bytes(items[0].path.read_bytes()[: len(content)].ljust(len(content), b"\0"))
    os.utime(items[0].path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert items[0].path.stat().st_size == before.st_size
    found = decode_items(items, POLICY)
    assert found.problems or not np.array_equal(found.pixels[0], decode_image(bytes(content), POLICY))


def test_a_file_that_changed_as_it_was_read_is_read_again(
    tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    (item,) = photos(tmp_path / "photos", 1)
    with monkeypatch.context() as patched:  # read a millisecond after it was changed: its stamp proves nothing
        patched.setattr(reading.time, "time_ns", lambda: item.path.stat().st_ctime_ns + 1_000_000)
        decode_items([item], POLICY)
    work.done()
    decode_items([item], POLICY)
    assert work.done() == (1, 0)
    time.sleep(SETTLED)
    decode_items([item], POLICY)
    decode_items([item], POLICY)
    assert work.done()[1] == 0


@pytest.mark.parametrize(
    ("changed", "settled"),
    [(10 * 10**9 + 1, False), (9_960_000_001, False), (9_940_000_001, True), (8 * 10**9, False), (7 * 10**9, True)],
)
def test_stamps_are_trusted_beyond_the_grain_of_their_clock(changed: int, settled: bool) -> None:
    assert Stamp(1, changed, changed, 1).was_settled(10_000_000_000) is settled


def test_what_cannot_be_decoded_is_remembered_and_what_cannot_be_read_is_tried_again(
    tmp_path: Path, work: Work
) -> None:
    items = photos(tmp_path / "photos", 5)
    items[1].path.write_bytes(b"no image at all")
    items[3].path.unlink()
    time.sleep(SETTLED)
    found = decode_items(items, POLICY)
    assert found.kept.tolist() == [0, 2, 4]
    assert [i for i, _ in found.problems] == [1, 3]
    np.testing.assert_array_equal(found.pixels, by_hand([items[0], items[2], items[4]]))
    assert work.done() == (5, 4)
    again = decode_items(items, POLICY, memory="mapped")
    assert (again.problems, again.kept.tolist()) == (found.problems, [0, 2, 4])
    assert work.done() == (0, 0)
    photo(items[3].path, 3)
    assert [i for i, _ in decode_items(items, POLICY).problems] == [1]


def test_all_problems_and_no_items_at_all_are_answers_too(tmp_path: Path) -> None:
    bad = Item("a", tmp_path / "a.png", "train", 0)
    bad.path.write_bytes(b"x")
    for memory in ("memory", "mapped"):
        found = decode_items([bad], POLICY, memory=memory)
        assert found.pixels.shape == (0, 3, 6, 5)
        assert len(found.problems) == 1
        assert decode_items([], POLICY, memory=memory).pixels.shape == (0, 3, 6, 5)


def test_pipes_and_loops_are_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    items = [Item(name, tmp_path / name, "train", 0) for name in ("pipe.png", "loop.png", "none.png", "zero\0.png")]
    reasons = [reason for _, reason in decode_items(items, POLICY).problems]
    assert reasons[:2] == ["it is no ordinary file", "it is a link that leads nowhere"]
    assert all(reason.startswith("it cannot be read") for reason in reasons[2:])
    assert all(isinstance(header, DecodeError) for header in read_headers(items))


def test_each_policy_has_pixels_of_its_own(tmp_path: Path) -> None:
    items = photos(tmp_path / "photos", 3)
    for policy in (POLICY, ImagePolicy(1, 6, 5), ImagePolicy(3, 5, 6)):
        np.testing.assert_array_equal(
            decode_items(items, policy).pixels, [decode_image(item.read(), policy) for item in items]
        )
    assert len(kept_files()) == 3


def test_members_of_an_archive_are_items_as_files_are(tmp_path: Path, work: Work) -> None:
    items = photos(tmp_path / "photos", 3)
    contents = [item.read() for item in items]
    shard = tmp_path / "shard"
    shard.write_bytes(b"x" * 100 + b"".join(contents))
    starts = np.cumsum([100, *map(len, contents)])
    time.sleep(SETTLED)
    members = [Item(str(i), shard, "train", 0, "", int(starts[i]), len(contents[i])) for i in range(3)]
    np.testing.assert_array_equal(decode_items(members, POLICY).pixels, by_hand(items))
    work.done()
    np.testing.assert_array_equal(decode_items(members[1:], POLICY).pixels, by_hand(items[1:]))
    assert work.done() == (0, 0)
    assert [(h.height, h.width) for h in read_headers(members) if not isinstance(h, DecodeError)] == [(8, 9)] * 3


def test_headers_are_remembered_as_long_as_the_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [photo(tmp_path / f"{i}.png", i, (10 + i, 7)) for i in range(3)]
    items[1].path.write_bytes(b"")
    time.sleep(SETTLED)
    first = list(read_headers(items))
    asked: list[Path] = []
    before = reading.read_header
    monkeypatch.setattr(reading, "read_header", lambda path: (asked.append(path), before(path))[1])
    second = list(read_headers(items))
    assert [str(header) for header in first] == [str(header) for header in second]
    assert asked == [items[1].path]
    photo(items[2].path, 5, (33, 7))
    assert [header.width for header in read_headers(items) if not isinstance(header, DecodeError)] == [10, 33]


def test_the_decoder_gives_what_its_number_says(tmp_path: Path) -> None:
    """Where this fails the pixels of a kind of image have changed: raise `once.DECODER`, or old ones would be used."""
    ramp = np.arange(40 * 30, dtype=np.uint16).reshape(30, 40)
    kinds = {
        "grey16": Image.fromarray(ramp * 50),
        "colour": Image.fromarray(np.stack([ramp % 251, ramp // 5, 255 - ramp % 200], -1).astype(np.uint8)),
        "alpha": Image.fromarray(np.stack([ramp % 251, ramp // 5, ramp % 97, ramp % 256], -1).astype(np.uint8), "RGBA"),
        "palette": Image.fromarray((ramp % 7).astype(np.uint8)).convert("P"),
    }
    sums = {}
    for name, image in kinds.items():
        image.save(tmp_path / f"{name}.png")
        sums[name] = zlib.crc32(decode_image(tmp_path / f"{name}.png", ImagePolicy(3, 20, 24)).tobytes())
    assert (once.DECODER, sums) == (1, SUMS)
