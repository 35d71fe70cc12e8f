"""A run, opened once for many questions: its data, its graphs, and its weights at any step."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convoscope import data as data_room
from convoscope.data import Dataset, Opened
from convoscope.errors import RunError, UnknownName
from convoscope.graph.graph import Graph, Mode
from convoscope.lab.folder import folder_of
from convoscope.lab.microscope import graph_of, split_of
from convoscope.lab.screen.kept import Kept
from convoscope.lab.screen.sights import Network
from convoscope.lab.trainee import Trainee, open_run
from convoscope.runs.store import Run
from convoscope.train.feed import Feed

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Picture:
    """An image as a network takes it: uint8 (C, H, W), its name, and its label where it has one."""

    name: str
    pixels: NDArray[np.uint8]
    label: int | None

    @cached_property
    def key(self) -> bytes:
        """Equal for equal images with equal labels."""
        return hashlib.sha256(self.pixels.tobytes() + f"{self.pixels.shape} {self.label}".encode()).digest()


def version_of(run: Run) -> str:
    """Twelve digits that change when the folder holds another run than before.

    Raises:
        RunError: the run is gone.
    """
    path = run.folder / "recipe.json"
    try:
        found = path.stat()
        content = path.read_bytes()
    except OSError:
        raise RunError(f"There is no run {run.name!r} any more.", hint="Its folder was removed or renamed.") from None
    return hashlib.sha256(content + f"{found.st_ino} {found.st_mtime_ns}".encode()).hexdigest()[:12]


class OpenRun:
    """One run; made anew when its folder becomes another run's.

    Attributes:
        run: The run.
        version: See `version_of`.
    """

    def __init__(self, run: Run, version: str, keep_bytes: int) -> None:
        self.run, self.version = run, version
        self._weights: Kept[Weights] = Kept(keep_bytes, lambda found: sum(t.nbytes for t in found.values()))
        self._graphs: dict[Mode, Graph] = {}
        self.ranks: dict[tuple[Mode, str], list[int]] = {}
        self.networks: dict[Mode, Network] = {}

    @cached_property
    def trainee(self) -> Trainee:
        """The network with some weights of the run: its normalisation, policy and classes are what is wanted."""
        return open_run(str(self.run.folder), runs=self.run.folder.parent, step=self.step(None))

    @cached_property
    def opened(self) -> Opened:
        """The run's own data, read as it was read in training."""
        recipe = self.trainee.recipe
        return data_room.open_data(
            recipe.data, validation=recipe.validation, seed=recipe.seed, broken=recipe.broken,
            policy=self.trainee.policy,
        )  # fmt: skip

    def part(self, name: str) -> Dataset | None:
        """One of the data's parts: train, validation or test."""
        splits = self.opened.splits
        return {"train": splits.train, "validation": splits.validation, "test": splits.test}[name]

    def picture(self, name: str) -> Picture:
        """An image of the run's own data: "test:45".

        Raises:
            UnknownName: it is no such name, or there is no such image.
        """
        found = split_of(name)
        if found is None:
            raise UnknownName(f"There is no image {name!r}.", hint="Images are called test:45, validation:3, train:0.")
        split, number = found
        part = self.part(split)
        if part is None or number >= len(part):
            there = f"images 0 to {len(part) - 1}" if part is not None and len(part) else "no images"
            raise UnknownName(f"{name} was asked for; the {split} part of {self.trainee.recipe.data} has {there}.")
        return Picture(name, part.images[number], int(part.labels[number]))

    def step(self, asked: int | None) -> int | None:
        """The checkpoint to read: the one asked for; None for final weights; without those the newest one.

        Raises:
            RunError: there are no weights at all yet.
        """
        if asked is not None or self.run.weights_path.exists():
            return asked
        steps = list(self.run.checkpoint_files())
        if not steps:
            raise RunError(
                f"The run {self.run.name} has no weights yet.", hint="Its first checkpoint comes when training begins."
            )
        return steps[-1]

    def weights(self, asked: int | None) -> Weights:
        """Weights and buffers by name, in the memory format the run computes with.

        Raises:
            RunError: they are not there, or damaged.
        """
        step = self.step(asked)
        found = self._weights.get(step)
        if found is None:
            turned = self.trainee.plan.memory_format == "channels-last"
            found = {name: _copy(value, turned=turned) for name, value in self.run.load_weights(step).items()}
            self._weights.put(step, found)
        return found

    def graph(self, mode: Mode) -> Graph:
        """The run's network in a mode, with its loss; exported on the first look and kept with the run.

        Raises:
            ModelError: it cannot be exported.
        """
        if mode not in self._graphs:
            blank = np.zeros((1, *self.shape), np.uint8)
            self._graphs[mode] = graph_of(self.trainee, self.inputs(blank), torch.tensor([0]), mode)
        return self._graphs[mode]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        policy = self.trainee.policy
        return policy.channels, policy.height, policy.width

    def inputs(self, images: NDArray[np.uint8]) -> Tensor:
        """uint8 images (N, C, H, W), normalised as in training: float32 on the run's device."""
        names = self.trainee.class_names
        unlabelled = Dataset(images, np.zeros(len(images), np.int64), names, self.run.name)
        feed = Feed(unlabelled, self.trainee.normalisation, self.trainee.machine.device)
        return feed.batch(torch.arange(len(images)), 0)[0]


def _copy(weight: Tensor, *, turned: bool) -> Tensor:
    """A copy as a module would hold it: the last bit of a sum hangs on where numbers lie, and on their order.

    What comes out of a file is not aligned as torch aligns its own memory, and a kernel of one channel counts as being
    in both memory formats.
    """
    order = torch.channels_last if turned and weight.dim() == 4 else torch.contiguous_format
    return torch.empty_like(weight, memory_format=order).copy_(weight)


def find(name: str, runs: Path) -> Run:
    """The run called `name`; raises RunError where there is none."""
    return Run(folder_of(name, runs=runs))
