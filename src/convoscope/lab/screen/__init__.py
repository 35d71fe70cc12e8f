"""The screen's facts: networks, sheets of values, channels, numbers and inputs, as records and packs of tensors."""

from __future__ import annotations

from convoscope.lab.screen.ask import Ask
from convoscope.lab.screen.screen import Screen

__all__ = ["Ask", "Screen"]
