"""Writing that survives: aside, synced, renamed; and what the disk refuses, in one sentence."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convoscope.errors import RunError, StorageError

_REASONS = {
    errno.ENOSPC: ("the disk is full", "Free some space, then go on with: convoscope resume"),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, then go on with: convoscope resume"),
    errno.EFBIG: ("the file would exceed the allowed size", "Raise the limit, then go on with: convoscope resume"),
    errno.EROFS: ("the file system is read-only", "Choose another folder with --runs."),
    errno.EACCES: ("permission is denied", "Choose a folder you may write to with --runs."),
    errno.EPERM: ("permission is denied", "Choose a folder you may write to with --runs."),
    errno.ENOENT: ("the folder is gone", "Choose a folder that exists with --runs."),
    errno.EEXIST: ("a file stands where a folder is needed", "Choose another folder with --runs."),
    errno.EISDIR: ("a folder stands where a file is needed", "Move it away, then go on with: convoscope resume"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "Choose another folder with --runs."),
}


@contextmanager
def storing(what: str, path: Path) -> Iterator[None]:
    """Turns an OSError inside into a StorageError that says what was being written, where, and what to do."""
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, (str(error.strerror or error), "Look at the disk, then go on."))
        raise StorageError(f"{what} could not be written to {path}: {reason}.", hint=hint) from error


def write_whole(path: Path, content: bytes, what: str) -> None:
    """Writes a file so that at any moment the old content or the new stands there, never a part.

    Raises:
        StorageError: the disk refused; nothing that stood there is touched.
    """
    aside = path.with_name(path.name + ".aside")
    with storing(what, path):
        try:
            with aside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
            sync_folder(path.parent)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def write_all(folder: Path, files: Mapping[str, bytes], what: str) -> None:
    """Writes files below a folder, each by its path from there; the folders they need are made."""
    for name, content in files.items():
        with storing(what, folder / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, content, what)


def sync_folder(folder: Path) -> None:
    """Puts the folder's list of names on the disk, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any, what: str) -> None:  # noqa: ANN401 - any JSON value
    """Writes a JSON document whole, indented, in UTF-8."""
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(), what)


def read_json(path: Path, what: str) -> Any:  # noqa: ANN401 - any JSON value
    """Reads a JSON document.

    Raises:
        RunError: the file is not there, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{what} is missing: there is no {path}.", hint="Is this the folder of a run?") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{what} cannot be read: {path}: {error}.", hint="Restore the file from a copy.") from None
