"""Light and colour of a batch of images, changed in one pass: for each image a 3 x 3 matrix and an offset."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convoscope.data.draws import Draw, Draws

if TYPE_CHECKING:
    from torch import Tensor

_GREY = np.array([0.299, 0.587, 0.114])  # how bright red, green and blue look: ITU-R BT.601
_BLOCK = 2**17  # numbers that are worked on at once: they stay in the processor's own memory
_STEPS = 256  # to which part of a grey step the mean of an image in floating point is taken


def recolour(
    images: Tensor, draws: Draws, *, brightness: float, contrast: float, saturation: float, hue: float
) -> Tensor:
    """The images with their light and colours changed: the same shape and dtype, in 0-255.

    In this order, and clipped and rounded only once: brightness multiplies all; contrast multiplies the difference
    from the image's mean grey; saturation a colour's difference from its grey; hue turns colours about the grey axis.
    All four are linear in a pixel, so that one matrix and one offset an image hold them.

    Args:
        images: (N, C, H, W), C 1 or 3, in 0-255, uint8 or floating point; never written to.
        draws: Each image's random numbers.
        brightness: Largest part by which all is made lighter or darker.
        contrast: The same for contrast.
        saturation: The same for saturation; needs three channels.
        hue: Largest angle either way, in degrees; needs three channels.
    """
    import torch

    N, C, H, W = images.shape
    light = 1 + brightness * draws.between(Draw.BRIGHTNESS, -1, 1)
    spread = 1 + contrast * draws.between(Draw.CONTRAST, -1, 1)
    offset = (1 - spread) * light * _mean_grey(images) if contrast else np.zeros(N)
    factor = (light * spread)[:, None, None]
    if saturation or hue:
        vividness = 1 + saturation * draws.between(Draw.SATURATION, -1, 1)
        factor = factor * _turns(vividness, np.deg2rad(hue) * draws.between(Draw.HUE, -1, 1))  # (N, 3, 3)
    m = torch.from_numpy(factor.astype(np.float32)).to(images.device)
    b = torch.from_numpy(offset.astype(np.float32)).to(images.device)[:, None, None, None]
    changed = torch.empty_like(images)
    n = max(1, _BLOCK // (C * H * W)) if images.device.type == "cpu" else N
    for first in range(0, N, n):
        own = slice(first, first + n)
        x = images[own].float()
        y = _mixed(x, m[own]) if m.shape[1] == 3 else x * m[own, :, :, None]
        if contrast:
            y.add_(b[own])
        y.clamp_(0, 255)
        changed[own] = y.round_() if images.dtype == torch.uint8 else y
    return changed


def _mixed(x: Tensor, m: Tensor) -> Tensor:
    """Each pixel's colour (n, 3, H, W) times its image's matrix (n, 3, 3).

    Multiplied and added one by one: a fused or a matrix product may round differently in batches of different size.
    """
    import torch

    y = torch.empty_like(x)
    term = torch.empty_like(x[:, 0])
    for k in range(3):
        row = m[:, k, :, None, None]  # (n, 3, 1, 1)
        torch.mul(x[:, 0], row[:, 0], out=y[:, k])
        for j in (1, 2):
            y[:, k].add_(torch.mul(x[:, j], row[:, j], out=term))
    return y


def _turns(vividness: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrices (N, 3, 3) that first spread colours about their grey by a factor, then turn them by an angle.

    Spreading by s is s I + (1 - s) 1 w', w the weights of grey; the turn about 1 = (1, 1, 1) is Rodrigues'
    cos I + (1 - cos) 1 1' / 3 + sin / sqrt(3) K, K the cross product by 1. The turn leaves 1 where it is, so that the
    product is s turn + (1 - s) 1 w'.
    """
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    turn = cosine * np.eye(3) + (1 - cosine) / 3 + sine * cross
    s = vividness[:, None, None]
    return np.asarray(s * turn + (1 - s) * _GREY)


def _mean_grey(images: Tensor) -> NDArray[np.float64]:
    """The mean grey of each image, float64 (N,): from sums of whole numbers, which no order of adding changes."""
    import torch

    _, C, H, W = images.shape
    if images.dtype == torch.uint8 and W * 255 < 2**24:
        # float32 holds the sum of such a row exactly, and adds several numbers at once.
        sums = images.float().sum(3).cpu().numpy().sum(2, dtype=np.float64)
    else:
        sums = images.float().mul(_STEPS).round_().to(torch.int64).sum((2, 3)).cpu().numpy() / _STEPS
    return np.asarray((sums * (_GREY if C == 3 else 1.0)).sum(1) / (H * W))
