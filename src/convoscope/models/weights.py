"""Weights from a file: safetensors, or what torch.save wrote; nothing in the file is ever run."""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from convoscope.errors import ModelError

_INSIDE = ("state_dict", "model_state_dict", "model")  # where training scripts keep the tensors among other things
_GLOBAL = re.compile(r"(?:GLOBAL|global:?|class)\s+`?([\w.]+\.\w+)")
_SAVE_ALONE = "Save the tensors alone: torch.save(model.state_dict(), PATH), or safetensors.torch.save_file."


@dataclass(frozen=True, eq=False)
class Weights:
    """The tensors of a file, by the names they have there.

    Attributes:
        source: The file.
        tensors: By name, in the file's order and number formats; they are read from the disk when they are used.
        metadata: What stands in the header of a safetensors file; {} for any other.
        sha256: Of the file's bytes, in hexadecimal.
    """

    source: Path
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    sha256: str


def read_weights(path: Path) -> Weights:
    """Reads a file of weights, whatever its name ends in.

    A file of torch.save may hold the tensors by name, or a dictionary that has them under "state_dict",
    "model_state_dict" or "model". It is read with weights_only, which runs no code that the file brings.

    Args:
        path: The file.

    Raises:
        ModelError: it is not there, damaged, no file of weights, or holds more than tensors.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(9)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if beginning[8:] == b"{":
            tensors, metadata = _from_safetensors(path)
        elif beginning[:2] == b"PK" or beginning[:1] == b"\x80":
            tensors, metadata = _from_torch(path), {}
        else:
            what = "is no file of weights" if beginning else "is empty"
            hint = "A pointer or a page may have been saved in its place: fetch the file itself."
            raise ModelError(f"{path} {what}: it is neither safetensors nor written by torch.save.", hint=hint)
    except OSError as error:
        raise ModelError(f"The weights {path} cannot be read: {error.strerror or error}.") from None
    if not tensors:
        raise ModelError(f"{path} holds no tensors.", hint=_SAVE_ALONE)
    return Weights(path, tensors, metadata, sha256)


def _from_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:  # maps the file: a tensor is read when it is used
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged, or no safetensors file: {error}.", hint="Fetch it again.") from None


def _from_torch(path: Path) -> dict[str, Tensor]:
    is_archive = zipfile.is_zipfile(path)  # what older torches wrote cannot be mapped
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats that are going away
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged pickle fails in every way
        raise _not_readable(path, error) from None
    while isinstance(found, Mapping) and not all(isinstance(value, Tensor) for value in found.values()):
        inside = next((found[key] for key in _INSIDE if isinstance(found.get(key), Mapping)), None)
        if inside is None:
            break
        found = inside
    return _tensors_alone(path, found)


def _not_readable(path: Path, error: Exception) -> ModelError:
    said = str(error)
    if "TorchScript" in said:
        return ModelError(f"{path} is a TorchScript program, and nothing from outside is run.", hint=_SAVE_ALONE)
    brings = _GLOBAL.search(said)
    if isinstance(error, pickle.UnpicklingError) and brings:
        return ModelError(
            f"{path} brings code of its own beside its tensors ({brings[1]}), and nothing from outside is run.",
            hint=_SAVE_ALONE,
        )
    return ModelError(f"{path} is damaged, or was not written by torch.save.", hint="Fetch it again.")


def _tensors_alone(path: Path, found: Any) -> dict[str, Tensor]:  # noqa: ANN401 - whatever was saved
    if not isinstance(found, Mapping):
        raise ModelError(f"{path} holds no tensors by name, but one {type(found).__name__}.", hint=_SAVE_ALONE)
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ModelError(
                f"{path} holds under {name!r} no tensor, but {type(value).__name__}; weights are tensors by name.",
                hint=_SAVE_ALONE,
            )
    return dict(found)
