"""IDX files, plain or gzip: the format MNIST was published in, for arrays of any shape.

A file is a magic number (two zero bytes, one byte for the type, one for the number of dimensions), one big-endian
32-bit size for each dimension, and the numbers. Source: http://yann.lecun.com/exdb/mnist/ (archived), "the IDX format".

A header is a claim, so it is held against the bytes that are there before anything of its size is allocated: a plain
file against its size on disk, a gzip file by decompressing no further than one byte past what the header says.
"""

from __future__ import annotations

import math
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convoscope.data.dataset import Dataset
from convoscope.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_WRONG_FILE = "Fetch the file again, or point at a folder that holds whole IDX files."


class _Bytes:
    """The content of a file, decompressed piece by piece where it is gzip, so that its header bounds the rest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._raw = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from error
        self.is_gzip = self._raw.startswith(GZIP_MAGIC)
        self._position = 0
        self._stream = zlib.decompressobj(wbits=31)

    def take(self, n_bytes: int) -> bytes:
        """Up to `n_bytes` more bytes; fewer at the end of the file; DataError where the gzip stream is damaged."""
        if not self.is_gzip:
            self._position += n_bytes
            return self._raw[self._position - n_bytes : self._position]
        pieces = []
        try:
            while n_bytes > 0:
                if self._stream.eof:
                    if not self._raw.startswith(GZIP_MAGIC):
                        break
                    self._stream = zlib.decompressobj(wbits=31)
                piece = self._stream.decompress(self._raw, min(n_bytes, sys.maxsize))
                self._raw = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
                if not piece and not self._stream.eof:
                    break
                pieces.append(piece)
                n_bytes -= len(piece)
        except zlib.error as error:
            raise DataError(f"{self.path} is damaged: its gzip stream breaks ({error}).", hint=_WRONG_FILE) from error
        return b"".join(pieces)

    def check_end(self) -> None:
        """Raises DataError where the gzip stream has not reached its checksum."""
        if self.is_gzip and not self._stream.eof:
            self.take(1)
            if not self._stream.eof:
                raise DataError(f"{self.path} is cut short: its gzip stream has no end.", hint=_WRONG_FILE)


def read_idx(path: str | Path) -> NDArray[Any]:
    """The array in an IDX file, writable, in the machine's byte order, of the shape its header says.

    Raises:
        DataError: The file cannot be read, is no IDX file, or its header and its bytes disagree.
    """
    path = Path(path)
    content = _Bytes(path)
    magic = content.take(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= 32:
        raise DataError(
            f"{path} is not an IDX file: it starts with the bytes {magic.hex(' ') or '(none)'}, and IDX starts with "
            f"00 00, a type (08, 09, 0b, 0c, 0d or 0e) and a number of dimensions.",
            hint=_WRONG_FILE,
        )
    dtype, n_dimensions = np.dtype(_TYPES[magic[2]]), magic[3]
    sizes = content.take(4 * n_dimensions)
    if len(sizes) < 4 * n_dimensions:
        raise DataError(
            f"{path} ends inside its header, which promises {n_dimensions} dimensions.",
            hint=_WRONG_FILE,
        )
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    expected = math.prod(shape) * dtype.itemsize
    numbers = content.take(expected + 1)
    if len(numbers) != expected:
        found = f"more than {expected:,}" if len(numbers) > expected else f"{len(numbers):,}"
        raise DataError(
            f"{path}: the header says {' x '.join(map(str, shape))} numbers of {dtype.itemsize} bytes, {expected:,} "
            f"bytes in all, and the file holds {found}.",
            hint=_WRONG_FILE,
        )
    content.check_end()
    return np.frombuffer(numbers, dtype).astype(dtype.newbyteorder("="), copy=True).reshape(shape)


def find_idx(folder: Path, part: str, kind: str) -> Path | None:
    """The file of `folder` that holds `part` ("train" or "t10k") and `kind` ("images" or "labels"), None without one.

    Both published spellings are known (`train-images-idx3-ubyte`, `train-images.idx3-ubyte`), with or without `.gz`.
    """
    digit = 3 if kind == "images" else 1
    stems = [f"{part}-{kind}{joint}idx{digit}-ubyte" for joint in "-."]
    names = [stem + suffix for stem in stems for suffix in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _read_pair(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64], Path] | None:
    """Images (N, C, H, W), labels (N,) and the labels' file of one part; None where neither file is there."""
    found = {kind: find_idx(folder, part, kind) for kind in ("images", "labels")}
    images_path, labels_path = found["images"], found["labels"]
    if images_path is None and labels_path is None:
        return None
    if images_path is None or labels_path is None:
        missing = "images" if images_path is None else "labels"
        raise DataError(
            f"{folder} has one file of {part!r} and not the other: the {missing} are missing.",
            hint=f"Put {part}-{missing}-idx{3 if missing == 'images' else 1}-ubyte (or .gz) beside it.",
        )
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim == 3:
        images = images[:, None]  # (N, 1, H, W)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise DataError(
            f"{images_path} holds {images.dtype} of shape {images.shape}; images are unsigned bytes of shape "
            f"(N, H, W), or (N, C, H, W) with 1 or 3 channels, and at least one of them."
        )
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        raise DataError(
            f"{labels_path} holds {labels.dtype} of shape {labels.shape}; labels are whole numbers of shape (N,)."
        )
    if len(images) != len(labels):
        raise DataError(
            f"{images_path.name} has {len(images):,} images and {labels_path.name} {len(labels):,} labels (in "
            f"{folder}); each image needs one.",
            hint="Take both files from the same source.",
        )
    return images, labels.astype(np.int64), labels_path


def _numbered_classes(labels: NDArray[np.int64], path: Path) -> tuple[str, ...]:
    """Names "0", "1" ... for labels without names; raises DataError for a negative label or a gap above 0.

    A gap is how a damaged labels file shows where nobody has said how many classes there are. Label 0 alone may be
    missing, for the sets that count from 1 (EMNIST letters).
    """
    known = np.unique(labels)
    lowest = int(known[0])
    jumps = np.flatnonzero(np.diff(known) > 1)
    if lowest < 0 or lowest > 1 or len(jumps):
        wrong = lowest if lowest < 0 or lowest > 1 else int(known[jumps[0] + 1])
        i = int(np.flatnonzero(labels == wrong)[0])
        raise DataError(
            f"{path}: image {i} has the label {wrong}, and no image has the label {wrong - 1}; labels count from 0 "
            f"(or 1) without a gap.",
            hint="Correct the labels file.",
        )
    return tuple(str(label) for label in range(int(known[-1]) + 1))


def read_idx_folder(
    folder: str | Path, *, class_names: tuple[str, ...] = (), title: str = ""
) -> tuple[Dataset, Dataset | None]:
    """The training set and the test set (None without one) of a folder with the standard IDX names.

    Args:
        folder: Where `train-images-idx3-ubyte` and its labels lie, and perhaps the two `t10k` files.
        class_names: The classes in label order; without them they are called "0", "1" and so on.
        title: What the source is called; the folder's path without one.

    Raises:
        DataError: A file is missing, damaged or lies; images and labels differ in number; a label is out of range.
    """
    folder = Path(folder)
    train, test = _read_pair(folder, "train"), _read_pair(folder, "t10k")
    if train is None:
        raise DataError(
            f"{folder} has no IDX training set.",
            hint="It needs train-images-idx3-ubyte and train-labels-idx1-ubyte, plain or .gz.",
        )
    names = class_names or _numbered_classes(train[1], train[2])
    parts: list[Dataset] = []
    for images, labels, path in [train] if test is None else [train, test]:
        outside = np.flatnonzero((labels < 0) | (labels >= len(names)))
        if len(outside):
            i = int(outside[0])
            raise DataError(
                f"{path}: image {i} has the label {int(labels[i])}, and the {len(names)} classes are numbered 0 to "
                f"{len(names) - 1} ({len(outside)} such labels).",
                hint="Correct the labels file.",
            )
        part = "training set" if images is train[0] else "test set"
        parts.append(Dataset(images, labels, names, f"{title or folder}, {part}"))
    if len(parts) == 2 and parts[0].shape != parts[1].shape:
        raise DataError(
            f"{folder}: training images have the shape {parts[0].shape} and test images {parts[1].shape} (C, H, W); "
            f"they must agree."
        )
    return parts[0], parts[1] if len(parts) == 2 else None
