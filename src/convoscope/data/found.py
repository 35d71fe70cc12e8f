"""Files that were asked for by name, by folder or by pattern, one after another; links in a circle end in nothing."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from convoscope.data.image import SUFFIXES
from convoscope.data.layout import Scan

_MAGIC = re.compile(r"[*?[]")
_ANY_DEPTH = "**"


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was asked for.

    Attributes:
        path: The file; or what was asked for, where it leads to none.
        problem: Why it leads to none, in a clause; "" for a file.
    """

    path: Path
    problem: str = ""


def find_files(
    asked: Iterable[str | Path], *, noun: str = "images", suffixes: frozenset[str] = SUFFIXES
) -> Iterator[Found]:
    """The files that were asked for, each as soon as it is found; what is asked for twice is found twice.

    Args:
        asked: Files, which need not exist; folders, for the files of these suffixes at any depth below; and, as str,
            patterns with * ? [...] and ** for folders at any depth, where there is no file of that very name. Below
            folders and patterns hidden files and folders are passed over, and no file is found twice.
        noun: What is looked for, in the plural: "images" or "texts".
        suffixes: How their names end, in small letters; an image's name may have no suffix.
    """
    for one in asked:
        # A Path may name a file in ways that a pattern would read otherwise: it is never a pattern.
        is_pattern = isinstance(one, str) and _MAGIC.search(one) and not os.path.lexists(one)
        path = Path(one)
        if is_pattern:
            yield from _Walk(noun, suffixes).matching(str(one))
        elif os.path.isdir(path):  # noqa: PTH112 - a name that is too long is no error here
            yield from _Walk(noun, suffixes).below(path)
        else:
            yield Found(path)


class _Walk:
    """One folder or pattern that was asked for, and where the search has been."""

    def __init__(self, noun: str, suffixes: frozenset[str]) -> None:
        self._noun, self._suffixes = noun, suffixes

    def below(self, root: Path) -> Iterator[Found]:
        """The files looked for at any depth below a folder, in natural order, those of a folder before its folders'."""
        found = False
        for one in self._files_below(root):
            found = True
            yield one
        if not found:
            yield Found(root, f"there are no {self._noun} in it")

    def matching(self, pattern: str) -> Iterator[Found]:
        """The files that a pattern matches, and those below the folders that it matches."""
        parts = Path(pattern).expanduser().parts
        n_literal = next(i for i, part in enumerate(parts) if _MAGIC.search(part))
        # What is named down to its suffix is answered whatever it is; of "photos/*" the images are meant.
        suffix = Path(parts[-1]).suffix
        wants_all = bool(suffix) and not _MAGIC.search(suffix)
        root = Path(*parts[:n_literal])
        scan = self._scan(root)
        seen: set[Path] = set()
        for path in self._expanded(root, parts[n_literal:]):
            is_wanted = path.is_dir() or wants_all or scan.is_wanted(path)
            for one in self._files_below(path) if path.is_dir() else [Found(path)] if is_wanted else []:
                if one.path not in seen:
                    seen.add(one.path)
                    yield one
        if not seen:
            yield Found(Path(pattern), f"no {self._noun} match this pattern")

    def _scan(self, root: Path) -> Scan:
        return Scan(root, noun=self._noun, suffixes=self._suffixes)

    def _files_below(self, root: Path) -> Iterator[Found]:
        scan = self._scan(root)
        for _, files in self._folders_below(root, scan):
            for path, reason in scan.problems:
                yield Found(path, reason)
            scan.problems.clear()
            for path in files:
                if scan.is_wanted(path):
                    yield Found(path)

    def _folders_below(self, root: Path, scan: Scan) -> Iterator[tuple[Path, list[Path]]]:
        """A folder and every folder below it, each once, with its files."""
        home = root.resolve()
        entered: set[tuple[int, int] | None] = set()
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            place = _place(folder)
            if place is not None and place in entered:
                continue
            entered.add(place)
            folders, files = scan.list_folder(folder)
            waiting += [inner for inner in reversed(folders) if not _leads_back(inner, home)]
            yield folder, files

    def _expanded(self, folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
        """What the rest of a pattern matches below a folder."""
        if not parts or parts == (_ANY_DEPTH,):
            yield folder
        elif parts[0] == _ANY_DEPTH:
            for inner, _ in self._folders_below(folder, self._scan(folder)):
                yield from self._expanded(inner, parts[1:])
        elif not _MAGIC.search(parts[0]):
            if os.path.lexists(folder / parts[0]):
                yield from self._expanded(folder / parts[0], parts[1:])
        else:
            folders, files = self._scan(folder).list_folder(folder)
            for entry in [*files, *folders]:
                if fnmatch.fnmatch(entry.name, parts[0]) and (len(parts) == 1 or entry.is_dir()):
                    yield from self._expanded(entry, parts[1:])


def _place(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from every other, whatever it is called; None where it cannot be reached."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _leads_back(folder: Path, home: Path) -> bool:
    """Whether a folder is a link to one that holds the tree being walked, or into it, where it is met anyway."""
    if not folder.is_symlink():
        return False
    try:
        leads_to = folder.resolve()
    except (OSError, RuntimeError):  # a loop of links
        return True
    return leads_to.is_relative_to(home) or home.is_relative_to(leads_to)
