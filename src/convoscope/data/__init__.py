"""What goes in: datasets as uint8 arrays, their readers, normalisation, augmentation and checks.

The names below are this room's face. Each is loaded when it is first asked for, so that a command which only prints
help waits for neither NumPy, Pillow nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convoscope.data.augment import Augmentation
    from convoscope.data.cache import cache_folder, get, locate
    from convoscope.data.checks import DataFinding
    from convoscope.data.corpus import TextKnobs
    from convoscope.data.dataset import Dataset, Examples, Splits
    from convoscope.data.image import ImagePolicy
    from convoscope.data.normalise import METHODS, Normalisation
    from convoscope.data.remote import REMOTES
    from convoscope.data.source import DATASETS, Opened, Policy, describe, is_table, kind_of_data, open_data
    from convoscope.data.text import TextPolicy, Texts, TextWord

__all__ = [
    "DATASETS",
    "METHODS",
    "REMOTES",
    "Augmentation",
    "DataFinding",
    "Dataset",
    "Examples",
    "ImagePolicy",
    "Normalisation",
    "Opened",
    "Policy",
    "Splits",
    "TextKnobs",
    "TextPolicy",
    "TextWord",
    "Texts",
    "cache_folder",
    "describe",
    "get",
    "is_table",
    "kind_of_data",
    "locate",
    "open_data",
]

_HOME = {
    "augment": ("Augmentation",),
    "cache": ("cache_folder", "get", "locate"),
    "checks": ("DataFinding",),
    "corpus": ("TextKnobs",),
    "dataset": ("Dataset", "Examples", "Splits"),
    "image": ("ImagePolicy",),
    "normalise": ("METHODS", "Normalisation"),
    "remote": ("REMOTES",),
    "source": ("DATASETS", "Opened", "Policy", "describe", "is_table", "kind_of_data", "open_data"),
    "text": ("TextPolicy", "TextWord", "Texts"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attributes are of every type
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
