"""Augmentation: a whole batch of images turned, moved, mirrored, cropped, recoloured and masked.

Every random number is a hash of (seed, epoch, image index, knob), so what happens to an image does not depend on the
batch it is in, nor on threads or processes; running again, or resuming in the middle, repeats it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from convoscope.data.draws import Draw, Draws
from convoscope.data.motion import BORDERS, affine_maps, move, resample
from convoscope.data.recolour import recolour
from convoscope.errors import RecipeError

if TYPE_CHECKING:
    from torch import Tensor

# The least and the greatest value of each number, and its unit.
_BOUNDS = {
    "rotate": (0, 180, "degrees"),
    "shift": (0, 1, "fraction of the side"),
    "crop": (0.01, 1, "fraction of the area"),
    "aspect": (1, 100, "width over height"),
    "brightness": (0, 1, "part of it"),
    "contrast": (0, 1, "part of it"),
    "saturation": (0, 1, "part of it"),
    "hue": (0, 180, "degrees"),
    "mask": (0, 0.9, "fraction of the area"),
}


@dataclass(frozen=True)
class Augmentation:
    """How much training images may be changed; every knob at its default leaves them as they are.

    The order is: mirror; crop, turn and move in one bilinear resampling; colour; mask. What is masked is 0 before
    normalisation: black.

    Attributes:
        rotate: Largest rotation either way, in degrees, drawn evenly (LeCun et al. 1998, section III-A).
        shift: Largest move along each axis either way, a fraction of the side, drawn evenly (LeCun et al. 1998). With a
            border other than black, and neither turn nor crop, it is by whole pixels, which nothing blurs.
        flip: Mirror left and right with probability 1/2 (Krizhevsky et al. 2012, section 4.1).
        crop: Smallest part of the area that is kept and enlarged to the full size, drawn evenly up to 1, which is off
            (Szegedy et al. 2015, section 6).
        mask: Size of one box, at a random place in every image, that is erased, a fraction of the area (DeVries and
            Taylor 2017, Cutout).
        alternate: With flip: mirrored in every other epoch; which come first is drawn (Jordan 2024, section 3.6).
        aspect: With crop: how many times wider than high, or higher than wide, the part may be, for an image as wide as
            high; drawn evenly in its logarithm (Szegedy et al. 2015).
        border: What comes in from outside: "black"; "reflect", the image mirrored; "edge", its edge drawn out.
        brightness: Largest part by which pixels are made lighter or darker.
        contrast: Largest part by which differences from the image's mean grey grow or shrink.
        saturation: Largest part by which differences of a colour from its grey do; three channels only.
        hue: Largest turn of colours about the grey axis either way, in degrees; three channels only.
    """

    rotate: float = 0.0
    shift: float = 0.0
    flip: bool = False
    crop: float = 1.0
    mask: float = 0.0
    alternate: bool = False
    aspect: float = 1.0
    border: str = "black"
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high, unit) in _BOUNDS.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise RecipeError(
                    f"{name} was asked as {value}; it is {low:g} to {high:g} ({unit}).",
                    hint=f"Give a number from {low:g} to {high:g}.",
                )
        if self.border not in BORDERS:
            raise RecipeError(f"The border was asked as {self.border!r}; it is one of {', '.join(BORDERS)}.")

    @property
    def is_off(self) -> bool:
        """Whether no knob changes anything."""
        return not (
            self.flip or self.rotate or self.shift or self.crop < 1 or self.mask or self.brightness or self.contrast
            or self.saturation or self.hue
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The form that is kept with a run."""
        return asdict(self)

    def check(self, n_channels: int) -> None:
        """Raises RecipeError where a knob asks for colours of images that have `n_channels` and so none."""
        asked = [f"{name} {getattr(self, name):g}" for name in ("saturation", "hue") if getattr(self, name)]
        if asked and n_channels != 3:
            raise RecipeError(
                f"{' and '.join(asked)} was asked, and the images are grey: they have no colours to change.",
                hint="Leave it away; --brightness and --contrast change grey images too.",
            )

    def apply(self, images: Tensor, index: Tensor, seed: int, epoch: int) -> Tensor:
        """The images, changed: the same shape, dtype and device.

        Args:
            images: (N, C, H, W), before normalisation, uint8 or floating point; never written to.
            index: (N,) whole numbers, each image's number in the training set; on the CPU this costs no waiting.
            seed: The run's seed.
            epoch: Which pass over the training set, from 0.

        Raises:
            RecipeError: as `check`.
        """
        if self.is_off or len(images) == 0:
            return images
        self.check(images.shape[1])
        numbers = index.cpu().numpy().astype(np.uint64)
        draws = Draws(seed, epoch, numbers)
        if self.flip:
            images = self._mirror(images, Draws(seed, 0, numbers) if self.alternate else draws, epoch)
        images = self._moved(images, draws)
        if self.brightness or self.contrast or self.saturation or self.hue:
            images = recolour(
                images, draws, brightness=self.brightness, contrast=self.contrast, saturation=self.saturation,
                hue=self.hue,
            )  # fmt: skip
        if self.mask:
            images = images * _outside_box(draws, self.mask, images)
        return images

    def _mirror(self, images: Tensor, draws: Draws, epoch: int) -> Tensor:
        """Half of the images mirrored; by turns, the other half in the next epoch."""
        import torch

        chosen = draws.uniform(Draw.FLIP) < 0.5
        if self.alternate and epoch % 2:
            chosen = ~chosen
        mirrored = torch.from_numpy(chosen).to(images.device)
        return torch.where(mirrored[:, None, None, None], images.flip(-1), images)

    def _moved(self, images: Tensor, draws: Draws) -> Tensor:
        """Cropped, turned and moved."""
        H, W = images.shape[-2:]
        if self.rotate or self.crop < 1 or (self.shift and self.border == "black"):
            maps = affine_maps(
                draws, H, W, rotate=self.rotate, shift=self.shift, crop=self.crop, aspect=self.aspect
            )  # fmt: skip
            return resample(images, maps, self.border)
        if not self.shift:
            return images
        most_x, most_y = round(W * self.shift), round(H * self.shift)
        right = draws.below(Draw.SHIFT_X, 2 * most_x + 1) - most_x
        down = draws.below(Draw.SHIFT_Y, 2 * most_y + 1) - most_y
        return move(images, right, down, self.border)


def _outside_box(draws: Draws, area: float, images: Tensor) -> Tensor:
    """(N, 1, H, W) of the images' dtype: 0 in a box of the image's own shape at a random place, 1 elsewhere."""
    import torch

    H, W = images.shape[-2:]
    height, width = max(1, round(H * math.sqrt(area))), max(1, round(W * math.sqrt(area)))
    top = torch.from_numpy(draws.below(Draw.MASK_Y, H - height + 1)).to(images.device)[:, None]
    left = torch.from_numpy(draws.below(Draw.MASK_X, W - width + 1)).to(images.device)[:, None]
    y, x = torch.arange(H, device=images.device), torch.arange(W, device=images.device)
    rows = (y >= top) & (y < top + height)  # (N, H)
    columns = (x >= left) & (x < left + width)  # (N, W)
    box = rows[:, None, :, None] & columns[:, None, None, :]
    return (~box).to(images.dtype)
