"""Tar shards as the library webdataset lays them out: found, indexed without unpacking, and read as a listing.

A sample is what lies side by side under one key: KEY.jpg (or any image) and its class in KEY.cls, KEY.json or KEY.txt.
"""

from __future__ import annotations

import glob
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from convoscope.data.image import SUFFIXES as IMAGE_SUFFIXES
from convoscope.data.item import Item
from convoscope.data.layout import natural_key, not_a_file, printable
from convoscope.data.sample import LABEL_KEYS, Sample, sample_of
from convoscope.data.table import SPLIT_OF
from convoscope.errors import DataError, MissingPackage

SUFFIX = ".tar"
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_MOST = 100_000  # shards: a pattern with wide braces would fill the memory with names
MOST_BYTES = 1 << 20  # of a member that is no image: a class is a few bytes, a record of one not much more
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")  # two letters at least: C: is a drive
_RANGE = re.compile(r"\{(-?\d+)\.\.(-?\d+)(?:\.\.-?\d+)?\}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member's bytes lie in its archive."""

    path: Path
    offset: int
    n_bytes: int


@dataclass
class Indexed:
    """What shards hold.

    Attributes:
        samples: Each with the part it belongs to, and the place of its image.
        problems: (path, reason) of shards and samples that cannot be used.
        other: Members that are neither an image nor a class.
        hidden: Members whose name begins with a dot.
    """

    samples: list[tuple[Sample, str, Place]] = field(default_factory=list)
    problems: list[tuple[Path, str]] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


def has_scheme(name: str) -> bool:
    """Whether a name is an address ("https://...") or what another program would run ("pipe:...")."""
    return _SCHEME.match(name) is not None and not os.path.lexists(name)


def is_address(name: str) -> bool:
    """Whether a name is an http or https address of shards."""
    return has_scheme(name) and name.split(":", 1)[0].casefold() in ("http", "https")


def is_pattern(name: str) -> bool:
    """Whether a name stands for shards by braces or wildcards, and is not itself a path."""
    path = Path(name).expanduser()
    return not os.path.lexists(path) and any(sign in name for sign in "{*?[") and SUFFIX in path.suffix + path.stem


def is_archive(path: Path) -> bool:
    """Whether a path is called as a tar archive is."""
    return path.name.casefold().endswith((SUFFIX, *_COMPRESSED)) and not path.is_dir()


def shards_in(folder: Path) -> list[Path]:
    """The shards of a folder, and of the train/, val/ and test/ below it, where it has no other folders."""
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return []
    folders = [entry for entry in entries if entry.is_dir()]
    if any(entry.name.casefold() not in SPLIT_OF for entry in folders):
        return []
    found = [path for path in (*entries, *(p for f in folders for p in f.iterdir())) if is_archive(path)]
    return sorted(found, key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def shards_called(name: str) -> list[Path]:
    """The paths that a name stands for: itself, or those of a pattern with {000..009} or wildcards, in natural order.

    Raises:
        DataError: it stands for none, or for very many.
        MissingPackage: webdataset is not installed.
    """
    if not is_pattern(name):
        return [Path(name).expanduser()]
    names = [str(Path(one).expanduser()) for one in expanded(name)]
    found = [path for one in names for path in (glob.glob(one) if any(c in one for c in "*?[") else [one])]  # noqa: PTH207
    if not found:
        raise DataError(f"No file is called as {name} says.", hint="Braces count: shards/train-{000..009}.tar.")
    missing = [one for one in found if not os.path.lexists(one)]
    if missing:
        raise DataError(
            f"{name} stands for {len(found):,} shards, and {len(missing):,} are not there, such as {missing[0]}.",
            hint="Write the range that is there.",
        )
    return sorted(map(Path, dict.fromkeys(found)), key=lambda path: natural_key(path.as_posix()))


def expanded(name: str) -> list[str]:
    """A name with its braces written out: a{0..2} is a0, a1, a2; raises DataError where that is very many names."""
    n = 1
    for low, high in _RANGE.findall(name):
        n *= abs(int(high) - int(low)) + 1
    if n > _MOST:
        raise DataError(f"{name} stands for {n:,} shards; it is at most {_MOST:,}.", hint="Are its braces right?")
    try:
        import braceexpand  # webdataset writes names out with it
    except ImportError:
        raise missing_webdataset() from None
    try:
        found = list(islice(braceexpand.braceexpand(name), _MOST + 1))
    except ValueError:
        raise DataError(f"The braces in {name} are not balanced.", hint="Write them as train-{000..009}.tar.") from None
    if len(found) > _MOST:
        raise DataError(f"{name} stands for more than {_MOST:,} shards.", hint="Are its braces right?")
    return found


def index(paths: Iterable[Path], root: Path, group: str | None = None) -> Indexed:
    """What local shards hold; of their bytes only headers and classes are read.

    Args:
        paths: The shards.
        root: What names are relative to.
        group: The key of each record (KEY.json) that says what belongs together, if there is one so called.

    Raises:
        MissingPackage: webdataset is not installed.
    """
    grouping = group_by_keys()
    found = Indexed()
    for path in paths:
        shard = printable(path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path))
        if not os.path.isfile(path):  # noqa: PTH113 - never raises
            found.problems.append((path, not_a_file(path)))
            continue
        part = part_of(path)

        def twice(error: Exception, path: Path = path) -> bool:
            found.problems.append((path, twice_named(error)))
            return True

        for raw in grouping(_members(path, shard, found), handler=twice):
            sample = sample_of(raw, f"{shard}/{printable(str(raw['__key__']))}", group)
            place = sample.image
            if isinstance(place, Place):
                found.samples.append((sample, part, place))
            if sample.problem:
                found.problems.append((root / sample.name, sample.problem))
    return found


def items_of(indexed: Indexed, label_of: Mapping[str, int]) -> list[Item]:
    """The usable samples as items."""
    return [
        Item(sample.name, place.path, part, label_of[sample.label], sample.group, place.offset, place.n_bytes)
        for sample, part, place in indexed.samples
        if not sample.problem
    ]


def part_of(path: Path) -> str:
    """The part that a shard's name says it belongs to (train-003.tar), else its folder's name; else train."""
    words = {SPLIT_OF[word] for word in re.findall(r"[a-z]+", path.name.casefold()) if word in SPLIT_OF}
    if len(words) == 1:
        return words.pop()
    return SPLIT_OF.get(path.parent.name.casefold(), "train")


def group_by_keys() -> Callable[..., Iterator[dict[str, Any]]]:
    """The library's own rule of which members are one sample; raises MissingPackage where it is not installed."""
    try:
        from webdataset.tariterators import group_by_keys as grouping
    except ImportError:
        raise missing_webdataset() from None
    return grouping  # type: ignore[no-any-return]


def twice_named(error: Exception) -> str:
    """What the library's grouping says of two members of one name, in a clause."""
    return f"it has the member {printable(str(error.args[0]).split(':')[0])} twice; the first counts"


def missing_webdataset() -> MissingPackage:
    """The error where the library is not installed."""
    return MissingPackage(
        "Tar shards need the package webdataset, which is not installed.",
        hint='Install it with: pip install "convoscope[shards]"',
    )


def members(
    archive: tarfile.TarFile, url: str, take: Callable[[tarfile.TarInfo, str], Any], left: Callable[[str, str], None]
) -> Iterator[dict[str, Any]]:
    """The members of an open archive as the library's grouping takes them.

    Args:
        archive: Open for reading, at its beginning.
        url: What it is called.
        take: Gives what stands for a member, from its header and its kind ("image" or "class").
        left: Is told of each other file: "hidden" or "other", and its name.
    """
    for info in archive:
        archive.members = []  # type: ignore[attr-defined]  # or it would keep a record of every member
        kind = _kind(info)
        if kind in ("hidden", "other"):
            left(kind, info.name)
        elif kind in ("image", "class"):
            yield {"fname": info.name, "data": take(info, kind), "__url__": url}


def _members(path: Path, shard: str, found: Indexed) -> Iterator[dict[str, Any]]:
    """The members of one shard on the disk: an image is its place, a class its bytes."""
    n = 0
    try:
        with path.open("rb") as stream:
            if stream.read(4)[:2] in (b"\x1f\x8b", b"BZ") or path.name.casefold().endswith(_COMPRESSED):
                found.problems.append((path, "it is compressed, and images are read at their place: unpack it to .tar"))
                return
            n_bytes = os.fstat(stream.fileno()).st_size
            stream.seek(0)
            with tarfile.open(fileobj=stream, mode="r:") as archive:

                def take(info: tarfile.TarInfo, kind: str) -> Place | bytes:
                    if info.offset_data + info.size > n_bytes:
                        raise tarfile.ReadError("unexpected end of data")
                    if kind == "image":
                        return Place(path, info.offset_data, info.size)
                    member = archive.extractfile(info)
                    return member.read(MOST_BYTES) if member else b""

                def left(kind: str, name: str) -> None:
                    (found.hidden if kind == "hidden" else found.other).append(f"{shard}/{printable(name)}")

                for n, member in enumerate(members(archive, str(path), take, left), 1):  # noqa: B007 - n is told
                    yield member
    except (tarfile.TarError, EOFError, ValueError) as error:
        reason = f"it breaks off after {n:,} members" if n else "it is no tar archive"
        found.problems.append((path, f"{reason} ({str(error).rstrip('.') or type(error).__name__})"))
    except OSError as error:
        found.problems.append((path, f"it cannot be read ({error.strerror or error})"))


def _kind(info: tarfile.TarInfo) -> str:
    """Whether a member is an "image", a "class", "meta" (the archive's own), "hidden", a "folder", or "other"."""
    if info.isdir():
        return "folder"
    base = info.name.rsplit("/", 1)[-1]
    if base.startswith("."):
        return "hidden"
    if info.name.startswith("__") and "__" in info.name[2:]:  # as the library passes them over
        return "meta"
    if not info.isreg() or info.issparse() or "." not in base:
        return "other"
    suffix = base.split(".", 1)[1].casefold()
    if f".{suffix}" in IMAGE_SUFFIXES:
        return "image"
    return "class" if suffix in LABEL_KEYS and info.size <= MOST_BYTES else "other"
