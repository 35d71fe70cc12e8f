"""Which training images an answer of k nearest neighbours came from, and what their distance is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convoscope import data as data_room
from convoscope.errors import RunError
from convoscope.lab.microscope import pixels_of
from convoscope.lab.trainee import Trainee, open_run
from convoscope.models.knn import NearestNeighbours, neighbours_of
from convoscope.models.neighbours import Search
from convoscope.runs.difference import parts_of
from convoscope.train.feed import Feed

MEANINGS = {
    "outside_half": "share of the squared difference outside the centred box that has half of the image's area",
    "largest_tenth": "share that lies in the tenth of the pixels that differ most",
    "brightness": "share that goes when both images are brought to the same mean in each channel",
    "paper": "share of the pixels where both images have the most frequent value of the image asked about",
    "moved_further": "of the eight ways to move the image by so many pixels, how many bring it further from itself "
    "than the nearest image of another class is; its edge is repeated where it has gone",
}
SHIFTS = (1, 2)
_WAYS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))


def neighbours(name: str, image: str, *, runs: Path, step: int | None = None) -> dict[str, Any]:
    """The neighbours of one image that voted, and where the distance to the nearest of them comes from.

    Args:
        name: A run of the model knn.
        image: "test:45" (or train:, validation:) for an image of the run's data, or an image file.
        runs: The folder of runs.
        step: The checkpoint whose images to search; the final ones without it.

    Returns:
        `neighbours`, nearest first, each with its place in the training part, class, distance and share of the votes;
        `votes`, the share of each class that has any; `difference`, the figures of the squared difference to the
        nearest, shares 0-1; `moved`, what becomes of the distance when the image is moved; and `meanings`, what each
        figure says.

    Raises:
        RunError: no such run, or a run of another model.
        InputError: no such image.
    """
    trainee = open_run(name, runs=runs, step=step)
    held = neighbours_of(trainee.model)
    if held is None:
        raise RunError(
            f"The run {trainee.run.name} is one of {trainee.recipe.model}; only knn has neighbours that vote.",
            hint="Train one with: convoscope train --model knn",
        )
    pixels, label = pixels_of(trainee, image)
    x = _inputs(trainee, pixels[None])
    distances, indices = held.nearest(x)
    shares = held.votes(distances)[0]
    shares = shares / shares.sum()
    names, labels = trainee.class_names, held.labels[indices[0]].tolist()
    rows = [
        {"image": f"train:{index}", "class": names[k], "distance": distance, "share": share}
        for index, k, distance, share in zip(
            indices[0].tolist(), labels, distances[0].tolist(), shares.tolist(), strict=True
        )
    ]
    votes = np.bincount(labels, weights=shares.cpu().numpy(), minlength=len(names))
    nearest = held.images[indices[0, 0]].reshape(pixels.shape).double().cpu().numpy()
    seen = x[0].reshape(pixels.shape).double().cpu().numpy()
    return {
        "run": trainee.run.name,
        "image": image,
        "class": None if label is None else names[label],
        "predicted": names[int(votes.argmax())],
        "k": held.options.k,
        "metric": held.options.metric,
        "weights": held.options.weights,
        "neighbours": rows,
        "votes": {names[k]: float(votes[k]) for k in np.argsort(-votes, kind="stable") if votes[k]},
        "difference": parts_of(seen, nearest),
        "moved": _moved(trainee, held, pixels, int(votes.argmax()) if label is None else label, distances[0, 0]),
        "meanings": MEANINGS,
    }


def _inputs(trainee: Trainee, pixels: NDArray[np.uint8]) -> Tensor:
    """What the network is given for images, uint8 (n, C, H, W): (n, D)."""
    part = data_room.Dataset(pixels, np.zeros(len(pixels), np.int64), trainee.class_names, trainee.run.name)
    feed = Feed(part, trainee.normalisation, trainee.machine.device)
    return feed.batch(torch.arange(len(feed)), 0)[0].flatten(1)


def _moved(
    trainee: Trainee, held: NearestNeighbours, pixels: NDArray[np.uint8], label: int, nearest: Tensor
) -> dict[str, Any]:
    """How far the image is from itself moved by a pixel or two, beside the nearest image and that of another class."""
    metric = held.options.metric
    x = _inputs(trainee, pixels[None])
    others = held.images[held.labels != label]
    other = float(Search(others, metric).nearest(x, 1)[0]) if len(others) else None
    rows = []
    for by in SHIFTS:
        moved = np.stack([shifted(pixels, by * dy, by * dx) for dy, dx in _WAYS])
        away = Search(_inputs(trainee, moved), metric).nearest(x, len(moved))[0][0]
        further = None if other is None else int((away > other).sum())
        rows.append({"pixels": by, "median": float(away.quantile(0.5)), "moved_further": further, "ways": len(_WAYS)})
    return {"nearest": float(nearest), "nearest_other_class": other, "by": rows}


def shifted(pixels: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """An image (C, H, W) moved; its edge pixels are repeated where it has gone."""
    _, H, W = pixels.shape
    rows = np.clip(np.arange(H) - down, 0, H - 1)
    columns = np.clip(np.arange(W) - right, 0, W - 1)
    return pixels[:, rows[:, None], columns]
