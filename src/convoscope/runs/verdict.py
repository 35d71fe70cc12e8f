"""The sections of a report that say how good a network is: figures, limits, data, comparisons, calibration, classes."""

from __future__ import annotations

from math import ceil, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convoscope.runs import figures
from convoscope.runs.drawing import DARK, LIGHT
from convoscope.runs.markup import escape, number, paragraph, percent, photo, phrase, picture, points, say, table
from convoscope.runs.phrases import PHRASES, Phrase

if TYPE_CHECKING:
    from convoscope.runs.baseline import Baseline
    from convoscope.runs.report import ReportFacts, Suspect

MAX_SUSPECTS, MAX_LEFT_OUT = 40, 20  # cards, and files, on the page
_RATES = ("precision", "recall", "f1")


def headline(facts: ReportFacts) -> dict[str, str]:
    """The name, the accuracy beside its interval and simpler ways, the other figures, and the summary."""
    low, high = facts.accuracy_interval
    keys = [f"fact_{name.lower().replace(' ', '_')}" for name in facts.summary]
    beside = {one.name: one for one in facts.baselines}
    most = beside["majority"].accuracy if "majority" in beside else facts.majority_accuracy
    marks = {"a": facts.accuracy, "low": low, "high": high, "m": most}
    marks |= {"k": beside["knn"].accuracy} if "knn" in beside else {}
    return {
        "title": escape(facts.title),
        "accuracy_value": percent(facts.accuracy),
        "right_of": say("right_of", texts=facts.of_texts, n=f"{facts.n_images:,}", split=_split(facts.evaluated_on)),
        "wrong": say("wrong", n=f"{int(facts.confusion.sum() - facts.confusion.trace()):,}"),
        "mean_loss": say("mean_loss", loss=number(facts.loss)),
        "interval": say("interval", low=percent(low), high=percent(high)),
        "majority": say("majority", share=percent(most)),
        "knn": say("knn_is", k=str(beside["knn"].k), share=percent(beside["knn"].accuracy)) if "knn" in beside else "",
        "no_knn": "" if "knn" in beside else "hidden",
        "scale": "".join(f"--{key}:{min(max(value, 0), 1):.5f};" for key, value in marks.items() if isfinite(value)),
        "more_figures": _more(facts),
        "summary": "".join(
            f"<div><dt>{say(key) if key in PHRASES else escape(name)}</dt><dd>{escape(value)}</dd></div>"
            for (name, value), key in zip(facts.summary.items(), keys, strict=True)
        ),
    }


def _more(facts: ReportFacts) -> str:
    """The other figures, each with its interval; hidden where there are none."""
    cells = ""
    for one in facts.more_figures:
        spread = f"<small>{percent(one.interval[0])} – {percent(one.interval[1])}</small>" if one.interval else ""
        cells += f"<div><dt>{say(one.key)}</dt><dd>{percent(one.value)}{spread}</dd></div>"
    return f'<dl class="summary figures">{cells}</dl>' if cells else ""


def limits(facts: ReportFacts) -> dict[str, str]:
    """What the figures do not say, in words; hidden where nothing is known of it."""
    items = "".join(f"<li>{say(one.key, texts=facts.of_texts, **one.values)}</li>" for one in facts.limits)
    return {"limits": f'<ul class="limits">{items}</ul>', "no_limits": "" if items else "hidden"}


def parts(facts: ReportFacts) -> dict[str, str]:
    """What the data were cut into and how, and what was left out."""
    rows = [
        [
            say(f"split_{one.name}") if f"split_{one.name}" in PHRASES else escape(one.name),
            f"{one.n:,}",
            f"{one.n_classes:,}",
            say(one.how, texts=facts.of_texts, **one.values) if one.how else "",
        ]
        for one in facts.parts
    ]
    body = table(("part", _counted(facts), "classes_there", "how_cut"), rows, kind="parts") if rows else ""
    if facts.left_out:
        listed = "".join(
            f"<li><code>{escape(name)}</code> {escape(why)}</li>" for name, why in facts.left_out[:MAX_LEFT_OUT]
        )
        more = len(facts.left_out) - MAX_LEFT_OUT
        body += f"<h3>{say('left_out', n=f'{len(facts.left_out):,}')}</h3><ul class='limits'>{listed}</ul>"
        body += paragraph(say("left_out_more", n=f"{more:,}") if more > 0 else "")
    return {"parts": body, "no_parts": "" if body else "hidden"}


def compared(facts: ReportFacts) -> dict[str, str]:
    """The network beside simpler ways on the same examples, with the differences' intervals."""
    rows = []
    for one in facts.baselines:
        low, high = points(one.difference_95_low), points(one.difference_95_high)
        figure = say("points_between", difference=points(one.difference), low=low, high=high)
        rows.append([_called(one), f"{one.n:,}", percent(one.accuracy), percent(one.network_accuracy), figure])
    body = table(("way", _counted(facts), "its_accuracy", "network_accuracy", "difference_points"), rows, kind="ways")
    for one in facts.baselines:
        if one.name == "knn":
            key = "knn_chosen" if one.k_from == "validation" else "knn_usual"
            values = {"k": str(one.k), "n": f"{one.n_references or 0:,}", "side": str(one.side)}
            body += paragraph(say(key, texts=facts.of_texts, **values))
    return {"compared": body if rows else "", "no_compared": "" if rows else "hidden"}


def _called(one: Baseline) -> str:
    if one.name == "majority":
        return say("way_majority", name=str(one.class_name))
    return say("way_knn", k=str(one.k))


def confusion(facts: ReportFacts) -> dict[str, str]:
    """A table of counts up to 20 classes, a picture above, and the pairs that are confused most."""
    counts, K, names = facts.confusion, len(facts.confusion), facts.class_names
    if K <= figures.MAX_LABELLED:
        body = _confusion_table(counts, names)
    else:
        light, dark = (figures.confusion(counts, names, theme, words=False) for theme in (LIGHT, DARK))
        pool = ceil(K / figures.MAX_CELLS)
        note = say("pooled", n=str(pool)) if pool > 1 else say("numbered")
        body = f"{picture(light, dark, phrase('confusion_alt', n=str(K)))}{paragraph(note)}"
    rows = []
    for pair in facts.pairs:
        ways = [
            f"{n:,}" + (f" <small>{percent(share)}</small>" if share is not None else "")
            for n, share in zip(pair["n"], pair["shares"], strict=True)
        ]
        rows.append([escape(pair["classes"][0]), escape(pair["classes"][1]), *ways])
    pairs = table(("class_a", "class_b", "a_as_b", "b_as_a"), rows, kind="truth") if rows else ""
    pairs = pairs or paragraph(say("no_pairs"))
    return {"confusion": body, "largest_error": percent(figures.largest_error_share(counts)), "pairs": pairs}


def _confusion_table(counts: NDArray[np.int64], names: tuple[str, ...]) -> str:
    shares, largest = figures.row_shares(counts), figures.largest_error_share(counts) or 1.0
    head = "".join(f'<th scope="col"><span title="{escape(name)}">{escape(name)}</span></th>' for name in names)
    body = ""
    for i, row in enumerate(counts):
        cells = ""
        for j, count in enumerate(row):
            tint = shares[i, j] if i == j else (shares[i, j] / largest) ** 0.5
            cells += f'<td{" class=right" if i == j else ""} style="--t:{tint:.3f}">{count or ""}</td>'
        body += f'<tr><th scope="row" title="{escape(names[i])}">{escape(names[i])}</th>{cells}</tr>'
    corner = f'<td class="corner">{say("predicted")} →<br>{say("truth")} ↓</td>'
    wide = " wide" if max(len(name.encode("utf-8", "replace")) for name in names) > 3 else ""
    return f'<div class="scroll"><table class="matrix{wide}"><thead><tr>{corner}{head}</tr></thead>{body}</table></div>'


def reliability(facts: ReportFacts) -> dict[str, str]:
    """How sure the network is beside how often it is right, before and after the temperature."""
    if facts.reliability is None:
        return {"reliability": "", "no_reliability": "hidden"}
    after = facts.calibrated if facts.calibration.temperature != 1 else None
    light, dark = (figures.reliability(facts.reliability, after, theme, words=False) for theme in (LIGHT, DARK))
    legend = f'<li class="dots_before">{say("dots_before", error=percent(facts.reliability.error))}</li>'
    if after is not None:
        legend += f'<li class="dots_after">{say("dots_after", error=percent(after.error))}</li>'
    body = f'<ul class="legend">{legend}</ul>{picture(light, dark, phrase("reliability_alt"))}'
    return {"reliability": body + paragraph(_temperature(facts)), "no_reliability": ""}


def _temperature(facts: ReportFacts) -> str:
    found = facts.calibration
    if found.why:
        return say("temperature_kept", why=PHRASES.get(f"why_{found.why.replace('-', '_')}", (found.why, found.why)))
    said = say("temperature_found", T=f"{found.temperature:.3f}", n=f"{found.n:,}", split=_split(found.split))
    return said + (" " + say("temperature_same") if found.split == facts.evaluated_on else "")


def classes(facts: ReportFacts) -> dict[str, str]:
    """Each class with its figures; many classes stand with the lowest F1 first."""
    order, note = list(range(len(facts.per_class))), ""
    if len(order) > figures.MAX_LABELLED:
        order.sort(key=lambda k: facts.per_class[k]["f1"] if isfinite(facts.per_class[k]["f1"]) else -1)
        note = paragraph(say("lowest_first"))
    counted = ("trained_on", _judged_on(facts)) if facts.n_trained else (_counted(facts),)
    rows = []
    for k in order:
        row = facts.per_class[k]
        numbers = [f"{row['n']:,}"]
        if facts.n_trained:
            numbers.insert(0, f"{facts.n_trained[k]:,}")
        rows.append([escape(row["name"]), str(k), *numbers, *(_rate(row, key) for key in _RATES)])
    body = table(("class", "number", *counted, *_RATES), rows)
    return {"classes": f'{note}<div class="scroll tall">{body}</div>'}


def _rate(row: dict[str, Any], key: str) -> str:
    """A share with its bar, and with its interval where there is one."""
    share, low = row[key], row.get(f"{key}_95_low")
    bar = f'<i style="--t:{share if isfinite(share) else 0:.4f}"></i>{percent(share)}'
    if low is None or not isfinite(low):
        return bar
    return f"{bar} <small>{100 * low:.0f}–{100 * row[f'{key}_95_high']:.0f}</small>"


def suspects(facts: ReportFacts) -> dict[str, str]:
    """A card for each label to look at again, the most suspicious first; hidden where there are none."""
    cards = "".join(_suspect(facts, one) for one in facts.suspects[:MAX_SUSPECTS])
    more = len(facts.suspects) - MAX_SUSPECTS
    note = paragraph(say("suspects_more", n=f"{more:,}") if more > 0 else "")
    kind = "cards texts" if facts.of_texts else "cards"
    return {"suspects": f'<div class="{kind}">{cards}</div>{note}', "no_suspects": "" if cards else "hidden"}


def _suspect(facts: ReportFacts, one: Suspect) -> str:
    label, suggested = (facts.class_names[k] for k in (one.label, one.suggested))
    shown = f"<blockquote>{escape(one.text)}</blockquote>"
    if one.image.size:
        alt = phrase("suspect_alt", name=one.name, label=label, suggested=suggested)
        shown = photo(figures.to_rgb(one.image), alt)
    lines = (("label", label, "label"), ("suggested", suggested, "predicted"))
    names = "".join(f'<div class="{kind}"><dt>{say(key)} <b>{escape(name)}</b></dt></div>' for key, name, kind in lines)
    split = say(f"split_{one.split}") if f"split_{one.split}" in PHRASES else escape(one.split)
    foot = f"<small>{escape(one.name)}</small><small>{split} · {say('margin')} {number(one.score)}</small>"
    return f"<figure>{shown}<figcaption><dl>{names}</dl>{foot}</figcaption></figure>"


def _split(name: str) -> str | Phrase:
    return PHRASES.get(f"split_{name}", name)


def _counted(facts: ReportFacts) -> str:
    return "texts" if facts.of_texts else "images"


def _judged_on(facts: ReportFacts) -> str:
    return "judged_texts" if facts.of_texts else "judged_images"
