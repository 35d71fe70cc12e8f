"""Convoscope: train convolutional networks on your own images and open every number into its arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convoscope.process import prepare
from convoscope.version import __version__

if TYPE_CHECKING:
    from convoscope.look.scope import Scope

__all__ = ["Scope", "__version__"]

prepare()


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attributes are of every type
    if name == "Scope":  # loaded when asked for: it brings torch with it
        from convoscope.look.scope import Scope

        return Scope
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
