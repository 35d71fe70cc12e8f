"""Which files of a folder are which class's images or texts; the walk reads names and never stops at a bad one."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from convoscope.data.checks import DataFinding, few
from convoscope.data.image import SUFFIXES
from convoscope.errors import DataError

SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
LAYOUT = "Lay it out as FOLDER/CLASS/IMAGE, or FOLDER/train/CLASS/IMAGE with val/ and test/ beside train/."
_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
_SYSTEM_FOLDERS = frozenset({"__macosx"})
_SPLIT_NAMES = frozenset(chain.from_iterable(SPLITS.values()))

Classes = dict[str, list[Path]]


@dataclass
class Scan:
    """A folder being walked, and what was seen on the way.

    Attributes:
        root: The folder the user gave.
        findings: What is odd and does not stop anything.
        problems: (path, reason) of what cannot be read.
        hidden: Dot files and the system's own, left out.
        other: Files that are no images by name, and links to folders inside a class, left out.
        noun: What the files looked for are: "images", or "texts".
        suffixes: The suffixes of their names, in small letters.
        in_splits: Whether the folder turned out to be laid out in train/, val/ and test/.
    """

    root: Path
    findings: list[DataFinding] = field(default_factory=list)
    problems: list[tuple[Path, str]] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    noun: str = "images"
    suffixes: frozenset[str] = SUFFIXES
    in_splits: bool = False

    @property
    def layout(self) -> str:
        """How the folder should be laid out."""
        return LAYOUT if self.noun == "images" else LAYOUT.replace("IMAGE", "TEXT.txt")

    def relative(self, path: Path) -> str:
        """A path below the root as people read it; see `printable`."""
        return printable(path.relative_to(self.root).as_posix())

    def list_folder(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """(folders, files) in natural order; hidden and system entries are counted and left out."""
        try:
            entries = sorted(folder.iterdir(), key=lambda entry: natural_key(entry.name))
        except OSError as error:
            self.problems.append((folder, f"it cannot be read ({error.strerror})"))
            return [], []
        folders, files = [], []
        for entry in entries:
            name = entry.name.casefold()
            if name.startswith(".") or name in _SYSTEM_FILES or name in _SYSTEM_FOLDERS:
                self.hidden.append(self.relative(entry))
            elif entry.is_dir():
                folders.append(entry)
            else:
                files.append(entry)
        return folders, files

    def files_below(self, folder: Path) -> list[Path]:
        """The files looked for, of a class folder and of the real folders below it.

        Links to folders inside a class are not followed: they could lead in a circle, or into another class.
        """
        found: list[Path] = []
        waiting = [folder]
        while waiting:
            folders, files = self.list_folder(waiting.pop(0))
            for inner in folders:
                if inner.is_symlink():
                    self.other.append(self.relative(inner))
                else:
                    waiting.append(inner)
            for path in files:
                if self.is_wanted(path):
                    found.append(path)
                else:
                    self.other.append(self.relative(path))
        return found

    def is_wanted(self, path: Path) -> bool:
        """Whether a file is looked for, by its suffix; of one without, by how it begins."""
        suffix = path.suffix.casefold()
        return suffix in self.suffixes or (not suffix and self.noun == "images" and _starts_as_image(path))

    def leave_loose(self, files: list[Path]) -> None:
        """Tells of files that lie beside class folders: none of them has a class, so none is used."""
        loose = [self.relative(path) for path in files if self.is_wanted(path)]
        known = set(loose)
        self.other += [name for name in map(self.relative, files) if name not in known]
        if loose:
            message = f"{self.noun.capitalize()} beside the class folders have no class and are not used"
            self._find("file-loose", f"{message} ({len(loose):,}): {few(loose)}.", "Move each into its class's folder.")

    def classes_of(self, folders: list[Path]) -> Classes:
        """Class name -> its files, for every folder that has some; the others become a finding."""
        classes: Classes = {}
        empty: list[str] = []
        nested: list[str] = []
        root = self.root.resolve()
        for folder in folders:
            if folder.is_symlink() and root.is_relative_to(folder.resolve()):
                self._find("folder-ignored", f"{folder} is a link to a folder that holds it, so it is not used.")
                continue
            paths = self.files_below(folder)
            if paths:
                classes[printable(folder.name)] = paths
                nested += [self.relative(folder)] * (folder not in {path.parent for path in paths})
            else:
                empty.append(self.relative(folder))
        if nested:
            message = (
                f"Class folders that hold their {self.noun} in folders of their own ({len(nested)}): {few(nested)}."
            )
            self._find("folder-nested", message, "If those are the classes, point at the folder right above them.")
        if empty:
            self._find("folder-empty", f"Folders without {self.noun} are no classes ({len(empty)}): {few(empty)}.")
        return classes

    def _find(self, name: str, message: str, hint: str = "") -> None:
        self.findings.append(DataFinding(name, message, hint))


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts as people do: "image 9" before "image 10", and capital letters among the small ones."""
    pieces = re.findall(r"\d+|\D+", name.casefold())
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in pieces], name


def printable(name: str) -> str:
    """A file name that can be printed: bytes that are no UTF-8 become backslash codes, each its own."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def not_a_file(path: Path) -> str:
    """Why a path that is no ordinary file cannot be an image, in a clause."""
    if os.path.exists(path):  # noqa: PTH110 - a name that is too long is no error here
        return "it is no ordinary file"
    return "it is a link that leads nowhere" if os.path.islink(path) else "there is no such file"  # noqa: PTH114


def _starts_as_image(path: Path) -> bool:
    """Whether a file without a suffix begins as JPEG, PNG, GIF, BMP, WebP or TIFF do."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            start = stream.read(12)
    except OSError:
        return False
    return start.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")) or (
        start[:4] == b"RIFF" and start[8:] == b"WEBP"
    )


def find_classes(scan: Scan, *, judged: bool = False) -> dict[str, Classes]:
    """For each split that is there, its classes and their files; "train" comes first and decides the classes.

    A folder is in splits when its `train` holds folders; a class that is called "train" holds images.

    Args:
        scan: The folder.
        judged: Whether its files are to be judged, not learnt from: then one class is enough, a split may have classes
            that train lacks, and train may lack altogether.

    Raises:
        DataError: The layout is not one of the two, or the splits contradict each other.
    """
    folders, files = scan.list_folder(scan.root)
    if scan.problems:
        raise DataError(f"{scan.root}: {scan.problems[0][1]}.")
    in_train = [f for f in folders if f.name.casefold() in SPLITS["train"]]
    only_splits = bool(folders) and all(f.name.casefold() in _SPLIT_NAMES for f in folders)
    deciding = folders if judged and only_splits else in_train
    scan.in_splits = any(Scan(scan.root).list_folder(folder)[0] for folder in deciding)
    if scan.in_splits:
        splits = _find_splits(scan, folders)
    else:
        if len(folders) > 1 and only_splits:
            given = few([f.name for f in folders])
            raise DataError(f"{scan.root} has {given}, and no train/ with class folders in it.", hint=scan.layout)
        splits = {"train": scan.classes_of(folders)}
    if not any(splits.values()) or not (splits["train"] or judged):
        raise _no_files(scan, folders, files)
    scan.leave_loose(files)
    _tell_twins(scan, splits)
    if not judged:
        _check_classes(scan, splits)
    return splits


def _tell_twins(scan: Scan, splits: dict[str, Classes]) -> None:
    """Classes whose names look alike: "Cat" and "cat", or one accent written in two ways."""
    spellings: dict[str, dict[str, None]] = {}
    for name in (name for classes in splits.values() for name in classes):
        alike = unicodedata.normalize("NFC", name).casefold().strip()
        spellings.setdefault(alike, {})[name] = None
    twins = [" and ".join(names) for names in spellings.values() if len(names) > 1]
    if twins:
        message = f"Classes whose names differ in spelling only ({len(twins)}): {few(twins)}."
        scan.findings.append(
            DataFinding("class-spelling", message, "They count as different: put each two in one folder if they are.")
        )


def _find_splits(scan: Scan, folders: list[Path]) -> dict[str, Classes]:
    """The splits of a folder that is laid out in splits; raises DataError where two folders mean the same one."""
    splits: dict[str, Classes] = {}
    for split, names in SPLITS.items():
        at = [folder for folder in folders if folder.name.casefold() in names]
        if len(at) > 1:
            given = " and ".join(folder.name for folder in at)
            raise DataError(f"{scan.root} has {given}, which both mean {split}; one is needed.", hint="Rename one.")
        inside, loose = scan.list_folder(at[0]) if at else ([], [])
        classes = scan.classes_of(inside)
        if classes:
            scan.leave_loose(loose)
        if classes or split == "train":
            splits[split] = classes
        elif at:
            message = f"{at[0]} has no class folders with {scan.noun}, so it is not used."
            scan.findings.append(
                DataFinding("folder-ignored", message, hint=f"Put its {scan.noun} in one folder a class.")
            )
    strangers = [folder.name for folder in folders if folder.name.casefold() not in _SPLIT_NAMES]
    if strangers:
        message = f"Folders beside train/ that are no split are not used ({len(strangers)}): {few(strangers)}."
        scan.findings.append(DataFinding("folder-ignored", message))
    return splits


def _no_files(scan: Scan, folders: list[Path], files: list[Path]) -> DataError:
    """The error for a folder without an image (or text) in a class folder, with what it holds instead."""
    loose = [path for path in files if path.suffix.casefold() in scan.suffixes]
    if loose:
        one = "an image" if scan.noun == "images" else "a text"
        return DataError(
            f"{scan.root} has {len(loose)} {scan.noun} beside each other; the folder {one} lies in names its class.",
            hint=scan.layout,
        )
    held = contents(folders, files)
    return DataError(f"{scan.root} has no {scan.noun} in class folders; it holds {held}.", hint=scan.layout)


def contents(folders: list[Path], files: list[Path]) -> str:
    """What a folder holds, in words: how many folders, and how many files of which suffix."""
    suffixes = Counter(path.suffix.casefold() or "no suffix" for path in files)
    kinds = ", ".join(f"{n} {suffix}" for suffix, n in suffixes.most_common(4))
    named = f" ({few([folder.name for folder in folders])})" if folders else ""
    return f"{len(folders)} folders{named} and {len(files)} files" + (f" ({kinds})" if kinds else "")


def _check_classes(scan: Scan, splits: dict[str, Classes]) -> None:
    """Raises DataError where train has one class only, or another split has a class that train lacks."""
    root, known = scan.root, list(splits["train"])
    if len(known) == 1:
        files = splits["train"][known[0]]
        within = [root / path.relative_to(root).parts[0] for path in files if len(path.relative_to(root).parts) > 2]
        place = f"{within[0]}" if within and not scan.in_splits else "the folder that holds the class folders"
        raise DataError(
            f"{root} has one class only, {known[0]!r}; telling classes apart needs at least two.",
            hint=f"Add folders of other classes, or point at {place}. {scan.layout}",
        )
    for split, classes in splits.items():
        unknown = [name for name in classes if name not in splits["train"]]
        if unknown:
            raise DataError(
                f"{root}: {split} has {len(unknown)} classes that train lacks ({few(unknown)}); a network only "
                f"answers with classes it was trained on.",
                hint=f"Rename or remove them, or add training {scan.noun}. Train has: {few(known, 12)}.",
            )
