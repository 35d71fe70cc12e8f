"""What a check-up of image files has to remark, as findings: what was found, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from convoscope.data.checks import DataFinding, class_findings, few, missing_findings
from convoscope.data.division import PARTS
from convoscope.data.folder import called

if TYPE_CHECKING:
    from convoscope.data.checkup import CheckUp
    from convoscope.data.survey import Doubles, Index

# Files that people take for images, and that are not read here: by suffix, what they are and what to do.
_ELSEWHERE = {
    **dict.fromkeys(("heic", "heif", "hif"), ("HEIC photos, as phones take them", "convert them to JPEG")),
    **dict.fromkeys(
        ("cr2", "cr3", "nef", "arw", "dng", "raf", "orf", "rw2", "pef", "srw", "raw"),
        ("raw photos of a camera", "develop them to JPEG or PNG"),
    ),
    **dict.fromkeys(("svg", "eps", "ai", "pdf", "wmf", "emf"), ("drawings and documents", "draw them to PNG")),
    **dict.fromkeys(("psd", "xcf", "kra"), ("files of painting programs", "save them as PNG")),
    **dict.fromkeys(("mp4", "mov", "avi", "mkv", "webm", "m4v"), ("films", "save frames of them as JPEG")),
    **dict.fromkeys(("zip", "tar", "gz", "tgz", "7z", "rar"), ("archives", "unpack them")),
    **dict.fromkeys(("jxl", "dcm", "nii", "npy", "hdr", "exr"), ("images of other formats", "convert them to PNG")),
}


def findings_of(found: CheckUp) -> list[DataFinding]:
    """Everything, what matters most first: what cannot be read, leaks, labels, classes, then what is merely odd."""
    return [
        *_broken(found),
        *_leaks(found),
        *_conflicts(found),
        *_repeats(found),
        *class_findings(found.listing.class_names, found.counts["train"], "images"),
        *missing_findings(found.listing.class_names, found.counts, "images"),
        *found.listing.findings,
        *_formats(found),
        *_sizes(found),
        *_unused(found),
    ]


def _broken(found: CheckUp) -> Iterator[DataFinding]:
    if found.broken:
        named = [f"{called(found.listing.root, path)}: {reason}" for path, reason, _ in found.broken]
        yield DataFinding(
            "image-broken",
            f"Entries that cannot be read as images ({len(named):,}): {few(named, 5, joint='; ')}.",
            "Mend or remove them, or train without them (--broken quarantine).",
        )


def _leaks(found: CheckUp) -> Iterator[DataFinding]:
    """Images of a part that judges that an earlier part has too."""
    for name, kinds, what in (
        ("image-leaked", ("bytes", "pixels"), "are also in {}, pixel for pixel"),
        ("image-leaked-alike", ("looks",), "look like one in {} (resized, compressed again, a little brighter)"),
    ):
        groups = [double.members for double in found.doubles if double.kind in kinds and found.crosses(double)]
        for n, split in enumerate(PARTS[1:], 1):
            for earlier in range(n):
                # The members of a group stand in the order of the parts, and train counts before validation.
                pairs = {
                    i: int(group[0])
                    for group in groups
                    if found.splits[group[0]] == earlier
                    for i in group[found.splits[group] == n].tolist()
                }
                if pairs:
                    named = [f"{found.name(i)} = {found.name(first)}" for i, first in sorted(pairs.items())]
                    yield DataFinding(
                        name,
                        f"Images of {split} that {what.format(PARTS[earlier])} ({len(pairs):,} of "
                        f"{int(found.counts[split].sum()):,}): {few(named)}.",
                        f"The {split} accuracy counts them as if they were new: keep each in one part, and what "
                        "belongs together too (--group).",
                    )


def _conflicts(found: CheckUp) -> Iterator[DataFinding]:
    """The same image under several labels."""
    for name, kinds, what, what_then in (
        ("label-conflict", ("bytes", "pixels"), "The same image with different labels", "One of each two is wrong."),
        (
            "label-conflict-alike", ("looks",), "Images that look the same, with different labels",
            "Look at them side by side (--html): of two that show the same, one label is wrong.",
        ),
    ):  # fmt: skip
        groups = [double for double in found.doubles if double.kind in kinds and found.disagrees(double)]
        if groups:
            yield DataFinding(
                name, f"{what} ({len(groups):,}): {few([_told(found, one) for one in groups])}.", what_then
            )


def _repeats(found: CheckUp) -> Iterator[DataFinding]:
    """Images that one part has more than once."""
    for name, kinds, what in (
        ("image-repeated", ("bytes", "pixels"), "has more than once, pixel for pixel"),
        ("image-repeated-alike", ("looks",), "has more than once by their looks"),
    ):
        for n, split in enumerate(PARTS):
            copies, groups = 0, []
            for double in found.doubles:
                here = double.members[found.splits[double.members] == n]
                if double.kind in kinds and len(here) > 1:
                    copies += len(here) - 1
                    groups.append(" = ".join(found.name(i) for i in here[:3].tolist()))
            if groups:
                yield DataFinding(
                    name,
                    f"Images that {split} {what} ({len(groups):,}, with {copies:,} copies among "
                    f"{int(found.counts[split].sum()):,}): {few(groups)}.",
                    "Each copy counts: remove all but one if that is not meant.",
                )


def _told(found: CheckUp, double: Doubles) -> str:
    """The first image of each label among some that are the same."""
    _, first = np.unique(found.labels[double.members], return_index=True)
    return " = ".join(found.name(i) for i in double.members[np.sort(first)][:3].tolist())


def _formats(found: CheckUp) -> Iterator[DataFinding]:
    if len(found.misnamed):
        named = [f"{found.name(i)} ({found.format_of(i)})" for i in found.misnamed[:6].tolist()]
        yield _one("name-misleads", "Names that promise another format than the content", named, len(found.misnamed),
                   "They are read by their content; rename them if other programs are to read them.")  # fmt: skip
    if len(found.several):
        named = [f"{found.name(i)} ({found.survey.n_frames[i]})" for i in found.several[:6].tolist()]
        yield _one("image-frames", "Images of several frames or pages, of which the first is used", named,
                   len(found.several), "Save the others as files of their own if they matter.")  # fmt: skip
    for name, what, chosen, hint in (
        ("image-transparent", "Images with transparency, which is laid over white", found.survey.clear, ""),
        ("image-wide", "Images of more than 8 bits, which are scaled by their range", found.survey.wide, ""),
    ):
        index = found.which(chosen)
        if len(index):
            yield _one(name, what, _names(found, index), len(index), hint)
    inks = [n for n, mode in enumerate(found.survey.names_of_modes) if mode in ("CMYK", "LAB", "YCbCr")]
    index = found.which(np.isin(found.survey.modes, inks))
    if inks and len(index):
        yield _one("image-inks", "Images in printing inks (CMYK) or CIE colours, which become RGB without a profile",
                   _names(found, index), len(index), "Convert them yourself if exact colours matter.")  # fmt: skip


def _sizes(found: CheckUp) -> Iterator[DataFinding]:
    index = found.odd_sizes
    if len(index):
        named = [
            f"{found.name(i)} ({' x '.join(map(str, found.survey.sides[i].tolist()))})" for i in index[:6].tolist()
        ]
        yield _one("size-odd", "Images far from the usual size or shape", named, len(index),
                   "Look whether they are what they should be, or thumbnails, banners, whole pages.")  # fmt: skip


def _unused(found: CheckUp) -> Iterator[DataFinding]:
    """Files that are not used: those that someone may have taken for images first."""
    left: list[str] = []
    elsewhere: dict[tuple[str, str], list[str]] = {}
    for name in found.listing.other:
        known = _ELSEWHERE.get(PurePath(name).suffix.casefold().lstrip("."))
        (elsewhere.setdefault(known, []) if known else left).append(name)
    for (what, remedy), names in elsewhere.items():
        yield _one("file-unsupported", f"Files that are not read here, {what}", names, len(names),
                   f"To train on them, {remedy}.")  # fmt: skip
    if left:
        yield _one("file-ignored", "Entries that are no images by name are not used", left, len(left), "")
    if found.listing.hidden:
        yield _one("file-ignored", "Hidden and system files are not used", found.listing.hidden,
                   len(found.listing.hidden), "")  # fmt: skip


def _names(found: CheckUp, index: Index) -> list[str]:
    return [found.name(i) for i in index[:6].tolist()]


def _one(name: str, what: str, names: Sequence[str], n: int, hint: str) -> DataFinding:
    """A finding that counts `n` and names the first five of them."""
    more = f", and {n - 5:,} more" if n > 5 else ""
    return DataFinding(name, f"{what} ({n:,}): {', '.join(names[:5])}{more}.", hint)
