"""How much room decoded images may take on the disk, what is kept there, and what goes when room is needed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convoscope.data.kept import SUFFIX, discard, images_folder, open_map
from convoscope.data.ledger import Ledger
from convoscope.data.locks import try_lock
from convoscope.errors import DataError, StorageError, UnknownName

USUAL_LIMIT = 20_000_000_000  # bytes
USUAL_SHARE = 0.5  # of what the disk has for them: what is free, and what they fill already
LIMIT_VARIABLE = "CONVOSCOPE_CACHE_BYTES"
_SPARE = 1 << 28  # bytes that stay free on the disk
_UNITS = ("", "k", "m", "g", "t")  # each a thousand times the one before, or 1024 times with an i behind it


@dataclass(frozen=True)
class KeptImages:
    """One file of decoded images.

    Attributes:
        name: What `clear` knows it by.
        source: What was opened when it was made.
        n_images: How many images it holds.
        shape: (C, H, W) of each.
        n_bytes: Its length.
        used: When it was last used, seconds since 1970.
    """

    name: str
    source: str
    n_images: int
    shape: tuple[int, ...]
    n_bytes: int
    used: float

    def to_dict(self) -> dict[str, Any]:
        """The form for JSON."""
        return {
            "name": self.name,
            "source": self.source,
            "images": self.n_images,
            "shape": list(self.shape),
            "bytes": self.n_bytes,
            "used": self.used,
        }


def limit_bytes() -> int:
    """How many bytes all files of decoded images may have together.

    $CONVOSCOPE_CACHE_BYTES goes before what `set_limit` said; without either it is `USUAL_LIMIT`, or half of what the
    disk has for them where that is less.

    Raises:
        DataError: The variable is no number of bytes.
    """
    if given := os.environ.get(LIMIT_VARIABLE):
        return read_bytes(given, LIMIT_VARIABLE)
    with contextlib.suppress(OSError, DataError):
        return read_bytes(_limit_file().read_text(), str(_limit_file()))
    return min(USUAL_LIMIT, int(USUAL_SHARE * (free_on_disk() + sum(n_bytes for _, n_bytes in _files()))))


def set_limit(text: str) -> int:
    """Keeps at most so much from now on ("5GB"); what is over it goes at once. Gives the bytes.

    Raises:
        DataError: It is no number of bytes.
        StorageError: The cache cannot be written.
    """
    n_bytes = read_bytes(text, "The limit")
    try:
        images_folder().mkdir(parents=True, exist_ok=True)
        _limit_file().write_text(f"{n_bytes}\n")
    except OSError as error:
        raise StorageError(f"{_limit_file()} cannot be written ({error.strerror}).") from error
    with Ledger(images_folder()) as ledger:
        _evict(ledger, max(0, sum(n for _, n in _files()) - limit_bytes()))
    return n_bytes


def read_bytes(text: str, what: str) -> int:
    """A number of bytes: "5000000", "5 MB", "1.5GB", "2GiB"; DataError for anything else, naming `what`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?))?b?\s*", text.lower())
    if match is None:
        raise DataError(f"{what} is {text!r}; it is a number of bytes, such as 5GB or 500MB.")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _UNITS.index(match[2] or ""))


def make_room(n_bytes: int, ledger: Ledger) -> None:
    """Sees to it that `n_bytes` more may be kept: what was left unfinished goes, then the least recently used.

    What somebody has open stays.

    Raises:
        StorageError: So much may never be kept, or is not free.
    """
    _remove_rubbish()
    limit = limit_bytes()
    short = sum(n for _, n in _files()) + n_bytes - limit
    if n_bytes > limit or _evict(ledger, short) < short:
        raise StorageError(
            f"They need {_told(n_bytes)}, and the cache {images_folder()} keeps at most {_told(limit)}"
            f"{'' if n_bytes > limit else ', which are in use'}.",
            hint="Raise the limit: convoscope data cache --limit 50GB.",
        )
    short = n_bytes + _SPARE - free_on_disk()
    if short > 0 and _evict(ledger, short) < short:
        raise StorageError(
            f"They need {_told(n_bytes)}, and the disk of {images_folder()} has {_told(free_on_disk())} free.",
            hint="Make room there, or set CONVOSCOPE_CACHE to a folder on another disk.",
        )


def list_kept() -> list[KeptImages]:
    """Every file of decoded images, the most recently used first."""
    if not images_folder().is_dir():
        return []
    found = []
    with Ledger(images_folder()) as ledger:
        used = ledger.map_used()
        for path, n_bytes in _files():
            kept = open_map(path, ledger) if path.suffix == SUFFIX else None
            if kept is not None:
                n_images, *shape = kept.rows.shape
                when = used.get(kept.name, path.stat().st_mtime)
                found.append(KeptImages(kept.name, kept.source, n_images, tuple(shape), n_bytes, when))
    return sorted(found, key=lambda kept: -kept.used)


def clear(name: str | None = None) -> list[str]:
    """Removes decoded images, all or those of one name (its beginning will do); gives the names that went.

    A process that reads them goes on undisturbed; the disk has the room back when it ends.

    Raises:
        UnknownName: Nothing is kept under that name, or more than one thing.
    """
    folder = images_folder()
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    if name is not None:
        fitting = [path for path in paths if path.stem == name] or [p for p in paths if p.stem.startswith(name)]
        if len(fitting) != 1:
            kept = ", ".join(path.stem for path in paths) or "nothing"
            raise UnknownName(f"{len(fitting)} sets of decoded images are called {name!r}.", hint=f"Kept are: {kept}.")
        paths = fitting
    if not folder.is_dir():
        return []
    with Ledger(folder) as ledger:
        gone = [path.stem for path in paths if discard(path, ledger)]
    if name is None:
        _remove_rubbish()
        for path in folder.glob("ledger-*"):
            with contextlib.suppress(OSError):
                path.unlink()
    return gone


def _evict(ledger: Ledger, n_bytes: int) -> int:
    """Removes the least recently used until so many bytes are free, as far as nobody has them open; what went."""
    used, n_gone = ledger.map_used(), 0
    for path, size in sorted(_files(), key=lambda entry: used.get(entry[0].stem, 0.0)):
        if n_gone >= n_bytes:
            break
        if path.suffix == SUFFIX and discard(path, ledger, even_if_open=False):
            n_gone += size
    return n_gone


def _remove_rubbish() -> None:
    """Removes what killed processes left unfinished: nobody has it locked."""
    for path in images_folder().glob("*.part"):
        with contextlib.suppress(OSError), path.open("rb") as stream:
            if try_lock(stream.fileno()):
                path.unlink()


def _files() -> list[tuple[Path, int]]:
    """The files of decoded images, finished or not, with the bytes that they fill."""
    found = []
    for path in images_folder().glob("*"):
        if path.suffix in (SUFFIX, ".part"):
            with contextlib.suppress(OSError):
                found.append((path, path.stat().st_size))
    return found


def free_on_disk() -> int:
    """Bytes that are free on the disk of the cache."""
    folder = images_folder()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _limit_file() -> Path:
    return images_folder() / "limit"


def _told(n_bytes: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes / 1e3:.1f} kB"
