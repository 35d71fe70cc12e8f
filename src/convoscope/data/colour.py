"""Pixels of any kind to grey or RGB of 8 bits: wide numbers, transparency, palettes, inks and CIE colours.

Colour profiles (ICC) are not applied: the numbers of a file are taken as they are, as training programs do.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convoscope.data.content import DecodeError

if TYPE_CHECKING:
    from PIL import Image, ImageCms

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_CLEAR = ("RGBA", "RGBa", "LA", "La", "PA")
_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262  # tags of TIFF
_AT_ONCE = 1 << 22  # numbers scaled at a time, so that a large image is never in memory as float64


def is_clear(image: Image.Image) -> bool:
    """Whether an image has transparency."""
    return image.mode in _CLEAR or "transparency" in image.info


def is_wide(image: Image.Image) -> bool:
    """Whether the numbers of an opened file have more than 8 bits; Pillow keeps the upper 8 of RGB's 16."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return True
    return any(";16" in str(tile.args) for tile in getattr(image, "tile", ()))  # how the file lays its numbers out


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image as 8-bit `mode` ("L" or "RGB"), transparency laid over white.

    Raises:
        DecodeError: it has pixels that are NaN or infinite.
    """
    from PIL import Image, ImageCms

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = Image.fromarray(_to_bytes(np.asarray(image), *_range_of(image)))
    if is_clear(image):
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, (255, 255, 255, 255)), over).convert("RGB")
    if image.mode == "LAB":
        seen = ImageCms.applyTransform(image, _from_lab())
        assert seen is not None
        image = seen
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


@functools.cache
def _from_lab() -> ImageCms.ImageCmsTransform:
    """CIE L*a*b* (D50) to sRGB."""
    from PIL import ImageCms

    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def _range_of(image: Image.Image) -> tuple[float, bool]:
    """(the largest number of an image's kind, whether it is black): 1 for fractions, 65,535 unless a TIFF has less."""
    tags = getattr(image, "tag_v2", {})
    bits = (tags.get(_BITS_PER_SAMPLE) or (16,))[0]
    full = 1.0 if image.mode == "F" else float(2 ** (bits if 8 < bits <= 16 else 16) - 1)
    return full, tags.get(_PHOTOMETRIC) == 0 and image.mode != "F"


def _to_bytes(values: NDArray[Any], full: float, negative: bool) -> NDArray[np.uint8]:
    """Numbers wider than a byte (H, W) scaled to 0-255 by the range of their kind; never clipped.

    16 bits: 0 to 65,535, for the image and its neighbours alike. Fractions: 0 to 1. Anything outside such a range has
    no range but its own, so its smallest value becomes 0 and its largest 255.
    """
    low, high = float(values.min()), float(values.max())  # NaN where there is one
    if not np.isfinite([low, high]).all():
        raise DecodeError("it has pixels that are NaN or infinite")
    start, span = (low, high - low or 1.0) if low < 0 or high > full else (0.0, full)
    scaled = np.empty(values.shape, np.uint8)
    n_rows = max(1, _AT_ONCE // values.shape[1])
    for at in range(0, len(values), n_rows):
        scaled[at : at + n_rows] = np.rint((values[at : at + n_rows].astype(np.float64) - start) * (255.0 / span))
    return 255 - scaled if negative else scaled
