"""Which labels a run's network speaks against: it is asked through its checkpoints, and so are neighbours."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from convoscope.data import Examples, Splits
from convoscope.errors import RunError
from convoscope.lab.trainee import Trainee
from convoscope.models.knn import neighbours_of
from convoscope.models.neighbours import Search
from convoscope.runs.store import Run
from convoscope.runs.suspects import Doubt, Doubts, gravest, margins, pooled
from convoscope.train.checkpoint import AVERAGE, MODEL
from convoscope.train.gradient import Workers, workers

IN_DOUBT = 0.25  # a label with a margin below this is held in doubt
_EARLIEST, _LATEST = 0.1, 0.5  # shares of the steps between which the network has learnt much, and little by heart
_N_NEIGHBOURS = 10
_MOST_VOTES = 4  # checkpoints in whose sight neighbours are looked for
_MOST_REFERENCES = 10_000
_MOST_ASKED = 2_000  # those with the least margins, whose neighbours are asked
_MOST_BELIEFS = 40_000_000  # numbers: 160 MB; of larger data some examples are judged
_MOST_FEATURES = 1024  # numbers of one example; longer rows are projected to half as many
_BATCH = 100  # small: what a batch leaves behind in the memory of each thread stays with the process

Beliefs = NDArray[np.float32]
Index = NDArray[np.int64]
Weights = Mapping[str, Tensor]


def find_doubts(trainee: Trainee, splits: Splits, n_passes: int) -> Doubts:
    """Which labels the network and the neighbours of their examples speak against.

    Args:
        trainee: The run, with its final weights.
        splits: Its data.
        n_passes: Through how many checkpoints at most the training examples are judged; with 0 they are not judged.
    """
    notes: list[str] = []
    parts = {split: _bounded(split, part, notes) for split, part in splits.parts().items() if len(part)}
    train = parts["train"]
    others = {split: part for split, part in parts.items() if split != "train"}
    judged, found, steps = others, list[Doubt](), list[int]()
    with workers(trainee.plan) as crew:
        asking = _Asking(trainee, crew)
        if neighbours_of(trainee.model) is not None:
            notes.append(
                f"Training labels are not judged: {trainee.recipe.model} holds its training images themselves."
            )
        elif not n_passes:
            notes.append("Training labels were not judged: the training was too short beside the time this takes.")
        else:
            judged, passes = parts, _passes(trainee, n_passes, notes)
            steps = list(passes)
            found += _learnt(asking, train, list(passes.values()) or [None])
        if others:
            found += _not_learnt(asking, train, others)
    n_judged = {split: len(part) for split, part in judged.items()}
    return Doubts(gravest(found), len(found), n_judged, (*steps, *_last_step(trainee.run)), n_passes > 0, tuple(notes))


def _bounded(split: str, part: Examples, notes: list[str]) -> Examples:
    """A part, or as much of a very large one as is judged; what is left out is noted."""
    n_most = max(1, _MOST_BELIEFS // part.n_classes)
    if len(part) <= n_most:
        return part
    notes.append(f"Of the {len(part):,} examples of the {split} part the first {n_most:,} were judged.")
    return part.take(np.arange(n_most, dtype=np.int64))


def _passes(trainee: Trainee, n_passes: int, notes: list[str]) -> dict[int, Weights]:
    """The weights of at most `n_passes` checkpoints by step, evenly spread over the first half but for its beginning.

    Before that a network knows too little. After it the network has learnt single labels by heart, and their images
    have drawn together (Liu, Niles-Weed, Razavian, Fernandez-Granda: Early-learning regularization prevents
    memorization of noisy labels, NeurIPS 2020).
    """
    kept = list(trainee.run.checkpoint_files())
    early = [step for step in kept[:-1] if _EARLIEST * kept[-1] <= step <= _LATEST * kept[-1]]
    n = min(n_passes, len(early))
    found: dict[int, Weights] = {}
    for step in [early[round(i)] for i in np.linspace(0, len(early) - 1, n)]:
        try:
            found[step] = _weights(trainee, step)
        except RunError as error:  # the others say enough
            notes.append(error.message)
    if not found:
        notes.append(
            "Training labels were judged by the final weights alone, for no earlier ones are kept; what the network "
            "has learnt by heart may not show."
        )
    return found


def _weights(trainee: Trainee, step: int) -> Weights:
    """What a checkpoint was judged by: its weights, or their running average where one is kept."""
    tensors = trainee.run.load_checkpoint(step).tensors
    found = {
        name.removeprefix(prefix): value.to(trainee.machine.device)
        for prefix in (MODEL, AVERAGE)
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
    if trainee.plan.memory_format == "channels-last":
        return {
            name: value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value
            for name, value in found.items()
        }
    return found


class _Asking:
    """A network that tells, beside its answers, what its last layer was given.

    Args:
        trainee: The network, and how it computes.
        crew: The plan's threads.
    """

    def __init__(self, trainee: Trainee, crew: Workers) -> None:
        self._trainee, self._crew = trainee, crew
        linear = [layer for layer in trainee.model.modules() if isinstance(layer, nn.Linear)]
        self._last = linear[-1] if linear else None
        self._projection: Tensor | None = None  # (D, fewer): keeps angles (Johnson and Lindenstrauss 1984)
        if self._last is not None and self._last.in_features > _MOST_FEATURES:
            drawn = torch.randn(self._last.in_features, _MOST_FEATURES // 2, generator=torch.Generator().manual_seed(0))
            self._projection = drawn.to(trainee.machine.device)

    def beliefs(self, part: Examples, index: Index, weights: Weights | None = None) -> Beliefs:
        """What it believes of some examples, (M, K) with rows of sum 1; see `answers`."""
        return self._ask(part, index, weights, sees=False).numpy()

    def answers(self, part: Examples, index: Index, weights: Weights | None = None) -> tuple[Beliefs, Tensor]:
        """What it believes of some examples, (M, K) with rows of sum 1, and their features, float32 (M, D).

        Features are what the last fully connected layer is given; the logits, where the network has none.

        Args:
            part: The examples.
            index: Which of them, (M,).
            weights: What stands in for its own parameters and buffers.
        """
        both = self._ask(part, index, weights, sees=True)
        return both[:, : part.n_classes].numpy(), both[:, part.n_classes :]

    def _ask(self, part: Examples, index: Index, weights: Weights | None, *, sees: bool) -> Tensor:
        """Beliefs, (M, K), and the features beside them where it `sees`."""
        trainee, feed = self._trainee, self._trainee.feed(part)
        model, given = trainee.model.eval(), threading.local()  # by each thread for itself

        def keep(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:  # noqa: ARG001 - the signature of a hook
            given.value = inputs[0]

        def forward(batch: Tensor) -> Tensor:
            with torch.inference_mode(), trainee.machine.autocast(trainee.plan.precision):
                x, _ = feed.batch(batch, 0)
                y: Tensor = model(x) if weights is None else functional_call(model, dict(weights), (x,))
                beliefs = y.float().softmax(1).cpu()
                if not sees:
                    return beliefs
                seen: Tensor = (y if self._last is None else given.value).flatten(1).float()
            if self._projection is not None:
                seen = seen @ self._projection
            return torch.cat((beliefs, seen.cpu()), dim=1)

        hook = None if self._last is None or not sees else self._last.register_forward_pre_hook(keep)
        try:
            return self._crew.joined(forward, torch.split(torch.from_numpy(index), _BATCH))
        finally:
            if hook is not None:
                hook.remove()


def _learnt(asking: _Asking, part: Examples, passes: Sequence[Weights | None]) -> list[Doubt]:
    """The doubts among training examples, as the network saw them through several weights; training ones are asked."""
    n = len(part)
    drawn = _drawn(n)
    rest = np.setdiff1d(np.arange(n, dtype=np.int64), drawn)
    beliefs = np.zeros((n, part.n_classes), np.float32)
    voting = passes[:: math.ceil(len(passes) / _MOST_VOTES)]
    references: list[Tensor] = []
    for weights in passes:
        told, features = asking.answers(part, drawn, weights)
        beliefs[drawn] += told / len(passes)
        if len(rest):
            beliefs[rest] += asking.beliefs(part, rest, weights) / len(passes)
        if any(weights is one for one in voting):
            references.append(features)
    asked = _least(beliefs, part.labels)
    votes = np.zeros((len(asked), part.n_classes), np.float32)
    for weights, features in zip(voting, references, strict=True):
        queries = features[torch.from_numpy(asked)] if not len(rest) else asking.answers(part, asked, weights)[1]
        found = _votes(queries, features, part.labels[drawn], _places(asked, drawn), part.n_classes)
        votes += found / len(voting)
    return _doubts({"train": part}, asked, beliefs[asked], votes)


def _not_learnt(asking: _Asking, train: Examples, others: Mapping[str, Examples]) -> list[Doubt]:
    """The doubts among examples that were not trained on, as the final weights see them; all examples are asked."""
    beliefs = np.concatenate([asking.beliefs(part, np.arange(len(part))) for part in others.values()])
    labels = np.concatenate([part.labels for part in others.values()])
    asked, drawn, learnt = _least(beliefs, labels), _drawn(len(labels)), _drawn(len(train))
    references = torch.cat([_features(asking, others, drawn), asking.answers(train, learnt)[1]])
    theirs = np.concatenate([labels[drawn], train.labels[learnt]])
    queries = _features(asking, others, asked)
    votes = _votes(queries, references, theirs, _places(asked, drawn), train.n_classes)
    return _doubts(others, asked, beliefs[asked], votes)


def _features(asking: _Asking, parts: Mapping[str, Examples], index: Index) -> Tensor:
    """The features (M, D) of examples that are numbered through the parts, one after another; `index` ascends."""
    ends = np.cumsum([len(part) for part in parts.values()])
    own = np.split(index, np.searchsorted(index, ends[:-1]))
    starts = (0, *ends[:-1])
    found = [
        asking.answers(part, one - start)[1]
        for part, one, start in zip(parts.values(), own, starts, strict=True)
        if len(one)
    ]
    return torch.cat(found)


def _drawn(n: int) -> Index:
    """The numbers of those that stand for all n as neighbours, ascending; drawn with a fixed seed where n is large."""
    return np.sort(np.random.default_rng(n).permutation(n)[:_MOST_REFERENCES]).astype(np.int64)


def _least(beliefs: Beliefs, labels: Index) -> Index:
    """The numbers of the examples with the least margins, ascending."""
    return np.sort(np.argsort(margins(beliefs, labels)[0], kind="stable")[:_MOST_ASKED]).astype(np.int64)


def _places(asked: Index, drawn: Index) -> Index:
    """Where each of `asked` stands in `drawn`, both ascending; -1 where it does not."""
    places = np.minimum(np.searchsorted(drawn, asked), len(drawn) - 1)
    return np.where(drawn[places] == asked, places, -1).astype(np.int64)


def _votes(queries: Tensor, references: Tensor, labels: Index, own: Index, n_classes: int) -> Beliefs:
    """The shares of the classes among the nearest other examples of each query, (Q, n_classes).

    Args:
        queries: Features, (Q, D).
        references: Those of the neighbours, (R, D).
        labels: Of the references, (R,).
        own: Which reference each query is itself, (Q,); -1 for none.
        n_classes: How many classes there are.
    """
    found = np.zeros((len(queries), n_classes), np.float32)
    k = min(_N_NEIGHBOURS, len(references) - 1)
    if k < 1:
        return found
    nearest = Search(references, "cosine").nearest(queries, k + 1)[1].numpy()  # (Q, k + 1)
    others = nearest != own[:, None]
    others[others.all(axis=1), -1] = False  # the last goes where an example is not among its own neighbours
    rows = np.broadcast_to(np.arange(len(queries))[:, None], nearest.shape)
    np.add.at(found, (rows[others], labels[nearest[others]]), np.float32(1 / k))
    return found


def _doubts(parts: Mapping[str, Examples], asked: Index, beliefs: Beliefs, votes: Beliefs) -> list[Doubt]:
    """Those asked whose label stands in doubt; they are numbered through the parts, one after another."""
    labels = np.concatenate([part.labels for part in parts.values()])[asked]
    both = pooled((beliefs, votes), labels)
    margin, suggested = margins(both, labels)
    found, first = [], 0
    for split, part in parts.items():
        names = part.class_names
        for i in np.flatnonzero((asked >= first) & (asked < first + len(part)) & (margin < IN_DOUBT)):
            index = int(asked[i]) - first
            name = part.names[index] if part.names else f"{split} {index}"
            label, other = names[int(labels[i])], names[int(suggested[i])]
            found.append(Doubt(split, index, name, label, other, float(margin[i]), float(both[i, suggested[i]])))
        first += len(part)
    return found


def _last_step(run: Run) -> list[int]:
    """The step of the final weights, as far as the run tells it."""
    finished = run.finished()
    return [finished.step] if finished is not None else list(run.checkpoint_files())[-1:]
