"""What suits data that come with no knob turned: the model, how its images are changed, and how long it is trained.

Folders of images of one's own are meant; what is known by name, in IDX or CIFAR files, or texts, has its usual model.
A glance decides: how many images there are, by their names, the headers of a few, and how the classes are called.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from convoscope.data import TextKnobs
from convoscope.data.checkup import holds_image_files
from convoscope.data.image import DecodeError, quiet_pillow, read_header
from convoscope.data.listing import list_images
from convoscope.errors import ConvoscopeError
from convoscope.train.examples import ExampleKnobs
from convoscope.train.recipe import Recipe

_MODEL = "resnet9"
_N_HEADERS = 24  # images whose headers are read
_PHOTOGRAPH = 64  # pixels: with a shorter side beyond this an image is taken for a photograph, and shrunk to it
_SMALLEST = 16  # pixels a side that tiny images become
_PACE = 1500  # epochs = this over the root of the number of images: ten times the images, a third of the epochs
_FEWEST_EPOCHS, _MOST_EPOCHS = 5, 80
_STEPS_AN_EPOCH = 16
_MANY = 10_000  # images that feed a wider network

_DIRECTION = re.compile(
    r"(?:left|right)(?:wards?)?|links|rechts|gauche|droite|izquierda|derecha|sinistra|destra|esquerda|direita"
    r"|(?:counter|anti)?clockwise|east|west"
)
"""A word of a class's name that a mirror would belie."""


@dataclass(frozen=True)
class _Glance:
    """What is seen of a folder of images without decoding one.

    Attributes:
        n_train: How many images there are to learn from.
        side: The shorter side that is usual among them, in pixels.
        one_size: Whether all that were looked at have one size.
        grey: Whether all that were looked at are grey.
        class_names: The classes.
    """

    n_train: int
    side: int
    one_size: bool
    grey: bool
    class_names: tuple[str, ...]


def usual_knobs(given: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs that suit the data among those given, by a glance at these; the model's own usual ones go before.

    Only what the user has left open is filled in, and only where no model was named either. Data that cannot be read
    have no knobs of their own: whoever opens them says why.
    """
    seen = _glance(given)
    if seen is None:
        return {}
    side = int(given.get("image_size") or _side(seen) or seen.side)
    return {
        "model": _MODEL,
        "model_options": {"width": _width(seen, side)},
        "image_size": _side(seen),
        **_duration(seen.n_train),
        **_changes(seen),
    }


def in_words(recipe: Recipe) -> str:
    """What was chosen for a folder of images that came with no model named; "" of other data, which have their own."""
    if recipe.model != _MODEL:
        return ""
    size = "" if recipe.image_size is None else f" at {recipe.image_size} x {recipe.image_size} pixels"
    changes = {
        "mirrored": recipe.flip,
        "moved": recipe.shift,
        "cut": recipe.crop < 1,
        "lit otherwise": recipe.brightness or recipe.contrast,
        "in weaker and stronger colours": recipe.saturation,
    }
    made = ", ".join(name for name, is_on in changes.items() if is_on)
    options = "".join(f", {name} {value}" for name, value in recipe.model_options.items())
    length = "" if recipe.epochs is None else f", for {recipe.epochs} epochs"
    chosen = f"{recipe.model}{options}{size}{length}{f', with images {made}' if made else ''}"
    return f"No model was named: {chosen}. What you give goes before this (--model, --epochs ...)."


def _glance(given: Mapping[str, Any]) -> _Glance | None:
    """A glance at a folder, manifest or shards of images; None where the data are something else."""
    data = str(given.get("data") or ExampleKnobs.data)
    label_column = given.get("label_column")
    if "://" in data or given.get("init") is not None:
        return None
    try:
        if not holds_image_files(data, TextKnobs(text_column=given.get("text_column"), label_column=label_column)):
            return None
        listing = list_images(data, label_column=label_column)
    except (ConvoscopeError, OSError):
        return None
    train = [item for item in listing.items if item.split == "train"]
    headers = []
    with quiet_pillow():
        for item in train[:: max(1, len(train) // _N_HEADERS)][:_N_HEADERS]:
            try:
                headers.append(read_header(item.path if item.offset < 0 else item.read()))
            except (DecodeError, OSError):
                continue  # it is named when all are opened
    if not headers:
        return None
    return _Glance(
        len(train),
        round(statistics.median(min(header.height, header.width) for header in headers)),
        len({(header.height, header.width) for header in headers}) == 1,
        all(header.grey for header in headers),
        listing.class_names,
    )


def _side(seen: _Glance) -> int | None:
    """Pixels a side that images become; None leaves those of one size as they are, where they are small, not tiny."""
    if seen.side > _PHOTOGRAPH:
        return _PHOTOGRAPH
    return None if seen.one_size and seen.side >= _SMALLEST else max(_SMALLEST, round(seen.side / 8) * 8)


def _width(seen: _Glance, side: int) -> int:
    """Channels of the first convolution: what the number of images feeds, and two cores train in a sitting."""
    if seen.grey and side <= 32:  # digits, letters, sketches
        return 16
    return 32 if seen.n_train >= _MANY or side <= 32 else 24


def _duration(n_train: int) -> dict[str, Any]:
    """Epochs and batch size: few images are seen often, many seldom, and their number grows with its root."""
    epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_PACE / math.sqrt(n_train))))
    batch_size = 2 ** max(4, min(7, math.floor(math.log2(max(1, n_train / _STEPS_AN_EPOCH)))))
    return {"epochs": epochs, "batch_size": batch_size}


def _changes(seen: _Glance) -> dict[str, Any]:
    """How images are changed on the way: as much as leaves what they show in every case.

    Photographs are cut, and their light and the strength of their colours vary; the hue stays, since colour may be what
    tells the classes apart. Small images are as a rule filled by what they show: they are moved a little.
    """
    mirrored = not seen.grey and may_be_mirrored(seen.class_names)
    if seen.side <= _PHOTOGRAPH:
        return {"flip": mirrored, "shift": 0.125}
    light = {"brightness": 0.2, "contrast": 0.2}
    colour = {} if seen.grey else {"saturation": 0.2}
    return {"flip": mirrored, "shift": 0.0, "crop": 0.35, "aspect": 4 / 3, **light, **colour}


def may_be_mirrored(class_names: Sequence[str]) -> bool:
    """Whether a mirrored image still is of its class, as far as the classes' names tell.

    Not where these are numbers or single characters, as those of digits, letters and coded signs are, nor where one of
    them names a direction: to leave mirroring out costs little, and to mirror an arrow or a 2 makes wrong labels.
    """
    if all(len(name) == 1 or name.strip().isdigit() for name in class_names):
        return False
    words = {word for name in class_names for word in re.findall(r"[^\W\d_]+", _apart(name).casefold())}
    return not any(_DIRECTION.fullmatch(word) or "左" in word or "右" in word for word in words)


def _apart(name: str) -> str:
    """A name with its words apart: turnLeft as turn Left."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
