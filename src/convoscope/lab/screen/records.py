"""What the screen is told, one frozen record each: the server publishes them, the page's types are made from them.

Shares are 0-1, times seconds. An image is named by a text: "test:45" (also "train:", "validation:"), the number of an
image in the run's own data, or "input:0f3a..." for one that a user has given. A step is the number of a checkpoint,
None for the run's final weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

State: TypeAlias = Literal["finished", "training", "paused", "stopped", "failed", "interrupted", "broken"]
InputKind: TypeAlias = Literal["images", "texts", "trees"]


@dataclass(frozen=True)
class Headline:
    """A run in a line. `error` says why a "broken" one cannot be read; `loss` is the newest step's."""

    name: str
    state: State
    model: str | None = None
    data: str | None = None
    step: int = 0
    n_steps: int | None = None
    loss: float | None = None
    validation_accuracy: float | None = None
    test_accuracy: float | None = None
    training_seconds: float | None = None
    started: str | None = None
    error: str = ""


@dataclass(frozen=True)
class Snapshot:
    """A checkpoint that is on the disk; `reason` as in the event "saved"."""

    step: int
    reason: str


@dataclass(frozen=True)
class ClassFigures:
    """How one class was told; None where there is nothing to divide by."""

    name: str
    n: int
    precision: float | None
    recall: float | None
    f1: float | None
    recall_95_low: float | None = None
    recall_95_high: float | None = None


@dataclass(frozen=True)
class Compared:
    """A simpler way on the same examples: "majority" names `class_name`, "knn" asks `k` of `n_references` images.

    `difference` is the network's accuracy less its own, with the 95 % interval of the paired bootstrap.
    """

    name: Literal["majority", "knn"]
    n: int
    accuracy: float
    network_accuracy: float
    difference: float
    difference_95_low: float
    difference_95_high: float
    class_name: str | None = None
    k: int | None = None
    n_references: int | None = None


@dataclass(frozen=True)
class Calibrated:
    """The temperature of a run's probabilities and the calibration error with it; `why` tells why none was found."""

    temperature: float
    split: str
    n: int
    why: str
    calibration_error: float | None


@dataclass(frozen=True)
class Judged:
    """The final figures, on one part; `confusion` has the truth in rows and the prediction in columns.

    What has a default is not there for runs of older versions.
    """

    split: str
    n: int
    accuracy: float
    accuracy_95_low: float
    accuracy_95_high: float
    majority_accuracy: float
    loss: float
    class_names: list[str]
    confusion: list[list[int]]
    per_class: list[ClassFigures]
    balanced_accuracy: float | None = None
    balanced_accuracy_95_low: float | None = None
    balanced_accuracy_95_high: float | None = None
    macro_f1: float | None = None
    macro_f1_95_low: float | None = None
    macro_f1_95_high: float | None = None
    top_5_accuracy: float | None = None
    calibration_error: float | None = None
    calibration: Calibrated | None = None
    compared: list[Compared] = field(default_factory=list)


@dataclass(frozen=True)
class RunDetail:
    """All that is known of a run without looking into its network.

    Attributes:
        headline: The run in a line.
        version: Changes when the run's folder is another run's than before; part of the addresses that are cached.
        class_names: The classes, in label order.
        kind: What its examples are.
        input_shape: [C, H, W] of every image; [most words] of a text; [levels, width] of the largest tree.
        n_words: Word numbers of the vocabulary, padding and unknown among them; None for images.
        counts: How many examples each part has: "train", "validation", "test".
        recipe: Every knob.
        provenance: Versions, machine, fingerprint, command, start.
        plan: How the arithmetic is laid out.
        snapshots: The checkpoints, in order of their steps.
        missing: Steps whose checkpoint was saved, was not thinned, and is gone.
        judged: The final figures, None before the end or without a part to judge on.
        n_parameters: Learned numbers, None before the run has started.
        has_weights: Whether the final weights are there.
        has_report: Whether the report is there.
    """

    headline: Headline
    version: str
    class_names: list[str]
    kind: InputKind
    input_shape: list[int]
    n_words: int | None
    counts: dict[str, int]
    recipe: dict[str, Any]
    provenance: dict[str, Any]
    plan: dict[str, Any]
    snapshots: list[Snapshot]
    missing: list[int]
    judged: Judged | None
    n_parameters: int | None
    has_weights: bool
    has_report: bool


@dataclass(frozen=True)
class AnswerCard:
    """What the final network said of one labelled image; classes by number."""

    image: str
    truth: int
    predicted: int
    probability: float
    loss: float


@dataclass(frozen=True)
class AnswerPage:
    """Some of the answers on a part, and how many there are that fit what was asked."""

    split: str
    total: int
    offset: int
    answers: list[AnswerCard]


@dataclass(frozen=True)
class KnobCard:
    """One knob of the recipe; `default` None means that it is decided later, as `help` says.

    `goes_with` names the knobs whose choice a model's own value of this one belongs to: where one of them is chosen
    otherwise than the model's way, `default` applies here instead. `kinds` are the data that it speaks to.
    """

    name: str
    help: str
    group: str
    kind: Literal["integer", "number", "switch", "choice", "text", "options"]
    unit: str
    low: float | None
    high: float | None
    open_high: bool
    choices: list[str]
    default: Any
    optional: bool
    cost: str
    source: str
    goes_with: list[str]
    kinds: list[InputKind]


@dataclass(frozen=True)
class OptionCard:
    """One option of an architecture; `choices` are the names that a "choice" can take."""

    name: str
    help: str
    kind: Literal["integer", "number", "switch", "choice", "text", "integers"]
    choices: list[str]
    default: Any


@dataclass(frozen=True)
class ModelCard:
    """One architecture.

    Attributes:
        name: In the registry.
        year: Of publication.
        summary: What it is.
        taught: What it taught the field.
        paper: The source.
        options: What can be chosen of it.
        recipe: The knobs that suit it, over the general defaults.
        takes: What it can learn from.
        native: (C, H, W) of the paper's images; [] where it reads texts alone.
        n_classes: How many the paper tells apart.
        n_parameters: Learned numbers at that size and with those classes.
    """

    name: str
    year: int
    summary: str
    taught: str
    paper: str
    options: list[OptionCard]
    recipe: dict[str, Any]
    takes: list[InputKind]
    native: list[int]
    n_classes: int
    n_parameters: int


@dataclass(frozen=True)
class DataCard:
    """A dataset known by name; `here` says whether it lies on this machine, `kind` what its examples are."""

    name: str
    summary: str
    here: bool
    kind: InputKind


@dataclass(frozen=True)
class Form:
    """All that can be chosen for a new run; `usual` is the model for each kind of data, where none is named."""

    knobs: list[KnobCard]
    models: list[ModelCard]
    datasets: list[DataCard]
    usual: dict[str, str]


@dataclass(frozen=True)
class Written:
    """A number's arithmetic as text or LaTeX."""

    text: str


@dataclass(frozen=True)
class GivenImage:
    """An image that a user gave, as it can be named from now on."""

    image: str


@dataclass(frozen=True)
class TextWord:
    """A word of a text as the network knows it: its number, and its index in the input node without the batch axis."""

    word: str
    number: int
    known: bool
    at: list[int]


@dataclass(frozen=True)
class TextCard:
    """A text of the run's data or one that was given; `n_cut` words beyond those that are kept are not read."""

    image: str
    label: int | None
    text: str
    words: list[TextWord]
    n_cut: int


@dataclass(frozen=True)
class TextPage:
    """Texts in the order asked."""

    texts: list[TextCard]


@dataclass(frozen=True)
class PixelsHead:
    """The head of a pack of images, the tensor "images", uint8 (n, C, H, W): their names, and their labels or None."""

    images: list[str]
    labels: list[int | None]


@dataclass(frozen=True)
class FiltersHead:
    """The head of the first layer's weights at a step, the tensor "filters", float32 (D, C, kh, kw).

    A network whose first layer has none to show has no tensor, and its `parameter` is "".
    """

    step: int | None
    parameter: str


@dataclass(frozen=True)
class Glance:
    """What kind data are of, and what suits them where neither model nor knob is given: no file of them is decoded.

    Attributes:
        name: The data as they were asked for.
        kind: What one example is.
        knobs: What stands in for the general defaults and the model's own, `model` and `model_options` among them;
            empty for data that have a usual model alone.
    """

    name: str
    kind: InputKind
    knobs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataReport:
    """What a dataset or folder holds, before training on it."""

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
