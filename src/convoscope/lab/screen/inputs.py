"""Images and texts that users give: read as the run reads each, kept under a name that can stand in an address."""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convoscope.data import TextPolicy, Texts
from convoscope.data.image import png_of
from convoscope.errors import InputError, UnknownName
from convoscope.lab.screen.opened import OpenRun, Picture
from convoscope.lab.screen.records import TextCard, TextWord
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
    policy = run.trainee.policy
    pixels = raw(run, content) if is_raw or isinstance(policy, TextPolicy) else policy.read(content)
    shape = "x".join(map(str, pixels.shape))
    digits = hashlib.sha256(shape.encode() + pixels.tobytes()).hexdigest()[:16]
    folder = runs / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{digits}.{shape}", pixels.tobytes(), "The image")
    _tidy(folder)
    return f"input:{digits}"


def keep_text(runs: Path, run: OpenRun, content: bytes) -> str:
    """Keeps a text in UTF-8; returns its name: the same text, the same name.

    Raises:
        InputError: it is no UTF-8, has no word that the network knows, or the network takes images.
        StorageError: the disk refused.
    """
    text = _read(run, content).originals[0]
    digits = hashlib.sha256(f"text {text}".encode()).hexdigest()[:16]
    folder = runs / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{digits}.txt", text.encode(), "The text")
    _tidy(folder)
    return f"input:{digits}"


def _read(run: OpenRun, content: bytes) -> Texts:
    policy = run.trainee.policy
    if not isinstance(policy, TextPolicy):
        raise InputError(f"{run.run.name} takes images, and was given a text.", hint="Give an image.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"The text is no UTF-8: its byte {error.start + 1} cannot be.") from None
    return policy.texts([text], run.trainee.class_names, run.run.name)


def given(runs: Path, run: OpenRun, name: str) -> Picture | None:
    """The image or text of such a name; None where the name is of another kind.

    Raises:
        UnknownName: there is none (any more), or it was given for images of another shape.
        InputError: this network knows no word of the text.
    """
    match = _NAME.match(name)
    if match is None:
        return None
    kind = "txt" if run.takes_texts else "x".join(map(str, run.shape))
    try:
        content = (runs / _FOLDER / f"{match[1]}.{kind}").read_bytes()
    except OSError:
        if run.takes_texts:
            raise UnknownName(f"The text {name} is not kept here.", hint="Give it again.") from None
        raise UnknownName(
            f"The image {name} is not kept here, not for images of {kind} (channels x rows x columns).",
            hint="Give it again: upload it, paste it, or draw it anew.",
        ) from None
    return Picture(name, _read(run, content) if run.takes_texts else run.unlabelled(raw(run, content)), None)


def card(picture: Picture) -> TextCard:
    """The text word by word.

    Raises:
        InputError: it is an image.
    """
    texts = picture.text
    original = texts.originals[0]
    words = [TextWord(one.word, one.number, one.is_known, list(one.at)) for one in texts.policy.words(original)]
    return TextCard(picture.name, picture.label, original, words, texts.policy.n_cut(original))


def png(picture: Picture) -> bytes:
    """The image as a PNG file."""
    return png_of(picture.pixels)


def _tidy(folder: Path) -> None:
    found = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in found[_MOST:]:
        with contextlib.suppress(OSError):
            path.unlink()
