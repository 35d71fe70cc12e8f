"""Every image file of a listing examined, once, in parallel: what the files are, in columns, and which are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from convoscope.data.content import DecodeError
from convoscope.data.examine import SIDE, Examined, examine, picture, pixels_digest
from convoscope.data.image import quiet_pillow
from convoscope.data.item import Item
from convoscope.data.reading import in_order, n_workers
from convoscope.data.twins import grouped, groups_of_twins

Index = NDArray[np.int64]
_TOGETHER = 16  # files that one thread examines in a row, so that threads rarely wait for each other
_MOST_PIXELS_COMPARED = 20_000  # images that look alike, decoded once more to see whether they are equal
_SCALED = ("JPEG", "MPO")  # formats that are decoded at a fraction of their size
_NEARLY = 2.0  # pixel values: by how much small copies of equal pixels differ at most where one is of a JPEG
_MOST_CROSSED = 64  # JPEGs that are held against others of one group and size


@dataclass(frozen=True, eq=False)
class Survey:
    """What files are, file by file, in arrays of their number N.

    Attributes:
        good: Whether each could be decoded; the columns below say nothing of the others.
        reasons: Why the others could not, in a clause, by their number.
        formats: Each file's format by its content, as an index into `names_of_formats`.
        modes: How each keeps its pixels, as an index into `names_of_modes`.
        names_of_formats: As Pillow calls them.
        names_of_modes: As Pillow calls them.
        sides: (width, height) in pixels, upright, (N, 2).
        orientations: EXIF's, 1 to 8.
        n_frames: Frames or pages.
        n_bytes: Lengths of the files.
        wide: Whether the numbers have more than 8 bits.
        clear: Whether there is transparency.
        profiles: Whether there is a colour profile.
        digests: SHA-256 of the bytes, (N, 32).
        small: Small colour copies, (N, SIDE, SIDE, 3).
    """

    good: NDArray[np.bool_]
    sides: NDArray[np.int32]
    orientations: NDArray[np.uint8]
    n_frames: NDArray[np.int32]
    n_bytes: Index
    wide: NDArray[np.bool_]
    clear: NDArray[np.bool_]
    profiles: NDArray[np.bool_]
    formats: NDArray[np.uint8]
    modes: NDArray[np.uint8]
    digests: NDArray[np.uint8]
    small: NDArray[np.uint8]
    names_of_formats: list[str] = field(default_factory=list)
    names_of_modes: list[str] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, n: int) -> Survey:
        """A survey of `n` files that none has been looked at yet."""
        wide, clear, profiles = (np.zeros(n, bool) for _ in range(3))
        return cls(
            np.zeros(n, bool), np.zeros((n, 2), np.int32), np.ones(n, np.uint8), np.ones(n, np.int32),
            np.zeros(n, np.int64), wide, clear, profiles, np.zeros(n, np.uint8), np.zeros(n, np.uint8),
            np.zeros((n, 32), np.uint8), np.zeros((n, SIDE, SIDE, 3), np.uint8),
        )  # fmt: skip

    def put(self, i: int, found: Examined) -> None:
        """Writes down what file `i` is."""
        self.good[i] = True
        self.sides[i] = found.width, found.height
        self.orientations[i], self.n_frames[i], self.n_bytes[i] = found.orientation, found.n_frames, found.n_bytes
        self.wide[i], self.clear[i], self.profiles[i] = found.wide, found.clear, found.profile
        self.formats[i] = _number(self.names_of_formats, found.format)
        self.modes[i] = _number(self.names_of_modes, found.mode)
        self.digests[i] = np.frombuffer(found.digest, np.uint8)
        self.small[i] = np.frombuffer(found.small, np.uint8).reshape(SIDE, SIDE, 3)


@dataclass(frozen=True, eq=False)
class Doubles:
    """Images that are there more than once.

    Attributes:
        kind: "bytes" (the same file), "pixels" (other files, the same pixels) or "looks" (resized, compressed again,
            a little brighter).
        members: The items, by number, in order.
    """

    kind: str
    members: Index


def survey(items: Sequence[Item], *, progress: Callable[[int, int], None] | None = None) -> Survey:
    """Opens and decodes every file, whole, with several threads; memory grows by about a kilobyte a file.

    Args:
        items: The files.
        progress: Called with (files done, files in all).
    """
    found = Survey.empty(len(items))
    pieces = (items[at : at + _TOGETHER] for at in range(0, len(items), _TOGETHER))
    i = 0
    with quiet_pillow():
        for results in in_order(_examine_some, pieces, 4 * n_workers()):
            for one in results:
                if isinstance(one, Examined):
                    found.put(i, one)
                else:
                    found.reasons[i] = one
                i += 1
            if progress:
                progress(i, len(items))
    return found


def find_doubles(items: Sequence[Item], found: Survey) -> list[Doubles]:
    """Images that are there more than once, the same files first, then the same pixels, then the same looks.

    Each kind tells only of what the kinds before it do not: images that are all the same file are no "pixels".
    """
    good = np.flatnonzero(found.good)
    if not len(good):
        return []
    _, first, file_of = np.unique(found.digests[good].view("S32"), return_index=True, return_inverse=True)
    doubles = [Doubles("bytes", good[group]) for group in grouped(file_of.ravel())]
    # One of each file stands for all of its copies.
    copies_of = _members(good, file_of.ravel())
    alone = np.sort(first)
    alike = [good[alone[group]] for group in groups_of_twins(found.small[good[alone]])]
    content = _contents(items, found, alike)
    number = dict(zip(good.tolist(), file_of.ravel().tolist(), strict=True))
    all_of_them: list[tuple[str, list[int]]] = []
    for group in alike:
        contents: dict[bytes, list[int]] = {}
        for i in group.tolist():
            contents.setdefault(content.get(i, bytes(found.digests[i])), []).append(i)
        all_of_them += [("pixels", same) for same in contents.values() if len(same) > 1]
        all_of_them += [("looks", group.tolist())] if len(contents) > 1 else []
    for kind, some in sorted(all_of_them, key=lambda one: one[0] == "looks"):
        doubles.append(Doubles(kind, np.sort(np.concatenate([copies_of[number[i]] for i in some]))))
    return doubles


def pictures(items: Sequence[Item], side: int) -> Iterator[bytes]:
    """Each image as a JPEG file, at most `side` pixels a side; empty where it cannot be read."""
    with quiet_pillow():
        yield from in_order(lambda item: picture(item, side), items, 4 * n_workers())


def _members(good: Index, keys: Index) -> list[Index]:
    """For each key, 0 and up, those that have it."""
    order = np.argsort(keys, kind="stable")
    return np.split(good[order], np.flatnonzero(np.diff(keys[order])) + 1)


def _contents(items: Sequence[Item], found: Survey, alike: list[Index]) -> dict[int, bytes]:
    """What tells the pixels of images apart that may be equal, decoded whole once more."""
    asked = [i for group in alike for i in _may_be_equal(found, group)][:_MOST_PIXELS_COMPARED]
    with quiet_pillow():
        digests = list(in_order(lambda i: _pixels(items[i]), asked, 4 * n_workers()))
    return {i: digest for i, digest in zip(asked, digests, strict=True) if digest}


def _may_be_equal(found: Survey, group: Index) -> list[int]:
    """Those of some images that look alike which may have the same pixels as another: their small copies tell.

    Equal pixels give equal small copies where both were made in one way; a JPEG's is made of fewer pixels.
    """
    of_jpeg = np.array([found.names_of_formats[code] in _SCALED for code in found.formats[group].tolist()])
    small = found.small[group].reshape(len(group), -1)
    _, size = np.unique(found.sides[group], axis=0, return_inverse=True)
    same = np.zeros(len(group), bool)
    for this_size in grouped(size.ravel()):
        scaled, plain = this_size[of_jpeg[this_size]], this_size[~of_jpeg[this_size]]
        for part in (scaled, plain):
            _, copy = np.unique(small[part], axis=0, return_inverse=True)
            for equal in grouped(copy.ravel()):
                same[part[equal]] = True
        for i in plain[:_MOST_CROSSED].tolist():
            gap = np.abs(small[scaled[:_MOST_CROSSED]].astype(np.int16) - small[i]).mean(1)
            near = scaled[:_MOST_CROSSED][gap <= _NEARLY]
            same[near] = True
            same[i] |= bool(len(near))
    return [int(i) for i in group[same]]


def _pixels(item: Item) -> bytes:
    """What tells an image's pixels; nothing where the file has become unreadable since."""
    try:
        return pixels_digest(item)
    except DecodeError:
        return b""


def _examine_some(items: Sequence[Item]) -> list[Examined | str]:
    """What each file is, or why it cannot be told."""
    return list(_each(items))


def _each(items: Sequence[Item]) -> Iterator[Examined | str]:
    for item in items:
        try:
            yield examine(item)
        except DecodeError as problem:
            yield str(problem)


def _number(names: list[str], name: str) -> int:
    """The index of a name in a list that it joins where it is new."""
    if name not in names:
        names.append(name)
    return names.index(name)
