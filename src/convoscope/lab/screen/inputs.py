"""Images that users give: read as the run reads every image, kept under a name that can stand in an address."""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convoscope.data.image import png_of
from convoscope.errors import InputError, UnknownName
from convoscope.lab.screen.opened import OpenRun, Picture
from convoscope.runs.disk import write_whole

_NAME = re.compile(r"input:([0-9a-f]{16})$")
_FOLDER = ".inputs"
_MOST = 500  # kept; the oldest go first


def raw(run: OpenRun, content: bytes) -> NDArray[np.uint8]:
    """Pixels as they are: uint8 (C, H, W) of the run's shape; raises InputError for another number of bytes."""
    n = int(np.prod(run.shape))
    if len(content) != n:
        size = " x ".join(map(str, run.shape))
        raise InputError(f"{len(content)} bytes were given; an image of {run.run.name} is {size} = {n} bytes.")
    return np.frombuffer(content, np.uint8).reshape(run.shape).copy()  # a tensor is made of it: writable


def keep(runs: Path, run: OpenRun, content: bytes, *, is_raw: bool) -> str:
    """Keeps an image; returns its name: the same pixels, the same name.

    Raises:
        BrokenImage: the file cannot be decoded, or has too many pixels.
        StorageError: the disk refused.
    """
    pixels = raw(run, content) if is_raw else run.trainee.policy.read(content)
    shape = "x".join(map(str, pixels.shape))
    digits = hashlib.sha256(shape.encode() + pixels.tobytes()).hexdigest()[:16]
    folder = runs / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{digits}.{shape}", pixels.tobytes(), "The image")
    _tidy(folder)
    return f"input:{digits}"


def given(runs: Path, run: OpenRun, name: str) -> Picture | None:
    """The image of such a name; None where the name is of another kind.

    Raises:
        UnknownName: there is none (any more), or it was given for images of another shape.
    """
    match = _NAME.match(name)
    if match is None:
        return None
    shape = "x".join(map(str, run.shape))
    try:
        content = (runs / _FOLDER / f"{match[1]}.{shape}").read_bytes()
    except OSError:
        raise UnknownName(
            f"The image {name} is not kept here, not for images of {shape} (channels x rows x columns).",
            hint="Give it again: upload it, paste it, or draw it anew.",
        ) from None
    return Picture(name, raw(run, content), None)


def png(picture: Picture) -> bytes:
    """The image as a PNG file."""
    return png_of(picture.pixels)


def _tidy(folder: Path) -> None:
    found = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in found[_MOST:]:
        with contextlib.suppress(OSError):
            path.unlink()
