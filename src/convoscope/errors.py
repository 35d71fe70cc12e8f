"""Every way Convoscope can say no, in one tree.

ConvoscopeError
├── InputError            what the user gave cannot be used
│   ├── UnknownName       a name that is in no registry
│   ├── RecipeError       a knob outside its bounds, or knobs that contradict each other
│   ├── DataError         images or labels that cannot be used
│   │   └── BrokenImage   files that cannot be decoded, named one by one
│   ├── ModelError        an architecture that cannot take this input
│   └── RunError          a run that is not there, not finished, or not readable
├── StorageError          the disk said no: full, read-only, vanished
├── DownloadError         a file could not be fetched, or is not the file that was promised
├── TrainingFailed        the numbers went wrong: NaN, or no learning at all
└── MissingPackage        an optional package is not installed

Each error says what was asked, what was given, the rule (`message`), and what to do (`hint`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class ConvoscopeError(Exception):
    """The root of the tree: one sentence of what went wrong, one of what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(ConvoscopeError):
    """What the user gave cannot be used."""


class UnknownName(InputError):
    """A name that is in no registry; near names are listed."""


class RecipeError(InputError):
    """A knob outside its bounds, or knobs that contradict each other."""


class DataError(InputError):
    """Images or labels that cannot be used."""


class BrokenImage(DataError):
    """Image files that cannot be decoded; `problems` holds (path, reason) for every one of them."""

    def __init__(self, message: str, *, hint: str = "", problems: Sequence[tuple[Path, str]] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class ModelError(InputError):
    """An architecture that cannot take this input."""


class RunError(InputError):
    """A run that is not there, not finished, or not readable."""


class StorageError(ConvoscopeError):
    """The disk said no: full, read-only, vanished."""


class DownloadError(ConvoscopeError):
    """A file could not be fetched, or is not the file that was promised."""


class TrainingFailed(ConvoscopeError):
    """The numbers went wrong: NaN, or no learning at all."""


class MissingPackage(ConvoscopeError):
    """An optional package is not installed; the hint is the command that installs it."""
