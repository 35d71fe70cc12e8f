"""Which remembered images voted on an image, as pictures for a report: the neighbours, and where they differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from convoscope.data.dataset import Dataset
from convoscope.data.normalise import Normalisation
from convoscope.models.knn import neighbours_of
from convoscope.runs.difference import parts_of
from convoscope.train.feed import Feed

MOST_NEIGHBOURS = 5  # of each image, in pictures


@dataclass(frozen=True, eq=False)
class Neighbour:
    """One image that voted: pixels uint8 (C, H, W), its number in the training part, its class, its distance."""

    image: NDArray[np.uint8]
    index: int
    label: int
    distance: float


@dataclass(frozen=True, eq=False)
class Voted:
    """One image and who voted on it.

    Attributes:
        image: Pixels, uint8 (C, H, W).
        name: Such as "test 45" or a file path.
        truth: The index of its class.
        predicted: That of the class with the most votes.
        neighbours: The nearest first, at most five.
        difference: The squared difference to the nearest, summed over channels, as a share of the largest: (H, W).
        parts: Figures of that difference (see `runs.difference`).
    """

    image: NDArray[np.uint8]
    name: str
    truth: int
    predicted: int
    neighbours: list[Neighbour]
    difference: NDArray[np.float64]
    parts: dict[str, float | None]


def voted(
    model: nn.Module, part: Dataset, normalisation: Normalisation, index: NDArray[np.int64], names: list[str],
    predicted: NDArray[np.int64],
) -> list[Voted]:  # fmt: skip
    """Who voted on the images at `index` of a part; nothing for a network that holds no images.

    Args:
        model: The network.
        part: Where the images are.
        normalisation: How pixels became what the network holds.
        index: Which images, int64 (n,).
        names: What each is called, n of them.
        predicted: What each was taken for, int64 (n,).
    """
    held = neighbours_of(model)
    if held is None or not len(index):
        return []
    chosen = part.take(index)
    x, _ = Feed(chosen, normalisation, held.images.device).batch(torch.arange(len(index)), 0)
    away, nearest = (found.cpu().numpy() for found in held.nearest(x.flatten(1)))
    rows = []
    for i, name in enumerate(names):
        inputs = held.images[torch.from_numpy(nearest[i, :MOST_NEIGHBOURS])].cpu().reshape(-1, *part.shape).numpy()
        pixels = _pixels(inputs, normalisation)
        labels = held.labels.cpu().numpy()[nearest[i]]
        seen = x[i].cpu().double().numpy()
        squares = ((seen - inputs[0]) ** 2).sum(0)
        rows.append(
            Voted(
                image=chosen.images[i], name=name, truth=int(chosen.labels[i]), predicted=int(predicted[i]),
                neighbours=[
                    Neighbour(pixels[j], int(nearest[i, j]), int(labels[j]), float(away[i, j]))
                    for j in range(len(pixels))
                ],
                difference=squares / (squares.max() or 1.0), parts=parts_of(seen, inputs[0].astype(np.float64)),
            )
        )  # fmt: skip
    return rows


def heat(share: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Shares (H, W), 0-1, as colours (H, W, 3) from white to orange; a square root lifts the small ones."""
    nothing, all_of_it = np.array([255.0] * 3), np.array([0xD9, 0x66, 0x0F], float)
    colours: NDArray[np.uint8] = np.rint(nothing + (all_of_it - nothing) * np.sqrt(share)[..., None]).astype(np.uint8)
    return colours


def _pixels(inputs: NDArray[np.generic], normalisation: Normalisation) -> NDArray[np.uint8]:
    """The pixels uint8 (n, C, H, W) that were normalised to these inputs."""
    scale, offset = (np.array(figures)[:, None, None] for figures in (normalisation.scale, normalisation.offset))
    pixels: NDArray[np.uint8] = np.clip(np.rint(inputs * scale + offset), 0, 255).astype(np.uint8)
    return pixels
