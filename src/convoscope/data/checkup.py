"""The check-up of images in files: every file opened and decoded, and what was found told as facts and findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convoscope.data.checks import DataFinding
from convoscope.data.cifar import find_cifar
from convoscope.data.corpus import TextKnobs
from convoscope.data.division import PARTS
from convoscope.data.examine import promises
from convoscope.data.folder import called, place_of
from convoscope.data.idx import find_idx
from convoscope.data.listing import Listing, is_listed, is_there, list_images
from convoscope.data.remarks import findings_of
from convoscope.data.source import DATASETS, is_table, kind_of_data
from convoscope.data.survey import Doubles, Index, Survey, find_doubles, survey

_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")  # formats whose further pictures are frames of a film
_OF_ONE = ("MPO", "ICO")  # formats whose further pictures are the same one, for other screens
SMALL_SIDE = 16  # pixels: a side below is suspicious
_STRETCHED = 4.0  # of the usual shape: an image so much wider or taller is suspicious
_MANY_TIMES = 8.0  # the usual side: an image so much smaller or larger is suspicious
_MOST_SIZES = 20  # distinct sizes that are listed


@dataclass(frozen=True, eq=False)
class CheckUp:
    """What was found in images in files.

    Attributes:
        listing: Which files there are.
        survey: What each of them is.
        doubles: Which are there more than once.
    """

    listing: Listing
    survey: Survey
    doubles: tuple[Doubles, ...]

    @cached_property
    def broken(self) -> list[tuple[Path, str, int]]:
        """(path, reason, number of the item or -1) of every entry that cannot be read, by path."""
        items = self.listing.items
        found = [(path, reason, -1) for path, reason in self.listing.problems]
        found += [(place_of(self.listing.root, items[i]), reason, i) for i, reason in self.survey.reasons.items()]
        return sorted(found, key=lambda one: str(one[0]))

    @cached_property
    def labels(self) -> Index:
        """The label of each item, (N,)."""
        return np.array([item.label for item in self.listing.items], np.int64)

    @cached_property
    def splits(self) -> NDArray[np.int8]:
        """The split of each item as its index in `PARTS`, (N,)."""
        return np.array([PARTS.index(item.split) for item in self.listing.items], np.int8)

    @cached_property
    def counts(self) -> dict[str, Index]:
        """Images that can be decoded, for each split that there is, by class (K,)."""
        there = self.listing.parts()
        K = len(self.listing.class_names)
        return {
            part: np.bincount(self.labels[self.survey.good & (self.splits == n)], minlength=K).astype(np.int64)
            for n, part in enumerate(PARTS)
            if part in there or part == "train"
        }

    @cached_property
    def findings(self) -> list[DataFinding]:
        """What a user should know, what matters most first."""
        return findings_of(self)

    def name(self, i: int) -> str:
        """What item `i` is called."""
        return self.listing.items[i].name

    def which(self, chosen: NDArray[np.bool_]) -> Index:
        """The items that could be decoded and for which `chosen` (N,) holds."""
        return np.flatnonzero(self.survey.good & chosen)

    @cached_property
    def misnamed(self) -> Index:
        """Items whose name stands for another format than their content has."""
        good = np.flatnonzero(self.survey.good).tolist()
        return np.array([i for i in good if not promises(self.name(i), self.format_of(i))], np.int64)

    @cached_property
    def several(self) -> Index:
        """Items with further frames or pages."""
        names = self.survey.names_of_formats
        of_one = [n for n, name in enumerate(names) if name in _OF_ONE]
        return self.which((self.survey.n_frames > 1) & ~np.isin(self.survey.formats, of_one))

    def format_of(self, i: int) -> str:
        """The format of item `i`, which could be decoded."""
        return self.survey.names_of_formats[int(self.survey.formats[i])]

    @cached_property
    def odd_sizes(self) -> Index:
        """Items that are very small, or far from the usual size or shape of the others."""
        good = np.flatnonzero(self.survey.good)
        if not len(good):
            return good
        width, height = self.survey.sides[good].astype(np.float64).T
        side, shape = np.sqrt(width * height), np.log(width / height)
        usual_side, usual_shape = np.median(side), np.median(shape)
        small = (np.minimum(width, height) < SMALL_SIDE) & (usual_side >= 2 * SMALL_SIDE)
        far = np.abs(np.log(side / usual_side)) > np.log(_MANY_TIMES)
        stretched = np.abs(shape - usual_shape) > np.log(_STRETCHED)
        odd: Index = good[small | far | stretched]
        return odd

    def to_dict(self) -> dict[str, Any]:
        """All facts, complete, of JSON types only: numbers in pixels and bytes; shares are never rounded to words."""
        listing, found = self.listing, self.survey
        good = found.good
        return {
            "name": listing.source,
            "kind": "images",
            "layout": listing.layout,
            "n_files": len(listing.items),
            "n_images": int(good.sum()),
            "n_bytes": int(found.n_bytes[good].sum()),
            "n_classes": len(listing.class_names),
            "class_names": list(listing.class_names),
            "splits": {
                part: {"n_images": int(n.sum()), "n_per_class": n.tolist()} for part, n in self.counts.items()
            },
            "sizes": _sizes(found),
            "formats": _counted(found.formats[good], found.names_of_formats),
            "modes": _counted(found.modes[good], found.names_of_modes),
            "orientations": {str(k): int(n) for k, n in sorted(Counter(found.orientations[good].tolist()).items())},
            "n_wide": int(found.wide[good].sum()),
            "n_transparent": int(found.clear[good].sum()),
            "n_with_profile": int(found.profiles[good].sum()),
            "broken": [self._broken_fact(*one) for one in self.broken],
            "misnamed": [{"name": self.name(i), "format": self.format_of(i)} for i in self.misnamed.tolist()],
            "several_frames": [
                {"name": self.name(i), "format": self.format_of(i), "n_frames": int(found.n_frames[i]),
                 "animated": self.format_of(i) in _ANIMATED} for i in self.several.tolist()
            ],
            "odd_sizes": [self._sized(i) for i in self.odd_sizes.tolist()],
            "doubles": [self._double_fact(double) for double in self.doubles],
            "hidden": list(listing.hidden),
            "not_images": list(listing.other),
            "findings": [finding.to_dict() for finding in self.findings],
        }  # fmt: skip

    def _broken_fact(self, path: Path, reason: str, i: int) -> dict[str, Any]:
        fact: dict[str, Any] = {"name": called(self.listing.root, path), "reason": reason}
        return fact if i < 0 else {**fact, **self._place(i)}

    def _place(self, i: int) -> dict[str, str]:
        item = self.listing.items[i]
        return {"name": item.name, "split": item.split, "class": self.listing.class_names[item.label]}

    def _sized(self, i: int) -> dict[str, Any]:
        width, height = self.survey.sides[i].tolist()
        return {"name": self.name(i), "width": width, "height": height}

    def _double_fact(self, double: Doubles) -> dict[str, Any]:
        return {
            "same": double.kind,
            "across_splits": self.crosses(double),
            "labels_differ": self.disagrees(double),
            "images": [self._place(i) for i in double.members.tolist()],
        }

    def crosses(self, double: Doubles) -> bool:
        """Whether images that are the same lie in several splits."""
        return len(np.unique(self.splits[double.members])) > 1

    def disagrees(self, double: Doubles) -> bool:
        """Whether images that are the same have several labels."""
        return len(np.unique(self.labels[double.members])) > 1


def holds_image_files(name: str, texts: TextKnobs) -> bool:
    """Whether data are images in files: no texts, no data of a fixed size, and not nothing at all."""
    if name in DATASETS:
        return False
    place = Path(name).expanduser()
    if is_listed(name):
        return True
    if not is_there(place) or kind_of_data(name, texts) != "images":
        return False
    if not place.is_dir():
        return is_table(name) or place.suffix.casefold() == ".tar"
    return not (find_idx(place, "train", "images") or find_idx(place, "train", "labels") or find_cifar(place))


def check_up(
    path: str | Path, *, label_column: str | None = None, progress: Callable[[int, int], None] | None = None
) -> CheckUp:
    """Opens and decodes every image file that lies at a path, and looks for what is wrong with them.

    Args:
        path: A folder of images, a manifest or tar shards; see `list_images`.
        label_column: The column of labels of a manifest.
        progress: Called with (files done, files in all).

    Raises:
        DataError: nothing there is laid out in a known way; see `list_images`.
    """
    listing = list_images(path, label_column=label_column)
    found = survey(listing.items, progress=progress)
    return CheckUp(listing, found, tuple(find_doubles(listing.items, found)))


def _sizes(found: Survey) -> dict[str, Any]:
    """How large images are: least, median and greatest of width, height and area, and the most frequent sizes."""
    sides = found.sides[found.good].astype(np.int64)
    if not len(sides):
        return {"n_distinct": 0, "most_frequent": []}
    width, height = sides.T
    distinct, n = np.unique(sides, axis=0, return_counts=True)
    order = np.argsort(-n, kind="stable")[:_MOST_SIZES]
    measured = (("width", width), ("height", height), ("pixels", width * height))
    return {
        **{
            name: {"min": int(values.min()), "median": float(np.median(values)), "max": int(values.max())}
            for name, values in measured
        },
        "n_distinct": len(distinct),
        "most_frequent": [
            {"width": int(w), "height": int(h), "n": int(k)}
            for (w, h), k in zip(distinct[order], n[order], strict=True)
        ],
    }


def _counted(codes: NDArray[np.uint8], names: list[str]) -> dict[str, int]:
    """How often each name occurs, the most frequent first."""
    return dict(Counter(names[code] for code in codes.tolist()).most_common())
