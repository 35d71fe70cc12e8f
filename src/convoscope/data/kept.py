"""Decoded images that are kept: files of rows in the cache, found again by the content of the images they came from.

One file, `NAME.rows`, holds the rows of images that were decoded in one way: pixels uint8 (N, C, H, W), the SHA-256 of
what each was decoded from, and a record of how. It is written aside, synced and renamed, and never changed after that;
whoever has it open keeps it even when it is removed. Whether its content is still right is told by its stamp (see
`ledger`), and by a checksum where that has changed. The least recently used go first when room is needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import struct
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from convoscope.data.cache import cache_folder
from convoscope.data.ledger import Ledger, Stamp
from convoscope.data.locks import try_lock
from convoscope.data.mapped import MapFile, Rows
from convoscope.errors import StorageError

SUFFIX = ".rows"
_DIGEST = 32  # bytes of a SHA-256
_TAIL = struct.Struct("<8sQQ32s")  # magic, rows, bytes of the record, SHA-256 of digests and record
_MAGIC = b"cvsrows1"

Digests = NDArray[np.bytes_]
"""SHA-256 digests, of dtype S32. NumPy leaves zero bytes at the end away: compare and sort, but take none out."""


def images_folder() -> Path:
    """Where decoded images are kept: `images` in the cache."""
    return cache_folder() / "images"


class Map:
    """One file of decoded images, open; see `open_map`.

    Attributes:
        name: What the file is called, without its suffix.
        rows: Its pixels, uint8 (N, C, H, W).
        digests: Of what each row was decoded from, (N,).
        problems: SHA-256 of what could not be decoded: the reason in a clause.
        source: What was opened when it was made.
        path: The file.
        stamp: Its stamp; see `ledger`.
    """

    def __init__(self, path: Path, stamp: Stamp, rows: Rows, digests: Digests, record: Mapping[str, Any]) -> None:
        self.name, self.path, self.stamp = path.stem, path, stamp
        self.rows, self.digests = rows, digests
        self.problems = {bytes.fromhex(digest): str(reason) for digest, reason in record["problems"]}
        self.source = str(record["source"])
        self._order = np.argsort(digests, kind="stable")

    def rows_of(self, digests: Digests) -> NDArray[np.int64]:
        """The row of each image with these digests: int64 (M,), -1 for one that is not here."""
        if not len(self.digests):
            return np.full(len(digests), -1, np.int64)
        at = np.searchsorted(self.digests, digests, sorter=self._order).clip(max=len(self.digests) - 1)
        found = self._order[at].astype(np.int64)
        return np.where(self.digests[found] == digests, found, -1)


def open_map(path: Path, ledger: Ledger, settings: Mapping[str, Any] | None = None) -> Map | None:
    """A file of decoded images; None where it is not there, was made with other settings, or is being removed.

    One that is damaged is removed: its rows are made anew from the images.
    """
    try:
        stream = path.open("rb", buffering=0)
    except OSError:
        return None
    if not try_lock(stream.fileno(), shared=True):
        stream.close()
        return None
    file, stamp = MapFile(stream, path), Stamp.of(os.fstat(stream.fileno()))
    try:
        record, n_rows = _read_record(file, stamp.n_bytes)
        shape = (n_rows, *map(int, record["shape"]))
        if settings is not None and record["settings"] != settings:
            return None
        digests = np.frombuffer(_read(file, math.prod(shape), n_rows * _DIGEST), f"S{_DIGEST}")
        if hashlib.sha256(digests.tobytes()).hexdigest() != record["digests"]:
            raise ValueError("its index is damaged")
        if ledger.map_stamp(path.stem) != stamp:
            if _checksum(file, math.prod(shape)) != record["checksum"]:
                raise ValueError("its pixels are damaged")
            ledger.use_map(path.stem, stamp)
        found = Map(path, stamp, Rows(file, shape, range(n_rows)), digests, record)
    except (ValueError, KeyError, TypeError, StorageError):
        discard(path, ledger)
        return None
    return found


def discard(path: Path, ledger: Ledger, *, even_if_open: bool = True) -> bool:
    """Removes a file of decoded images; who has it open goes on reading. False where it stays, or is not there.

    Args:
        path: The file.
        ledger: Forgets it too.
        even_if_open: Whether it goes also where it would free nothing yet, because somebody has it open.
    """
    try:
        with path.open("rb", buffering=0) as stream:
            if not even_if_open and not try_lock(stream.fileno()):
                return False
            if os.name != "nt":
                path.unlink()  # within the lock: nobody begins to read it now
        path.unlink(missing_ok=True)
    except OSError:
        return False
    ledger.drop_map(path.stem)
    return True


def _read_record(file: MapFile, n_bytes: int) -> tuple[dict[str, Any], int]:
    """What a file says of itself, and its number of rows; ValueError where it does not add up."""
    if n_bytes < _TAIL.size:
        raise ValueError("it is too short")
    magic, n_rows, n_record, digest = _TAIL.unpack(_read(file, n_bytes - _TAIL.size, _TAIL.size))
    if magic != _MAGIC or n_record > n_bytes - _TAIL.size:
        raise ValueError("it is no file of rows")
    text = _read(file, n_bytes - _TAIL.size - n_record, n_record)
    if hashlib.sha256(text).digest() != digest:
        raise ValueError("its record is damaged")
    record: dict[str, Any] = json.loads(text)
    if n_rows * (math.prod(map(int, record["shape"])) + _DIGEST) + n_record + _TAIL.size != n_bytes:
        raise ValueError("its length is wrong")
    return record, n_rows


def _read(file: MapFile, position: int, n_bytes: int) -> bytes:
    found = bytearray(n_bytes)
    file.read_into(memoryview(found), position)
    return bytes(found)


def _checksum(file: MapFile, n_bytes: int) -> int:
    """CRC-32 of the first bytes of a file."""
    found, block = 0, memoryview(bytearray(1 << 22))
    for position in range(0, n_bytes, len(block)):
        piece = block[: n_bytes - position]
        file.read_into(piece, position)
        found = zlib.crc32(piece, found)
    return found


def open_maps(settings: Mapping[str, Any], ledger: Ledger) -> list[Map]:
    """Every kept file of images that were decoded with these settings, the most recently used first."""
    used = ledger.map_used()
    paths = sorted(images_folder().glob(f"*{SUFFIX}"), key=lambda path: -used.get(path.stem, 0.0))
    return [found for path in paths if (found := open_map(path, ledger, settings)) is not None]


class Part:
    """A file of decoded images that is being made: rows are appended, `finish` gives it its name; see `claim_part`."""

    def __init__(self, stream: IO[bytes], path: Path, shape: tuple[int, ...]) -> None:
        self._stream, self._path, self._shape = stream, path, shape
        self._digests = bytearray()
        self._checksum = 0

    def append(self, rows: NDArray[np.uint8], digests: Sequence[bytes]) -> None:
        """Writes rows (n, C, H, W) and remembers what each was decoded from; OSError where the disk is full."""
        content = np.ascontiguousarray(rows).reshape(-1).data
        self._checksum = zlib.crc32(content, self._checksum)
        self._write(content)
        self._digests += b"".join(digests)

    def finish(
        self, settings: Mapping[str, Any], problems: Sequence[tuple[bytes, str]], source: str, ledger: Ledger
    ) -> Map:
        """Writes what the file says of itself, syncs, and renames it to its name; this process has it open then."""
        record = {
            "settings": settings,
            "shape": self._shape,
            "source": source,
            "made": time.time(),
            "checksum": self._checksum,
            "digests": hashlib.sha256(self._digests).hexdigest(),
            "problems": [(digest.hex(), reason) for digest, reason in problems],
        }
        text = json.dumps(record).encode()
        n_rows = len(self._digests) // _DIGEST
        self._write(self._digests)
        self._write(text + _TAIL.pack(_MAGIC, n_rows, len(text), hashlib.sha256(text).digest()))
        self._stream.truncate()
        os.fsync(self._stream.fileno())
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode() + self._digests).hexdigest()[:12]
        return self._named(self._path.with_name(f"{_slug(source)}-{key}{SUFFIX}"), ledger)

    def _named(self, path: Path, ledger: Ledger) -> Map:
        """The finished file under its name, open as every reader has it."""
        if os.name == "nt":
            self._stream.close()  # an open file cannot be renamed there
        else:
            try_lock(self._stream.fileno(), shared=True)
        self._path.replace(path)
        _sync_folder(path.parent)
        ledger.use_map(path.stem, Stamp.of(path.stat()))
        found = open_map(path, ledger)
        if found is None:
            raise StorageError(f"{path} was removed as soon as it was made.", hint="Start again.")
        return found

    def _write(self, content: memoryview | bytes | bytearray) -> None:
        waiting = memoryview(content)
        while len(waiting):
            waiting = waiting[self._stream.write(waiting) :]


@dataclass(frozen=True)
class Claim:
    """The right to make a file: nobody else makes the same one meanwhile. `waited` tells whether somebody just did."""

    stream: IO[bytes]
    path: Path
    waited: bool

    def part(self, shape: tuple[int, ...], most_bytes: int) -> Part:
        """The file, empty, with room for `most_bytes` of rows; OSError where the disk has not so much left."""
        self.stream.truncate(0)
        if most_bytes and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self.stream.fileno(), 0, most_bytes)
        return Part(self.stream, self.path, shape)


@contextlib.contextmanager
def claim_part(request: str) -> Iterator[Claim]:
    """Waits until nobody makes what `request` stands for, and keeps others waiting until the context ends.

    What a killed process left is taken over; what was not finished in the context is removed.
    """
    path = images_folder() / f"{request}.part"
    waited = False
    while True:
        stream = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644), "r+b", 0)
        while not (locked := try_lock(stream.fileno())) and _leads_to(path, stream):
            waited = True
            time.sleep(0.1)
        if locked and _leads_to(path, stream):
            break
        stream.close()  # another process made the file and renamed it, or removed it
        waited = True
    try:
        yield Claim(stream, path, waited)
    finally:
        if not stream.closed:
            left = _leads_to(path, stream)
            if os.name == "nt":
                stream.close()  # an open file cannot be removed there
            if left:
                path.unlink(missing_ok=True)
            stream.close()


def _leads_to(path: Path, stream: IO[bytes]) -> bool:
    """Whether a path is still the name of an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except OSError:
        return False


def _slug(source: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", Path(source).name).strip("-")[:32] or "images"


def _sync_folder(folder: Path) -> None:
    """Makes a rename last, where the system lets folders be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
