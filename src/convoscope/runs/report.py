"""The report of a run: PNG figures and one self-contained page, in English and Simplified Chinese.

The page holds its images, its style and its few lines of script; it asks no network for anything. Curves come in a
light and a dark drawing without words, so that the page's own words can change their language.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convoscope.runs import curves, figures, sections, verdict
from convoscope.runs.baseline import Baseline
from convoscope.runs.disk import storing, write_whole
from convoscope.runs.drawing import LIGHT
from convoscope.runs.markup import say
from convoscope.runs.phrases import PHRASES
from convoscope.runs.voters import Voted
from convoscope.train.metrics import Reliability
from convoscope.train.temperature import Calibration

_UNCALIBRATED = Calibration(why="not-kept")


@dataclass(frozen=True, eq=False)
class HardImage:
    """One image or text the network found hard."""

    image: NDArray[np.uint8]  # (C, H, W); of a text nothing: (0, 0, 0)
    name: str  # such as "test 45" or a file path
    truth: int
    predicted: int
    probability: float  # of the predicted class, 0-1
    truth_probability: float  # of the true class, 0-1
    loss: float
    text: str = ""  # its beginning


@dataclass(frozen=True, eq=False)
class Suspect:
    """One image or text whose label should be looked at again; nothing has been changed."""

    image: NDArray[np.uint8]  # (C, H, W); of a text nothing: (0, 0, 0)
    name: str  # such as "train 45" or a file path
    split: str  # "train", "validation" or "test"
    label: int  # the class it is given as
    suggested: int  # the class that the network takes it for
    score: float  # -1 to 1: the label's margin over the best other class; the lower, the more it speaks against it
    text: str = ""  # its beginning


@dataclass(frozen=True)
class Named:
    """A figure (0-1) by the key of its name among the phrases, with its 95 % interval where it has one."""

    key: str
    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class PartFacts:
    """One part of the data: its name, how many examples it has, of how many classes, and how it came to be.

    `how` is the key of a phrase, `values` what is filled in.
    """

    name: str
    n: int
    n_classes: int
    how: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Limit:
    """One thing that the figures do not say: the key of its phrase, and what is filled in."""

    key: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ReportFacts:
    """All that a report shows; accuracies are 0-1, and a value that is not finite is shown as a dash."""

    title: str
    summary: dict[str, str]  # a few headline facts, already formatted
    recipe: dict[str, object]
    provenance: dict[str, object]
    class_names: tuple[str, ...]  # K of them
    steps: dict[str, list[float]]  # step, loss, accuracy, lr of every training step; may be empty
    epochs: dict[str, list[float]]  # step, epoch, {train,validation}_{loss,accuracy}; may hold nan
    evaluated_on: str  # "test" or "validation": the images of every figure below
    accuracy: float
    loss: float
    n_images: int
    majority_accuracy: float  # of always naming the most frequent class
    accuracy_interval: tuple[float, float]  # 95 % Wilson
    confusion: NDArray[np.int64]  # (K, K), rows truth, columns predicted
    per_class: list[dict[str, Any]]  # name, n, precision, recall, f1, in class order
    hardest: list[HardImage]  # worst first
    filters: NDArray[np.float32] | None  # (D, C, kh, kw), where the first layer is a convolution
    filters_name: str
    findings: list[dict[str, Any]]  # name, message, hint
    of_texts: bool = False  # whether it learnt from texts
    voters: tuple[Voted, ...] = ()  # who voted on the hardest images, where the network is its training images
    suspects: tuple[Suspect, ...] = ()  # labels to look at again, most suspicious first; the first 40 are shown
    more_figures: tuple[Named, ...] = ()  # balanced accuracy and the like, beside the accuracy
    baselines: tuple[Baseline, ...] = ()  # simpler ways, on the same images
    pairs: tuple[dict[str, Any], ...] = ()  # see Evaluation.pairs
    reliability: Reliability | None = None  # of the network's own probabilities
    calibrated: Reliability | None = None  # of those at the temperature
    calibration: Calibration = _UNCALIBRATED
    parts: tuple[PartFacts, ...] = ()  # what the data were cut into
    n_trained: tuple[int, ...] = ()  # training examples of each class, in class order
    left_out: tuple[tuple[str, str], ...] = ()  # files that could not be read, each with the reason
    limits: tuple[Limit, ...] = ()  # what the figures do not say


def write(folder: Path, facts: ReportFacts) -> Path:
    """Draws and writes the whole report and returns the page's path; all is drawn before the first byte is written.

    Raises:
        StorageError: The folder cannot be written.
    """
    files = {
        "curves.png": curves.curves(facts),
        "confusion.png": figures.confusion(facts.confusion, facts.class_names, LIGHT, words=True),
    }
    if facts.reliability is not None:
        files["reliability.png"] = figures.reliability(facts.reliability, facts.calibrated, LIGHT, words=True)
    if not facts.of_texts:
        files["hardest.png"] = figures.hardest(facts.hardest, facts.class_names)
    if facts.filters is not None:
        files["filters.png"] = figures.filters(facts.filters, facts.filters_name)
    files["index.html"] = page(facts).encode("utf-8", "replace")  # a file name may hold bytes that are no text
    with storing("The report", folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content, "The report")
    return folder / "index.html"


def page(facts: ReportFacts) -> str:
    """Returns the page as one HTML document."""
    texts = facts.of_texts
    plain = {f"say_{key}": say(key, texts=texts) for key, (english, _) in PHRASES.items() if "{" not in english}
    drawers = (
        verdict.headline, verdict.limits, verdict.parts, verdict.compared, verdict.confusion, verdict.reliability,
        verdict.classes, verdict.suspects, sections.findings, sections.curves, sections.hardest, sections.filters,
        sections.voters, sections.documents,
    )  # fmt: skip
    parts = {name: content for draw in drawers for name, content in draw(facts).items()}
    template = resources.files("convoscope.runs").joinpath("report.html").read_text(encoding="utf-8")
    return Template(template).substitute(plain, **parts)
