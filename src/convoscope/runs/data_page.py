"""The page of a check-up: what image files hold and what is wrong with them, with pictures, in two languages.

One self-contained file: pictures, style and the few lines of script are in it, and it asks no network for anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources
from string import Template
from typing import Any

from convoscope.runs.data_phrases import PHRASES, TITLES
from convoscope.runs.markup import both, escape, img, paragraph
from convoscope.runs.phrases import Phrase

MAX_GROUPS, MAX_MEMBERS = 48, 6  # of doubles, and pictures of each
MAX_CLASSES, MAX_SAMPLES = 60, 6  # with pictures, and pictures of each
MAX_ODD, MAX_ROWS = 24, 1000  # pictures of odd sizes, and rows of a table

Facts = Mapping[str, Any]
Pictures = Mapping[str, bytes]


def page(facts: Facts, samples: Mapping[str, list[str]], pictures: Pictures) -> str:
    """The page as one HTML document.

    Args:
        facts: What `CheckUp.to_dict` says.
        samples: For each class, some of its images by name.
        pictures: JPEG files by the name of an image, of those that `wanted` names.
    """
    plain = {f"say_{key}": _say(key) for key, (english, _) in PHRASES.items() if "{" not in english}
    template = resources.files("convoscope.runs").joinpath("data_page.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        plain,
        title=escape(facts["name"]),
        findings=_findings(facts["findings"]),
        classes=_classes(facts, samples, pictures),
        files=_files(facts),
        **_headline(facts),
        **_broken(facts["broken"]),
        **_doubles(facts["doubles"], pictures),
        **_sizes(facts, pictures),
    )


def wanted(facts: Facts, samples: Mapping[str, list[str]]) -> list[str]:
    """The images whose pictures the page shows, by name, each once."""
    doubles = [one["name"] for group in _shown(facts["doubles"]) for one in group["images"][:MAX_MEMBERS]]
    odd = [one["name"] for one in facts["odd_sizes"][:MAX_ODD]]
    few = [name for names in list(samples.values())[:MAX_CLASSES] for name in names[:MAX_SAMPLES]]
    return list(dict.fromkeys([*doubles, *odd, *few]))


def _phrase(key: str, **values: str) -> Phrase:
    english, chinese = PHRASES[key]
    return english.format(**values), chinese.format(**values)


def _say(key: str, **values: str) -> str:
    return both(_phrase(key, **values))


def _headline(facts: Facts) -> dict[str, str]:
    """How many images there are, of which classes and splits, and how many findings."""
    n = len(facts["broken"])
    parts = {"train": 0, **{part: one["n_images"] for part, one in facts["splits"].items()}}
    return {
        "n_images": f"{facts['n_images']:,}",
        "lead": " · ".join(
            (
                _say("of_files", n=f"{facts['n_files']:,}", bytes=f"{facts['n_bytes'] / 1e6:,.1f}"),
                _say("in_classes", n=f"{facts['n_classes']:,}"),
                _say("unread", n=f"{n:,}") if n else _say("all_read"),
                _say("remarks", n=f"{len(facts['findings']):,}"),
            )
        ),
        "parts": "".join(f"<div><dt>{_say(part)}</dt><dd>{n:,}</dd></div>" for part, n in parts.items()),
    }


def _findings(findings: Iterable[Mapping[str, str]]) -> str:
    items = ""
    for one in findings:
        title = both(TITLES[one["name"]]) if one["name"] in TITLES else escape(one["name"])
        items += f"<li><b>{title}</b><p>{escape(one['message'])}</p>{paragraph(escape(one['hint']))}</li>"
    return f'<ul class="findings">{items}</ul>' if items else paragraph(_say("no_findings"))


def _broken(rows: list[dict[str, str]]) -> dict[str, str]:
    """A table of what cannot be read; its section is hidden where all can."""
    shown = [(escape(row["name"]), [escape(row["reason"])]) for row in rows[:MAX_ROWS]]
    more = _more("more_images", len(rows) - MAX_ROWS)
    return {"broken": _table(("file", "reason"), shown) + more, "no_broken": "" if rows else "hidden"}


def _doubles(groups: list[dict[str, Any]], pictures: Pictures) -> dict[str, str]:
    """The groups side by side; the section is hidden where there are none."""
    shown = _shown(groups)
    body = ""
    for group in shown:
        marks = [_say(group["same"])]
        marks += [f"<em>{_say(key)}</em>" for key, fact in _WARNINGS if group[fact]]
        cards = "".join(
            _card(one["name"], pictures, (one["class"], one["class"]), f"{_say(one['split'])} · {escape(one['class'])}")
            for one in group["images"][:MAX_MEMBERS]
        )
        more = _more("more_members", len(group["images"]) - MAX_MEMBERS)
        wide = " wide" if len(group["images"]) > 2 else ""
        body += f'<div class="group{wide}"><p>{" · ".join(marks)}</p><div class="cards">{cards}</div>{more}</div>'
    body = f'<div class="groups">{body}</div>' + _more("more_groups", len(groups) - len(shown))
    return {"doubles": body, "no_doubles": "" if groups else "hidden"}


_WARNINGS = (("across", "across_splits"), ("disagree", "labels_differ"))


def _shown(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The groups of doubles that the page shows: the gravest first."""
    return sorted(groups, key=lambda one: -2 * one["across_splits"] - one["labels_differ"])[:MAX_GROUPS]


def _sizes(facts: Facts, pictures: Pictures) -> dict[str, str]:
    """The spread of the sizes, the most frequent ones, and pictures of the odd ones."""
    sizes, odd = facts["sizes"], facts["odd_sizes"]
    spread = [
        (_say(side), _say("spread", low=f"{of['min']:,}", high=f"{of['max']:,}", middle=f"{of['median']:,.0f}"))
        for side in ("width", "height")
        if (of := sizes.get(side))
    ]
    terms = "".join(f"<div><dt>{term}</dt><dd>{said}</dd></div>" for term, said in spread)
    terms += f"<div><dt>{_say('n_sizes')}</dt><dd>{sizes['n_distinct']:,}</dd></div>"
    most = max((row["n"] for row in sizes["most_frequent"]), default=1)
    rows = [
        (f"{row['width']} × {row['height']}", [f'<i style="--t:{row["n"] / most:.4f}"></i>{row["n"]:,}'])
        for row in sizes["most_frequent"]
    ]
    cards = ""
    for one in odd[:MAX_ODD]:
        size = f"{one['width']} × {one['height']}"
        cards += _card(one["name"], pictures, (size, size), size)
    shown = f'<h3>{_say("odd_sizes")}</h3><div class="cards">{cards}</div>' if odd else ""
    more = _more("more_images", len(odd) - MAX_ODD)
    return {"sizes": f'<dl class="summary">{terms}</dl>{_table(("size", "count"), rows)}{shown}{more}'}


def _classes(facts: Facts, samples: Mapping[str, list[str]], pictures: Pictures) -> str:
    """A row a class: its images in each split, and some of them."""
    parts = list(facts["splits"])
    counts = {part: one["n_per_class"] for part, one in facts["splits"].items()}
    most = max((n for numbers in counts.values() for n in numbers), default=1) or 1
    rows = []
    for k, name in enumerate(facts["class_names"][:MAX_ROWS]):
        numbers = [f'<i style="--t:{counts[part][k] / most:.4f}"></i>{counts[part][k]:,}' for part in parts]
        few = samples.get(name, [])[:MAX_SAMPLES] if k < MAX_CLASSES else []
        strip = "".join(_image(one, pictures, (name, name)) for one in few)
        rows.append((escape(name), [*numbers, f'<div class="strip">{strip}</div>']))
    rows.append((f"<b>{_say('all')}</b>", [*(f"<b>{sum(counts[part]):,}</b>" for part in parts), ""]))
    return _table(("class", *parts, ""), rows) + _more("more_classes", facts["n_classes"] - MAX_ROWS)


def _files(facts: Facts) -> str:
    """What the files are: formats, modes, orientations, and how many are out of the ordinary."""
    tables = ""
    for key in ("formats", "modes", "orientations"):
        tables += _table((key, "count"), [(escape(name), [f"{n:,}"]) for name, n in facts[key].items()])
    numbers = {key: facts[key] for key in ("n_wide", "n_transparent", "n_with_profile")}
    numbers |= {key: len(facts[key]) for key in ("several_frames", "misnamed", "hidden", "not_images")}
    terms = "".join(f"<div><dt>{_say(key)}</dt><dd>{n:,}</dd></div>" for key, n in numbers.items())
    return f'<div class="tables">{tables}</div><dl class="summary">{terms}</dl>'


def _card(name: str, pictures: Pictures, label: Phrase, words: str) -> str:
    """A picture with its name and a line of finished words."""
    return (
        f"<figure>{_image(name, pictures, label)}<figcaption>{words}<small>{escape(name)}</small></figcaption></figure>"
    )


def _image(name: str, pictures: Pictures, label: Phrase) -> str:
    """The picture of an image, or an empty frame where there is none."""
    content = pictures.get(name, b"")
    if not content:
        return f'<span class="none" title="{escape(name)}">×</span>'
    said = [PHRASES["picture_alt"][n].format(name=name, label=label[n]) for n in (0, 1)]
    return img("jpeg", content, (said[0], said[1]))


def _table(head: tuple[str, ...], rows: list[tuple[str, list[str]]]) -> str:
    """A table of finished cells; the first of each row names it."""
    titles = "".join(f'<th scope="col">{_say(key) if key else ""}</th>' for key in head)
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>' for name, cells in rows
    )
    inside = f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll"><table class="rows {head[0]}">{inside}</table></div>'


def _more(key: str, n: int) -> str:
    """How many more there are than are shown; nothing where all are."""
    return paragraph(_say(key, n=f"{n:,}")) if n > 0 else ""
