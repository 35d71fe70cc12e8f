"""The curves of a run: loss, accuracy and learning rate against the step, as PNG bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from convoscope.runs.drawing import LIGHT, SANS, Floats, Theme, lettering, new_figure, note, png, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from convoscope.runs.report import ReportFacts

MAX_BUCKETS = 400  # points of an envelope: about one for each two pixels of a panel


def curves(facts: ReportFacts) -> bytes:
    """Loss, accuracy and learning rate against the step, one above the other, with English words."""
    figure, theme = new_figure(8, 7.4, LIGHT), LIGHT
    panels = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 3, 1.1]})
    for axes, (name, draw) in zip(panels, _PANELS.items(), strict=True):
        draw(axes, facts, theme)
        axes.set_title(name, loc="left", fontweight="bold", **lettering(10, theme.ink))
    panels[2].set_xlabel("step", **lettering(9, theme.quiet))
    if panels[0].get_legend_handles_labels()[0]:
        place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.2, "columnspacing": 1.2}
        panels[0].legend(frameon=False, ncols=5, labelcolor=theme.quiet, prop={"family": SANS, "size": 8}, **place)
    if not (facts.steps.get("step") or facts.epochs.get("step")):
        note(figure, theme, "No step was recorded.")
    return png(figure)


def curve_panels(facts: ReportFacts, theme: Theme) -> dict[str, bytes]:
    """The same three panels one by one and without words, for a page that writes its own in two languages."""
    panels = {}
    for name, draw in _PANELS.items():
        figure = new_figure(4.1, 1.5 if name == "learning rate" else 2.7, theme)
        draw(figure.subplots(), facts, theme)
        panels[name] = png(figure)
    return panels


def smoothing_window(n_steps: int) -> int:
    """Returns how many neighbouring steps the smoothed line averages: a fiftieth of them, odd, at least 1."""
    return max(1, n_steps // 50) // 2 * 2 + 1


def smooth(values: Floats, window: int) -> Floats:
    """Returns the mean of each value's `window` neighbours, shape (n,); values that are not finite are left out."""
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    start = np.maximum(np.arange(len(values)) - window // 2, 0)
    stop = np.minimum(np.arange(len(values)) + window // 2 + 1, len(values))
    with np.errstate(invalid="ignore"):  # no finite neighbour: 0 / 0 is the nan that is meant
        means: Floats = (sums[stop] - sums[start]) / (counts[stop] - counts[start])
    return means


def envelope(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Returns bucket starts and the least and greatest y of each bucket, so that no spike is lost by thinning."""
    edges = np.linspace(0, len(x), min(MAX_BUCKETS, len(x)) + 1).astype(int)[:-1]
    low = np.minimum.reduceat(np.where(np.isfinite(y), y, np.inf), edges)
    high = np.maximum.reduceat(np.where(np.isfinite(y), y, -np.inf), edges)
    return x[edges], np.where(low > high, np.nan, low), np.where(low > high, np.nan, high)


def accuracy_floor(facts: ReportFacts) -> float:
    """Returns where the accuracy axis begins, 0-1: the highest round number below all but the first steps."""
    later = _calm(facts, "accuracy", skip=0.25)
    least = float(later.min()) if len(later) else 0.0
    return max((floor for floor in (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98) if floor < least - (1 - least) / 4), default=0)


def _draw_loss(axes: Axes, facts: ReportFacts, theme: Theme) -> None:
    _draw_quantity(axes, facts, "loss", theme)
    raw, calm = _finite(facts.steps.get("loss", [])), _calm(facts, "loss")
    if not len(calm):
        return
    # One spike at the start would press the rest flat: cut the frame there and say how high it went.
    top, low = float(max(calm.max(), raw.max(initial=0))), float(min(0, calm.min(), raw.min(initial=0)))
    frame = min(top, 2.5 * float(calm.max())) if calm.max() > 0 else top
    axes.set_ylim(low, low + 1.05 * ((frame - low) or 1))
    if top > frame:
        axes.text(0.02, 0.97, f"▲ {top:.3g}", transform=axes.transAxes, va="top", **lettering(7.5, theme.quiet))


def _draw_accuracy(axes: Axes, facts: ReportFacts, theme: Theme) -> None:
    _draw_quantity(axes, facts, "accuracy", theme, "{:.4g} %")
    axes.set_ylim(accuracy_floor(facts), 1 + 0.02 * (1 - accuracy_floor(facts)))


def _calm(facts: ReportFacts, name: str, skip: float = 0) -> Floats:
    """The finite smoothed values less the first `skip` (0-1) of them, and the marks, then less the first epoch's."""
    values = np.array(facts.steps.get(name, []), float)
    smoothed = smooth(values, smoothing_window(len(values)))[int(skip * len(values)) :]
    kept = [facts.epochs.get(f"{part}_{name}", []) for part in ("train", "validation")]
    return _finite([*smoothed, *(mark for marks in kept for mark in marks[bool(skip and len(marks) > 1) :])])


def _draw_rate(axes: Axes, facts: ReportFacts, theme: Theme) -> None:
    style(axes, theme, most_ticks=3)
    if facts.steps.get("step"):
        x, low, high = envelope(np.array(facts.steps["step"], float), np.array(facts.steps["lr"], float))
        axes.plot(x, (low + high) / 2, color=theme.quiet, linewidth=1.4)
    axes.set_ylim(bottom=0)


def _draw_quantity(axes: Axes, facts: ReportFacts, name: str, theme: Theme, form: str = "{:.3g}") -> None:
    """One quantity of the steps, faint and smoothed, and the epochs' marks; crosses where it was not finite."""
    style(axes, theme, form)
    step, value = (np.array(facts.steps.get(key, []), float) for key in ("step", name))
    if len(step):
        x, low, high = envelope(step, value)
        axes.fill_between(x, low, high, color=theme.blue, alpha=0.25, linewidth=0.6, label="each step")
        window, thin = smoothing_window(len(step)), slice(None, None, math.ceil(len(step) / (4 * MAX_BUCKETS)))
        mean = smooth(value, window)[thin]
        axes.plot(step[thin], mean, color=theme.blue, linewidth=1.5, label=f"mean of {window} steps")
        lost = step[~np.isfinite(value)][:: math.ceil(len(step) / 60)]
        if len(lost):
            place: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False, "markersize": 4}
            axes.plot(lost, np.full(len(lost), 0.04), "x", color=theme.orange, label="not a number", **place)
    at = np.array(facts.epochs.get("step", []), float)
    edge: dict[str, Any] = {"markeredgecolor": theme.paper, "markeredgewidth": 0.6, "zorder": 5}
    for part, marker, colour in (("train", "o", theme.blue), ("validation", "D", theme.orange)):
        marks = np.array(facts.epochs.get(f"{part}_{name}", []), float)
        if np.isfinite(marks).any():
            size = 4.5 if len(at) <= 50 else 2.5
            axes.plot(at, marks, marker, color=colour, markersize=size, label=f"{part}, epoch", **edge)


_Draw = Callable[["Axes", "ReportFacts", Theme], None]
_PANELS: dict[str, _Draw] = {"loss": _draw_loss, "accuracy": _draw_accuracy, "learning rate": _draw_rate}


def _finite(values: Iterable[float]) -> Floats:
    return np.array([value for value in values if math.isfinite(value)], float)
