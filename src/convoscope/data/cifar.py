"""CIFAR-10 in its binary form: records of one label byte and 3,072 pixel bytes.

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009, and
https://www.cs.toronto.edu/~kriz/cifar.html, "binary version": the first 1,024 pixel bytes are the red channel, the
next the green, the last the blue, each row by row, 32 x 32.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convoscope.data.dataset import Dataset
from convoscope.errors import DataError

FOLDER = "cifar-10-batches-bin"
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN_FILES = tuple(f"data_batch_{k}.bin" for k in range(1, 6))
TEST_FILE = "test_batch.bin"
_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32  # bytes
_AGAIN = "Fetch it again (`convoscope data get cifar10`)."


def find_cifar(folder: str | Path) -> Path | None:
    """The folder with the CIFAR-10 batches: `folder` itself, or its `cifar-10-batches-bin`; None without one."""
    folder = Path(folder)
    return next((at for at in (folder, folder / FOLDER) if (at / TRAIN_FILES[0]).is_file()), None)


def _class_names(folder: Path) -> tuple[str, ...]:
    """The names in `batches.meta.txt`, one a line; the published ten where that file is missing."""
    path = folder / "batches.meta.txt"
    if not path.is_file():
        return CLASS_NAMES
    names = tuple(line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    names = tuple(name for name in names if name)
    if not 2 <= len(names) <= 256 or len(set(names)) != len(names):
        raise DataError(f"{path} names {len(names)} classes; it must name 2 to 256 different ones, one a line.")
    return names


def _n_records(path: Path) -> int:
    """How many records a batch file holds; DataError where it is missing, empty or not whole records."""
    try:
        n_bytes = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", hint=_AGAIN) from error
    if n_bytes == 0 or n_bytes % _RECORD:
        raise DataError(
            f"{path} has {n_bytes:,} bytes; a batch is whole records of {_RECORD:,} bytes (30,730,000 as published).",
            hint=_AGAIN,
        )
    return n_bytes // _RECORD


def _read(paths: list[Path], class_names: tuple[str, ...], source: str) -> Dataset:
    """The records of all `paths`, in order; DataError names the file and record of a label without a class."""
    counts = [_n_records(path) for path in paths]
    images: NDArray[np.uint8] = np.empty((sum(counts), *_SHAPE), np.uint8)
    labels = np.empty(sum(counts), np.int64)
    first = 0
    for path, n in zip(paths, counts, strict=True):
        records = np.fromfile(path, np.uint8, count=n * _RECORD).reshape(n, _RECORD)
        outside = np.flatnonzero(records[:, 0] >= len(class_names))
        if len(outside):
            i = int(outside[0])
            raise DataError(
                f"{path}: record {i} has the label {int(records[i, 0])}, and the {len(class_names)} classes are "
                f"numbered 0 to {len(class_names) - 1} ({len(outside)} such labels).",
                hint=_AGAIN,
            )
        images[first : first + n] = records[:, 1:].reshape(n, *_SHAPE)
        labels[first : first + n] = records[:, 0]
        first += n
    return Dataset(images, labels, class_names, source)


def read_cifar(folder: str | Path) -> tuple[Dataset, Dataset | None]:
    """The training set (50,000 as published) and the test set (10,000; None without its file), uint8 (3, 32, 32).

    Args:
        folder: `cifar-10-batches-bin`, or the folder that holds it.

    Raises:
        DataError: A training batch is missing, a file is not whole records, or a label has no class.
    """
    at = find_cifar(folder)
    if at is None:
        raise DataError(f"{folder} has no CIFAR-10 batches ({TRAIN_FILES[0]} is not there).", hint=_AGAIN)
    missing = [name for name in TRAIN_FILES if not (at / name).is_file()]
    if missing:
        raise DataError(f"{at} lacks {', '.join(missing)}; the training set is five batches.", hint=_AGAIN)
    names = _class_names(at)
    train = _read([at / name for name in TRAIN_FILES], names, f"CIFAR-10 ({at}), training set")
    test_path = at / TEST_FILE
    test = _read([test_path], names, f"CIFAR-10 ({at}), test set") if test_path.is_file() else None
    return train, test
