"""Batches from a dataset in memory: gathered, augmented and normalised on the fly, whole batches at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from convoscope.data.augment import Augmentation
from convoscope.data.dataset import Dataset, Examples
from convoscope.data.normalise import Normalisation
from convoscope.data.text import Texts
from convoscope.train.recipe import Recipe


class Feed:
    """One split on the device as it lies on disk: images as uint8, a quarter of the memory of float32; words as int32.

    Args:
        dataset: The split.
        normalisation: How pixels become the network's inputs; word numbers go in as they are.
        device: Where the examples are kept and batches are made.
        channels_last: Whether batches of images come with channels innermost in memory.
        augmentation: What is done to each image before it is normalised, or None.
        seed: Decides the order of examples and the augmentation.
    """

    def __init__(
        self,
        dataset: Examples,
        normalisation: Normalisation,
        device: torch.device,
        *,
        channels_last: bool = False,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.values = torch.from_numpy(dataset.values).to(device)
        self.labels = torch.from_numpy(dataset.labels).to(device)
        self.channels_last = channels_last
        self.augmentation = None if augmentation is None or augmentation.is_off else augmentation
        self.seed = seed
        C = dataset.shape[0] if isinstance(dataset, Dataset) else 1
        self._offset = torch.tensor(normalisation.offset, dtype=torch.float32, device=device).view(1, C, 1, 1)
        self._scale = torch.tensor(normalisation.scale, dtype=torch.float32, device=device).view(1, C, 1, 1)
        # Kept where batches are asked for: how long one is must be known before it is cut.
        self._extents = torch.from_numpy(dataset.extents) if isinstance(dataset, Texts) else None

    def __len__(self) -> int:
        return len(self.labels)

    def order(self, epoch: int) -> Tensor:
        """The order in which `epoch` (from 0) sees the examples: int64 (N,) on the CPU, the same for the same seed."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) % 2**63)
        return torch.randperm(len(self), generator=generator)

    def batch(self, index: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """The examples at `index` (int64 (n,)) as the network takes them, and their labels int64 (n,).

        Images are float32 (n, C, H, W). Texts are int64, trimmed to the batch: (n, words of its longest text), or
        (n, levels of its deepest tree, width of its fullest level, 3).
        """
        if self._extents is not None:
            values = self._trimmed(self._extents[index.cpu()].amax(0).tolist() if len(index) else [])
            index = index.to(values.device)
            return values.index_select(0, index).long(), self.labels.index_select(0, index)
        index = index.to(self.values.device)
        images = self.values.index_select(0, index)
        if self.augmentation is not None:
            images = self.augmentation.apply(images, index, self.seed, epoch)
        return self.normalise(images), self.labels.index_select(0, index)

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 or float (n, C, H, W) in 0-255 to the network's float32 inputs, same shape."""
        x = torch.sub(images, self._offset).div_(self._scale)
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x

    def _trimmed(self, extent: list[int]) -> Tensor:
        """All texts without what is padding in each of a batch: after its longest, or before its deepest tree."""
        if len(extent) == 2:
            n_levels, width = extent
            return self.values[:, self.values.shape[1] - n_levels :, :width]
        return self.values[:, : extent[0]] if extent else self.values


def augmentation_of(recipe: Recipe) -> Augmentation:
    """The augmentation that the recipe's knobs describe."""
    return Augmentation(rotate=recipe.rotate, shift=recipe.shift, flip=recipe.flip, crop=recipe.crop, mask=recipe.mask)
