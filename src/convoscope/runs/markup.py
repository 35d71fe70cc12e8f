"""The pieces that a page of the runs room is made of: phrases in both languages, tables, pictures, numbers."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from convoscope.runs.phrases import OF_TEXTS, PHRASES, Phrase

MAX_SMALL, MAX_SIDE = 64, 256  # pixels: larger than the first is embedded as JPEG, larger than the second is shrunk too


def phrase(key: str, *, texts: bool = False, **values: str | Phrase) -> Phrase:
    """A phrase in both languages with its values filled in; a value may itself be a phrase."""
    said = OF_TEXTS[key] if texts and key in OF_TEXTS else PHRASES[key]
    english, chinese = ({name: v if isinstance(v, str) else v[i] for name, v in values.items()} for i in (0, 1))
    return said[0].format(**english), said[1].format(**chinese)


def say(key: str, *, texts: bool = False, **values: str | Phrase) -> str:
    """A phrase in both languages, escaped; the page's style shows one."""
    return both(phrase(key, texts=texts, **values))


def both(said: Phrase) -> str:
    """Words in both languages, escaped."""
    return f'<span lang="en">{escape(said[0])}</span><span lang="zh-Hans">{escape(said[1])}</span>'


def paragraph(words: str, kind: str = "quiet") -> str:
    """Finished words as a paragraph, or nothing for none."""
    return f'<p class="{kind}">{words}</p>' if words else ""


def table(head: tuple[str, ...], rows: list[list[str]], *, kind: str = "", texts: bool = False) -> str:
    """A table of finished cells under named columns; the first of each row names it, `kind` is its style."""
    titles = "".join(f'<th scope="col">{say(key, texts=texts)}</th>' for key in head)
    lines = ((row[0], "".join(f"<td>{cell}</td>" for cell in row[1:])) for row in rows)
    body = "".join(f'<tr><th scope="row">{name}</th>{cells}</tr>' for name, cells in lines)
    return f'<table class="rows {kind or head[0]}"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>'


def knobs(values: Mapping[str, object]) -> str:
    """Names and finished texts, side by side."""
    rows = "".join(f'<tr><th scope="row">{escape(k)}</th><td>{escape(v)}</td></tr>' for k, v in values.items())
    return f'<table class="knobs">{rows}</table>'


def picture(light: bytes, dark: bytes, alt: Phrase) -> str:
    """A PNG in two drawings, for a light and for a dark page."""
    dark_url = f"data:image/png;base64,{base64.b64encode(dark).decode()}"
    source = f'<source media="screen and (prefers-color-scheme: dark)" srcset="{dark_url}">'
    return f"<picture>{source}{img('png', light, alt)}</picture>"


def img(kind: str, content: bytes, alt: Phrase) -> str:
    """An embedded image; its text alternative follows the page's language."""
    english, chinese = map(escape, alt)
    url = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return f'<img class="{kind}" src="{url}" alt="{english}" data-en="{english}" data-zh="{chinese}">'


def photo(pixels: NDArray[np.uint8], alt: Phrase) -> str:
    """Pixels (H, W, 3): small ones to the last one, others as a JPEG."""
    kind = "png" if max(pixels.shape) <= MAX_SMALL else "jpeg"
    return img(kind, encode(pixels, kind), alt)


def encode(pixels: NDArray[np.uint8], kind: str) -> bytes:
    """Pixels (H, W, 3) as a PNG that keeps each one, or as a JPEG of at most 256 a side."""
    from PIL import Image

    image, buffer = Image.fromarray(pixels), io.BytesIO()
    if kind == "jpeg":
        image.thumbnail((MAX_SIDE, MAX_SIDE))
    image.save(buffer, kind, optimize=True)
    return buffer.getvalue()


def escape(value: object) -> str:
    """Text from outside as text of a page."""
    return html.escape(str(value))


def percent(value: float) -> str:
    """A share (0-1) in per cent; a dash where it is not finite."""
    return f"{100 * value:.2f} %" if isfinite(value) else "—"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−") if isfinite(value) else "—"


def number(value: float) -> str:
    """Four digits; a dash where it is not finite."""
    return f"{value:.4g}" if isfinite(value) else "—"
