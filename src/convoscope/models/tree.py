"""The recursive network: one layer that makes one vector of two, from the leaves of a binary tree up to its root.

Socher, Lin, Ng, Manning: Parsing natural scenes and natural language with recursive neural networks, ICML 2011; trained
through the structure as by Goller, Kuechler: Learning task-dependent distributed representations by backpropagation
through structure, ICNN 1996. With `cell` "lstm" the tree-structured memory of Tai, Socher, Manning: Improved semantic
representations from tree-structured long short-term memory networks, ACL 2015 (two children, words at the leaves).

    p = tanh(W [left; right] + b)                        the same W everywhere in every tree

All nodes of a level, of all trees of a batch, are made in one product. A text without a tree of its own, and an image,
whose leaves are its rows, get the balanced one: neighbours in pairs, level by level, an odd last one passed on.

    a sentence of 18,765 words and two classes     parameters
    read.embedding       18,767 x 128               2,402,176
    tree.compose.pair    W, b   128 x 256              32,896
    fc                            2 x 128                 258      2,435,330 in all
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convoscope.errors import RecipeError
from convoscope.models.registry import MODELS, Architecture, Figure, InputShape, Trees, Words
from convoscope.models.sequence import check_counts, check_dropout, check_places, word_table
from convoscope.shape import PADDING

CELLS = ("rnn", "lstm")


@dataclass(frozen=True)
class TreeOptions:
    """What can be chosen of a recursive network."""

    hidden: int = field(default=128, metadata={"help": "numbers of each node's vector, and of each word's"})
    cell: str = field(
        default="rnn",
        metadata={
            "help": "how two become one: rnn, one tanh layer as in the paper, or lstm, gates around a memory that is "
            "added to",
            "choices": CELLS,
        },
    )
    dropout: float = field(
        default=0.0, metadata={"help": "share of the root's numbers set to 0 in each training step, 0 up to below 1"}
    )


class Leaves(NamedTuple):
    """What stands at the leaves.

    Attributes:
        vectors: float32 (N, T, n).
        is_leaf: bool (N, T, 1), False at padding; None where there is none.
    """

    vectors: Tensor
    is_leaf: Tensor | None


class RowLeaves(nn.Module):
    """An image's leaves are its rows: float32 (N, C, H, W) to (N, H, C W)."""

    def forward(self, x: Tensor) -> Leaves:
        """The rows, channels side by side."""
        return Leaves(x.transpose(1, 2).flatten(2), None)


class WordLeaves(nn.Module):
    """A text's leaves are its words: int64 (N, T) of word numbers to their vectors (N, T, width)."""

    def __init__(self, n_words: int, width: int) -> None:
        super().__init__()
        self.embedding = word_table(n_words, width)

    def forward(self, x: Tensor) -> Leaves:
        """Each word's vector; raises ModelError where there is not even padding."""
        check_places(x)
        return Leaves(self.embedding(x), (x != PADDING).unsqueeze(2))


class Composition(nn.Module):
    """p = tanh(W [left; right] + b); a leaf's row of pixels becomes tanh(W x + b), a word's vector is a node as it is.

    Args:
        n_inputs: Numbers of a leaf.
        hidden: Numbers of a node.
    """

    n_states = 1

    def __init__(self, n_inputs: int, hidden: int, *, words: bool) -> None:
        super().__init__()
        self.leaf = None if words else nn.Linear(n_inputs, hidden)
        self.leaf_tanh = nn.Tanh()
        self.pair = nn.Linear(2 * hidden, hidden)
        self.tanh = nn.Tanh()
        for linear in self.modules():
            if isinstance(linear, nn.Linear):
                nn.init.xavier_uniform_(linear.weight)
                nn.init.zeros_(linear.bias)

    def grown(self, vectors: Tensor) -> Tensor:
        """Maps leaves (..., n_inputs) to nodes (..., hidden)."""
        return vectors if self.leaf is None else self.leaf_tanh(self.leaf(vectors))

    def forward(self, pairs: Tensor) -> Tensor:
        """Maps two nodes side by side (..., 2 hidden) to one (..., hidden)."""
        y: Tensor = self.tanh(self.pair(pairs))
        return y


class GatedComposition(nn.Module):
    """The tree LSTM: c = i g + f_left c_left + f_right c_right, h = o tanh(c); a node is h and c side by side.

    The gates are sigmoid(W [h_left; h_right] + b), g the same with tanh; a leaf has no children to forget, and weights
    of its own. The forget gates' biases start at 1.

    Args:
        n_inputs: Numbers of a leaf.
        hidden: Numbers of h and of c.
    """

    n_states = 2

    def __init__(self, n_inputs: int, hidden: int) -> None:
        super().__init__()
        self.leaf = nn.Linear(n_inputs, 3 * hidden)
        self.pair = nn.Linear(2 * hidden, 5 * hidden)
        for linear, n_parts in ((self.leaf, 3), (self.pair, 5)):
            for part in linear.weight.detach().chunk(n_parts):
                nn.init.xavier_uniform_(part)
            nn.init.zeros_(linear.bias)
        for forget in self.pair.bias.detach().chunk(5)[3:]:
            nn.init.ones_(forget)

    def grown(self, vectors: Tensor) -> Tensor:
        """Maps leaves (..., n_inputs) to nodes (..., 2 hidden)."""
        i, o, g = self.leaf(vectors).chunk(3, -1)
        return self._shown(i.sigmoid() * g.tanh(), o)

    def forward(self, pairs: Tensor) -> Tensor:
        """Maps two nodes side by side (..., 4 hidden) to one (..., 2 hidden)."""
        h_left, c_left, h_right, c_right = pairs.chunk(4, -1)
        i, o, g, f_left, f_right = self.pair(torch.cat([h_left, h_right], -1)).chunk(5, -1)
        return self._shown(i.sigmoid() * g.tanh() + f_left.sigmoid() * c_left + f_right.sigmoid() * c_right, o)

    def _shown(self, c: Tensor, o: Tensor) -> Tensor:
        return torch.cat([o.sigmoid() * c.tanh(), c], -1)


class BalancedTree(nn.Module):
    """The balanced tree over leaves in a row.

    With padding the tree is that of the words alone: nothing is composed with padding, and what has no partner is
    passed on, as an odd last one is.

    Args:
        compose: How two nodes become one.
        hidden: How many numbers of the root are put out, from the first on.
    """

    def __init__(self, compose: Composition | GatedComposition, hidden: int) -> None:
        super().__init__()
        self.compose = compose
        self.hidden = hidden

    def forward(self, x: Leaves) -> Tensor:
        """Maps leaves (N, T, n) to the root (N, hidden); 0 for a text of no words."""
        nodes, is_node = self.compose.grown(x.vectors), x.is_leaf
        if is_node is not None:
            nodes = torch.where(is_node, nodes, 0.0)
        while nodes.shape[1] > 1:
            n_pairs, odd = divmod(nodes.shape[1], 2)
            paired = nodes[:, :-1] if odd else nodes
            level = self.compose(paired.reshape(-1, n_pairs, 2 * paired.shape[2]))
            if is_node is not None:
                level = torch.where(is_node[:, 1::2], level, paired[:, ::2])
                is_node = is_node[:, ::2]
            nodes = torch.cat([level, nodes[:, -1:]], 1) if odd else level
        return nodes[:, 0, : self.hidden]


class GivenTree(nn.Module):
    """Trees as `Trees` tells them: int64 (N, n_levels, width, 3) of (word, left, right) to the root (N, hidden).

    Args:
        n_words: Word numbers there are.
        compose: How two nodes become one.
        hidden: How many numbers of the root are put out, from the first on, and of each word's vector.
    """

    def __init__(self, n_words: int, compose: Composition | GatedComposition, hidden: int) -> None:
        super().__init__()
        self.embedding = word_table(n_words, hidden)
        self.compose = compose
        self.hidden = hidden

    def forward(self, x: Tensor) -> Tensor:
        """The root of each tree, 0 for a tree without a leaf; raises ModelError where there is not even padding."""
        check_places(x)
        word, children = x[..., 0], x[..., 1:]
        leaves = torch.where((word != PADDING).unsqueeze(3), self.compose.grown(self.embedding(word)), 0.0)
        is_inner = (children[..., :1] > 0).unbind(1)
        nodes, *above = leaves.unbind(1)  # (N, width, n)
        for level, leaf in enumerate(above, start=1):
            # Children count from 1; what counts as 0 reads zeros in front, and is not looked at.
            place = children[:, level].flatten(1).unsqueeze(2).expand(-1, -1, nodes.shape[2])
            pairs = F.pad(nodes, (0, 0, 1, 0)).gather(1, place).reshape(-1, nodes.shape[1], 2 * nodes.shape[2])
            nodes = torch.where(is_inner[level], self.compose(pairs), leaf)
        return nodes[:, 0, : self.hidden]


def tree(shape: InputShape, n_classes: int, options: TreeOptions) -> nn.Sequential:
    """A recursive network: images (N, C, H, W), texts (N, T) or trees (N, n_levels, width, 3) to logits (N, n_classes).

    Raises:
        RecipeError: no units, a dropout outside [0, 1), or a cell that there is not.
    """
    check_counts("tree", hidden=options.hidden)
    check_dropout("tree", options.dropout)
    if options.cell not in CELLS:
        raise RecipeError(
            f"The option cell of tree was given {options.cell!r}; it is one of {', '.join(CELLS)}.",
            hint="See: convoscope models tree",
        )
    hidden = options.hidden
    words = isinstance(shape, Words | Trees)
    n_inputs = hidden if isinstance(shape, Words | Trees) else shape[0] * shape[2]
    gated = options.cell == "lstm"
    compose = GatedComposition(n_inputs, hidden) if gated else Composition(n_inputs, hidden, words=words)
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    if isinstance(shape, Trees):
        modules["tree"] = GivenTree(shape.n_words, compose, hidden)
    else:
        modules["read"] = WordLeaves(shape.n_words, hidden) if isinstance(shape, Words) else RowLeaves()
        modules["tree"] = BalancedTree(compose, hidden)
    if options.dropout:
        modules["drop"] = nn.Dropout(options.dropout)
    modules["fc"] = nn.Linear(hidden, n_classes)
    return nn.Sequential(modules)


_SOCHER_2013 = "Socher et al. 2013, table 1 (labels at every node of the tree)"

MODELS.add(
    "tree",
    Architecture(
        make=tree,
        options=TreeOptions,
        summary="One layer makes one vector of two, again and again, from the leaves of a binary tree to its root.",
        taught="Meaning can be composed as a sentence is: the same weights at every fork, gradients through the tree.",
        year=2011,
        paper="Socher, Lin, Ng, Manning: Parsing natural scenes and natural language with recursive neural networks",
        recipe={
            "optimiser": "adamw",
            "lr": 0.002,
            "weight_decay": 0.01,
            "schedule": "triangular",
            "warmup": 0.15,
            "clip": 1.0,
        },
        n_seen=270_000,
        takes=("images", "texts", "trees"),
        native=(Words(56, 18_767), 2),
        published=(
            Figure("Stanford sentiment treebank, two classes", 0.824, _SOCHER_2013),
            Figure("Stanford sentiment treebank, two classes, --cell lstm", 0.88, "Tai, Socher, Manning 2015, table 2"),
        ),
    ),
)
