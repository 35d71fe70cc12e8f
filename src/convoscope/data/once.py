"""Images decoded once: out of the cache as far as it has them, whatever folder they lie in now; the rest made anew."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convoscope.data.image import MAX_PIXELS, DecodeError, ImagePolicy, decode_image, quiet_pillow
from convoscope.data.item import Item
from convoscope.data.kept import Digests, Map, Part, claim_part, discard, open_maps
from convoscope.data.ledger import Ledger, Seen, stamp_of
from convoscope.data.mapped import Rows
from convoscope.data.reading import in_order, n_workers, read_item
from convoscope.data.room import make_room

Progress = Callable[[int, int], None]

DECODER = 1  # to be raised when `image` gives other pixels for a file: what was kept before does not count then
_SAME = 0.9  # of a file's rows: what a newer file of the same source must have of it to stand for it
_PIECE_BYTES = 1 << 20  # of decoded images that are handed on together


class _Outcome(NamedTuple):
    """What became of one item.

    Attributes:
        pixels: uint8 (C, H, W); None where there are none.
        problem: Why there are none.
        digest: SHA-256 of what it was decoded from; empty where that could not be read.
        seen: What is to be noted of its file.
        lasting: Whether another try would fail too.
    """

    pixels: NDArray[np.uint8] | None
    problem: str = ""
    digest: bytes = b""
    seen: Seen | None = None
    lasting: bool = False


class Request:
    """Some items to be had decoded in one way, out of the cache as far as it has them."""

    def __init__(
        self, items: Sequence[Item], policy: ImagePolicy, ledger: Ledger, source: str, progress: Progress | None
    ) -> None:
        self.items, self.policy, self.ledger = items, policy, ledger
        self.source, self.progress = source or _folder_of(items), progress
        self.settings = {
            "decoder": DECODER,
            "pillow": version("pillow"),
            "most_pixels": MAX_PIXELS,
            "policy": policy.to_dict(),
        }
        self.maps: list[Map] = []
        self.digests: Digests = np.zeros(len(items), "S32")
        self.problems: dict[int, str] = {}

    def rows(self) -> tuple[Rows, dict[int, str]]:
        """The rows of the items that can be decoded, in order, and the reason for each of the others."""
        found = self._find()
        if found is None:
            with claim_part(self._key()) as claim:
                found = self._find() if claim.waited else None
                if found is None:
                    most = len(self.items) * (math.prod(self.policy.shape) + 100)
                    make_room(most, self.ledger)
                    found = self._make(claim.part(self.policy.shape, most))
        elif self.progress:
            self.progress(len(self.items), len(self.items))
        return found, self.problems

    def _key(self) -> str:
        """The same for every process that makes the same request."""
        digest = hashlib.sha256(repr(self.settings).encode())
        for item in self.items:
            digest.update(b"%s\0%d\0" % (os.fsencode(item.path), item.offset))
        return digest.hexdigest()[:24]

    def _find(self) -> Rows | None:
        """The rows out of one file of the cache, where that has all of them."""
        self.maps = open_maps(self.settings, self.ledger)
        if self.maps:
            self._learn_digests()
        for kept in self.maps:
            found = self._found_in(kept)
            if found is not None:
                self.ledger.use_map(kept.name, kept.stamp)
                return found
        # What has nothing to give is closed, so that it can go where room is needed.
        self.maps = [kept for kept in self.maps if (kept.rows_of(self.digests) >= 0).any()]
        return None

    def _learn_digests(self) -> None:
        """The hash of every item that can be read: as remembered where the file has not changed, else of its bytes."""
        self.digests[:], self.problems = b"", {}
        unknown = []
        for i, item in enumerate(self.items):
            try:
                digest = self.ledger.known(item, stamp_of(item), "digest")
            except DecodeError as problem:
                self.problems[i] = str(problem)
                continue
            if digest is None:
                unknown.append(i)
            else:
                self.digests[i] = digest
        for i, read in zip(unknown, in_order(self._hashed, unknown, 64), strict=True):
            if isinstance(read, DecodeError):
                self.problems[i] = str(read)
            else:
                self.digests[i] = read.value
                self.ledger.remember(read)

    def _hashed(self, i: int) -> Seen | DecodeError:
        try:
            return read_item(self.items[i])[0]
        except DecodeError as problem:
            return problem

    def _found_in(self, kept: Map) -> Rows | None:
        """The rows out of one file; None where it lacks an item that can be read."""
        readable = np.flatnonzero(self.digests != b"")
        at = kept.rows_of(self.digests[readable])
        problems = {int(i): kept.problems.get(_whole(self.digests, i), "") for i in readable[at < 0]}
        if not all(problems.values()):
            return None
        self.problems |= problems
        return kept.rows.take(at[at >= 0])

    def _make(self, part: Part) -> Rows:
        """The rows in a new file: out of other files of the cache as far as they are there, the rest decoded."""
        problems: dict[int, str] = {}
        lasting: list[tuple[bytes, str]] = []
        pieces = _pieces(len(self.items), math.prod(self.policy.shape))
        with quiet_pillow():
            for which, outcomes in zip(pieces, in_order(self._piece, pieces, 2 * n_workers()), strict=True):
                good = [outcome for outcome in outcomes if outcome.pixels is not None]
                if good:
                    part.append(np.stack([o.pixels for o in good if o.pixels is not None]), [o.digest for o in good])
                for i, outcome in zip(which, outcomes, strict=True):
                    if outcome.seen is not None:
                        self.ledger.remember(outcome.seen)
                    if outcome.pixels is None:
                        problems[i] = outcome.problem
                        if outcome.lasting:
                            lasting.append((outcome.digest, outcome.problem))
                if self.progress:
                    self.progress(which.stop, len(self.items))
        self.problems = problems
        made = part.finish(self.settings, lasting, self.source, self.ledger)
        self._supersede(made)
        return made.rows

    def _supersede(self, made: Map) -> None:
        """Removes files that the new one stands for: it has all of their rows, or most and they are of its source."""
        shares = {kept.path: (kept.source, (made.rows_of(kept.digests) >= 0).mean()) for kept in self.maps}
        self.maps = []  # closes them
        for path, (source, share) in shares.items():
            if path != made.path and (share == 1 or (share >= _SAME and source == self.source)):
                discard(path, self.ledger, even_if_open=False)

    def _piece(self, which: range) -> list[_Outcome]:
        return [self._outcome(i) for i in which]

    def _outcome(self, i: int) -> _Outcome:
        """One item, out of the cache or decoded."""
        digest = _whole(self.digests, i) if self.digests[i] else None
        taken = None if digest is None else self._taken(digest)
        if taken is not None:
            return taken
        try:
            seen, content = read_item(self.items[i])
        except DecodeError as problem:
            return _Outcome(None, str(problem))
        taken = self._taken(seen.value)
        if taken is not None:
            return taken._replace(seen=seen)
        try:
            pixels = decode_image(content, self.policy)
            if isinstance(content, Path) and stamp_of(self.items[i]) != seen.stamp:
                return _Outcome(None, "it was changed while it was read")
        except DecodeError as problem:
            refused = isinstance(problem.__cause__, MemoryError) or isinstance(content, Path)
            return _Outcome(None, str(problem), seen.value, seen, lasting=not refused)
        return _Outcome(pixels, "", seen.value, seen)

    def _taken(self, digest: bytes) -> _Outcome | None:
        """What the cache has of an item with this content."""
        for kept in self.maps:
            (row,) = kept.rows_of(np.array([digest], "S32"))
            if row >= 0:
                return _Outcome(kept.rows[int(row)], "", digest)
            if digest in kept.problems:
                return _Outcome(None, kept.problems[digest], digest, lasting=True)
        return None


def _whole(digests: Digests, i: int) -> bytes:
    """A digest with the zero bytes that it may end in."""
    return digests[i : i + 1].tobytes()


def _pieces(n: int, row_bytes: int) -> list[range]:
    """The numbers 0 to n - 1 in stretches of about a megabyte of rows, at most 16 of them."""
    step = min(max(1, _PIECE_BYTES // row_bytes), 16)
    return [range(first, min(first + step, n)) for first in range(0, n, step)]


def _folder_of(items: Sequence[Item]) -> str:
    """The folder that the first and the last item lie in."""
    if not items:
        return ""
    first, last = (os.path.abspath(item.path.parent) for item in (items[0], items[-1]))  # noqa: PTH100 - links stay
    try:
        return str(os.path.commonpath((first, last)))
    except ValueError:  # on two drives
        return first
