"""The report of a run: PNG figures and one self-contained page, in English and Simplified Chinese.

The page holds its images, its style and its few lines of script; it asks no network for anything. Curves come in a
light and a dark drawing without words, so that the page's own words can change their language.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from math import ceil, isfinite
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convoscope.runs import figures
from convoscope.runs.disk import storing, write_whole
from convoscope.runs.phrases import OF_TEXTS, PHRASES, Phrase
from convoscope.runs.voters import Voted, heat

MAX_CARDS = 48  # hardest images on the page
MAX_SMALL, MAX_SIDE = 64, 256  # pixels: larger than the first is embedded as JPEG, larger than the second is shrunk too
_RATES = ("precision", "recall", "f1")


@dataclass(frozen=True, eq=False)
class HardImage:
    """One image or text the network found hard."""

    image: NDArray[np.uint8]  # (C, H, W); of a text nothing: (0, 0, 0)
    name: str  # such as "test 45" or a file path
    truth: int
    predicted: int
    probability: float  # of the predicted class, 0-1
    truth_probability: float  # of the true class, 0-1
    loss: float
    text: str = ""  # its beginning


@dataclass(frozen=True, eq=False)
class ReportFacts:
    """All that a report shows; accuracies are 0-1, and a value that is not finite is shown as a dash."""

    title: str
    summary: dict[str, str]  # a few headline facts, already formatted
    recipe: dict[str, object]
    provenance: dict[str, object]
    class_names: tuple[str, ...]  # K of them
    steps: dict[str, list[float]]  # step, loss, accuracy, lr of every training step; may be empty
    epochs: dict[str, list[float]]  # step, epoch, {train,validation}_{loss,accuracy}; may hold nan
    evaluated_on: str  # "test" or "validation": the images of every figure below
    accuracy: float
    loss: float
    n_images: int
    majority_accuracy: float  # of always naming the most frequent class
    accuracy_interval: tuple[float, float]  # 95 % Wilson
    confusion: NDArray[np.int64]  # (K, K), rows truth, columns predicted
    per_class: list[dict[str, Any]]  # name, n, precision, recall, f1, in class order
    hardest: list[HardImage]  # worst first
    filters: NDArray[np.float32] | None  # (D, C, kh, kw), where the first layer is a convolution
    filters_name: str
    findings: list[dict[str, Any]]  # name, message, hint
    of_texts: bool = False  # whether it learnt from texts
    voters: tuple[Voted, ...] = ()  # who voted on the hardest images, where the network is its training images


def write(folder: Path, facts: ReportFacts) -> Path:
    """Draws and writes the whole report and returns the page's path; all is drawn before the first byte is written.

    Raises:
        StorageError: The folder cannot be written.
    """
    files = {
        "curves.png": figures.curves(facts),
        "confusion.png": figures.confusion(facts.confusion, facts.class_names, figures.LIGHT, words=True),
    }
    if not facts.of_texts:
        files["hardest.png"] = figures.hardest(facts.hardest, facts.class_names)
    if facts.filters is not None:
        files["filters.png"] = figures.filters(facts.filters, facts.filters_name)
    files["index.html"] = page(facts).encode("utf-8", "replace")  # a file name may hold bytes that are no text
    with storing("The report", folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content, "The report")
    return folder / "index.html"


def page(facts: ReportFacts) -> str:
    """Returns the page as one HTML document."""
    texts = facts.of_texts
    plain = {f"say_{key}": say(key, texts=texts) for key, (english, _) in PHRASES.items() if "{" not in english}
    parts = _headline(facts) | _curves(facts) | _confusion(facts) | _hardest(facts) | _filters(facts) | _voters(facts)
    tables = {"classes": _classes(facts), "recipe": _knobs(facts.recipe), "provenance": _knobs(facts.provenance)}
    template = resources.files("convoscope.runs").joinpath("report.html").read_text(encoding="utf-8")
    return Template(template).substitute(plain, findings=_findings(facts.findings), **parts, **tables)


def say(key: str, *, texts: bool = False, **values: str | Phrase) -> str:
    """Returns a phrase in both languages, escaped; the page's style shows one. A value may itself be a phrase."""
    english, chinese = _phrase(key, texts=texts, **values)
    return f'<span lang="en">{_escape(english)}</span><span lang="zh-Hans">{_escape(chinese)}</span>'


def _phrase(key: str, *, texts: bool = False, **values: str | Phrase) -> Phrase:
    said = OF_TEXTS[key] if texts and key in OF_TEXTS else PHRASES[key]
    english, chinese = ({name: v if isinstance(v, str) else v[i] for name, v in values.items()} for i in (0, 1))
    return said[0].format(**english), said[1].format(**chinese)


def _headline(facts: ReportFacts) -> dict[str, str]:
    """The name, the accuracy beside its interval and the majority's, and the summary."""
    low, high = facts.accuracy_interval
    keys = [f"fact_{name.lower().replace(' ', '_')}" for name in facts.summary]
    split = PHRASES.get(f"split_{facts.evaluated_on}", facts.evaluated_on)
    marks = {"a": facts.accuracy, "low": low, "high": high, "m": facts.majority_accuracy}
    n = f"{facts.n_images:,}"
    return {
        "title": _escape(facts.title),
        "accuracy_value": _percent(facts.accuracy),
        "right_of": say("right_of", texts=facts.of_texts, n=n, split=split),
        "wrong": say("wrong", n=f"{int(facts.confusion.sum() - facts.confusion.trace()):,}"),
        "mean_loss": say("mean_loss", loss=_number(facts.loss)),
        "interval": say("interval", low=_percent(low), high=_percent(high)),
        "majority": say("majority", share=_percent(facts.majority_accuracy)),
        "scale": "".join(f"--{key}:{min(max(value, 0), 1):.5f};" for key, value in marks.items() if isfinite(value)),
        "summary": "".join(
            f"<div><dt>{say(key) if key in PHRASES else _escape(name)}</dt><dd>{_escape(value)}</dd></div>"
            for (name, value), key in zip(facts.summary.items(), keys, strict=True)
        ),
        "hardest_help": say("hardest_help", texts=facts.of_texts, split=split),
    }


def _curves(facts: ReportFacts) -> dict[str, str]:
    """Three panels in light and dark, with their words in the page."""
    if not (facts.steps.get("step") or facts.epochs.get("step")):
        return {"curves": f'<p class="quiet">{say("no_curves")}</p>'}
    light, dark = (figures.curve_panels(facts, theme) for theme in (figures.LIGHT, figures.DARK))
    floor = figures.accuracy_floor(facts)
    panels = ""
    for name in light:
        key = name.replace(" ", "_")
        note = say("axis_from", floor=f"{100 * floor:.3g} %") if key == "accuracy" and floor else say("by_step")
        picture = _picture(light[name], dark[name], _phrase("curve_alt", what=PHRASES[key]))
        panels += f"<figure><figcaption><b>{say(key)}</b> {note}</figcaption>{picture}</figure>"
    window = str(figures.smoothing_window(len(facts.steps.get("step", []))))
    broken = any(not isfinite(v) for name in ("loss", "accuracy") for v in facts.steps.get(name, []))
    shown = {
        "not_a_number": broken,
        "each_step": bool(facts.steps.get("step")),
        "mean_of_steps": bool(facts.steps.get("step")),
    }
    shown |= {
        f"{part}_epoch": any(map(isfinite, facts.epochs.get(f"{part}_loss", []))) for part in ("train", "validation")
    }
    legend = "".join(f'<li class="{key}">{say(key, window=window)}</li>' for key, yes in shown.items() if yes)
    return {"curves": f'<ul class="legend">{legend}</ul><div class="panels">{panels}</div>'}


def _confusion(facts: ReportFacts) -> dict[str, str]:
    """A table of counts up to 20 classes, a picture above, and the pairs that are confused most."""
    counts, K, names = facts.confusion, len(facts.confusion), facts.class_names
    if K <= figures.MAX_LABELLED:
        body = _confusion_table(counts, names)
    else:
        light, dark = (figures.confusion(counts, names, theme, words=False) for theme in (figures.LIGHT, figures.DARK))
        pool = ceil(K / figures.MAX_CELLS)
        note = say("pooled", n=str(pool)) if pool > 1 else say("numbered")
        body = f'{_picture(light, dark, _phrase("confusion_alt", n=str(K)))}<p class="quiet">{note}</p>'
    errors, shares = counts - np.diag(counts.diagonal()), figures.row_shares(counts)
    worst = [divmod(int(at), K) for at in np.argsort(-errors, axis=None, kind="stable")[:12]]
    cells = ((i, j, f"{errors[i, j]:,}", _percent(shares[i, j])) for i, j in worst if errors[i, j])
    rows = [[_escape(names[i]), _escape(names[j]), *numbers] for i, j, *numbers in cells]
    pairs = _table(("truth", "predicted", _counted(facts), "share"), rows)
    pairs = pairs if rows else f'<p class="quiet">{say("no_pairs")}</p>'
    return {"confusion": body, "largest_error": _percent(figures.largest_error_share(counts)), "pairs": pairs}


def _confusion_table(counts: NDArray[np.int64], names: tuple[str, ...]) -> str:
    shares, largest = figures.row_shares(counts), figures.largest_error_share(counts) or 1.0
    head = "".join(f'<th scope="col"><span title="{_escape(name)}">{_escape(name)}</span></th>' for name in names)
    body = ""
    for i, row in enumerate(counts):
        cells = ""
        for j, count in enumerate(row):
            tint = shares[i, j] if i == j else (shares[i, j] / largest) ** 0.5
            cells += f'<td{" class=right" if i == j else ""} style="--t:{tint:.3f}">{count or ""}</td>'
        body += f'<tr><th scope="row" title="{_escape(names[i])}">{_escape(names[i])}</th>{cells}</tr>'
    corner = f'<td class="corner">{say("predicted")} →<br>{say("truth")} ↓</td>'
    wide = " wide" if max(len(name.encode("utf-8", "replace")) for name in names) > 3 else ""
    return f'<div class="scroll"><table class="matrix{wide}"><thead><tr>{corner}{head}</tr></thead>{body}</table></div>'


def _counted(facts: ReportFacts) -> str:
    return "texts" if facts.of_texts else "images"


def _classes(facts: ReportFacts) -> str:
    """Each class with its figures; many classes stand with the lowest F1 first."""
    order, note = list(range(len(facts.per_class))), ""
    if len(order) > figures.MAX_LABELLED:
        order.sort(key=lambda k: facts.per_class[k]["f1"] if isfinite(facts.per_class[k]["f1"]) else -1)
        note = f'<p class="quiet">{say("lowest_first")}</p>'
    rows = []
    for k in order:
        row = facts.per_class[k]
        rates = [(row[key] if isfinite(row[key]) else 0, _percent(row[key])) for key in _RATES]
        bars = [f'<i style="--t:{rate:.4f}"></i>{text}' for rate, text in rates]
        rows.append([_escape(row["name"]), str(k), f"{row['n']:,}", *bars])
    return note + f'<div class="scroll tall">{_table(("class", "number", _counted(facts), *_RATES), rows)}</div>'


def _hardest(facts: ReportFacts) -> dict[str, str]:
    """One card an image or text: what it is, truth and prediction with their probabilities."""
    cards = ""
    for hard in facts.hardest[:MAX_CARDS]:
        truth, predicted = (facts.class_names[k] for k in (hard.truth, hard.predicted))
        shown = f"<blockquote>{_escape(hard.text)}</blockquote>"
        if hard.image.size:
            kind = "png" if max(hard.image.shape) <= MAX_SMALL else "jpeg"
            pixels = _encode(figures.to_rgb(hard.image), kind)
            shown = _img(kind, pixels, _phrase("hard_alt", name=hard.name, truth=truth, predicted=predicted))
        lines = (("truth", truth, hard.truth_probability), ("predicted", predicted, hard.probability))
        bars = "".join(
            f'<div class="{key}"><dt>{say(key)} <b>{_escape(name)}</b></dt>'
            f'<dd><i style="--t:{p if isfinite(p) else 0:.4f}"></i>{p:.3f}</dd></div>'
            for key, name, p in lines
        )
        foot = f"<small>{_escape(hard.name)}</small><small>{say('loss')} {_number(hard.loss)}</small>"
        cards += f"<figure>{shown}<figcaption><dl>{bars}</dl>{foot}</figcaption></figure>"
    more = len(facts.hardest) - MAX_CARDS
    of = facts.of_texts
    note = say("more_images", texts=of, n=str(more)) if more > 0 else ""
    note = note or (say("no_hardest", texts=of) if not facts.hardest else "")
    return {"hardest": f'<div class="cards{" texts" if of else ""}">{cards}</div><p class="quiet">{note}</p>'}


def _voters(facts: ReportFacts) -> dict[str, str]:
    """A row an image: itself, the neighbours that voted, and where it differs from the nearest; hidden for others."""
    rows = ""
    for one in facts.voters:
        truth, predicted = (_escape(facts.class_names[k]) for k in (one.truth, one.predicted))
        tiles = _tile(
            figures.to_rgb(one.image), _escape(one.name), f"{truth} → <b>{predicted}</b>", (one.name, one.name)
        )
        for near in one.neighbours:
            k, distance = facts.class_names[near.label], f"{near.distance:.5g}"
            name = f"train {near.index}"
            said = _phrase("voters_alt", name=name, k=k, distance=distance)
            tiles += _tile(figures.to_rgb(near.image), f"<b>{_escape(k)}</b>", distance, said)
        tiles += _tile(heat(one.difference), say("difference"), "", _phrase("difference_alt"))
        keys = ("outside_half", "largest_tenth", "brightness", "paper")
        notes = [say(key, share=_percent(share)) for key in keys if (share := one.parts[key]) is not None]
        rows += f'<div class="filters voters">{tiles}</div><p class="quiet">{" ".join(notes)}</p>'
    return {"voters": rows, "no_voters": "" if rows else "hidden"}


def _tile(pixels: NDArray[np.uint8], first: str, second: str, alt: Phrase) -> str:
    """A picture (H, W, 3) with two lines of finished words."""
    kind = "png" if max(pixels.shape) <= MAX_SMALL else "jpeg"
    return f"<figure>{_img(kind, _encode(pixels, kind), alt)}<figcaption>{first}<br>{second}</figcaption></figure>"


def _filters(facts: ReportFacts) -> dict[str, str]:
    """The filters with their scale; the section is hidden where the first layer is no convolution."""
    if facts.filters is None or not facts.filters.size:
        return {"filters": "", "filters_help": "", "filters_shape": "", "no_filters": "hidden"}
    (D, C, kh, kw), limit = facts.filters.shape, _number(figures.filter_limit(facts.filters))
    pictures = figures.filter_pixels(facts.filters)
    images = [_img("png", _encode(pixels, "png"), _phrase("filter_alt", n=str(n))) for n, pixels in enumerate(pictures)]
    tiles = "".join(f"<figure>{image}<figcaption>{n}</figcaption></figure>" for n, image in enumerate(images))
    notes = [say("filters_rgb") if C == 3 else say("filters_signs"), say("filters_tiles") if C not in (1, 3) else ""]
    channels = min(C, figures.MAX_CHANNELS)
    if len(images) < D or channels < C:
        notes.append(say("shown_of", shown=str(len(images)), n=str(D), channels=str(channels), C=str(C)))
    return {
        "filters": f'<div class="filters">{tiles}</div><div class="ramp {"rgb" if C == 3 else "weights"}"><b></b>'
        f"<span>−{limit}</span><span>0</span><span>+{limit}</span></div>",
        "filters_help": f"{say('filters_help', name=facts.filters_name)} {' '.join(notes)}",
        "filters_shape": f"{D} × {C} × {kh} × {kw}",
        "no_filters": "",
    }


def _findings(findings: list[dict[str, Any]]) -> str:
    items = ""
    for one in findings:
        name, message, hint = (_escape(one[key]) for key in ("name", "message", "hint"))
        items += f'<li><code>{name}</code><p>{message}</p><p class="quiet">{hint}</p></li>'
    return f'<ul class="findings">{items}</ul>' if items else f'<p class="quiet">{say("no_findings")}</p>'


def _knobs(values: Mapping[str, object]) -> str:
    """Names and values as a table; a value inside a value gets its path as its name."""
    rows = "".join(f'<tr><th scope="row">{_escape(k)}</th><td>{_escape(v)}</td></tr>' for k, v in _flat(values))
    return f'<table class="knobs">{rows}</table>'


def _flat(values: Mapping[str, object], path: str = "") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}{name}.")
        else:
            yield path + name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """A table of finished cells; the first of each row names it."""
    titles = "".join(f'<th scope="col">{say(key)}</th>' for key in head)
    lines = ((row[0], "".join(f"<td>{cell}</td>" for cell in row[1:])) for row in rows)
    body = "".join(f'<tr><th scope="row">{name}</th>{cells}</tr>' for name, cells in lines)
    return f'<table class="rows {head[0]}"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>'


def _picture(light: bytes, dark: bytes, alt: Phrase) -> str:
    dark_url = f"data:image/png;base64,{base64.b64encode(dark).decode()}"
    source = f'<source media="screen and (prefers-color-scheme: dark)" srcset="{dark_url}">'
    return f"<picture>{source}{_img('png', light, alt)}</picture>"


def _img(kind: str, content: bytes, alt: Phrase) -> str:
    english, chinese = map(_escape, alt)
    url = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return f'<img class="{kind}" src="{url}" alt="{english}" data-en="{english}" data-zh="{chinese}">'


def _encode(pixels: NDArray[np.uint8], kind: str) -> bytes:
    """Pixels (H, W, 3) as a PNG that keeps each one, or as a JPEG of at most 256 a side."""
    from PIL import Image

    picture, buffer = Image.fromarray(pixels), io.BytesIO()
    if kind == "jpeg":
        picture.thumbnail((MAX_SIDE, MAX_SIDE))
    picture.save(buffer, kind, optimize=True)
    return buffer.getvalue()


def _escape(value: object) -> str:
    return html.escape(str(value))


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %" if isfinite(value) else "—"


def _number(value: float) -> str:
    return f"{value:.4g}" if isfinite(value) else "—"
