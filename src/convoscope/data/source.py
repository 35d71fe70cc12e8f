"""From a name or a path to data that can be trained on: found, read, split, checked and described."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from convoscope.data.bundled import mnist
from convoscope.data.cache import locate
from convoscope.data.checks import DataFinding, check
from convoscope.data.cifar import find_cifar, read_cifar
from convoscope.data.corpus import Corpus, TextKnobs, holds_texts, peek, read_texts, with_vocabulary
from convoscope.data.dataset import Dataset, Examples, Splits, hold_out
from convoscope.data.folder import FolderData, Progress, read_folder
from convoscope.data.idx import find_idx, read_idx_folder
from convoscope.data.image import ImagePolicy
from convoscope.data.normalise import histograms, mean_and_deviation
from convoscope.data.remote import REMOTES
from convoscope.data.text import TextPolicy, Texts, describe_texts
from convoscope.errors import ConvoscopeError, DataError, RecipeError
from convoscope.registry import Registry

VALIDATION = 0.1  # of the training examples, held out where the source has no validation part of its own

Pair = tuple[Dataset, Dataset | None]
Policy: TypeAlias = ImagePolicy | TextPolicy
"""How every example is read."""


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
        policy: What every image or text becomes before normalisation; prediction reads with it.
        findings: What is odd about the data.
    """

    name: str
    splits: Splits
    policy: Policy
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
    texts: TextKnobs = TextKnobs(),  # noqa: B008 - it is frozen
    policy: Policy | None = None,
    progress: Progress | None = None,
) -> Opened:
    """Finds, reads, splits and checks a dataset.

    A name in `DATASETS` goes before a folder of that name in the working directory (`./mnist` is the folder).

    Args:
        name_or_path: A name in `DATASETS`; a folder: IDX files, CIFAR-10 batches, images or texts in class folders,
            tables of texts; or a table of texts.
        validation: Part of each class's training examples that is held out for choosing knobs, 0 (none) to below 1;
            a source's own validation part is used instead where there is one.
        seed: Decides which examples are held out.
        image_size: Pixels a side, for image folders; see `read_folder`.
        broken: What to do with images and texts that cannot be read: "stop", "quarantine" or "ignore".
        texts: How texts are read; their vocabulary is made of the training part that is left.
        policy: What every image or text must become, for judging a run on others: image folders are read so, data of
            a fixed size must have that size, and texts are read with that vocabulary.
        progress: Called with (images done, images in all) while a folder is decoded.

    Raises:
        UnknownName: It is neither a name nor looks like a path.
        RecipeError: `validation` is out of bounds.
        DataError: There is no such folder, nothing in it can be read as data, or the data cannot be trained on.
        BrokenImage: Image files cannot be decoded and `broken` is "stop".
    """
    if not 0 <= validation < 1:
        raise RecipeError(f"validation was asked as {validation}; it is 0 to below 1 (fraction of each class).")
    found = _read(str(name_or_path), image_size, broken, texts, policy, progress)
    if found.validation is None:
        train, held_out = hold_out(found.train, validation, seed)
    else:
        train, held_out = found.train, found.validation
    splits = Splits(train, held_out, found.test)
    if isinstance(found, Corpus):
        splits = with_vocabulary(splits, texts.vocabulary) if policy is None else splits
        assert isinstance(splits.train, Texts)
        used: Policy = splits.train.policy
    else:
        used = found.policy
    return Opened(str(name_or_path), splits, used, (*found.findings, *check(splits)))


def kind_of_data(name_or_path: str, texts: TextKnobs = TextKnobs()) -> str:  # noqa: B008 - it is frozen
    """What data hold, by a glance at them: "images", "texts" or "trees"; "images" too where there is nothing."""
    return peek(Path(name_or_path).expanduser(), texts) if _leads_to_texts(name_or_path) else "images"


def _leads_to_texts(name: str) -> bool:
    folder = Path(name).expanduser()
    if name in DATASETS or not folder.exists():
        return False
    if folder.is_dir() and (find_idx(folder, "train", "images") or find_cifar(folder)):
        return False
    return holds_texts(folder)


def _read(
    name: str, image_size: int | None, broken: str, texts: TextKnobs, policy: Policy | None, progress: Progress | None
) -> FolderData | Corpus:
    """The parts that a name or a path stands for, as its source has them."""
    folder = Path(name).expanduser()
    if _leads_to_texts(name):
        if image_size is not None:
            raise DataError(f"An image size of {image_size} was asked, and {folder} holds texts.", hint="Leave it out.")
        if isinstance(policy, ImagePolicy):
            raise DataError(f"{folder} holds texts, and this network takes images.")
        return read_texts(folder, texts, broken=broken, policy=policy)
    if isinstance(policy, TextPolicy):
        if name not in DATASETS and not folder.exists():
            raise _nowhere(name, folder)
        raise DataError(f"{name} holds no texts, and this network takes texts.", hint="Give a table or .txt files.")
    return _read_images(name, image_size, broken, policy, progress)


def _read_images(
    name: str, image_size: int | None, broken: str, policy: ImagePolicy | None, progress: Progress | None
) -> FolderData:
    if name in DATASETS:
        return _whole(DATASETS[name].read(), image_size, policy)
    folder = Path(name).expanduser()
    if not folder.exists():
        raise _nowhere(name, folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder} is a file; a dataset is a folder, or a table of texts (.csv or .tsv).",
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
    train = opened.splits.train
    return {
        "name": opened.name,
        "kind": train.kind,
        "n_classes": train.n_classes,
        "class_names": list(train.class_names),
        "splits": {split: _describe_part(part) for split, part in opened.splits.parts().items()},
        **(_of_images(train) if isinstance(train, Dataset) else {"text": describe_texts(opened.splits)}),
        "findings": [finding.to_dict() for finding in opened.findings],
        "fingerprint": opened.fingerprint,
    }


def _of_images(train: Dataset) -> dict[str, Any]:
    """What is told of images alone: their shape, and the figures of their channels."""
    C, H, W = train.shape
    figures = [mean_and_deviation(counts) for counts in histograms(train.images)]
    return {
        "shape": {"channels": C, "height": H, "width": W},
        "train_mean": [mean for mean, _ in figures],
        "train_deviation": [deviation for _, deviation in figures],
    }


def _describe_part(part: Examples) -> dict[str, Any]:
    """One part: how many examples it has, in all and of each class, in class order."""
    return {
        "n_images": len(part),
        "n_per_class": [int(n) for n in np.asarray(part.class_counts())],
        "source": part.source,
        "fingerprint": part.fingerprint,
    }
