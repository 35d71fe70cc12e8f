"""From a name or a path to data that can be trained on: found, read, split, checked and described."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from convoscope.data.bundled import mnist
from convoscope.data.cache import locate
from convoscope.data.checks import DataFinding, check
from convoscope.data.cifar import find_cifar, read_cifar
from convoscope.data.corpus import Corpus, TextKnobs, holds_texts, peek, read_texts, with_vocabulary
from convoscope.data.dataset import Dataset, Examples, Splits
from convoscope.data.division import VALIDATION, Division, divide, groups_of
from convoscope.data.folder import FolderData, check_choices, crossing, read_listing
from convoscope.data.idx import find_idx, read_idx_folder
from convoscope.data.image import ImagePolicy
from convoscope.data.listing import is_listed, is_there, list_images
from convoscope.data.manifest import SUFFIXES as TABLES
from convoscope.data.manifest import is_manifest
from convoscope.data.normalise import histograms, mean_and_deviation
from convoscope.data.pixels import Progress
from convoscope.data.remote import REMOTES
from convoscope.data.shards import is_address, shards_in
from convoscope.data.text import TextPolicy, Texts, describe_texts
from convoscope.errors import ConvoscopeError, DataError, RecipeError
from convoscope.registry import Registry

Pair = tuple[Dataset, Dataset | None]
Data = TypeVar("Data", FolderData, Corpus)
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
        layout: How images in files were laid out ("folder", "splits", "manifest", "shards"); "" for all other data.
        groups: What each example of a part belongs to, by part; empty where nothing is grouped.
        left_out: (path or name, reason in a clause) of what cannot be read and was left out.
    """

    name: str
    splits: Splits
    policy: Policy
    findings: tuple[DataFinding, ...]
    layout: str = ""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: tuple[tuple[Path | str, str], ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) over the fingerprints of the parts: equal data cut equally, equal fingerprint."""
        parts = (self.splits.train, self.splits.validation, self.splits.test)
        return hashlib.sha256("\n".join(part.fingerprint if part else "" for part in parts).encode()).hexdigest()


def open_data(
    name_or_path: str | Path,
    *,
    validation: float = VALIDATION,
    test: float = 0.0,
    folds: int = 0,
    fold: int = 1,
    group: str | None = None,
    seed: int = 0,
    image_size: int | None = None,
    broken: str = "stop",
    memory: str = "auto",
    texts: TextKnobs = TextKnobs(),  # noqa: B008 - it is frozen
    policy: Policy | None = None,
    strict: bool = True,
    judged: bool = False,
    progress: Progress | None = None,
) -> Opened:
    """Finds, reads, splits and checks a dataset.

    A name in `DATASETS` goes before a folder of that name in the working directory (`./mnist` is the folder).

    Args:
        name_or_path: A name in `DATASETS`; a folder: IDX files, CIFAR-10 batches, images or texts in class folders,
            tables of texts; a table of texts; a manifest of images; or tar shards.
        validation: Part of each class's training examples that is held out for choosing knobs, 0 (none) to below 1;
            left at its default, a source's own validation part is used where there is one.
        test: Part of each class that is held out for the final judgement, for a source without a test part.
        folds: In how many parts the training examples are cut, of which `fold` (from 1) is the validation part; 0: off.
        fold: Which of the folds.
        group: What belongs together and is never cut from; see `list_images`.
        seed: Decides which examples are held out.
        image_size: Pixels a side, for image files; see `read_listing`.
        broken: What to do with images and texts that cannot be read: "stop", "quarantine" or "ignore".
        memory: Where the pixels of image files lie: "memory", "mapped" or "auto".
        texts: How texts are read; their vocabulary is made of the training part that is left. Its column of labels is a
            manifest's too.
        policy: What every image or text must become, for judging a run on others: image files are read so, data of
            a fixed size must have that size, and texts are read with that vocabulary.
        strict: Whether it is an error to ask for a part that the source has itself; else the source's own is used, as
            in runs that were begun when nobody refused.
        judged: Whether the data are to be judged, not learnt from: they stay in the parts they have, one class is
            enough, and nothing is checked.
        progress: Called with (images done, images in all) while files are decoded.

    Raises:
        UnknownName: It is neither a name nor looks like a path.
        RecipeError: a knob of the division is out of bounds, or asks for a part that the source has itself.
        DataError: There is no such folder, nothing in it can be read as data, or the data cannot be trained on.
        BrokenImage: Image files cannot be decoded and `broken` is "stop".
        MissingPackage: They are in a form that needs a package which is not installed.
    """
    division = None if judged else Division(validation, test, folds, fold, seed)
    reading = _Reading(str(name_or_path), division, group, image_size, broken, memory, texts, policy, strict, progress)
    found = reading.read()
    empty = found.train.take(np.empty(0, np.int64))
    splits = Splits(found.train, empty if found.validation is None else found.validation, found.test)
    if isinstance(found, Corpus):
        splits = with_vocabulary(splits, texts.vocabulary) if policy is None else splits
        assert isinstance(splits.train, Texts)
        used: Policy = splits.train.policy
    else:
        used = found.policy
    findings = (*found.findings, *(() if judged else check(splits)))
    return Opened(reading.name, splits, used, findings, reading.layout, found.groups, found.left_out)


def kind_of_data(name_or_path: str, texts: TextKnobs = TextKnobs()) -> str:  # noqa: B008 - it is frozen
    """What data hold, by a glance at them: "images", "texts" or "trees"; "images" too where there is nothing."""
    leads = _leads_to_texts(name_or_path, texts)
    return peek(Path(name_or_path).expanduser(), texts) if leads else "images"


def is_table(name_or_path: str | Path) -> bool:
    """Whether data are called as tables are: their columns can be asked for."""
    return str(name_or_path) not in DATASETS and Path(name_or_path).suffix.casefold() in TABLES


def _leads_to_texts(name: str, texts: TextKnobs) -> bool:
    if name in DATASETS or is_listed(name):
        return False
    folder = Path(name).expanduser()
    if not is_there(folder) or is_manifest(folder, texts.text_column):
        return False
    if folder.is_dir() and (find_idx(folder, "train", "images") or find_cifar(folder) or shards_in(folder)):
        return False
    return holds_texts(folder)


@dataclass
class _Reading:
    """One source being read; the attributes are the arguments of `open_data`.

    `layout` is that of image files, once they are read.
    """

    name: str
    division: Division | None
    group: str | None
    image_size: int | None
    broken: str
    memory: str
    texts: TextKnobs
    policy: Policy | None
    strict: bool
    progress: Progress | None
    layout: str = ""

    def read(self) -> FolderData | Corpus:
        """The parts that the name or path stands for."""
        place = Path(self.name).expanduser()
        if _leads_to_texts(self.name, self.texts):
            if self.image_size is not None:
                raise DataError(
                    f"An image size of {self.image_size} was asked, and {place} holds texts.", hint="Leave it out."
                )
            if isinstance(self.policy, ImagePolicy):
                raise DataError(f"{place} holds texts, and this network takes images.")
            found = read_texts(place, self.texts, broken=self.broken, policy=self.policy)
            return _cut(found, self.name, self.division, self.group, strict=self.strict)
        if isinstance(self.policy, TextPolicy):
            if self.name not in DATASETS and not is_there(place):
                raise _nowhere(self.name, place)
            raise DataError(
                f"{self.name} holds no texts, and this network takes texts.", hint="Give a table or .txt files."
            )
        return self._images(place, self.policy)

    def _images(self, place: Path, policy: ImagePolicy | None) -> FolderData:
        pair = self._pair(place)
        if pair is not None:
            whole = _whole(pair, self.image_size, policy)
            return _cut(whole, self.name, self.division, self.group, strict=self.strict)
        if is_address(self.name):
            return self._stream(policy)
        listing = list_images(
            self.name, label_column=self.texts.label_column, group=self.group, judged=self.division is None
        )
        self.layout = listing.layout
        return read_listing(
            listing, division=self.division, image_size=self.image_size, broken=self.broken, policy=policy,
            memory=self.memory, strict=self.strict, progress=self.progress,
        )  # fmt: skip

    def _stream(self, policy: ImagePolicy | None) -> FolderData:
        """Shards behind an address."""
        from convoscope.data.streams import open_stream

        check_choices(self.image_size, self.broken)
        found = open_stream(
            self.name, policy=policy, image_size=self.image_size, group=self.group, judged=self.division is None,
            progress=self.progress,
        )  # fmt: skip
        self.layout = found.listing.layout
        return read_listing(
            found.listing, division=self.division, broken=self.broken, policy=found.policy, memory=self.memory,
            strict=self.strict, decode=found.decode,
        )  # fmt: skip

    def _pair(self, place: Path) -> Pair | None:
        """Training and test set of data of a fixed size; None where images lie in files."""
        if self.name in DATASETS:
            return DATASETS[self.name].read()
        if is_listed(self.name):
            return None
        if not is_there(place):
            raise _nowhere(self.name, place)
        if place.suffix.casefold() in TABLES and not place.is_dir():
            return None
        if not place.is_dir():
            raise DataError(
                f"{place} is a file; a dataset is a folder, a table (.csv, .tsv, .parquet), or shards (.tar).",
                hint="Unpack it if it is an archive, and point at the folder.",
            )
        if find_idx(place, "train", "images") or find_idx(place, "train", "labels"):
            return read_idx_folder(place)
        return read_cifar(place) if find_cifar(place) else None


def _cut(found: Data, name: str, division: Division | None, group: str | None, *, strict: bool) -> Data:
    """Data that were read whole, divided as asked by their labels and the groups in their names.

    Raises:
        RecipeError: a part was asked that the source has itself, or groups of examples that have no names.
        DataError: there are too few examples or groups for it.
    """
    if division is None:
        return found
    train = found.train
    whole = {"train": train, "validation": found.validation, "test": found.test}
    own = [part for part, examples in whole.items() if part != "train" and examples is not None]
    if strict:
        division.refuse(own, name)
    if group and not train.names:
        raise RecipeError(
            f"group was asked as {group!r}, and the {train.noun}s of {name} are numbered, not named.",
            hint="Leave it out, or give image files or a manifest.",
        )
    groups: dict[str, tuple[str, ...]] = {
        part: tuple(groups_of(examples.names, group)) for part, examples in whole.items() if group and examples
    }
    index = divide(train.labels, division, own=own, groups=groups.get("train"))
    findings = (*found.findings, *crossing(groups))
    if groups:
        of = groups["train"]
        groups |= {part: tuple(of[i] for i in at) for part, at in index.items()}
    return replace(
        found,
        train=train.take(index["train"]),
        validation=train.take(index["validation"]) if "validation" in index else found.validation,
        test=train.take(index["test"]) if "test" in index else found.test,
        groups=groups,
        findings=findings,
    )


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
