"""One sample of a tar shard: its image, its class and its group among what lies under one key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convoscope.data.columns import label_key
from convoscope.data.image import SUFFIXES as IMAGE_SUFFIXES
from convoscope.data.layout import printable
from convoscope.errors import DataError

LABEL_KEYS = ("cls", "json", "txt")  # in the order in which they are asked
RECORD_KEYS = ("label", "cls", "class", "class_name", "category")
CLASS_FILES = ("classes.txt", "class_names.json")


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample.

    Attributes:
        name: What it is called: the shard, the key, and the image's suffix.
        image: The image as it was handed in (its bytes, or its place); None where there is none.
        label: Its class as it is written; "" where there is none.
        group: What it belongs to; "" for itself alone.
        problem: Why it cannot be used, in a clause; "" where it can.
    """

    name: str
    image: Any
    label: str = ""
    group: str = ""
    problem: str = ""


def sample_of(raw: Mapping[str, Any], name: str, group: str | None = None) -> Sample:
    """A sample as webdataset grouped it.

    Args:
        raw: Its members by suffix; images whatever they are, classes as bytes.
        name: What it is called, without a suffix.
        group: The key of its record that says what it belongs to.
    """
    images = [suffix for suffix in raw if f".{suffix}" in IMAGE_SUFFIXES]
    if len(images) != 1:
        return Sample(name, None, problem=f"it has {len(images)} images, and one is needed" if images else "no image")
    called, image = f"{name}.{images[0]}", raw[images[0]]
    try:
        record = json.loads(raw["json"]) if "json" in raw else None
        label = _label(raw, record)
    except ValueError:  # of JSON and of UTF-8 alike
        return Sample(called, image, problem="its class cannot be read as text")
    fields = record if isinstance(record, dict) else {}
    belongs = "" if group is None or fields.get(group) is None else printable(str(fields[group]))
    return Sample(called, image, label, belongs, "" if label else f"it has no class ({', '.join(LABEL_KEYS)})")


def _label(raw: Mapping[str, Any], record: Any) -> str:  # noqa: ANN401 - any JSON value
    """The class of a sample as text, by the first of its members that says one; "" where none does."""
    for key in LABEL_KEYS:
        if key not in raw:
            continue
        if key == "json":
            fields = record if isinstance(record, dict) else {"label": record}
            value = next((fields[name] for name in RECORD_KEYS if fields.get(name) is not None), None)
            found = "" if value is None or isinstance(value, dict | list) else str(value).strip()
        else:
            found = bytes(raw[key]).decode().strip()
        if found:
            return printable(found)
    return ""


def class_names_of(samples: Iterable[Sample], folders: Iterable[Path]) -> tuple[tuple[str, ...], dict[str, int]]:
    """The class names of some samples, and the label of each class as it is written.

    Classes that are numbers take their names from classes.txt (one a line) or class_names.json (a list, or names by
    number) beside the shards, where there is one.

    Raises:
        DataError: such a file cannot be read, or a number has no name in it.
    """
    written = {sample.label for sample in samples if not sample.problem}
    known, path = _named(folders) if all(label.isdecimal() for label in written) else ((), None)
    if not known:
        names = tuple(sorted(written, key=label_key(written)))
        return names, {name: label for label, name in enumerate(names)}
    beyond = sorted((label for label in written if int(label) >= len(known)), key=int)
    if beyond:
        raise DataError(
            f"{path} names {len(known)} classes, numbered from 0, and samples are of class {beyond[-1]}.",
            hint="Name every class, or remove the file to call them by their numbers.",
        )
    return known, {label: int(label) for label in written}


def _named(folders: Iterable[Path]) -> tuple[tuple[str, ...], Path | None]:
    """The names of numbered classes, and the file that has them."""
    path = next((folder / name for folder in folders for name in CLASS_FILES if (folder / name).is_file()), None)
    if path is None:
        return (), None
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            found = json.loads(text)
            if isinstance(found, dict):
                by_number = (
                    {int(key): str(name) for key, name in found.items()}
                    if _numbered(found)
                    else {int(number): str(name) for name, number in found.items()}
                )
                found = [by_number[i] for i in range(len(by_number))]
            names = tuple(str(name) for name in found)
        else:
            names = tuple(line.strip() for line in text.splitlines() if line.strip())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read as names of classes ({error}).", hint="One name a line, or a JSON list."
        ) from None
    if len(set(names)) < len(names):
        raise DataError(f"{path} names a class twice.", hint="Each class needs a name of its own.")
    return names, path


def _numbered(names: Mapping[str, Any]) -> bool:
    return all(key.isdecimal() for key in names)
