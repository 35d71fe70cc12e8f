"""What suits data that come with no knob turned: the model, and how it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def usual_knobs(given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - to be told by the data
    """The knobs that suit the data among those given, by a glance at these; the model's own usual ones go before.

    Only what the user has left open is filled in, and only where no model was named either.
    """
    return {}
