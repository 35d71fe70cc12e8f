"""What files were when they were last read: who has not changed since need be neither read nor hashed again.

A file is told to be unchanged by its size, the times of its last change and its inode. A time is only as fine as the
clock that the system stamps files with, so a file that was changed at nearly the moment it was read proves nothing and
is read again ("racy" files, as git calls them).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from convoscope.data.image import DecodeError
from convoscope.data.item import Item

_WAIT = 30.0  # seconds for another process that writes
_MOST_FACTS = 2_000_000  # remembered; about 300 MB
_SECOND = 1_000_000_000  # nanoseconds
_TABLES = """
CREATE TABLE IF NOT EXISTS files (
    path BLOB, start INTEGER, length INTEGER, fact TEXT, bytes INTEGER, modified INTEGER, changed INTEGER,
    inode INTEGER, seen INTEGER, value BLOB, PRIMARY KEY (path, start, length, fact)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS maps (
    name TEXT PRIMARY KEY, bytes INTEGER, modified INTEGER, changed INTEGER, inode INTEGER, used REAL) WITHOUT ROWID;
"""
_KNOWN = """
SELECT bytes, modified, changed, inode, seen, value FROM files
WHERE path = ? AND start = ? AND length = ? AND fact = ?
"""
_SURPLUS = "DELETE FROM files WHERE path IN (SELECT path FROM files ORDER BY seen LIMIT ?)"


class Stamp(NamedTuple):
    """What tells one state of a file from another: size in bytes, times in nanoseconds, inode."""

    n_bytes: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """The stamp in what the system says of a file."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)

    def was_settled(self, at: int) -> bool:
        """Whether a file with this stamp, read at `at` (nanoseconds), cannot have been changed later without a trace.

        The change time is the system's own and no program can set it; Windows keeps the time of creation there. A time
        in whole seconds comes from a file system that counts in seconds (or two, as FAT does); others stamp with the
        kernel's tick, at most ten milliseconds.
        """
        last = max(self.modified, self.changed) if os.name == "nt" else self.changed
        return last + (2 * _SECOND if last % _SECOND == 0 else _SECOND // 20) < at


class Seen(NamedTuple):
    """One fact learnt of a file: of which item, its stamp before it was read, when (nanoseconds), what, and what it is.

    `fact` names a kind of fact ("digest", "header"); `value` is the fact.
    """

    item: Item
    stamp: Stamp
    at: int
    fact: str
    value: bytes


def stamp_of(item: Item) -> Stamp:
    """The stamp of the file that an item lies in; DecodeError where it is none, or not there."""
    try:
        found = item.path.stat()
    except OSError as error:
        if item.path.is_symlink():
            raise DecodeError("it is a link that leads nowhere") from error
        raise DecodeError(f"it cannot be read ({error.strerror})") from error
    except ValueError as error:  # a name with a zero byte
        raise DecodeError(f"it cannot be read ({error})") from error
    if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for without end
        raise DecodeError("it is no ordinary file")
    return Stamp.of(found)


class Ledger:
    """The memory of files read, and of when decoded images were last used; one file for all processes.

    It only saves work: where it cannot be read or written, everything is unknown and nothing is kept.
    Used by one thread, as a context.

    Args:
        folder: Where it lies; it must be there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ledger-1.sqlite"
        self._waiting: list[Seen] = []
        self._base: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        for _ in range(2):
            try:
                self._base = sqlite3.connect(self._path, timeout=_WAIT, isolation_level=None)
                self._base.executescript(_TABLES)
                break
            except sqlite3.OperationalError:  # read-only, locked, full
                self._close()
                break
            except sqlite3.DatabaseError:  # damaged
                self._forget()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        self._close()

    def known(self, item: Item, stamp: Stamp, fact: str) -> bytes | None:
        """A fact of an item whose file has this stamp now; None where it is not known."""
        for *kept, seen, value in self._ask(_KNOWN, (*_key(item), fact)):
            if Stamp(*kept) == stamp and stamp.was_settled(seen):
                return bytes(value)
        return None

    def remember(self, seen: Seen) -> None:
        """Notes a fact; written some thousands at a time, and at the end."""
        self._waiting.append(seen)
        if len(self._waiting) >= 2000:
            self.flush()

    def flush(self) -> None:
        """Writes what waits."""
        rows = [(*_key(seen.item), seen.fact, *seen.stamp, seen.at, seen.value) for seen in self._waiting]
        self._waiting = []
        if rows:
            self._write("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            for (n,) in self._ask("SELECT count(*) FROM files", ()):
                if n > _MOST_FACTS:
                    self._write(_SURPLUS, [(n - _MOST_FACTS * 9 // 10,)])

    def map_stamp(self, name: str) -> Stamp | None:
        """The stamp that a file of decoded images had when its content was last known to be right."""
        found = self._ask("SELECT bytes, modified, changed, inode FROM maps WHERE name = ?", (name,))
        return next((Stamp(*row) for row in found), None)

    def map_used(self) -> dict[str, float]:
        """When each file of decoded images was last used, seconds since 1970, by name."""
        return dict(self._ask("SELECT name, used FROM maps", ()))

    def use_map(self, name: str, stamp: Stamp) -> None:
        """Notes that a file of decoded images is right, and used now."""
        self._write("INSERT OR REPLACE INTO maps VALUES (?, ?, ?, ?, ?, ?)", [(name, *stamp, time.time())])

    def drop_map(self, name: str) -> None:
        """Forgets a file of decoded images."""
        self._write("DELETE FROM maps WHERE name = ?", [(name,)])

    def _ask(self, question: str, values: tuple[Any, ...]) -> Iterator[Any]:
        if self._base is not None:
            try:
                yield from self._base.execute(question, values).fetchall()
            except sqlite3.OperationalError:
                pass
            except sqlite3.DatabaseError:
                self._forget()

    def _write(self, order: str, rows: Iterable[tuple[Any, ...]]) -> None:
        if self._base is None:
            return
        try:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.executemany(order, rows)
            self._base.execute("COMMIT")
        except sqlite3.OperationalError:
            with contextlib.suppress(sqlite3.Error):
                self._base.execute("ROLLBACK")
        except sqlite3.DatabaseError:
            self._forget()

    def _close(self) -> None:
        if self._base is not None:
            with contextlib.suppress(sqlite3.Error):
                self._base.close()
        self._base = None

    def _forget(self) -> None:
        """Removes a damaged file, so that the next one to come makes it anew."""
        self._close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def _key(item: Item) -> tuple[bytes, int, int]:
    return os.fsencode(os.path.abspath(item.path)), item.offset, item.n_bytes  # noqa: PTH100 - a link stays one
