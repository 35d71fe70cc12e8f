"""Networks that read step by step: what an example's steps are, the loop over them, and what the classifier reads.

A network is read, layer1, layer2 ..., pool, fc. What a step does to the state stands with each architecture, in its
cell, written in plain ops, so that every number in it can be opened.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convoscope.errors import ModelError, RecipeError
from convoscope.models.registry import InputShape, Trees, Words
from convoscope.shape import PADDING

State = tuple[Tensor, ...]
"""What a cell remembers from step to step, (N, hidden) each; the first is what it puts out."""

POOLS = ("last", "mean", "max")
_WORD_BOUND = 0.25  # word vectors start evenly from minus to plus this (Kim 2014)
_DROPOUT_HINT = "For no dropout use --dropout 0."


@dataclass(frozen=True)
class RecurrentOptions:
    """What can be chosen of a recurrent network."""

    hidden: int = field(default=128, metadata={"help": "units of the state"})
    layers: int = field(default=1, metadata={"help": "layers, each reading the states of the one before"})
    embedding: int = field(default=100, metadata={"help": "numbers of each word's vector; for texts alone"})
    pool: str = field(
        default="auto",
        metadata={
            "help": "what the classifier reads: the last state, the mean or the largest over all steps, or auto: last "
            "for images, max for texts",
            "choices": ("auto", *POOLS),
        },
    )
    dropout: float = field(
        default=0.0,
        metadata={
            "help": "share of numbers set to 0 in each training step: in word vectors and in what a layer hands on"
        },
    )


class Sequence(NamedTuple):
    """Steps that a layer reads or puts out.

    Attributes:
        steps: float32 (N, n) each, in order.
        is_word: bool (N, 1) for each step, False at padding; None where every example has every step.
    """

    steps: tuple[Tensor, ...]
    is_word: tuple[Tensor, ...] | None


class Rows(nn.Module):
    """An image as a sequence: float32 (N, C, H, W) to H steps (N, C W), from the top row down."""

    def forward(self, x: Tensor) -> Sequence:
        """The rows, channels side by side."""
        return Sequence(x.transpose(1, 2).flatten(2).unbind(1), None)


class WordVectors(nn.Module):
    """A text as a sequence: int64 (N, T) of word numbers to T steps (N, embedding).

    Args:
        n_words: Word numbers there are.
        embedding: Numbers of each word's vector.
        dropout: Share of them set to 0 in training.
    """

    def __init__(self, n_words: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.embedding = word_table(n_words, embedding)
        self.drop = nn.Dropout(dropout) if dropout else None

    def forward(self, x: Tensor) -> Sequence:
        """Each word's vector, 0 at padding; raises ModelError where there is not even padding."""
        check_places(x)
        vectors = self.embedding(x)
        vectors = vectors if self.drop is None else self.drop(vectors)
        return Sequence(vectors.unbind(1), (x != PADDING).unsqueeze(2).unbind(1))


class Cell(nn.Module):
    """What one step does: new state = cell(step, state). The two sums that every cell needs are made here.

    Rows of both weights, and of the biases, belong to one part of the cell after another, in torch's order.

    Args:
        n_inputs: Numbers of a step.
        hidden: Units of the state.
        n_parts: How many sums each unit needs.
    """

    n_states = 1

    def __init__(self, n_inputs: int, hidden: int, n_parts: int, *, state_bias: bool = False) -> None:
        super().__init__()
        self.hidden = hidden
        self.n_parts = n_parts
        self.input = nn.Linear(n_inputs, n_parts * hidden)
        self.state = nn.Linear(hidden, n_parts * hidden, bias=state_bias)
        # Part by part: drawn as one matrix, each would come out smaller than its own size asks for.
        for part in self.input.weight.detach().chunk(n_parts):
            nn.init.xavier_uniform_(part)
        for part in self.state.weight.detach().chunk(n_parts):
            nn.init.orthogonal_(part)  # keeps the length of the state, and of what flows back through many steps
        for linear in (self.input, self.state):
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, state: State) -> State:
        """Maps a step (N, n_inputs) and the state, (N, hidden) each, to the new state."""
        raise NotImplementedError


class Sum(nn.Module):
    """x + y as a layer, so that the graph calls it by its name in the cell."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Two of one shape."""
        return x + y


class Product(nn.Module):
    """x y, number by number, as a layer, so that the graph calls it by its name in the cell."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Two of one shape."""
        return x * y


class Layer(nn.Module):
    """One cell over all steps. At padding the state stands still, so that more padding changes no bit of anything.

    The cell's sums are made step by step, not for all steps in one matrix product before the loop: that is no faster
    (the same multiplications), and the order in which a product adds up would change with the number of steps.

    Args:
        cell: What each step does.
        dropout: Share of what is put out that is set to 0 in training; the state itself is left whole.
    """

    def __init__(self, cell: Cell, dropout: float = 0.0) -> None:
        super().__init__()
        self.cell = cell
        self.drop = nn.Dropout(dropout) if dropout else None

    def forward(self, x: Sequence) -> Sequence:
        """Maps T steps (N, n_inputs) to T states (N, hidden)."""
        start = x.steps[0]
        zeros = torch.zeros(start.shape[0], self.cell.hidden, dtype=start.dtype, device=start.device)
        state: State = (zeros,) * self.cell.n_states
        states = []
        for position, step in enumerate(x.steps):
            moved: State = self.cell(step, state)
            if x.is_word is not None:
                pairs = zip(moved, state, strict=True)
                moved = tuple(torch.where(x.is_word[position], new, old) for new, old in pairs)
            state = moved
            states.append(state[0] if self.drop is None else self.drop(state[0]))
        return Sequence(tuple(states), x.is_word)


class Pool(nn.Module):
    """One vector of all steps (N, hidden): the last, their mean or their largest; padding takes no part.

    Args:
        kind: "last", "mean" or "max".
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Sequence) -> Tensor:
        """Maps T states (N, hidden) to (N, hidden); 0 for a text of no words."""
        if self.kind == "last":
            return x.steps[-1]  # the state stood still from the last word on
        return self._mean(x) if self.kind == "mean" else self._largest(x)

    def _mean(self, x: Sequence) -> Tensor:
        if x.is_word is None:
            return torch.stack(x.steps, 1).mean(1)
        # Added up in order: the order in which a reduction adds depends on how much padding there is.
        total = torch.zeros_like(x.steps[0])
        for step, is_word in zip(x.steps, x.is_word, strict=True):
            total = total + torch.where(is_word, step, 0.0)
        return total / torch.stack(x.is_word, 1).sum(1).clamp_min(1)

    def _largest(self, x: Sequence) -> Tensor:
        steps = torch.stack(x.steps, 1)
        if x.is_word is None:
            return steps.amax(1)
        largest = steps.masked_fill(~torch.stack(x.is_word, 1), float("-inf")).amax(1)
        return torch.where(x.is_word[0], largest, 0.0)


def recurrent(
    name: str, cell: Callable[[int, int], Cell], shape: InputShape, n_classes: int, options: RecurrentOptions
) -> nn.Sequential:
    """A recurrent network of any cell: images (N, C, H, W) row by row, or texts (N, T), to logits (N, n_classes).

    Args:
        name: The architecture's.
        cell: Makes one, of (numbers of a step, units of the state).
        shape: An image's or a text's.
        n_classes: Classes to tell apart.
        options: What was chosen.

    Raises:
        RecipeError: an option out of its bounds.
    """
    assert not isinstance(shape, Trees)  # `build` lets through what the architecture takes
    check_counts(name, hidden=options.hidden, layers=options.layers, embedding=options.embedding)
    check_dropout(name, options.dropout)
    if options.pool not in ("auto", *POOLS):
        raise RecipeError(
            f"The option pool of {name} was given {options.pool!r}; it is one of auto, {', '.join(POOLS)}.",
            hint=f"See: convoscope models {name}",
        )
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    if isinstance(shape, Words):
        n_inputs, pool = options.embedding, "max"
        modules["read"] = WordVectors(shape.n_words, n_inputs, options.dropout)
    else:
        n_inputs, pool = shape[0] * shape[2], "last"
        modules["read"] = Rows()
    for number in range(1, options.layers + 1):
        between = options.dropout if number < options.layers else 0.0
        modules[f"layer{number}"] = Layer(cell(n_inputs, options.hidden), between)
        n_inputs = options.hidden
    modules["pool"] = Pool(pool if options.pool == "auto" else options.pool)
    if options.dropout:
        modules["drop"] = nn.Dropout(options.dropout)
    modules["fc"] = nn.Linear(n_inputs, n_classes)
    return nn.Sequential(modules)


def word_table(n_words: int, width: int) -> nn.Embedding:
    """A vector for each word number, drawn evenly from -0.25 to 0.25; padding's is 0 and stays so."""
    table = nn.Embedding(n_words, width, padding_idx=PADDING)
    nn.init.uniform_(table.weight, -_WORD_BOUND, _WORD_BOUND)
    nn.init.zeros_(table.weight.detach()[PADDING])
    return table


def check_places(x: Tensor) -> None:
    """Raises ModelError for texts (N, 0, ...), or trees with an empty axis, which have no place for a word."""
    if 0 in x.shape[1:]:
        raise ModelError(
            f"Texts of shape {tuple(x.shape)} have no place for a word.",
            hint="Pad each text of a batch to one word at least (word number 0).",
        )


def check_counts(name: str, **counts: int) -> None:
    """Raises RecipeError for an option of a model that counts something and is below 1."""
    for option, count in counts.items():
        if count < 1:
            raise RecipeError(
                f"The option {option} of {name} was given {count}; it must be at least 1.",
                hint=f"See: convoscope models {name}",
            )


def check_dropout(name: str, dropout: float) -> None:
    """Raises RecipeError for a share of numbers that is not from 0 up to below 1."""
    if not 0 <= dropout < 1:
        raise RecipeError(
            f"{name} was given dropout {dropout}; it is a share of numbers, 0 up to below 1.", hint=_DROPOUT_HINT
        )
