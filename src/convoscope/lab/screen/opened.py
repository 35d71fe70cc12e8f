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

from convoscope.data import Dataset, Examples, Opened, TextPolicy, Texts
from convoscope.errors import InputError, RunError, UnknownName
from convoscope.graph.graph import Graph, Mode
from convoscope.lab.folder import folder_of
from convoscope.lab.microscope import graph_of, has_thawed, split_of
from convoscope.lab.screen.kept import Kept
from convoscope.lab.screen.sights import Network
from convoscope.lab.trainee import Trainee, open_run
from convoscope.runs.store import Run
from convoscope.train.feed import Feed

Weights = dict[str, Tensor]
_MOST_GRAPHS = 12  # held in memory: a run of images has two, one of texts two for each length


@dataclass(frozen=True)
class Picture:
    """An image or a text as a network takes it: alone among examples, its name, and its label where it has one."""

    name: str
    one: Examples
    label: int | None

    @cached_property
    def key(self) -> bytes:
        """Equal for equal images, or equal words, with equal labels."""
        values = np.asarray(self.one.values)
        return hashlib.sha256(values.tobytes() + f"{values.shape} {self.label}".encode()).digest()

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The image, uint8 (C, H, W).

        Raises:
            InputError: it is a text.
        """
        if not isinstance(self.one, Dataset):
            raise InputError(f"{self.name} is a text, and an image was asked for.", hint="Texts are asked for as such.")
        (pixels,) = self.one.images
        return np.asarray(pixels, np.uint8)

    @property
    def text(self) -> Texts:
        """The text.

        Raises:
            InputError: it is an image.
        """
        if not isinstance(self.one, Texts):
            raise InputError(f"{self.name} is an image, and a text was asked for.", hint="Ask for it among images.")
        return self.one


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
        self._graphs: Kept[Graph] = Kept(_MOST_GRAPHS)
        self.ranks: dict[tuple[Mode, str], list[int]] = {}
        self.networks: Kept[Network] = Kept(_MOST_GRAPHS)

    @cached_property
    def trainee(self) -> Trainee:
        """The network with some weights of the run: its normalisation, policy and classes are what is wanted."""
        return open_run(str(self.run.folder), runs=self.run.folder.parent, step=self.step(None))

    @cached_property
    def opened(self) -> Opened:
        """The run's own data, read as it was read in training."""
        return self.trainee.opened()

    def part(self, name: str) -> Examples | None:
        """One of the data's parts: train, validation or test."""
        return self.opened.splits.parts().get(name)

    @property
    def takes_texts(self) -> bool:
        """Whether the network takes texts, or trees of them."""
        return isinstance(self.trainee.policy, TextPolicy)

    def first(self) -> Picture:
        """The first image or text of the test part, else of validation, else of train."""
        parts = ((name, self.part(name)) for name in ("test", "validation", "train"))
        return self.picture(next(f"{name}:0" for name, part in parts if part is not None and len(part)))

    def picture(self, name: str) -> Picture:
        """An image or text of the run's own data: "test:45".

        Raises:
            UnknownName: it is no such name, or there is no such image.
        """
        found = split_of(name)
        if found is None:
            raise UnknownName(f"There is no image {name!r}.", hint="Images are called test:45, validation:3, train:0.")
        split, number = found
        part = self.part(split)
        if part is None or number >= len(part):
            kind = "texts" if self.takes_texts else "images"
            there = f"{kind} 0 to {len(part) - 1}" if part is not None and len(part) else f"no {kind}"
            raise UnknownName(f"{name} was asked for; the {split} part of {self.trainee.recipe.data} has {there}.")
        return Picture(name, part.take(np.array([number])), int(part.labels[number]))

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

    def graph(self, mode: Mode, picture: Picture | None = None, step: int | None = None) -> Graph:
        """The run's network in a mode, with its loss; exported on the first look and kept with the run.

        That of a text is for as many words as it has (a tree's for its depth and width).

        Args:
            mode: Of the network.
            picture: The image or text that it is to take; the first of the run's data without it.
            step: After how many updates, which matters in training mode where something thaws; at the end without it.

        Raises:
            ModelError: it cannot be exported.
        """
        key = (mode, self.form(picture), mode == "train" and has_thawed(self.trainee, step))
        return self._graphs.of(key, lambda: self._graph(mode, picture, step))

    def _graph(self, mode: Mode, picture: Picture | None, step: int | None) -> Graph:
        if self.takes_texts:
            x = self.inputs((picture or self.first()).one)
        else:
            x = self.inputs(self.unlabelled(np.zeros(self.shape, np.uint8)))
        return graph_of(self.trainee, x, torch.tensor([0]), mode, step)

    def form(self, picture: Picture | None = None) -> tuple[int, ...]:
        """What of an input the network's form hangs on: how much a text fills; nothing of an image."""
        if not self.takes_texts:
            return ()
        return tuple(int(n) for n in (picture or self.first()).text.extents[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image.

        Raises:
            InputError: the network takes texts.
        """
        policy = self.trainee.policy
        if isinstance(policy, TextPolicy):
            raise InputError(f"{self.run.name} takes texts, and was given or asked for an image.", hint="Give a text.")
        return policy.shape

    def unlabelled(self, pixels: NDArray[np.uint8]) -> Dataset:
        """An image uint8 (C, H, W) alone, of no class that matters."""
        return Dataset(pixels[None], np.zeros(1, np.int64), self.trainee.class_names, self.run.name)

    def inputs(self, examples: Examples) -> Tensor:
        """Examples as the network takes them, on the run's device: images normalised as in training, texts trimmed."""
        feed = Feed(examples, self.trainee.normalisation, self.trainee.machine.device)
        return feed.batch(torch.arange(len(examples)), 0)[0]


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
