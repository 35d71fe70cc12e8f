"""Batches from a dataset: gathered, augmented, mixed and normalised on the fly, whole batches at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convoscope.data.augment import Augmentation
from convoscope.data.dataset import Dataset, Examples
from convoscope.data.draws import Draws
from convoscope.data.growth import Growth
from convoscope.data.mapped import Rows
from convoscope.data.mixing import Mixing
from convoscope.data.normalise import Normalisation
from convoscope.data.text import Texts
from convoscope.train.balance import Balance
from convoscope.train.recipe import Recipe

_JUDGED_BYTES = 1 << 23  # of inputs: a layer's values are many times as much


@dataclass(frozen=True, eq=False)
class Lesson:
    """A batch that is learnt from.

    Attributes:
        x: The network's inputs, as `Feed.batch` gives them.
        labels: int64 (n,): of a mixed image that of the larger share. Training accuracy is told against these.
        targets: What the loss is taken against: labels int64 (n,) with what each counts, float32 (n,), or None where
            all count 1. The loss of an example is the sum over the targets.
        worth: What each example counts in the accuracy that `chance` is compared with, float32 (n,); None for 1.
    """

    x: Tensor
    labels: Tensor
    targets: tuple[tuple[Tensor, Tensor | None], ...]
    worth: Tensor | None


class Feed:
    """One split on the device as it lies on disk: images as uint8, a quarter of the memory of float32; words as int32.

    Args:
        dataset: The split.
        normalisation: How pixels become the network's inputs; word numbers go in as they are.
        device: Where the examples are kept and batches are made.
        channels_last: Whether batches of images come with channels innermost in memory.
        augmentation: What is done to each image before it is normalised, or None.
        mixing: How a lesson's images are mixed two by two, or None.
        balance: What is done about classes of unequal size: "none", "weights" or "sampling".
        growth: How large images are in each epoch, or None where they are whole.
        seed: Decides the order of examples, the augmentation and the mixing.
    """

    def __init__(
        self,
        dataset: Examples,
        normalisation: Normalisation,
        device: torch.device,
        *,
        channels_last: bool = False,
        augmentation: Augmentation | None = None,
        mixing: Mixing | None = None,
        balance: str = "none",
        growth: Growth | None = None,
        seed: int = 0,
    ) -> None:
        values = dataset.values
        self.values = values if isinstance(values, Rows) else torch.from_numpy(values).to(device)
        self.labels = torch.from_numpy(dataset.labels).to(device)
        self.channels_last = channels_last
        self.augmentation = None if augmentation is None or augmentation.is_off else augmentation
        self.mixing = None if mixing is None or mixing.is_off else mixing
        self.growth = None if growth is None or growth.is_off else growth
        self.balance = Balance(balance, dataset.labels, dataset.n_classes)
        self.seed = seed
        C = dataset.shape[0] if isinstance(dataset, Dataset) else 1
        self._offset = torch.tensor(normalisation.offset, dtype=torch.float32, device=device).view(1, C, 1, 1)
        self._scale = torch.tensor(normalisation.scale, dtype=torch.float32, device=device).view(1, C, 1, 1)
        self._worth = None if self.balance.worth is None else self.balance.worth.to(device)
        # Kept where batches are asked for: how long one is must be known before it is cut.
        self._extents = torch.from_numpy(dataset.extents) if isinstance(dataset, Texts) else None

    def __len__(self) -> int:
        return len(self.labels)

    def at_once(self, most: int) -> int:
        """How many examples are judged together: `most`, and of large images on a processor no more than fit well."""
        if self._extents is not None or self.labels.device.type != "cpu":
            return most
        return max(1, min(most, _JUDGED_BYTES // (4 * math.prod(self.values.shape[1:]))))

    def order(self, epoch: int) -> Tensor:
        """The order in which `epoch` (from 0) sees the examples: int64 (N,) on the CPU, the same for the same seed.

        Numbers beyond the last example's begin again at the first: the same example, changed in another way.
        """
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) % 2**63)
        return self.balance.order(generator)

    def batch(self, index: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """The examples at `index` (int64 (n,)) as the network takes them, and their labels int64 (n,).

        Images are float32 (n, C, H, W), augmented and not mixed. Texts are int64, trimmed to the batch: (n, words of
        its longest text), or (n, levels of its deepest tree, width of its fullest level, 3).
        """
        place = self._place(index)
        x = self._texts(place) if self._extents is not None else self.normalise(self._images(place, index, epoch))
        return x, self._labels(place)

    def lesson(self, index: Tensor, epoch: int) -> Lesson:
        """The examples at `index` (int64 (n,)) as they are learnt from: `batch`, mixed and weighed as was asked."""
        if self.mixing is None:
            x, labels = self.batch(index, epoch)
            worth = self._worths(labels)
            return Lesson(x, labels, ((labels, worth),), worth)
        place = self._place(index)
        draws = Draws(self.seed, epoch, index.cpu().numpy().astype(np.uint64))
        partner = torch.from_numpy(self.balance.partners(place.numpy(), draws))
        # The partner is changed in a way of its own: by the number that is the first one's with all bits turned.
        mixed, share = self.mixing.mix(
            self._images(place, index, epoch), self._images(partner, ~index, epoch), draws
        )  # fmt: skip
        first, second = self._labels(place), self._labels(partner)
        labels = torch.where(share >= 0.5, first, second)
        own, rest = share, 1 - share
        if self._worth is not None:
            own, rest = own * self._worth[first], rest * self._worth[second]
        return Lesson(self.normalise(mixed), labels, ((first, own), (second, rest)), self._worths(labels))

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 or float (n, C, H, W) in 0-255 to the network's float32 inputs, same shape."""
        x = torch.sub(images, self._offset).div_(self._scale)
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x

    def _place(self, index: Tensor) -> Tensor:
        """Which example each number of an order stands for, int64 (n,) on the CPU."""
        return index.cpu() % max(1, len(self))

    def _labels(self, place: Tensor) -> Tensor:
        return self.labels.index_select(0, place.to(self.labels.device))

    def _worths(self, labels: Tensor) -> Tensor | None:
        return None if self._worth is None else self._worth[labels]

    def _images(self, place: Tensor, number: Tensor, epoch: int) -> Tensor:
        """The images (n, C, H, W) at `place`, changed as `number` (n,) has it, before normalisation."""
        images = self._gathered(place)
        if self.augmentation is not None:
            images = self.augmentation.apply(images, number, self.seed, epoch)
        return images if self.growth is None else self.growth.apply(images, epoch)

    def _gathered(self, place: Tensor) -> Tensor:
        """The examples at `place` as they lie in memory, or in a file: then only they are read."""
        if isinstance(self.values, Rows):
            found = torch.empty((len(place), *self.values.shape[1:]), dtype=torch.uint8)
            self.values.read_into(found.numpy(), place.numpy())
            return found.to(self.labels.device)
        return self.values.index_select(0, place.to(self.values.device))

    def _texts(self, place: Tensor) -> Tensor:
        """The texts or trees at `place`, without what is padding in all of them."""
        assert self._extents is not None
        assert isinstance(self.values, Tensor)
        values = self._trimmed(self.values, self._extents[place].amax(0).tolist() if len(place) else [])
        return values.index_select(0, place.to(values.device)).long()

    @staticmethod
    def _trimmed(values: Tensor, extent: list[int]) -> Tensor:
        """All texts without what is padding in each of a batch: after its longest, or before its deepest tree."""
        if len(extent) == 2:
            n_levels, width = extent
            return values[:, values.shape[1] - n_levels :, :width]
        return values[:, : extent[0]] if extent else values


def training_feed(
    part: Examples, normalisation: Normalisation, recipe: Recipe, device: torch.device, *, channels_last: bool = False
) -> Feed:
    """The training part as a recipe has it learnt from.

    Raises:
        RecipeError: knobs of colour for images that have none.
    """
    augmentation = augmentation_of(recipe)
    if isinstance(part, Dataset):
        augmentation.check(part.shape[0])
    return Feed(
        part, normalisation, device, channels_last=channels_last, augmentation=augmentation,
        mixing=Mixing(recipe.mixup, recipe.cutmix), balance=recipe.balance, growth=growth_of(recipe),
        seed=recipe.seed,
    )  # fmt: skip


def augmentation_of(recipe: Recipe) -> Augmentation:
    """The augmentation that the recipe's knobs describe."""
    return Augmentation(
        rotate=recipe.rotate, shift=recipe.shift, flip=recipe.flip, crop=recipe.crop, mask=recipe.mask,
        alternate=recipe.alternate, aspect=recipe.aspect, border=recipe.border, brightness=recipe.brightness,
        contrast=recipe.contrast, saturation=recipe.saturation, hue=recipe.hue,
    )  # fmt: skip


def growth_of(recipe: Recipe) -> Growth:
    """How large images are in each epoch of a recipe that is settled."""
    return Growth(recipe.grow, recipe.grow_until, recipe.counts()[0])
