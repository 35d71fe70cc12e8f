"""The pictures of a judgement: confusion, reliability, hardest images and filters, as PNG bytes and as plain pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convoscope.runs.drawing import (
    GREYS,
    LIGHT,
    MONO,
    NUMBERED,
    SANS,
    WEIGHT_COLOURS,
    Floats,
    Pixels,
    Theme,
    drawable,
    lettering,
    new_figure,
    note,
    png,
    ramp,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from convoscope.runs.report import HardImage
    from convoscope.train.metrics import Reliability

MAX_LABELLED, MAX_NAMED = 20, 40  # classes: above them cells are too small for a count, rows too low for a name
MAX_CELLS = 250  # cells a side: above it neighbouring classes share one, so that a lone error is not scaled away
MAX_HARDEST, MAX_FILTERS, MAX_CHANNELS = 24, 64, 64  # images in hardest.png, filters, channels shown of a filter


def confusion(counts: NDArray[np.int64], names: Sequence[str], theme: Theme, *, words: bool) -> bytes:
    """A confusion matrix: counts is int64 (K, K), row = truth, column = predicted, colour = share of the row.

    Without `words` it has no axis names, class names or title: a page writes its own.
    """
    K = len(counts)
    side = min(9.5, 5.6 + 0.16 * K) if words else 5.2
    figure = new_figure(side, side, theme)
    axes = figure.subplots()
    axes.imshow(_confusion_pixels(counts, theme), interpolation="nearest", extent=(-0.5, K - 0.5, K - 0.5, -0.5))
    style(axes, theme, grid=False)
    if K <= MAX_LABELLED:
        _write_counts(axes, counts, theme)
    if words and K <= MAX_NAMED:
        _name_classes(figure, axes, names, theme)
    if words:
        axes.set_xlabel("predicted", **lettering(9, theme.quiet))
        axes.set_ylabel("truth", **lettering(9, theme.quiet))
        title = f"blue: right, to 100 % of a row    orange: errors, to {100 * largest_error_share(counts):.3g} %"
        axes.set_title(title, loc="left", **lettering(9, theme.quiet))
    return png(figure)


def row_shares(counts: NDArray[np.int64]) -> Floats:
    """Returns each count as a share of its row, float64 of shape (K, K), 0-1; an empty row gives zeros."""
    shares: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def largest_error_share(counts: NDArray[np.int64]) -> float:
    """Returns the largest off-diagonal share of a row, 0-1: the top of the orange scale."""
    return float((row_shares(counts) * ~np.eye(len(counts), dtype=bool)).max(initial=0))


def reliability(before: Reliability, after: Reliability | None, theme: Theme, *, words: bool) -> bytes:
    """How often a network is right against how sure it is, bin by bin, over how many images each bin has.

    A larger dot stands for more images.

    Args:
        before: Of its own probabilities: filled dots.
        after: Of the calibrated ones: open dots; None where there are none.
        theme: The colours.
        words: Whether axes and dots are named; a page writes its own names.
    """
    figure = new_figure(4.6, 5.0, theme)
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1]})
    style(upper, theme, "{:.0f} %")
    style(lower, theme, most_ticks=2)
    upper.plot([0, 1], [0, 1], color=theme.quiet, linewidth=1, linestyle=(0, (4, 3)))
    drawn = [(before, theme.blue, "as the network says it")]
    if after is not None:
        drawn.append((after, theme.orange, "calibrated"))
    width = 1 / len(before.n)
    middles = (np.arange(len(before.n)) + 0.5) * width
    for i, (one, colour, name) in enumerate(drawn):
        there = one.n > 0
        face = colour if i == 0 else theme.paper
        upper.plot(one.confidence[there], one.accuracy[there], color=colour, linewidth=1, alpha=0.6)
        upper.scatter(
            one.confidence[there], one.accuracy[there], s=12 + 80 * np.sqrt(one.n[there] / one.n.max(initial=1)),
            facecolor=face, edgecolor=colour, linewidth=1.4, label=name, clip_on=False, zorder=4,
        )  # fmt: skip
        beside = (i - (len(drawn) - 1) / 2) * 0.4 * width
        lower.bar(middles + beside, one.n, width=0.8 * width / len(drawn), color=colour, alpha=0.55)
    upper.set(xlim=(0, 1), ylim=(0, 1))
    lower.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    lower.set_xticks(np.linspace(0, 1, 6))
    if words:
        upper.set_ylabel("right", **lettering(9, theme.quiet))
        lower.set_ylabel("number", **lettering(9, theme.quiet))
        lower.set_xlabel("probability of the predicted class", **lettering(9, theme.quiet))
        upper.legend(frameon=False, loc="upper left", labelcolor=theme.quiet, prop={"family": SANS, "size": 8})
    return png(figure)


def hardest(images: Sequence[HardImage], names: Sequence[str]) -> bytes:
    """The hardest images in a grid, each with truth, prediction and probabilities, with English words."""
    shown, theme = images[:MAX_HARDEST], LIGHT
    columns = min(6, max(3, len(shown)))
    rows = max(1, math.ceil(len(shown) / columns))
    figure = new_figure(1.55 * columns, 2.05 * rows + 0.2, theme)
    labels, families, numbered = drawable(names, 17)
    for index, image in enumerate(shown):
        axes = figure.add_subplot(rows, columns, index + 1, frameon=False, xticks=[], yticks=[])
        axes.imshow(to_rgb(image.image), interpolation="nearest" if max(image.image.shape) <= 64 else "antialiased")
        colour = theme.blue if image.truth == image.predicted else theme.orange
        arrow = " →" if len(labels[image.truth] + labels[image.predicted]) < 12 else "\n→"
        pair = f"{labels[image.truth]}{arrow} {labels[image.predicted]}"
        axes.set_title(pair, parse_math=False, pad=4, **lettering(8.5, colour, families))
        numbers = f"{image.truth_probability:.2f} → {image.probability:.2f}   loss {image.loss:.2f}"
        axes.text(
            0.5, -0.04, numbers, transform=axes.transAxes, ha="center", va="top", **lettering(6.6, theme.ink, MONO)
        )
    if numbered or not shown:
        note(figure, theme, NUMBERED if shown else "There are no images to show.")
    return png(figure)


def filters(weights: NDArray[np.float32], name: str) -> bytes:
    """A layer's filters, float32 (D, C, kh, kw), in a grid with a legend, with English words."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    pictures, limit, theme = filter_pixels(weights), filter_limit(weights), LIGHT
    columns = min(8, max(3, len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    ratio = pictures[0].shape[0] / pictures[0].shape[1]
    figure = new_figure(1.05 * columns, (1.05 * ratio + 0.15) * rows + 0.75, theme)
    for index, picture in enumerate(pictures):
        axes = figure.add_subplot(rows, columns, index + 1, frameon=False, xticks=[], yticks=[])
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(str(index), pad=2, **lettering(7, theme.quiet, MONO))
    (label,), families, _ = drawable([name])
    shape = " × ".join(map(str, weights.shape))
    figure.suptitle(f"{label}   {shape}", parse_math=False, **lettering(9, theme.ink, families))
    colours = ramp(np.linspace(-1, 1, 255), GREYS if weights.shape[1] == 3 else WEIGHT_COLOURS, -1) / 255
    scale = ScalarMappable(Normalize(-limit, limit), ListedColormap(colours))
    bar = figure.colorbar(scale, ax=figure.axes, location="bottom", fraction=0.1, shrink=0.45, aspect=32)
    bar.set_ticks([-limit, 0, limit], labels=[f"−{limit:.3g}", "0", f"+{limit:.3g}"])
    bar.ax.tick_params(colors=theme.quiet, labelsize=8, length=0, labelfontfamily=MONO)
    bar.outline.set_edgecolor(theme.hairline)
    return png(figure)


def filter_limit(weights: NDArray[np.float32]) -> float:
    """Returns the largest |weight| that is finite: the end of the symmetric colour scale, 1 when all are zero."""
    magnitudes = np.abs(weights[np.isfinite(weights)])
    return float(magnitudes.max(initial=0)) or 1.0


def filter_pixels(weights: NDArray[np.float32]) -> list[Pixels]:
    """Each filter as uint8 (height, width, 3): diverging for one channel, a composite for three, else a mosaic.

    A weight of 0 is near-white in the diverging scale and mid-grey in the composite. Weights that are not finite are
    drawn as 0; the findings name them.
    """
    scaled = np.where(np.isfinite(weights), weights, 0)[:MAX_FILTERS] / filter_limit(weights)
    if weights.shape[1] == 3:
        return [ramp(one.transpose(1, 2, 0), GREYS, -1)[..., 0] for one in scaled]
    return [_mosaic(one[:MAX_CHANNELS]) for one in scaled]


def _mosaic(channels: NDArray[np.float32]) -> Pixels:
    """(C, kh, kw) in -1 .. 1 as one picture: channels in reading order, one pixel of paper between them."""
    C, kh, kw = channels.shape
    columns = math.ceil(math.sqrt(C))
    rows = math.ceil(C / columns)
    picture = np.full((rows * (kh + 1) - 1, columns * (kw + 1) - 1, 3), 255, np.uint8)
    for index, channel in enumerate(channels):
        y, x = index // columns * (kh + 1), index % columns * (kw + 1)
        picture[y : y + kh, x : x + kw] = ramp(channel, WEIGHT_COLOURS, -1)
    return picture


def to_rgb(image: Pixels) -> Pixels:
    """An image (C, H, W) as (H, W, 3); one or two channels show the first in grey, more show the first three."""
    chosen = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    return np.ascontiguousarray(chosen.transpose(1, 2, 0))


def _confusion_pixels(counts: NDArray[np.int64], theme: Theme) -> Pixels:
    """The matrix as uint8 (cells, cells, 3). A square root lifts small errors; the diagonal stays a pale blue."""
    K, pool = len(counts), math.ceil(len(counts) / MAX_CELLS)
    cells = math.ceil(K / pool)
    errors = np.zeros((cells * pool, cells * pool))
    errors[:K, :K] = row_shares(counts)
    right = errors.diagonal().reshape(cells, pool).sum(axis=1) / np.minimum(pool, K - np.arange(cells) * pool)
    np.fill_diagonal(errors, 0)
    pooled = errors.reshape(cells, pool, cells, pool).max(axis=(1, 3))
    pixels = ramp(np.sqrt(pooled / (pooled.max(initial=0) or 1)), (theme.paper, theme.wrong), 0)
    pixels[np.diag_indices(cells)] = ramp(right, (theme.paper, theme.right), 0)
    return pixels


def _write_counts(axes: Axes, counts: NDArray[np.int64], theme: Theme) -> None:
    size = 10 - 0.22 * len(counts)
    strongest = largest_error_share(counts)
    for (row, column), share in np.ndenumerate(row_shares(counts)):
        colour = LIGHT.ink if row != column and share > 0.4 * strongest else theme.ink
        if counts[row, column]:
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", **lettering(size, colour))
    axes.set_xticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=theme.hairline, linewidth=0.6)
    axes.tick_params(which="minor", length=0)


def _name_classes(figure: Figure, axes: Axes, names: Sequence[str], theme: Theme) -> None:
    labels, families, numbered = drawable(names, 16)
    looks = lettering(9 if len(names) <= MAX_LABELLED else 7, theme.quiet, families)
    axes.set_xticks(range(len(names)), labels, rotation=90 * (max(map(len, labels)) > 3), parse_math=False, **looks)
    axes.set_yticks(range(len(names)), labels, parse_math=False, **looks)
    if numbered:
        note(figure, theme, NUMBERED)
