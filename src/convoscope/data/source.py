"""From a name or a path to data that can be trained on: found, read, split, checked and described."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from convoscope.data.bundled import mnist
from convoscope.data.cache import locate
from convoscope.data.checks import DataFinding, check
from convoscope.data.cifar import find_cifar, read_cifar
from convoscope.data.dataset import Dataset, Splits, hold_out
from convoscope.data.folder import FolderData, Progress, read_folder
from convoscope.data.idx import find_idx, read_idx_folder
from convoscope.data.image import ImagePolicy
from convoscope.data.normalise import histograms, mean_and_deviation
from convoscope.data.remote import REMOTES
from convoscope.errors import ConvoscopeError, DataError, RecipeError
from convoscope.registry import Registry

VALIDATION = 0.1  # of the training images, held out where the source has no validation part of its own

Pair = tuple[Dataset, Dataset | None]


@dataclass(frozen=True)
class NamedDataset:
    """A dataset with a name.

    Attributes:
        description: What it is, in one sentence.
        read: Gives its training set and its test set.
    """

    description: str
    read: Callable[[], Pair]


DATASETS: Registry[NamedDataset] = Registry("dataset")


@dataclass(frozen=True, eq=False)
class Opened:
    """Data that is ready for training.

    Attributes:
        name: The name or path that was asked for.
        splits: Its parts.
        policy: What every image file becomes before normalisation; prediction reads files with it.
        findings: What is odd about the data.
    """

    name: str
    splits: Splits
    policy: ImagePolicy
    findings: tuple[DataFinding, ...]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) over the fingerprints of the parts: equal data cut equally, equal fingerprint."""
        parts = (self.splits.train, self.splits.validation, self.splits.test)
        return hashlib.sha256("\n".join(part.fingerprint if part else "" for part in parts).encode()).hexdigest()


def open_data(
    name_or_path: str | Path,
    *,
    validation: float = VALIDATION,
    seed: int = 0,
    image_size: int | None = None,
    broken: str = "stop",
    policy: ImagePolicy | None = None,
    progress: Progress | None = None,
) -> Opened:
    """Finds, reads, splits and checks a dataset.

    A name in `DATASETS` goes before a folder of that name in the working directory (`./mnist` is the folder).

    Args:
        name_or_path: A name in `DATASETS`, or a folder: IDX files, CIFAR-10 batches, or images in class folders.
        validation: Part of each class's training images that is held out for choosing knobs, 0 (none) to below 1;
            a source's own validation part is used instead where there is one.
        seed: Decides which images are held out.
        image_size: Pixels a side, for image folders; see `read_folder`.
        broken: What to do with image files that cannot be decoded: "stop" or "skip".
        policy: What every image must become, for judging a run on other images; image folders are read so, and data
            of a fixed size must have that size.
        progress: Called with (images done, images in all) while a folder is decoded.

    Raises:
        UnknownName: It is neither a name nor looks like a path.
        RecipeError: `validation` is out of bounds.
        DataError: There is no such folder, nothing in it can be read as data, or the data cannot be trained on.
        BrokenImage: Image files cannot be decoded and `broken` is "stop".
    """
    if not 0 <= validation < 1:
        raise RecipeError(f"validation was asked as {validation}; it is 0 to below 1 (fraction of each class).")
    found = _read(str(name_or_path), image_size, broken, policy, progress)
    if found.validation is None:
        train, held_out = hold_out(found.train, validation, seed)
    else:
        train, held_out = found.train, found.validation
    splits = Splits(train, held_out, found.test)
    return Opened(str(name_or_path), splits, found.policy, (*found.findings, *check(splits)))


def _read(
    name: str, image_size: int | None, broken: str, policy: ImagePolicy | None, progress: Progress | None
) -> FolderData:
    """The parts that a name or a path stands for, as its source has them."""
    if name in DATASETS:
        return _whole(DATASETS[name].read(), image_size, policy)
    folder = Path(name).expanduser()
    if not folder.exists():
        raise _nowhere(name, folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder} is a file; a dataset is a folder.",
            hint="Unpack it if it is an archive, and point at the folder.",
        )
    if find_idx(folder, "train", "images") or find_idx(folder, "train", "labels"):
        return _whole(read_idx_folder(folder), image_size, policy)
    if find_cifar(folder):
        return _whole(read_cifar(folder), image_size, policy)
    return read_folder(folder, image_size=image_size, broken=broken, policy=policy, progress=progress)


def _whole(pair: Pair, image_size: int | None, policy: ImagePolicy | None) -> FolderData:
    """Data of a fixed size as it came; DataError where another size was asked."""
    train, test = pair
    C, H, W = train.shape
    if image_size is not None and (image_size, image_size) != (H, W):
        raise DataError(
            f"An image size of {image_size} was asked, and {train.source} has {H} x {W} pixels; only image folders "
            f"are resized.",
            hint="Leave the image size out.",
        )
    own = ImagePolicy(C, H, W)
    if policy is not None and policy != own:
        raise DataError(
            f"{train.source} has images of {C} x {H} x {W} (channels x height x width), and {policy.channels} x "
            f"{policy.height} x {policy.width} is needed.",
            hint="Give images of that size, or a folder of image files, which are resized.",
        )
    return FolderData(train, None, test, own, ())


def _nowhere(name: str, folder: Path) -> ConvoscopeError:
    """The error for a name that is no dataset and a path that leads nowhere."""
    if os.sep in name or name.startswith((".", "~")):
        return DataError(f"There is no folder {folder}.", hint=f"Datasets with a name: {', '.join(DATASETS)}.")
    error = DATASETS.unknown(name)
    error.hint = f"{error.hint} Nor is there a folder {name} in {Path.cwd()}."
    return error


def _installed(name: str) -> Path:
    """The folder of a dataset that can be fetched; DataError, with the command to fetch it, where it is not here."""
    folder = locate(name)
    if folder is None:
        raise DataError(
            f"{REMOTES[name].title} is not on this machine yet.",
            hint=f"Fetch it with `convoscope data get {name}`.",
        )
    return folder


def _fashion_mnist() -> Pair:
    remote = REMOTES["fashion-mnist"]
    return read_idx_folder(_installed(remote.name), class_names=remote.class_names, title=remote.title)


def _cifar10() -> Pair:
    return read_cifar(_installed("cifar10"))


DATASETS.add(
    "mnist", NamedDataset("Handwritten digits: 10 classes, 60,000 + 10,000 grey images of 28 x 28; built in.", mnist)
)
DATASETS.add(
    "fashion-mnist",
    NamedDataset("Clothes: 10 classes, 60,000 + 10,000 grey images of 28 x 28; 31 MB to fetch.", _fashion_mnist),
)
DATASETS.add(
    "cifar10",
    NamedDataset("Animals and vehicles: 10 classes, 50,000 + 10,000 colour images of 32 x 32; 170 MB.", _cifar10),
)


def describe(opened: Opened) -> dict[str, Any]:
    """What there is to know about opened data, of JSON types only; means and deviations in pixel values (0-255)."""
    splits = opened.splits
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    C, H, W = splits.train.shape
    figures = [mean_and_deviation(counts) for counts in histograms(splits.train.images)]
    return {
        "name": opened.name,
        "shape": {"channels": C, "height": H, "width": W},
        "n_classes": splits.train.n_classes,
        "class_names": list(splits.train.class_names),
        "splits": {split: _describe_part(part) for split, part in parts.items() if part is not None},
        "train_mean": [mean for mean, _ in figures],
        "train_deviation": [deviation for _, deviation in figures],
        "findings": [finding.to_dict() for finding in opened.findings],
        "fingerprint": opened.fingerprint,
    }


def _describe_part(part: Dataset) -> dict[str, Any]:
    """One part: how many images it has, in all and of each class, in class order."""
    return {
        "n_images": len(part),
        "n_per_class": [int(n) for n in np.asarray(part.class_counts())],
        "source": part.source,
        "fingerprint": part.fingerprint,
    }
