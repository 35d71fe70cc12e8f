"""The pictures of a report: curves, confusion, hardest images and filters, as PNG bytes and as plain pixels.

Matplotlib is imported inside the functions, because a report is drawn once and the package is imported often. Only the
object-oriented interface is used: pyplot keeps global state and is not safe when two runs end at the same moment.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from convoscope.runs.report import HardImage, ReportFacts

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

MAX_LABELLED, MAX_NAMED = 20, 40  # classes: above them cells are too small for a count, rows too low for a name
MAX_CELLS = 250  # cells a side: above it neighbouring classes share one, so that a lone error is not scaled away
MAX_BUCKETS = 400  # points of an envelope: about one for each two pixels of a panel
MAX_HARDEST, MAX_FILTERS, MAX_CHANNELS = 24, 64, 64  # images in hardest.png, filters, channels shown of a filter
_DPI, _SANS, _MONO = 200, "DejaVu Sans", "DejaVu Sans Mono"  # Matplotlib brings both fonts with it
# The first of these that is installed draws what the bundled DejaVu Sans cannot.
CJK_FAMILIES = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Noto Sans CJK JP", "PingFang SC", "Hiragino Sans GB",
    "Heiti SC", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Arial Unicode MS",
)  # fmt: skip
# Purple for negative weights, near-white for none, green for positive: told apart by every kind of colour vision.
WEIGHT_COLOURS = ("#6b3a88", "#b596c8", "#f5f5f7", "#86c3b0", "#12795c")
GREYS = ("#000000", "#ffffff")
_NUMBERED = "Numbers stand for class names: no installed font can draw them all."


class Theme(NamedTuple):
    """The colours of one background, each as #rrggbb; `right` and `wrong` are the ends of a confusion's two scales."""

    paper: str
    ink: str
    quiet: str
    hairline: str
    blue: str
    orange: str
    right: str
    wrong: str


LIGHT = Theme("#ffffff", "#1f2430", "#6b7385", "#e3e6ec", "#2f6fdb", "#d9660f", "#a9c5f2", "#e8730f")
DARK = Theme("#14171f", "#e6e9f0", "#9aa3b5", "#2d3341", "#6ba2ff", "#f5a04c", "#2b4a7e", "#f08c33")


def curves(facts: ReportFacts) -> bytes:
    """Loss, accuracy and learning rate against the step, one above the other, with English words."""
    figure, theme = _figure(8, 7.4, LIGHT), LIGHT
    panels = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 3, 1.1]})
    for axes, (name, draw) in zip(panels, _PANELS.items(), strict=True):
        draw(axes, facts, theme)
        axes.set_title(name, loc="left", fontweight="bold", **_words(10, theme.ink))
    panels[2].set_xlabel("step", **_words(9, theme.quiet))
    if panels[0].get_legend_handles_labels()[0]:
        place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.2, "columnspacing": 1.2}
        panels[0].legend(frameon=False, ncols=5, labelcolor=theme.quiet, prop={"family": _SANS, "size": 8}, **place)
    if not (facts.steps.get("step") or facts.epochs.get("step")):
        _note(figure, theme, "No step was recorded.")
    return _png(figure)


def curve_panels(facts: ReportFacts, theme: Theme) -> dict[str, bytes]:
    """The same three panels one by one and without words, for a page that writes its own in two languages."""
    panels = {}
    for name, draw in _PANELS.items():
        figure = _figure(4.1, 1.5 if name == "learning rate" else 2.7, theme)
        draw(figure.subplots(), facts, theme)
        panels[name] = _png(figure)
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


def confusion(counts: NDArray[np.int64], names: Sequence[str], theme: Theme, *, words: bool) -> bytes:
    """A confusion matrix: counts is int64 (K, K), row = truth, column = predicted, colour = share of the row.

    Without `words` it has no axis names, class names or title: a page writes its own.
    """
    K = len(counts)
    side = min(9.5, 5.6 + 0.16 * K) if words else 5.2
    figure = _figure(side, side, theme)
    axes = figure.subplots()
    axes.imshow(_confusion_pixels(counts, theme), interpolation="nearest", extent=(-0.5, K - 0.5, K - 0.5, -0.5))
    _style(axes, theme, grid=False)
    if K <= MAX_LABELLED:
        _write_counts(axes, counts, theme)
    if words and K <= MAX_NAMED:
        _name_classes(figure, axes, names, theme)
    if words:
        axes.set_xlabel("predicted", **_words(9, theme.quiet))
        axes.set_ylabel("truth", **_words(9, theme.quiet))
        title = f"blue: right, to 100 % of a row    orange: errors, to {100 * largest_error_share(counts):.3g} %"
        axes.set_title(title, loc="left", **_words(9, theme.quiet))
    return _png(figure)


def row_shares(counts: NDArray[np.int64]) -> Floats:
    """Returns each count as a share of its row, float64 of shape (K, K), 0-1; an empty row gives zeros."""
    shares: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def largest_error_share(counts: NDArray[np.int64]) -> float:
    """Returns the largest off-diagonal share of a row, 0-1: the top of the orange scale."""
    return float((row_shares(counts) * ~np.eye(len(counts), dtype=bool)).max(initial=0))


def hardest(images: Sequence[HardImage], names: Sequence[str]) -> bytes:
    """The hardest images in a grid, each with truth, prediction and probabilities, with English words."""
    shown, theme = images[:MAX_HARDEST], LIGHT
    columns = min(6, max(3, len(shown)))
    rows = max(1, math.ceil(len(shown) / columns))
    figure = _figure(1.55 * columns, 2.05 * rows + 0.2, theme)
    labels, families, numbered = drawable(names, 17)
    for index, image in enumerate(shown):
        axes = figure.add_subplot(rows, columns, index + 1, frameon=False, xticks=[], yticks=[])
        axes.imshow(to_rgb(image.image), interpolation="nearest" if max(image.image.shape) <= 64 else "antialiased")
        colour = theme.blue if image.truth == image.predicted else theme.orange
        arrow = " →" if len(labels[image.truth] + labels[image.predicted]) < 12 else "\n→"
        pair = f"{labels[image.truth]}{arrow} {labels[image.predicted]}"
        axes.set_title(pair, parse_math=False, pad=4, **_words(8.5, colour, families))
        numbers = f"{image.truth_probability:.2f} → {image.probability:.2f}   loss {image.loss:.2f}"
        axes.text(0.5, -0.04, numbers, transform=axes.transAxes, ha="center", va="top", **_words(6.6, theme.ink, _MONO))
    if numbered or not shown:
        _note(figure, theme, _NUMBERED if shown else "There are no images to show.")
    return _png(figure)


def filters(weights: NDArray[np.float32], name: str) -> bytes:
    """A layer's filters, float32 (D, C, kh, kw), in a grid with a legend, with English words."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    pictures, limit, theme = filter_pixels(weights), filter_limit(weights), LIGHT
    columns = min(8, max(3, len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    ratio = pictures[0].shape[0] / pictures[0].shape[1]
    figure = _figure(1.05 * columns, (1.05 * ratio + 0.15) * rows + 0.75, theme)
    for index, picture in enumerate(pictures):
        axes = figure.add_subplot(rows, columns, index + 1, frameon=False, xticks=[], yticks=[])
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(str(index), pad=2, **_words(7, theme.quiet, _MONO))
    (label,), families, _ = drawable([name])
    shape = " × ".join(map(str, weights.shape))
    figure.suptitle(f"{label}   {shape}", parse_math=False, **_words(9, theme.ink, families))
    colours = _ramp(np.linspace(-1, 1, 255), GREYS if weights.shape[1] == 3 else WEIGHT_COLOURS, -1) / 255
    scale = ScalarMappable(Normalize(-limit, limit), ListedColormap(colours))
    bar = figure.colorbar(scale, ax=figure.axes, location="bottom", fraction=0.1, shrink=0.45, aspect=32)
    bar.set_ticks([-limit, 0, limit], labels=[f"−{limit:.3g}", "0", f"+{limit:.3g}"])
    bar.ax.tick_params(colors=theme.quiet, labelsize=8, length=0, labelfontfamily=_MONO)
    bar.outline.set_edgecolor(theme.hairline)
    return _png(figure)


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
        return [_ramp(one.transpose(1, 2, 0), GREYS, -1)[..., 0] for one in scaled]
    return [_mosaic(one[:MAX_CHANNELS]) for one in scaled]


def _mosaic(channels: NDArray[np.float32]) -> Pixels:
    """(C, kh, kw) in -1 .. 1 as one picture: channels in reading order, one pixel of paper between them."""
    C, kh, kw = channels.shape
    columns = math.ceil(math.sqrt(C))
    rows = math.ceil(C / columns)
    picture = np.full((rows * (kh + 1) - 1, columns * (kw + 1) - 1, 3), 255, np.uint8)
    for index, channel in enumerate(channels):
        y, x = index // columns * (kh + 1), index % columns * (kw + 1)
        picture[y : y + kh, x : x + kw] = _ramp(channel, WEIGHT_COLOURS, -1)
    return picture


def _ramp(values: NDArray[np.floating[Any]], colours: Sequence[str], start: float) -> Pixels:
    """Maps start .. 1 through the colours, equally spaced, linear between them: any shape to that shape and 3."""
    stops = np.linspace(start, 1, len(colours))
    anchors = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours])
    channels = [np.rint(np.interp(values, stops, anchors[:, channel])) for channel in range(3)]
    return np.stack(channels, axis=-1, dtype=np.uint8, casting="unsafe")


def to_rgb(image: Pixels) -> Pixels:
    """An image (C, H, W) as (H, W, 3); one or two channels show the first in grey, more show the first three."""
    chosen = image[:3] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    return np.ascontiguousarray(chosen.transpose(1, 2, 0))


def drawable(names: Sequence[str], longest: int = 40) -> tuple[list[str], list[str], bool]:
    """Returns labels that can be drawn, the font families to draw them with, and whether numbers had to stand in.

    A glyph that no installed font has would be drawn as a box, with a warning for each: class numbers say more.
    Labels are cut to `longest` letters, or to half as many of the wide letters of Chinese.
    """
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

    def lacking(characters: set[int], family: str) -> set[int]:
        return characters - set(get_font(findfont(FontProperties(family=family))).get_charmap())

    labels = [" ".join(name.split()) or str(index) for index, name in enumerate(names)]
    missing = lacking({ord(character) for label in labels for character in label}, _SANS)
    installed = {entry.name for entry in fontManager.ttflist} if missing else set()
    second = [family for family in CJK_FAMILIES if family in installed and not lacking(missing, family)][:1]
    if missing and not second:
        return [str(index) for index in range(len(labels))], [_SANS], True
    n = longest // 2 if second else longest
    return [label if len(label) <= n else label[: n - 1] + "…" for label in labels], [_SANS, *second], False


def _confusion_pixels(counts: NDArray[np.int64], theme: Theme) -> Pixels:
    """The matrix as uint8 (cells, cells, 3). A square root lifts small errors; the diagonal stays a pale blue."""
    K, pool = len(counts), math.ceil(len(counts) / MAX_CELLS)
    cells = math.ceil(K / pool)
    errors = np.zeros((cells * pool, cells * pool))
    errors[:K, :K] = row_shares(counts)
    right = errors.diagonal().reshape(cells, pool).sum(axis=1) / np.minimum(pool, K - np.arange(cells) * pool)
    np.fill_diagonal(errors, 0)
    pooled = errors.reshape(cells, pool, cells, pool).max(axis=(1, 3))
    pixels = _ramp(np.sqrt(pooled / (pooled.max(initial=0) or 1)), (theme.paper, theme.wrong), 0)
    pixels[np.diag_indices(cells)] = _ramp(right, (theme.paper, theme.right), 0)
    return pixels


def _write_counts(axes: Axes, counts: NDArray[np.int64], theme: Theme) -> None:
    size = 10 - 0.22 * len(counts)
    strongest = largest_error_share(counts)
    for (row, column), share in np.ndenumerate(row_shares(counts)):
        colour = LIGHT.ink if row != column and share > 0.4 * strongest else theme.ink
        if counts[row, column]:
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", **_words(size, colour))
    axes.set_xticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(counts) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=theme.hairline, linewidth=0.6)
    axes.tick_params(which="minor", length=0)


def _name_classes(figure: Figure, axes: Axes, names: Sequence[str], theme: Theme) -> None:
    labels, families, numbered = drawable(names, 16)
    style = _words(9 if len(names) <= MAX_LABELLED else 7, theme.quiet, families)
    axes.set_xticks(range(len(names)), labels, rotation=90 * (max(map(len, labels)) > 3), parse_math=False, **style)
    axes.set_yticks(range(len(names)), labels, parse_math=False, **style)
    if numbered:
        _note(figure, theme, _NUMBERED)


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
        axes.text(0.02, 0.97, f"▲ {top:.3g}", transform=axes.transAxes, va="top", **_words(7.5, theme.quiet))


def _draw_accuracy(axes: Axes, facts: ReportFacts, theme: Theme) -> None:
    _draw_quantity(axes, facts, "accuracy", theme, "{:.4g} %")
    axes.set_ylim(accuracy_floor(facts), 1 + 0.02 * (1 - accuracy_floor(facts)))


def accuracy_floor(facts: ReportFacts) -> float:
    """Returns where the accuracy axis begins, 0-1: the highest round number below all but the first steps."""
    later = _calm(facts, "accuracy", skip=0.25)
    least = float(later.min()) if len(later) else 0.0
    return max((floor for floor in (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98) if floor < least - (1 - least) / 4), default=0)


def _calm(facts: ReportFacts, name: str, skip: float = 0) -> Floats:
    """The finite smoothed values less the first `skip` (0-1) of them, and the marks, then less the first epoch's."""
    values = np.array(facts.steps.get(name, []), float)
    smoothed = smooth(values, smoothing_window(len(values)))[int(skip * len(values)) :]
    kept = [facts.epochs.get(f"{part}_{name}", []) for part in ("train", "validation")]
    return _finite([*smoothed, *(mark for marks in kept for mark in marks[bool(skip and len(marks) > 1) :])])


def _draw_rate(axes: Axes, facts: ReportFacts, theme: Theme) -> None:
    _style(axes, theme, most_ticks=3)
    if facts.steps.get("step"):
        x, low, high = envelope(np.array(facts.steps["step"], float), np.array(facts.steps["lr"], float))
        axes.plot(x, (low + high) / 2, color=theme.quiet, linewidth=1.4)
    axes.set_ylim(bottom=0)


def _draw_quantity(axes: Axes, facts: ReportFacts, name: str, theme: Theme, form: str = "{:.3g}") -> None:
    """One quantity of the steps, faint and smoothed, and the epochs' marks; crosses where it was not finite."""
    _style(axes, theme, form)
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


def _figure(width: float, height: float, theme: Theme) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, facecolor=theme.paper, layout="constrained")


def _style(axes: Axes, theme: Theme, form: str = "{:.3g}", *, most_ticks: int = 6, grid: bool = True) -> None:
    """Quiet hairlines and plain numbers; a form that ends in % shows 0-1 as a percentage."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    factor = 100 if form.endswith("%") else 1
    axes.set_facecolor(theme.paper)
    axes.tick_params(colors=theme.quiet, labelsize=8.5, length=0, labelfontfamily=_SANS)
    for side, spine in axes.spines.items():
        spine.set_visible(not grid or side == "bottom")
        spine.set_color(theme.hairline)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if grid:
        axes.yaxis.set_major_locator(MaxNLocator(most_ticks, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: form.format(factor * value)))
        axes.grid(axis="y", color=theme.hairline, linewidth=0.7)


def _words(size: float, colour: str, family: str | list[str] = _SANS) -> dict[str, Any]:
    """The style of a text. Every text names its font, whatever the user's matplotlibrc says."""
    return {"fontsize": size, "color": colour, "family": family}


def _note(figure: Figure, theme: Theme, sentence: str) -> None:
    figure.supxlabel(sentence, **_words(7.5, theme.quiet))


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=figure.get_facecolor(), metadata={"Software": None})
    return buffer.getvalue()
