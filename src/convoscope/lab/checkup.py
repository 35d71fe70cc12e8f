"""Data looked at before anything is trained on them: a check-up of image files, a description of all else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from convoscope.data import TextKnobs
from convoscope.data.checkup import CheckUp, check_up, holds_image_files
from convoscope.data.folder import check_choices
from convoscope.data.survey import pictures
from convoscope.errors import DataError
from convoscope.lab.listing import describe_data
from convoscope.runs import data_page
from convoscope.runs.disk import write_whole

PICTURE_SIDE = 160  # pixels of a picture on the page


def check_data(
    name: str,
    *,
    image_size: int | None = None,
    broken: str = "stop",
    texts: TextKnobs | None = None,
    out: Path | None = None,
    html: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """What data hold, and what is wrong with them.

    Of images in files every one is opened and decoded, and all that cannot be is told, not raised: `broken` decides
    whether they pass (`"passed"` of the answer). All else is described as `describe_data` does.

    Args:
        name: A dataset by name, or a path.
        image_size: Pixels a side of what is decoded to be described; the check-up of files needs none.
        broken: "stop": files that cannot be read fail the check-up; "quarantine", "ignore": they do not.
        texts: How texts are read.
        out: A JSON file to write the answer to.
        html: A page to write, with pictures; of images in files only.
        progress: Called with (files done, files in all).

    Raises:
        DataError: there are no such data, or they are laid out in no known way; a page was asked for other data.
        StorageError: a file cannot be written.
    """
    check_choices(image_size, broken)
    for file in (out, html):
        if file is not None and not file.absolute().parent.is_dir():
            raise DataError(
                f"{file} was to be written, and there is no folder {file.parent}.", hint="Make it, or choose another."
            )
    texts = texts or TextKnobs()
    if not holds_image_files(name, texts):
        if html is not None:
            raise DataError(
                f"A page of {name} was asked for; it shows image files, and these are none.",
                hint="Leave --html out; --out writes the same facts as JSON.",
            )
        facts = describe_data(name, image_size=image_size, broken=broken, texts=texts)
    else:
        found = check_up(name, label_column=texts.label_column, progress=progress)
        facts = {**found.to_dict(), "name": name}
        facts["passed"] = broken != "stop" or not facts["broken"]
        if html is not None:
            write_whole(html, _page(found, facts).encode("utf-8", "replace"), "The page of the data")
    if out is not None:
        document = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        write_whole(out, document.encode("utf-8", "backslashreplace"), "The facts of the data")
    return facts


def _page(found: CheckUp, facts: dict[str, Any]) -> str:
    """The page, with the pictures that it shows."""
    samples = _samples(found)
    names = data_page.wanted(facts, samples)
    item_of = {item.name: item for item in found.listing.items}
    shown = pictures([item_of[name] for name in names], PICTURE_SIDE)
    return data_page.page(facts, samples, dict(zip(names, shown, strict=True)))


def _samples(found: CheckUp) -> dict[str, list[str]]:
    """Some images of each class, from its first split, evenly spaced."""
    samples = {}
    good = np.flatnonzero(found.survey.good)
    order = good[np.argsort(found.labels[good], kind="stable")]
    cuts = np.searchsorted(found.labels[order], np.arange(len(found.listing.class_names) + 1))
    for k, name in enumerate(found.listing.class_names):
        mine = order[cuts[k] : cuts[k + 1]]
        mine = mine[found.splits[mine] == found.splits[mine[0]]] if len(mine) else mine
        n = min(len(mine), data_page.MAX_SAMPLES)
        samples[name] = [found.name(int(i)) for i in mine[np.linspace(0, len(mine) - 1, n).astype(int)]] if n else []
    return samples
