"""Images that lie in a file and are read as they are asked for: an array that fills no memory.

Reading by position and not through a mapping of the address space is on purpose: what was read once does not stay in
the process's memory, a file that was cut short is an error and not a signal that ends the process, and threads
read side by side without a lock. The system keeps in its own memory what is read often, for all processes at once.
"""

from __future__ import annotations

import itertools
import math
import operator
import os
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import EllipsisType
from typing import IO, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from convoscope.errors import StorageError

Selection: TypeAlias = "range | NDArray[np.int64]"
Key: TypeAlias = "int | np.integer[Any] | slice | Sequence[int] | NDArray[Any]"
_BLOCK_BYTES = 1 << 23  # what `blocks` hands out at a time
_AGAIN = "Start again: what is missing in the cache is made anew from the images."


class MapFile:
    """A file of equally long rows of bytes, open for reading for as long as anybody holds this object.

    Args:
        stream: The file, unbuffered; it is closed with this object, and with it go the locks that are on it.
        path: What it is called in errors.
    """

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream = stream
        self._descriptor = stream.fileno()
        weakref.finalize(self, stream.close)
        self._one_at_a_time = threading.Lock()  # only where the system cannot read by position
        self.path = path

    def read_into(self, target: memoryview, position: int) -> None:
        """Fills `target`, bytes, from `position` on.

        Raises:
            StorageError: The disk refuses, or the file ends before.
        """
        n_done = 0
        while n_done < len(target):
            try:
                n_read = self._read_some(target[n_done:], position + n_done)
            except OSError as error:
                raise StorageError(f"{self.path} cannot be read ({error.strerror or error}).", hint=_AGAIN) from error
            if not n_read:
                raise StorageError(f"{self.path} ends at byte {position + n_done:,}: it was cut short.", hint=_AGAIN)
            n_done += n_read

    def _read_some(self, target: memoryview, position: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._descriptor, [target], position)
        with self._one_at_a_time:
            self._stream.seek(position)
            return cast("int", self._stream.readinto(target))  # type: ignore[attr-defined]


class Rows:
    """An array of bytes, uint8 (N, ...), in a file: indexing it reads, and gives a copy in memory.

    `rows[3]`, `rows[10:20]`, `rows[[7, 2]]`, `rows[mask]` and `rows[10:20, 0]` answer as NumPy would. `take` gives
    other rows of the same file without reading any. `np.asarray` reads it whole: what can go by blocks should (see
    `blocks`). Threads may read at once.

    Args:
        file: Where the bytes are.
        shape: (N, ...) of this array.
        numbers: Which rows of the file they are, in order: a range of step 1, or int64 (N,).
        start: At which byte of the file its row 0 begins.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, file: MapFile, shape: tuple[int, ...], numbers: Selection, *, start: int = 0) -> None:
        self._file, self._numbers, self._start = file, numbers, start
        self._row_bytes = math.prod(shape[1:])
        self.shape = shape

    def __repr__(self) -> str:
        return f"Rows({self.shape} of {self._file.path})"

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes it would fill in memory."""
        return self.size

    def take(self, index: slice | Sequence[int] | NDArray[Any]) -> Rows:
        """The rows at `index` (a slice, or int64 (M,)), in that order, without reading them.

        Raises:
            IndexError: There is no such row.
        """
        chosen = self._chosen(index)
        if not isinstance(chosen, range) and len(chosen) and (np.diff(chosen) == 1).all():
            chosen = range(int(chosen[0]), int(chosen[-1]) + 1)
        return Rows(self._file, (len(chosen), *self.shape[1:]), chosen, start=self._start)

    def read_into(self, target: NDArray[np.uint8], index: slice | Sequence[int] | NDArray[Any]) -> None:
        """Writes the rows at `index` into `target`, uint8 (M, ...) and contiguous: memory that whoever reads chooses.

        Raises:
            IndexError: There is no such row.
            StorageError: The file cannot be read, or ends before.
        """
        self._fill(target, self._chosen(index))

    def __getitem__(self, key: Key | EllipsisType | tuple[Any, ...]) -> NDArray[np.uint8]:
        if key is Ellipsis:
            return self._read(self._numbers)
        if isinstance(key, tuple):
            first, *rest = key if key else (slice(None),)
            if first is None or first is Ellipsis:
                raise IndexError(f"{self!r} is indexed by its rows first.")
            found = self[first]
            within = tuple(rest) if isinstance(first, int | np.integer) else (slice(None), *rest)
            part: NDArray[np.uint8] = found[within]
            return part
        if isinstance(key, int | np.integer):
            one: NDArray[np.uint8] = self._read(self._chosen([operator.index(key)]))[0]
            return one
        return self._read(self._chosen(cast("Any", key)))

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for block in blocks(self):
            yield from block

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401 - NumPy's own
        if copy is False:
            raise ValueError(f"{self!r} lies in a file; it cannot become an array in memory without a copy.")
        whole = self._read(self._numbers)
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def _chosen(self, index: slice | Sequence[int] | NDArray[Any]) -> Selection:
        """The file's row numbers for an index into this array; IndexError where it leads outside."""
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            if isinstance(self._numbers, range) and step != 1:
                return np.asarray(self._numbers[index], np.int64)
            return self._numbers[first : max(first, last)] if step == 1 else self._numbers[index]
        at = np.asarray(index)
        if at.dtype == np.bool_:
            if at.shape != (len(self),):
                raise IndexError(f"A mask of shape {at.shape} was given for {len(self)} rows.")
            at = np.flatnonzero(at)
        if at.ndim != 1 or (at.size and at.dtype.kind not in "iu"):
            raise IndexError(f"Rows are chosen by whole numbers in one axis, not by {at.dtype} of shape {at.shape}.")
        at = at.astype(np.int64)
        at[at < 0] += len(self)
        outside = np.flatnonzero((at < 0) | (at >= len(self)))
        if len(outside):
            raise IndexError(f"Row {np.asarray(index)[outside[0]]} was asked for, and there are {len(self)}.")
        return at + self._numbers.start if isinstance(self._numbers, range) else self._numbers[at]

    def _read(self, numbers: Selection) -> NDArray[np.uint8]:
        """The file's rows `numbers` as one array in memory; rows that lie behind one another are read at once."""
        found = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        self._fill(found, numbers)
        return found

    def _fill(self, found: NDArray[np.uint8], numbers: Selection) -> None:
        if not found.size:
            return
        target, n_bytes = found.reshape(-1).data, self._row_bytes
        for first, last in _runs(numbers):
            position = self._start + int(numbers[first]) * n_bytes
            self._file.read_into(target[first * n_bytes : last * n_bytes], position)


def _runs(numbers: Selection) -> Iterator[tuple[int, int]]:
    """Where, in a list of row numbers, rows lie behind one another: (first, one past the last) of each stretch."""
    if isinstance(numbers, range):
        yield 0, len(numbers)
        return
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    yield from itertools.pairwise([0, *breaks.tolist(), len(numbers)])


Values: TypeAlias = NDArray[Any] | Rows
"""Examples before normalisation: in memory, or in a file."""


def blocks(values: Values, n: int | None = None) -> Iterator[NDArray[Any]]:
    """An array (N, ...) in pieces along its first axis, each in memory: all of it passes, and little is there at once.

    Args:
        values: In memory (its pieces are views), or in a file.
        n: How many rows a piece has at most; without it about eight megabytes.
    """
    if n is None:
        n = max(1, _BLOCK_BYTES // max(1, math.prod(values.shape[1:]) * values.dtype.itemsize))
    for first in range(0, len(values), n):
        yield values[first : first + n]


def aside(pieces: Iterable[NDArray[np.uint8]], row: tuple[int, ...], folder: Path) -> Rows:
    """Pieces uint8 (n, *row), one after another, as one array in a file without a name, which is gone with the array.

    Args:
        pieces: Each is written as it comes.
        row: The shape of one row.
        folder: On whose disk.

    Raises:
        StorageError: That disk refuses.
    """
    n_rows = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115 - the array closes it
        file = MapFile(stream, folder / "a file without a name")
        for piece in pieces:
            waiting = np.ascontiguousarray(piece).reshape(-1).data
            while len(waiting):
                waiting = waiting[stream.write(waiting) :]
            n_rows += len(piece)
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written ({error.strerror or error}).",
            hint="Make room there, or set CONVOSCOPE_CACHE to another folder.",
        ) from error
    return Rows(file, (n_rows, *row), range(n_rows))


def part_of(values: Values, index: slice | NDArray[np.int64]) -> Values:
    """Some rows: read when they are asked for where they lie in a file, else as NumPy gives them."""
    return values.take(index) if isinstance(values, Rows) else values[index]
