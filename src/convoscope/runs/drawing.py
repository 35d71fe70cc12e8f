"""How every picture of a run looks: colours, fonts and frames, and its bytes as PNG.

Matplotlib is imported inside the functions, because a report is drawn once and the package is imported often. Only the
object-oriented interface is used: pyplot keeps global state and is not safe when two runs end at the same moment.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_DPI, SANS, MONO = 200, "DejaVu Sans", "DejaVu Sans Mono"  # Matplotlib brings both fonts with it
# The first of these that is installed draws what the bundled DejaVu Sans cannot.
CJK_FAMILIES = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Noto Sans CJK JP", "PingFang SC", "Hiragino Sans GB",
    "Heiti SC", "Microsoft YaHei", "SimHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Arial Unicode MS",
)  # fmt: skip
# Purple for negative weights, near-white for none, green for positive: told apart by every kind of colour vision.
WEIGHT_COLOURS = ("#6b3a88", "#b596c8", "#f5f5f7", "#86c3b0", "#12795c")
GREYS = ("#000000", "#ffffff")
NUMBERED = "Numbers stand for class names: no installed font can draw them all."


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


def drawable(names: Sequence[str], longest: int = 40) -> tuple[list[str], list[str], bool]:
    """Returns labels that can be drawn, the font families to draw them with, and whether numbers had to stand in.

    A glyph that no installed font has would be drawn as a box, with a warning for each: class numbers say more.
    Labels are cut to `longest` letters, or to half as many of the wide letters of Chinese.
    """
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

    def lacking(characters: set[int], family: str) -> set[int]:
        return characters - set(get_font(findfont(FontProperties(family=family))).get_charmap())

    labels = [" ".join(name.split()) or str(index) for index, name in enumerate(names)]
    missing = lacking({ord(character) for label in labels for character in label}, SANS)
    installed = {entry.name for entry in fontManager.ttflist} if missing else set()
    second = [family for family in CJK_FAMILIES if family in installed and not lacking(missing, family)][:1]
    if missing and not second:
        return [str(index) for index in range(len(labels))], [SANS], True
    n = longest // 2 if second else longest
    return [label if len(label) <= n else label[: n - 1] + "…" for label in labels], [SANS, *second], False


def ramp(values: NDArray[np.floating[Any]], colours: Sequence[str], start: float) -> Pixels:
    """Maps start .. 1 through the colours, equally spaced, linear between them: any shape to that shape and 3."""
    stops = np.linspace(start, 1, len(colours))
    anchors = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours])
    channels = [np.rint(np.interp(values, stops, anchors[:, channel])) for channel in range(3)]
    return np.stack(channels, axis=-1, dtype=np.uint8, casting="unsafe")


def new_figure(width: float, height: float, theme: Theme) -> Figure:
    """An empty figure of a width and a height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, facecolor=theme.paper, layout="constrained")


def style(axes: Axes, theme: Theme, form: str = "{:.3g}", *, most_ticks: int = 6, grid: bool = True) -> None:
    """Quiet hairlines and plain numbers; a form that ends in % shows 0-1 as a percentage."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    factor = 100 if form.endswith("%") else 1
    axes.set_facecolor(theme.paper)
    axes.tick_params(colors=theme.quiet, labelsize=8.5, length=0, labelfontfamily=SANS)
    for side, spine in axes.spines.items():
        spine.set_visible(not grid or side == "bottom")
        spine.set_color(theme.hairline)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if grid:
        axes.yaxis.set_major_locator(MaxNLocator(most_ticks, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: form.format(factor * value)))
        axes.grid(axis="y", color=theme.hairline, linewidth=0.7)


def lettering(size: float, colour: str, family: str | list[str] = SANS) -> dict[str, Any]:
    """The style of a text. Every text names its font, whatever the user's matplotlibrc says."""
    return {"fontsize": size, "color": colour, "family": family}


def note(figure: Figure, theme: Theme, sentence: str) -> None:
    """A sentence below all panels."""
    figure.supxlabel(sentence, **lettering(7.5, theme.quiet))


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=figure.get_facecolor(), metadata={"Software": None})
    return buffer.getvalue()
