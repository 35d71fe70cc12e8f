"""Augmentation: a whole batch of images turned, moved, mirrored, cropped and masked, the same for the same numbers.

Every random number is a hash of (seed, epoch, image index, knob), so what happens to an image does not depend on the
batch it is in, nor on threads or processes; running again, or resuming in the middle, repeats it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convoscope.errors import RecipeError

if TYPE_CHECKING:
    from torch import Tensor

# A draw has its own number, so that switching one knob on leaves the others' numbers as they are.
_FLIP, _TURN, _SHIFT_X, _SHIFT_Y, _AREA, _CROP_X, _CROP_Y, _MASK_X, _MASK_Y = range(9)


@dataclass(frozen=True)
class Augmentation:
    """How much training images may be changed; every knob at its default leaves them as they are.

    The order is: mirror; crop, turn and move in one bilinear resampling; mask. What comes from outside the image and
    what is masked is 0 before normalisation: black.
    """

    rotate: float = field(
        default=0.0,
        metadata={
            "meaning": "largest rotation either way, drawn evenly",
            "unit": "degrees",
            "low": 0.0,
            "high": 180.0,
            "source": "LeCun et al. 1998, section III-A (distorted patterns)",
        },
    )
    shift: float = field(
        default=0.0,
        metadata={
            "meaning": "largest move along each axis either way, drawn evenly",
            "unit": "fraction of the side",
            "low": 0.0,
            "high": 1.0,
            "source": "LeCun et al. 1998, section III-A (distorted patterns)",
        },
    )
    flip: bool = field(
        default=False,
        metadata={
            "meaning": "mirror left and right with probability 1/2",
            "unit": "",
            "source": "Krizhevsky et al. 2012, section 4.1",
        },
    )
    crop: float = field(
        default=1.0,
        metadata={
            "meaning": "smallest part that is kept and enlarged to the full size, drawn evenly up to 1 (off)",
            "unit": "fraction of the area",
            "low": 0.01,
            "high": 1.0,
            "source": "Szegedy et al. 2015, section 6",
        },
    )
    mask: float = field(
        default=0.0,
        metadata={
            "meaning": "size of one box, at a random place in every image, that is erased",
            "unit": "fraction of the area",
            "low": 0.0,
            "high": 0.9,
            "source": "DeVries and Taylor 2017 (Cutout)",
        },
    )

    def __post_init__(self) -> None:
        for name, spec in type(self).__dataclass_fields__.items():
            value = getattr(self, name)
            if "low" not in spec.metadata:
                continue
            low, high = spec.metadata["low"], spec.metadata["high"]
            if not (math.isfinite(value) and low <= value <= high):
                raise RecipeError(
                    f"{name} was asked as {value}; it is {low:g} to {high:g} ({spec.metadata['unit']}).",
                    hint=f"{name}: {spec.metadata['meaning']}.",
                )

    @property
    def is_off(self) -> bool:
        """Whether no knob changes anything."""
        return self == Augmentation()

    def to_dict(self) -> dict[str, Any]:
        """The form that is kept with a run."""
        return asdict(self)

    def apply(self, images: Tensor, index: Tensor, seed: int, epoch: int) -> Tensor:
        """The images, changed: the same shape, dtype and device.

        Args:
            images: (N, C, H, W), before normalisation, uint8 or floating point; never written to.
            index: (N,) whole numbers, each image's number in the training set; on the CPU this costs no waiting.
            seed: The run's seed.
            epoch: Which pass over the training set, from 0.
        """
        if self.is_off or len(images) == 0:
            return images
        import torch

        draws = _Draws(seed, epoch, index.cpu().numpy().astype(np.uint64))
        if self.flip:
            mirrored = torch.from_numpy(draws.uniform(_FLIP) < 0.5).to(images.device)
            images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        if self.rotate or self.shift or self.crop < 1:
            images = _resample(images, self._maps(draws, images.shape[-2], images.shape[-1]))
        if self.mask:
            images = images * _outside_box(draws, self.mask, images)
        return images

    def _maps(self, draws: _Draws, H: int, W: int) -> NDArray[np.float64]:
        """For each image the affine map (N, 2, 3) from a place in the result to the place in the image it shows.

        Places are in pixels from the centre, x to the right and y down. The crop's centre c and scale s (the root of
        its area), the angle a and the move m make the place p of the result show c + s R(-a) (p - m).
        """
        angle = np.deg2rad(self.rotate) * draws.between(_TURN, -1, 1)
        scale = np.sqrt(draws.between(_AREA, self.crop, 1))
        room_x, room_y = (1 - scale) * W / 2, (1 - scale) * H / 2
        centre_x, centre_y = room_x * draws.between(_CROP_X, -1, 1), room_y * draws.between(_CROP_Y, -1, 1)
        move_x = W * self.shift * draws.between(_SHIFT_X, -1, 1)
        move_y = H * self.shift * draws.between(_SHIFT_Y, -1, 1)
        cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
        rows = (
            (cosine, sine, centre_x - cosine * move_x - sine * move_y),
            (-sine, cosine, centre_y + sine * move_x - cosine * move_y),
        )
        return np.stack([np.stack(row, -1) for row in rows], 1)


class _Draws:
    """Random numbers in [0, 1), one an image, that depend on (seed, epoch, image, draw) and nothing else."""

    def __init__(self, seed: int, epoch: int, index: NDArray[np.uint64]) -> None:
        low_bits = 2**64 - 1
        start = _mix(np.full(len(index), seed & low_bits, np.uint64))
        self._base = _mix(_mix(start ^ np.uint64(epoch & low_bits)) ^ index)

    def uniform(self, draw: int) -> NDArray[np.float64]:
        """Evenly spread over [0, 1), float64 of shape (N,): the highest 53 bits of the hash."""
        return (_mix(self._base ^ np.uint64(draw)) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def between(self, draw: int, low: float, high: float) -> NDArray[np.float64]:
        """Evenly spread over [low, high), float64 of shape (N,)."""
        return low + (high - low) * self.uniform(draw)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One step of SplitMix64, modulo 2^64 (G. L. Steele, D. Lea, C. H. Flood, 2014)."""
    z = state + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _resample(images: Tensor, maps: NDArray[np.float64]) -> Tensor:
    """What each image (N, C, H, W) shows through its affine map (N, 2, 3), bilinear, black outside.

    The grid is built by elementwise arithmetic: a matrix product may round differently in batches of different size.
    """
    import torch
    import torch.nn.functional as F

    _, _, H, W = images.shape
    m = torch.from_numpy(maps.astype(np.float32)).to(images.device)[:, :, :, None, None]  # (N, 2, 3, 1, 1)
    x = torch.arange(W, dtype=torch.float32, device=images.device) - (W - 1) / 2  # (W,)
    y = torch.arange(H, dtype=torch.float32, device=images.device)[:, None] - (H - 1) / 2  # (H, 1)
    places = m[:, :, 0] * x + m[:, :, 1] * y + m[:, :, 2]  # (N, 2, H, W), pixels from the centre
    grid = torch.stack((places[:, 0] * (2 / W), places[:, 1] * (2 / H)), -1)  # (N, H, W, 2), from -1 to 1
    shown = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return shown.round().to(images.dtype) if images.dtype == torch.uint8 else shown.to(images.dtype)


def _outside_box(draws: _Draws, area: float, images: Tensor) -> Tensor:
    """(N, 1, H, W) of the images' dtype: 0 in a box of the image's own shape at a random place, 1 elsewhere."""
    import torch

    H, W = images.shape[-2:]
    height, width = max(1, round(H * math.sqrt(area))), max(1, round(W * math.sqrt(area)))
    top = torch.from_numpy(np.floor(draws.uniform(_MASK_Y) * (H - height + 1))).to(images.device)[:, None]
    left = torch.from_numpy(np.floor(draws.uniform(_MASK_X) * (W - width + 1))).to(images.device)[:, None]
    y, x = torch.arange(H, device=images.device), torch.arange(W, device=images.device)
    rows = (y >= top) & (y < top + height)  # (N, H)
    columns = (x >= left) & (x < left + width)  # (N, W)
    box = rows[:, None, :, None] & columns[:, None, None, :]
    return (~box).to(images.dtype)
