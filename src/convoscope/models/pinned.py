"""What a run keeps of a model that came from a file, and how it is opened again: the code only where it is unchanged.

A run's folder may come from a stranger. So the copies of code in it are for reading and are never executed: the file
that was trained from is, where it lies still and has the digest that the run tells. A description in TOML is data, and
is opened from the run's copy.
"""

from __future__ import annotations

import hashlib
import json
import sysconfig
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from convoscope.errors import ModelError
from convoscope.models import described, yours
from convoscope.models.described import Described
from convoscope.models.registry import Architecture
from convoscope.models.yours import Yours

CARD = "model.json"
"""The file of a run that tells where its model came from."""

COPIES = "model"
"""The folder of a run that holds what its model was made from."""


class Pinned(str):
    """The name of a run's model as it was given, which opens that very model and no other.

    Attributes:
        run: The run's folder.
    """

    run: Path

    def architecture(self) -> Architecture:
        """The architecture that the run was trained with.

        Raises:
            ModelError: its file has changed, is gone, or lies where no code is executed.
        """
        try:
            card = json.loads((self.run / CARD).read_text(encoding="utf-8"))
            files, path, factory = dict(card["files"]), Path(card["path"]), str(card.get("factory", ""))
            first = next(iter(files))
            is_whole = not yours.is_python(self) or (path.name in files and yours.is_python(f"{path}:{factory}"))
        except (OSError, ValueError, KeyError, TypeError, StopIteration, AttributeError):
            is_whole = False
        if not is_whole:
            raise ModelError(
                f"The run {self.run.name} does not tell what its model {self} was.",
                hint=f"Restore {self.run / CARD} from a copy, or train again.",
            )
        if yours.is_python(self):
            return self._code(path, files, factory)
        copy = self.run / COPIES / PurePosixPath(first).name
        architecture = described.read_file(copy)
        if architecture.digest != files[first]:
            raise ModelError(f"{copy} is not what the run {self.run.name} was trained with.", hint="Restore the file.")
        return architecture

    def _code(self, path: Path, files: Mapping[str, str], factory: str) -> Yours:
        copies = self.run / COPIES
        if not path.is_absolute() or _lies_where_nothing_runs(path, self.run):
            raise ModelError(
                f"The model of the run {self.run.name} is code in {path}, and no code from a run's folder or an "
                "installed package is executed.",
                hint="If you trust it, copy it elsewhere and train from there.",
            )
        for name, digest in files.items():
            source = path.parent / name
            try:
                found = hashlib.sha256(source.read_bytes()).hexdigest()
            except OSError:
                raise ModelError(
                    f"The run {self.run.name} was trained with {source}, which is not there any more.",
                    hint=f"Put it back; a copy lies in {copies}.",
                ) from None
            if found != digest:
                raise ModelError(
                    f"{source} has changed since the run {self.run.name} was trained with it, so it is not executed.",
                    hint=f"To see what it was: {copies / name}. To train what it is now, start a new run.",
                )
        return yours.read_python(f"{path}:{factory}")


def pin(name: str, run: Path) -> str:
    """The name of a run's model, which opens what that run was trained with where it is a file's."""
    if not is_file(name):
        return name
    pinned = Pinned(name)
    pinned.run = run
    return pinned


def is_file(name: str) -> bool:
    """Whether a model's name is a file's: Python (net.py:make) or TOML (net.toml)."""
    return yours.is_python(name) or name.lower().endswith(described.SUFFIX)


def title_of(name: str) -> str:
    """What a run of this model is called: the name itself; of a file its stem, and the factory."""
    if not is_file(name):
        return name
    path, _, factory = name.rpartition(":") if yours.is_python(name) and not name.endswith(".py") else (name, "", "")
    return f"{Path(path).stem}-{factory}" if factory else Path(path).stem


def files_of(architecture: Architecture) -> dict[str, bytes]:
    """The sources that an architecture was made from, by their path in the copies; {} for a registered one."""
    if isinstance(architecture, Yours):
        return dict(architecture.files)
    if isinstance(architecture, Described):
        return {architecture.title: architecture.text.encode()}
    return {}


def card_of(name: str, architecture: Architecture) -> dict[str, Any] | None:
    """What a run keeps of where its model came from, ready for JSON; None for a registered one."""
    sources = files_of(architecture)
    if not sources:
        return None
    path = architecture.path if isinstance(architecture, Yours) else Path(name).expanduser().resolve()
    return {
        "path": str(path),
        **({"factory": architecture.factory} if isinstance(architecture, Yours) else {}),
        "files": {file: hashlib.sha256(content).hexdigest() for file, content in sources.items()},
    }


def _lies_where_nothing_runs(path: Path, run: Path) -> bool:
    """Whether a file lies in a run's folder, this or another, or among what is installed."""
    place = path.resolve()
    installed = [Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "purelib", "platlib")]
    if any(place.is_relative_to(folder) for folder in (run.resolve(), *installed)):
        return True
    return any((folder / "recipe.json").is_file() for folder in place.parents)
