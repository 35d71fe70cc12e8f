"""Batches from a dataset in memory: gathered, augmented and normalised on the fly, whole batches at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from convoscope.data.augment import Augmentation
from convoscope.data.dataset import Dataset
from convoscope.data.normalise import Normalisation
from convoscope.train.recipe import Recipe


class Feed:
    """One split on the device, uint8 as it lies on disk: a quarter of the memory of float32, and quick to gather.

    Args:
        dataset: The split.
        normalisation: How pixels become the network's inputs.
        device: Where the images are kept and batches are made.
        channels_last: Whether batches come with channels innermost in memory.
        augmentation: What is done to each image before it is normalised, or None.
        seed: Decides the order of images and the augmentation.
    """

    def __init__(
        self,
        dataset: Dataset,
        normalisation: Normalisation,
        device: torch.device,
        *,
        channels_last: bool = False,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.images = torch.from_numpy(dataset.images).to(device)
        self.labels = torch.from_numpy(dataset.labels).to(device)
        self.channels_last = channels_last
        self.augmentation = None if augmentation is None or augmentation.is_off else augmentation
        self.seed = seed
        C = dataset.shape[0]
        self._offset = torch.tensor(normalisation.offset, dtype=torch.float32, device=device).view(1, C, 1, 1)
        self._scale = torch.tensor(normalisation.scale, dtype=torch.float32, device=device).view(1, C, 1, 1)

    def __len__(self) -> int:
        return len(self.labels)

    def order(self, epoch: int) -> Tensor:
        """The order in which `epoch` (from 0) sees the images: int64 (N,) on the CPU, the same for the same seed."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) % 2**63)
        return torch.randperm(len(self), generator=generator)

    def batch(self, index: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """The images at `index` (int64 (n,)) as float32 (n, C, H, W), and their labels int64 (n,)."""
        index = index.to(self.images.device)
        images = self.images.index_select(0, index)
        if self.augmentation is not None:
            images = self.augmentation.apply(images, index, self.seed, epoch)
        return self.normalise(images), self.labels.index_select(0, index)

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 or float (n, C, H, W) in 0-255 to the network's float32 inputs, same shape."""
        x = torch.sub(images, self._offset).div_(self._scale)
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x


def augmentation_of(recipe: Recipe) -> Augmentation:
    """The augmentation that the recipe's knobs describe."""
    return Augmentation(rotate=recipe.rotate, shift=recipe.shift, flip=recipe.flip, crop=recipe.crop, mask=recipe.mask)
