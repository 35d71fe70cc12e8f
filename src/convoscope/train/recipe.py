"""The recipe: every knob of a run in one frozen record, each with its meaning, unit, bounds and source.

The command line's help, the web form and the docs are made from this record; nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from convoscope.errors import RecipeError
from convoscope.train.examples import ExampleKnobs
from convoscope.train.knob import Knob, knob

USUAL_LR = {"sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "adam": 0.003, "adamw": 0.003, "muon": 0.02}
USUAL_MOMENTUM = {"muon": 0.95}  # 0.9 elsewhere
OF_MUON = ("hold", "rest", "rest_lr", "head_lr")  # knobs that speak of what muon moves and leaves
_MOST_EPOCHS = 60  # for a dataset so small that the usual number of images would take more


@dataclass(frozen=True)
class Recipe(ExampleKnobs):
    """All that decides what a run becomes: the same recipe on the same machine gives the same weights, bit for bit."""

    # model
    model: str = knob(
        "lenet5", "The architecture (see: convoscope models); where none is named, textcnn for texts, tree for trees.",
        "model",
    )  # fmt: skip
    model_options: Mapping[str, Any] = field(
        default_factory=dict,
        metadata={"knob": Knob("Options of the architecture (see: convoscope models NAME).", "model")},
    )
    initialisation: str = knob(
        "default", "How weights are drawn at first: each layer's own way, normal with deviation 0.01, or as named.",
        "model", choices=("default", "normal", "xavier", "kaiming", "orthogonal"),
        source="Glorot and Bengio 2010; He et al. 2015; Saxe et al. 2014",
    )  # fmt: skip
    init: str | None = knob(
        None, "Weights to begin with: a file (ours, torchvision's or timm's; safetensors or .pt), or a run, whose "
        "final ones are taken.", "model",
    )  # fmt: skip
    head: str = knob(
        "auto", "The last layer, where training begins with weights: auto draws it anew where they tell another number "
        "of classes apart, keep takes it over, new draws it anew.", "model", choices=("auto", "keep", "new"),
    )  # fmt: skip
    freeze: str = knob(
        "", "Modules that stay as they are, with commas between (features,classifier.1); backbone is all but the last "
        "layer. They take no gradient, and work as when judged.", "model",
    )  # fmt: skip
    thaw: float = knob(
        0.0, "After this many epochs (2.5 is in the middle of the third) what is frozen begins to learn too, and its "
        "batch norms work as in training; 0 is never.", "model", unit="epochs", low=0, high=100_000,
        source="Howard and Ruder 2018 (gradual unfreezing)",
        cost="From then on a step takes as much time as if nothing had been frozen.",
    )  # fmt: skip
    thaw_lr: float = knob(
        0.1, "What the learning rate of the thawed part is multiplied by.", "model", low=0, high=1,
        source="Howard and Ruder 2018 (discriminative fine-tuning)",
    )  # fmt: skip
    # training
    epochs: int | None = knob(
        None, "How many times every training image is seen; without it as many as the model's usual number of images "
        "takes.", "training", unit="epochs", low=0, high=100_000,
        cost="Time grows in proportion, and disk by a snapshot an epoch where all are kept.",
    )  # fmt: skip
    batch_size: int | None = knob(
        None, "Images per step, over all processes together; without it the model's usual, less for a small dataset.",
        "training", unit="images", low=1, high=1_000_000,
        cost="Memory grows in proportion; small batches take more steps an epoch, each less efficient.",
    )  # fmt: skip
    seed: int = knob(
        0, "Decides the first weights, the held-out part, the order of images, augmentation and dropout.",
        "training", low=0, high=2**31 - 1,
    )  # fmt: skip
    loss: str = knob(
        "cross-entropy", "What is made small: cross-entropy, the multi-class hinge with margin 1, or the squared error "
        "against one-hot labels.", "training", choices=("cross-entropy", "hinge", "squared-error"),
        source="Weston and Watkins 1999 (hinge)",
    )  # fmt: skip
    balance: str = knob(
        "none", "What is done about classes of unequal size: nothing; weights: each image counts in the training loss "
        "by one over its class's size, 1 in the mean; sampling: images are drawn so that classes are seen equally "
        "often, as many an epoch as before. Validation and test are judged as they are.", "training",
        choices=("none", "weights", "sampling"), source="He and Garcia 2009",
    )  # fmt: skip
    label_smoothing: float = knob(
        0.0, "Share of the target spread evenly over all classes (cross-entropy only).", "training",
        low=0, high=1, open_high=True, source="Szegedy et al. 2016",
    )  # fmt: skip
    l1: float = knob(
        0.0, "Adds l1 x the sum of |w| over all weights (not biases) to the loss.", "training", low=0,
        cost="One pass over all weights in each step.",
    )  # fmt: skip
    l2: float = knob(
        0.0, "Adds l2/2 x the sum of w squared over all weights (not biases) to the loss.", "training", low=0,
        cost="One pass over all weights in each step.",
    )  # fmt: skip
    clip: float = knob(
        0.0, "Greatest length of the whole gradient; a longer one is scaled down to it; 0 is off.", "training",
        low=0, source="Pascanu, Mikolov, Bengio 2013",
        cost="One pass over all gradients in each step.",
    )  # fmt: skip
    ema: float = knob(
        0.0, "Keep in each step of a running average of the weights, which is then judged and saved; 0 is off.",
        "training", low=0, high=1, open_high=True, source="Polyak and Juditsky 1992",
        cost="A second copy of the weights in memory and in each snapshot, and one pass over them in each step.",
    )  # fmt: skip
    patience: int = knob(
        0, "Stop after this many epochs without a better validation loss and keep the best weights; 0 is off.",
        "training", unit="epochs", low=0,
        cost="A second copy of the weights in memory and in each snapshot; it may save many epochs.",
    )  # fmt: skip
    flat_epochs: int = knob(
        2, "Stop after this many epochs at chance accuracy, since nothing is being learnt; 0 never stops.",
        "training", unit="epochs", low=0,
    )  # fmt: skip
    # optimiser
    optimiser: str = knob(
        "adamw", "The rule that turns gradients into steps; muon moves matrices and kernels, AdamW the rest.",
        "optimiser", choices=("sgd", "momentum", "nesterov", "adam", "adamw", "muon"),
        source="Kingma and Ba 2015; Loshchilov and Hutter 2019; Jordan et al. 2024",
        cost="Its state, in memory and in each snapshot, is as large as the weights with momentum and nesterov, a "
        "little larger with muon, twice as large with adam and adamw; muon multiplies matrices in each step.",
    )  # fmt: skip
    lr: float | None = knob(
        None, "Learning rate at the schedule's peak; without it the model's usual, or the optimiser's.", "optimiser",
        low=0, high=1000,
    )  # fmt: skip
    momentum: float | None = knob(
        None, "Share of the last step kept (momentum, nesterov, muon); without it 0.9, and 0.95 for muon.", "optimiser",
        low=0, high=1, open_high=True, source="Polyak 1964; Nesterov 1983",
    )  # fmt: skip
    hold: bool = knob(
        False, "With muon: matrices keep their length, the root of their number of rows: each is brought to it before "
        "a step, which turns it by lr whatever its shape; weight decay has no say in it, and three Newton-Schulz steps "
        "make the step orthogonal enough, not five.", "optimiser",
        source="Jordan 2024 (airbench94_muon)",
    )  # fmt: skip
    rest: str = knob(
        "adamw", "With muon: the rule that moves what muon leaves: the last layer, biases and norms.", "optimiser",
        choices=("adamw", "nesterov"), source="Jordan 2024 (airbench94_muon)",
    )  # fmt: skip
    rest_lr: float = knob(
        1.0, "With muon: what the learning rate is multiplied by for what muon leaves.", "optimiser", low=0,
        high=10_000,
    )  # fmt: skip
    head_lr: float | None = knob(
        None, "With muon: what the learning rate is multiplied by for the last layer; without it as for the rest.",
        "optimiser", low=0, high=10_000,
    )  # fmt: skip
    weight_decay: float = knob(
        0.0, "Shrinks weights by lr x this in each step; for sgd, momentum, nesterov and adam it is added to the "
        "gradient instead.", "optimiser", low=0, high=10, source="Loshchilov and Hutter 2019",
    )  # fmt: skip
    schedule: str = knob(
        "cosine", "How the learning rate goes after the warm-up: it stays, falls in steps, along a cosine, or straight "
        "to 0.", "optimiser", choices=("constant", "step", "cosine", "triangular"),
        source="Smith 2017; Loshchilov and Hutter 2017",
    )  # fmt: skip
    warmup: float = knob(
        0.05, "Share of all steps in which the learning rate rises evenly from 0 to its peak.", "optimiser",
        low=0, high=1, open_high=True, source="Goyal et al. 2017",
    )  # fmt: skip
    decay: float = knob(0.1, "What the step schedule multiplies the learning rate by.", "optimiser", low=0, high=1)
    decay_every: float = knob(
        1 / 3, "After which share of the steps, again and again, the step schedule does so.", "optimiser",
        low=0.001, high=1,
    )  # fmt: skip
    # machine
    device: str = knob("auto", "Where to compute: a GPU where there is one, else the CPU.", "machine",
                        choices=("auto", "cpu", "cuda", "mps"))  # fmt: skip
    precision: str = knob(
        "auto", "Number format of forward and backward; auto takes bfloat16 only where it is measured to be faster.",
        "machine", choices=("auto", "float32", "bfloat16"),
        cost="auto measures for some seconds, once for a network and machine; bfloat16 halves the memory of values "
        "and is slow where the processor lacks it.",
    )  # fmt: skip
    memory_format: str = knob(
        "auto", "Order of image axes in memory; auto takes the faster as measured.", "machine",
        choices=("auto", "contiguous", "channels-last"),
        cost="auto measures for some seconds, once for a network and machine.",
    )  # fmt: skip
    shards: int = knob(
        0, "Equal parts each batch is cut into, computed side by side and summed; part of the arithmetic, so the same "
        "number gives the same bits on any number of free cores; 0 is measured.", "machine", low=0, high=1024,
        cost="Each holds a gradient of its own in memory; more of them than cores is slower.",
    )  # fmt: skip
    threads: int = knob(
        0, "Threads inside one operation; 0 is measured (1 wherever the batch is cut into shards).", "machine",
        low=0, high=1024, cost="More of them than free cores is much slower.",
    )  # fmt: skip
    # keeping
    snapshots: int = knob(
        12, "Snapshots of the weights in the first epoch, spaced so that each is a like multiple later; then one an "
        "epoch.", "keeping", low=0, high=1000,
        cost="Each takes as much disk as the weights and the optimiser's state, and the time to write it.",
    )  # fmt: skip
    keep: str = knob(
        "all", "Which snapshots stay when newer ones are saved: all, those at the end of epochs, or the last alone.",
        "keeping", choices=("all", "epochs", "last"),
        cost="all takes the disk of every snapshot; last leaves nothing to look back at.",
    )  # fmt: skip
    save_seconds: float = knob(
        30.0, "Training time that a crash may cost at most: a checkpoint is saved whenever this has passed since the "
        "last.", "keeping", unit="seconds", low=0.01,
        cost="The less, the more often the whole state is written to the disk; only the newest such file stays.",
    )  # fmt: skip
    statistics_every: int = knob(
        50, "Every so many steps the size of each parameter, its gradient and its update are recorded; 0 never.",
        "keeping", unit="steps", low=0,
        cost="A recorded step copies the weights and passes over them five times, and the log grows by a line.",
    )  # fmt: skip
    suspects: bool = knob(
        True, "Look for labels to look at again when the training has ended; without it `convoscope suspects` does "
        "when it is asked.", "keeping", cost="About a twelfth of the training's time.",
    )  # fmt: skip

    def __post_init__(self) -> None:
        for name, meaning in knobs().items():
            _check(name, getattr(self, name), meaning)
        if self.label_smoothing and self.loss != "cross-entropy":
            raise RecipeError(
                f"label_smoothing {self.label_smoothing} was asked with the {self.loss} loss; it spreads the target of "
                "cross-entropy only.",
                hint="Use --loss cross-entropy or --label-smoothing 0.",
            )
        turned = [name for name in OF_MUON if getattr(self, name) != getattr(Recipe, name)]
        if turned and self.optimiser != "muon":
            raise RecipeError(
                f"{turned[0]} {getattr(self, turned[0])} was asked with the optimiser {self.optimiser}; it speaks of "
                "what muon moves and leaves.",
                hint="Use --optimiser muon, or leave it out.",
            )
        if self.head != "auto" and self.init is None:
            raise RecipeError(
                f"head {self.head} was asked with no weights to begin with.", hint="Give them with --init, or leave it."
            )
        self._check_thaw()
        if self.patience and self.validation == 0:
            raise RecipeError(
                f"patience {self.patience} was asked with no validation part; early stopping watches the validation "
                "loss.",
                hint="Use --validation 0.1 or --patience 0.",
            )

    def _check_thaw(self) -> None:
        if self.thaw and not self.freeze.strip():
            raise RecipeError(
                f"thaw {self.thaw:g} was asked, and nothing is frozen that could thaw.",
                hint="Say what is frozen until then, for example --freeze backbone.",
            )
        if self.thaw and self.epochs is not None and self.thaw >= self.epochs:
            raise RecipeError(
                f"thaw was given {self.thaw:g} epochs, and the run has {self.epochs}: nothing would ever thaw.",
                hint="Give fewer epochs to --thaw, or more to --epochs.",
            )

    def settled(self, n_train: int, *, n_seen: int, batch_size: int) -> Recipe:
        """The recipe with `epochs`, `batch_size` and `lr` decided where they were left open.

        Args:
            n_train: Training images.
            n_seen: Images, repeats counted, that the model usually sees.
            batch_size: The model's usual batch size. A small dataset gets a smaller power of two, so that an epoch has
                twenty steps, but not under 16.
        """
        fitting = 2 ** max(4, math.floor(math.log2(max(1, n_train / 20))))
        return dataclasses.replace(
            self,
            epochs=min(_MOST_EPOCHS, max(1, round(n_seen / n_train))) if self.epochs is None else self.epochs,
            batch_size=min(batch_size, fitting) if self.batch_size is None else self.batch_size,
            lr=self.peak_lr,
        )

    def counts(self) -> tuple[int, int]:
        """(epochs, batch size); raises RecipeError where they have been left open (see `settled`)."""
        if self.epochs is None or self.batch_size is None:
            raise RecipeError(
                "The loop needs the number of epochs and the batch size, and the recipe leaves them open.",
                hint="Give both, or use recipe.settled(n_train, n_seen=..., batch_size=...).",
            )
        return self.epochs, self.batch_size

    @property
    def peak_lr(self) -> float:
        """The learning rate at the schedule's peak: the one given, else the optimiser's usual."""
        return USUAL_LR[self.optimiser] if self.lr is None else self.lr

    @property
    def kept_momentum(self) -> float:
        """The share of the last step kept: the one given, else the optimiser's usual."""
        return USUAL_MOMENTUM.get(self.optimiser, 0.9) if self.momentum is None else self.momentum

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {**dataclasses.asdict(self), "model_options": dict(self.model_options)}


def knobs() -> dict[str, Knob]:
    """The knob of every field, in the order of the record."""
    return {item.name: item.metadata["knob"] for item in dataclasses.fields(Recipe)}


def from_dict(values: Mapping[str, Any]) -> Recipe:
    """The recipe with these fields; raises RecipeError for a name the recipe does not have."""
    for name in values:
        if name not in knobs():
            raise RecipeError(
                f"The recipe has no knob {name!r}.",
                hint="It may come from a newer version; see: convoscope train --help.",
            )
    # Before there was a quarantine, its policy was called "skip".
    return Recipe(**{**values, "broken": "quarantine"} if values.get("broken") == "skip" else values)


@functools.cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Recipe)


_KINDS: dict[str, tuple[type, str]] = {
    "flip": (bool, "on or off"),
    "alternate": (bool, "on or off"),
    "hold": (bool, "on or off"),
    "suspects": (bool, "on or off"),
    "model_options": (Mapping, "names with values"),
}


def _check(name: str, value: Any, meaning: Knob) -> None:  # noqa: ANN401 - a field of any type
    kinds = getattr(_hints()[name], "__args__", (_hints()[name],))
    if value is None and type(None) in kinds:
        return
    whole = int in kinds
    shown = name.replace("_", "-")
    if meaning.choices and value not in meaning.choices:
        raise RecipeError(f"{shown} was given {value!r}; it is {meaning.bounds}.")
    if meaning.low is None:
        kind, called = _KINDS.get(name, (str, "text"))
        if not isinstance(value, kind):
            raise RecipeError(f"{shown} was given {value!r}; it is {called}.")
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or (whole and not isinstance(value, int)):
        raise RecipeError(f"{shown} was given {value!r}; it is a {'whole ' if whole else ''}number.")
    above = meaning.high is not None and (value >= meaning.high if meaning.open_high else value > meaning.high)
    if not math.isfinite(value) or value < meaning.low or above:
        unit = f" {meaning.unit}" if meaning.unit else ""
        raise RecipeError(f"{shown} was given {value}; it must be {meaning.bounds}{unit}.")
