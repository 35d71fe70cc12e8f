"""What the screen is asked to show: which image, after which step, forward, backward or the change of the weights."""

from __future__ import annotations

from dataclasses import dataclass

from convoscope.lab.screen.sights import Mode, Tab

DRAWN = "drawn"  # the name of an image that is only pixels in the question itself
FINAL = -1  # `minus` of the final weights


@dataclass(frozen=True)
class Ask:
    """A question's sight.

    Attributes:
        image: "test:45" (train:, validation:), "input:<16 hexadecimal digits>", or "drawn".
        step: The checkpoint; None for the final weights, or the newest checkpoint of a run that has none yet.
        tab: "forward", "backward" or "update".
        mode: "eval" or "train".
        target: The class the loss is computed against, by name; None for the image's own, else the predicted one.
        minus: The checkpoint whose numbers are taken off, -1 for the final weights; None for none.
    """

    image: str
    step: int | None = None
    tab: Tab = "forward"
    mode: Mode = "eval"
    target: str | None = None
    minus: int | None = None
