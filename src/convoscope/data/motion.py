"""Where each pixel of a changed image comes from: affine maps read bilinearly, and moves by whole pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convoscope.data.draws import Draw, Draws

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 2**18  # numbers that are worked on at once: they stay in the processor's own memory
# What torch calls each border; "black" is "zeros".
BORDERS = {"black": "zeros", "reflect": "reflection", "edge": "border"}


def affine_maps(
    draws: Draws, H: int, W: int, *, rotate: float, shift: float, crop: float, aspect: float
) -> NDArray[np.float64]:
    """For each image the affine map (N, 2, 3) from a place in the result to the place in the image it shows.

    Places are in pixels from the centre, x to the right and y down. The crop's centre c and its scales s = (s_x, s_y),
    the angle a and the move m make the place p of the result show c + s R(-a) (p - m). The scales' product is the
    crop's area; their ratio is drawn evenly in its logarithm, as far as both sides stay within the image: every draw
    fits, and none is drawn again (Szegedy et al. 2015 name the range; who draws again till it fits leans to squares).
    """
    angle = np.deg2rad(rotate) * draws.between(Draw.TURN, -1, 1)
    area = draws.between(Draw.AREA, crop, 1)
    scale = np.sqrt(area)
    stretch = np.exp(0.5 * np.minimum(np.log(aspect), -np.log(area)) * draws.between(Draw.ASPECT, -1, 1))
    scale_x, scale_y = scale * stretch, scale / stretch
    room_x, room_y = (1 - scale_x) * W / 2, (1 - scale_y) * H / 2
    centre_x, centre_y = room_x * draws.between(Draw.CROP_X, -1, 1), room_y * draws.between(Draw.CROP_Y, -1, 1)
    move_x = W * shift * draws.between(Draw.SHIFT_X, -1, 1)
    move_y = H * shift * draws.between(Draw.SHIFT_Y, -1, 1)
    cosine, sine = np.cos(angle), np.sin(angle)
    rows = (
        (scale_x * cosine, scale_x * sine, centre_x - scale_x * cosine * move_x - scale_x * sine * move_y),
        (-scale_y * sine, scale_y * cosine, centre_y + scale_y * sine * move_x - scale_y * cosine * move_y),
    )
    return np.stack([np.stack(row, -1) for row in rows], 1)


def resample(images: Tensor, maps: NDArray[np.float64], border: str) -> Tensor:
    """What each image (N, C, H, W) shows through its affine map (N, 2, 3), bilinear; the same shape and dtype."""
    import torch

    m = torch.from_numpy(maps.astype(np.float32)).to(images.device)
    n = max(1, _BLOCK // images[0].numel()) if images.device.type == "cpu" else len(images)
    if n >= len(images):
        return _shown(images, m, border)
    shown = torch.empty_like(images)
    for first in range(0, len(images), n):
        shown[first : first + n] = _shown(images[first : first + n], m[first : first + n], border)
    return shown


def _shown(images: Tensor, maps: Tensor, border: str) -> Tensor:
    """`resample`, of float32 maps.

    The grid is built by elementwise arithmetic: a matrix product may round differently in batches of different size.
    A reflection turns about the middle of the edge's pixels, which stand once.
    """
    import torch
    import torch.nn.functional as F

    _, _, H, W = images.shape
    about_pixels = border == "reflect"
    m = maps[:, :, :, None, None]  # (N, 2, 3, 1, 1)
    x = torch.arange(W, dtype=torch.float32, device=images.device) - (W - 1) / 2  # (W,)
    y = torch.arange(H, dtype=torch.float32, device=images.device)[:, None] - (H - 1) / 2  # (H, 1)
    grid = torch.empty(len(images), H, W, 2, device=images.device)
    for axis, length in enumerate((W, H)):
        place = torch.add(m[:, axis, 0] * x, m[:, axis, 1] * y, out=grid[..., axis])  # (N, H, W)
        place.add_(m[:, axis, 2]).mul_(2 / max(1, length - about_pixels))  # pixels from the centre; -1 to 1
    shown = F.grid_sample(
        images.float(), grid, mode="bilinear", padding_mode=BORDERS[border], align_corners=about_pixels
    )
    return shown.round_().to(images.dtype) if images.dtype == torch.uint8 else shown.to(images.dtype)


def move(images: Tensor, right: NDArray[np.int64], down: NDArray[np.int64], border: str) -> Tensor:
    """Each image (N, C, H, W) moved by whole pixels (N,), what comes in taken from the border ("reflect", "edge")."""
    import torch

    N, C, H, W = images.shape
    rows = torch.from_numpy(_source(H, down, border)).to(images.device)  # (N, H)
    columns = torch.from_numpy(_source(W, right, border)).to(images.device)  # (N, W)
    place = (rows[:, :, None] * W + columns[:, None, :]).view(N, 1, H * W)
    return images.reshape(N, C, H * W).gather(2, place.expand(N, C, H * W)).view(N, C, H, W)


def _source(length: int, by: NDArray[np.int64], border: str) -> NDArray[np.int64]:
    """Which of `length` pixels each pixel shows after a move by `by` (N,): int64 (N, length)."""
    place = np.arange(length) - by[:, None]
    if border == "edge" or length == 1:
        return np.asarray(np.clip(place, 0, length - 1))
    place = np.abs(place) % (2 * length - 2)
    return np.asarray(np.minimum(place, 2 * length - 2 - place))
