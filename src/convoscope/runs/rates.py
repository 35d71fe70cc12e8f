"""The curve of a learning-rate range test: as a picture, or as a page with the picture and its numbers."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convoscope.runs.drawing import LIGHT, SANS, Theme, drawable, lettering, new_figure, png, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMS = (".png", ".svg", ".html")
OWN = "the recipe's own"
_HEADROOM = 0.6  # of the fall of the loss, above its start: where it grows beyond bounds the picture is cut


@dataclass(frozen=True)
class Curve:
    """What is drawn.

    Attributes:
        title: What was tried, in a line.
        lrs: The learning rate of each step.
        losses: The loss of each step; a last one may not be finite.
        smoothed: The losses averaged over neighbours, for the first so many steps.
        steepest: Where the loss falls fastest; None for nowhere.
        least: Where it is least; None likewise.
        suggested: What the curve suggests; None for nothing.
        own: The recipe's own learning rate.
    """

    title: str
    lrs: Sequence[float]
    losses: Sequence[float]
    smoothed: Sequence[float]
    steepest: float | None
    least: float | None
    suggested: float | None
    own: float

    def marks(self) -> list[tuple[str, float]]:
        """The rates that are marked, each with its name, those that there are."""
        named = (
            ("steepest", self.steepest), ("least loss", self.least), ("suggested", self.suggested),
            (OWN, self.own),
        )  # fmt: skip
        return [(name, lr) for name, lr in named if lr is not None]


def draw(curve: Curve, form: str) -> bytes:
    """The curve as a file: ".png", ".svg", or ".html" with the numbers beside it."""
    if form == ".html":
        return _page(curve)
    figure = _figure(curve, LIGHT)
    return png(figure) if form == ".png" else _svg(figure)


def _figure(curve: Curve, theme: Theme) -> Figure:
    figure = new_figure(8, 4.5, theme)
    axes = figure.subplots()
    style(axes, theme)
    finite = [(lr, loss) for lr, loss in zip(curve.lrs, curve.losses, strict=True) if math.isfinite(loss)]
    axes.set_xscale("log")
    if finite:
        axes.plot(*zip(*finite, strict=True), ".", color=theme.blue, alpha=0.35, markersize=4)
    axes.plot(curve.lrs[: len(curve.smoothed)], curve.smoothed, color=theme.blue, linewidth=1.8)
    if len(curve.smoothed):
        start, least = curve.smoothed[0], min(curve.smoothed)
        fall = max(start - least, 0.05 * abs(start), 1e-9)
        axes.set_ylim(least - 0.2 * fall, start + _HEADROOM * fall)
    for name, lr in curve.marks():
        colour = theme.quiet if name == OWN else theme.orange
        line = {"suggested": "-", "steepest": ":", "least loss": "-."}.get(name, "--")
        axes.axvline(lr, color=colour, linewidth=1.2, linestyle=line, label=f"{name} {lr:.2g}")
    if curve.marks():
        axes.legend(loc="lower left", frameon=False, labelcolor=theme.quiet, prop={"family": SANS, "size": 8})
    axes.tick_params(axis="x", which="minor", color=theme.hairline)
    (title,), families, is_number = drawable([curve.title], longest=100)
    if not is_number:  # no installed font has its letters
        axes.set_title(title, loc="left", fontweight="bold", **lettering(10, theme.ink, families))
    axes.set_xlabel("learning rate", **lettering(9, theme.quiet))
    axes.set_ylabel("loss", **lettering(9, theme.quiet))
    return figure


def _svg(figure: Figure) -> bytes:
    import matplotlib as mpl

    content = io.BytesIO()
    # The same bytes for the same curve: no date, and names of elements that hang on nothing but what they are.
    with mpl.rc_context({"svg.hashsalt": "convoscope", "svg.fonttype": "none", "font.family": SANS}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue()


def _page(curve: Curve) -> bytes:
    picture = base64.b64encode(png(_figure(curve, LIGHT))).decode()
    marks = "".join(f"<tr><td>{html.escape(name)}<td>{lr:.4g}" for name, lr in curve.marks())
    smoothed = [*curve.smoothed, *[math.nan] * (len(curve.lrs) - len(curve.smoothed))]
    rows = "".join(
        f"<tr><td>{i}<td>{lr:.4g}<td>{loss:.6g}<td>{mean:.6g}"
        for i, (lr, loss, mean) in enumerate(zip(curve.lrs, curve.losses, smoothed, strict=True), 1)
    )
    title = html.escape(f"Learning rates: {curve.title}")
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1f2430; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
img {{ max-width: 100% }} td, th {{ text-align: right; padding: 0 1rem 0 0; font-variant-numeric: tabular-nums }}
td:first-child {{ text-align: left }}
</style>
<h1>{title}</h1>
<img alt="The loss against the learning rate" src="data:image/png;base64,{picture}">
<table>{marks}</table>
<details><summary>Every step</summary><table><tr><th>step<th>learning rate<th>loss<th>smoothed{rows}</table></details>
</html>
""".encode()
