"""A knob: what a field of the recipe means, its unit, its bounds, its source and its cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Knob:
    """What a field of the recipe means.

    Attributes:
        help: One sentence: what it does.
        group: Which part of training it belongs to.
        unit: The unit of its value, "" for names and counts.
        low: The least value, None where there is none.
        high: The greatest value, None where there is none.
        open_high: Whether `high` itself is already too much.
        choices: The names it can take, () where it is no name.
        source: Where the idea or the default comes from.
        cost: What a greater value, or switching it on, costs in time, memory or disk; "" where it is next to nothing.
    """

    help: str
    group: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    open_high: bool = False
    choices: tuple[str, ...] = ()
    source: str = ""
    cost: str = ""

    @property
    def bounds(self) -> str:
        """The bounds in words: "0 to below 1", "at least 1", "any of a, b"."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.low is not None and self.high is not None:
            high = f"{self.high:,}" if isinstance(self.high, int) else f"{self.high:g}"
            return f"{self.low:g} to {'below ' if self.open_high else ''}{high}"
        return f"at least {self.low:g}" if self.low is not None else ""


def knob(default: Any, help: str, group: str, **meaning: Any) -> Any:  # noqa: ANN401, A002 - a field of any type
    """A dataclass field with this default whose metadata holds the knob; `meaning` is the rest of `Knob`'s fields."""
    return field(default=default, metadata={"knob": Knob(help, group, **meaning)})
