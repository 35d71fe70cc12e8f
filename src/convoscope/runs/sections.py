"""The sections of a report that show a run as it went: findings, curves, hardest images, filters, voters, recipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convoscope.runs import curves as curves_room
from convoscope.runs import figures
from convoscope.runs.drawing import DARK, LIGHT
from convoscope.runs.markup import encode, escape, img, knobs, number, percent, photo, phrase, picture, say
from convoscope.runs.phrases import PHRASES, Phrase
from convoscope.runs.voters import heat

if TYPE_CHECKING:
    from convoscope.runs.report import ReportFacts

MAX_CARDS = 48  # hardest images on the page


def curves(facts: ReportFacts) -> dict[str, str]:
    """Three panels in light and dark, with their words in the page."""
    if not (facts.steps.get("step") or facts.epochs.get("step")):
        return {"curves": f'<p class="quiet">{say("no_curves")}</p>'}
    light, dark = (curves_room.curve_panels(facts, theme) for theme in (LIGHT, DARK))
    floor = curves_room.accuracy_floor(facts)
    panels = ""
    for name in light:
        key = name.replace(" ", "_")
        note = say("axis_from", floor=f"{100 * floor:.3g} %") if key == "accuracy" and floor else say("by_step")
        drawn = picture(light[name], dark[name], phrase("curve_alt", what=PHRASES[key]))
        panels += f"<figure><figcaption><b>{say(key)}</b> {note}</figcaption>{drawn}</figure>"
    window = str(curves_room.smoothing_window(len(facts.steps.get("step", []))))
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


def hardest(facts: ReportFacts) -> dict[str, str]:
    """One card an image or text: what it is, truth and prediction with their probabilities."""
    cards, split = "", PHRASES.get(f"split_{facts.evaluated_on}", facts.evaluated_on)
    for hard in facts.hardest[:MAX_CARDS]:
        truth, predicted = (facts.class_names[k] for k in (hard.truth, hard.predicted))
        shown = f"<blockquote>{escape(hard.text)}</blockquote>"
        if hard.image.size:
            alt = phrase("hard_alt", name=hard.name, truth=truth, predicted=predicted)
            shown = photo(figures.to_rgb(hard.image), alt)
        lines = (("truth", truth, hard.truth_probability), ("predicted", predicted, hard.probability))
        bars = "".join(
            f'<div class="{key}"><dt>{say(key)} <b>{escape(name)}</b></dt>'
            f'<dd><i style="--t:{p if isfinite(p) else 0:.4f}"></i>{p:.3f}</dd></div>'
            for key, name, p in lines
        )
        foot = f"<small>{escape(hard.name)}</small><small>{say('loss')} {number(hard.loss)}</small>"
        cards += f"<figure>{shown}<figcaption><dl>{bars}</dl>{foot}</figcaption></figure>"
    more = len(facts.hardest) - MAX_CARDS
    of = facts.of_texts
    note = say("more_images", texts=of, n=str(more)) if more > 0 else ""
    note = note or (say("no_hardest", texts=of) if not facts.hardest else "")
    return {
        "hardest": f'<div class="cards{" texts" if of else ""}">{cards}</div><p class="quiet">{note}</p>',
        "hardest_help": say("hardest_help", texts=of, split=split),
    }


def voters(facts: ReportFacts) -> dict[str, str]:
    """A row an image: itself, the neighbours that voted, and where it differs from the nearest; hidden for others."""
    rows = ""
    for one in facts.voters:
        truth, predicted = (escape(facts.class_names[k]) for k in (one.truth, one.predicted))
        tiles = _tile(
            figures.to_rgb(one.image), escape(one.name), f"{truth} → <b>{predicted}</b>", (one.name, one.name)
        )
        for near in one.neighbours:
            k, distance = facts.class_names[near.label], f"{near.distance:.5g}"
            name = f"train {near.index}"
            said = phrase("voters_alt", name=name, k=k, distance=distance)
            tiles += _tile(figures.to_rgb(near.image), f"<b>{escape(k)}</b>", distance, said)
        tiles += _tile(heat(one.difference), say("difference"), "", phrase("difference_alt"))
        keys = ("outside_half", "largest_tenth", "brightness", "paper")
        notes = [say(key, share=percent(share)) for key in keys if (share := one.parts[key]) is not None]
        rows += f'<div class="filters voters">{tiles}</div><p class="quiet">{" ".join(notes)}</p>'
    return {"voters": rows, "no_voters": "" if rows else "hidden"}


def _tile(pixels: NDArray[np.uint8], first: str, second: str, alt: Phrase) -> str:
    """A picture (H, W, 3) with two lines of finished words."""
    return f"<figure>{photo(pixels, alt)}<figcaption>{first}<br>{second}</figcaption></figure>"


def filters(facts: ReportFacts) -> dict[str, str]:
    """The filters with their scale; the section is hidden where the first layer is no convolution."""
    if facts.filters is None or not facts.filters.size:
        return {"filters": "", "filters_help": "", "filters_shape": "", "no_filters": "hidden"}
    (D, C, kh, kw), limit = facts.filters.shape, number(figures.filter_limit(facts.filters))
    pictures = figures.filter_pixels(facts.filters)
    images = [img("png", encode(pixels, "png"), phrase("filter_alt", n=str(n))) for n, pixels in enumerate(pictures)]
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


def findings(facts: ReportFacts) -> dict[str, str]:
    """What the program noticed, each with what to try."""
    items = ""
    for one in facts.findings:
        name, message, hint = (escape(one[key]) for key in ("name", "message", "hint"))
        items += f'<li><code>{name}</code><p>{message}</p><p class="quiet">{hint}</p></li>'
    none = f'<p class="quiet">{say("no_findings")}</p>'
    return {"findings": f'<ul class="findings">{items}</ul>' if items else none}


def documents(facts: ReportFacts) -> dict[str, str]:
    """Recipe and provenance; a value inside a value gets its path as its name."""
    return {"recipe": knobs(dict(_flat(facts.recipe))), "provenance": knobs(dict(_flat(facts.provenance)))}


def _flat(values: Mapping[str, object], path: str = "") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}{name}.")
        else:
            yield path + name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
