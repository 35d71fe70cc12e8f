"""The convolutional network for texts: windows of three, four and five words, and the strongest answer of each kernel.

Kim: Convolutional neural networks for sentence classification, EMNLP 2014: the variant whose word vectors are learnt
with all the rest ("CNN-rand"), without the bound on the length of the last layer's weights. As in the paper's code the
text is widened by zeros on both ends, so that a window may hold a single word, and a text of one word is no exception.

    a sentence of 18,765 words and two classes     parameters      output, T words
    embedding    18,767 x 100                       1,876,700        T x 100
    conv3        100 kernels over 3 words              30,100      100 x (T + 2)
    conv4        100 kernels over 4 words              40,100      100 x (T + 3)
    conv5        100 kernels over 5 words              50,100      100 x (T + 4)
    (the largest of each map)                                      300
    fc             2 x 300                                602        2       1,997,602 in all
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from convoscope.errors import RecipeError
from convoscope.models.registry import MODELS, Architecture, Figure, InputShape, Words
from convoscope.models.sequence import check_counts, check_dropout, check_places, word_table
from convoscope.shape import PADDING


@dataclass(frozen=True)
class TextCNNOptions:
    """What can be chosen of the convolutional network for texts."""

    embedding: int = field(default=100, metadata={"help": "numbers of each word's vector"})
    widths: tuple[int, ...] = field(default=(3, 4, 5), metadata={"help": "words that each kind of kernel covers"})
    maps: int = field(default=100, metadata={"help": "kernels of each width"})
    dropout: float = field(
        default=0.5, metadata={"help": "share of what the last layer reads set to 0 in each training step"}
    )


class TextCNN(nn.Module):
    """Kim's network: int64 (N, T) of word numbers to logits (N, n_classes).

    Args:
        n_words: Word numbers there are.
        n_classes: Classes to tell apart.
        options: What was chosen.
    """

    def __init__(self, n_words: int, n_classes: int, options: TextCNNOptions) -> None:
        super().__init__()
        self.widths = options.widths
        self.embedding = word_table(n_words, options.embedding)
        for width in options.widths:
            self.add_module(f"conv{width}", nn.Conv1d(options.embedding, options.maps, width, padding=width - 1))
            self.add_module(f"relu{width}", nn.ReLU())
        self.drop = nn.Dropout(options.dropout) if options.dropout else None
        self.fc = nn.Linear(options.maps * len(options.widths), n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """The largest of each map over the windows that hold a word of the text; 0 for a text of no words.

        Raises:
            ModelError: there is not even padding.
        """
        check_places(x)
        vectors = self.embedding(x).transpose(1, 2)  # (N, embedding, T)
        n_words = (x != PADDING).sum(1, keepdim=True)  # (N, 1)
        has_words = n_words > 0
        largest = []
        for width in self.widths:
            maps = self.get_submodule(f"relu{width}")(self.get_submodule(f"conv{width}")(vectors))
            place = torch.arange(maps.shape[2], device=x.device)
            beyond = place >= torch.where(has_words, n_words + (width - 1), 0)  # (N, T + width - 1)
            # After ReLU nothing is below 0, so that a 0 in the place of a window beyond the text changes no largest.
            largest.append(maps.masked_fill(beyond.unsqueeze(1), 0.0).amax(2))
        features = torch.cat(largest, 1)
        logits: Tensor = self.fc(features if self.drop is None else self.drop(features))
        return logits


def textcnn(shape: InputShape, n_classes: int, options: TextCNNOptions) -> TextCNN:
    """The convolutional network for texts of `shape`: int64 (N, T) to logits (N, n_classes).

    Raises:
        RecipeError: no kernels, a width below 1 or given twice, or a dropout outside [0, 1).
    """
    assert isinstance(shape, Words)  # `build` lets through what the architecture takes
    check_counts("textcnn", embedding=options.embedding, maps=options.maps)
    check_dropout("textcnn", options.dropout)
    widths = options.widths
    if not widths or min(widths) < 1 or len(set(widths)) < len(widths):
        raise RecipeError(
            f"The option widths of textcnn was given {widths}; it takes different numbers of words, each at least 1.",
            hint="The paper's are --widths 3,4,5.",
        )
    return TextCNN(shape.n_words, n_classes, options)


_KIM = "Kim 2014, table 2, CNN-rand"

MODELS.add(
    "textcnn",
    Architecture(
        make=textcnn,
        options=TextCNNOptions,
        summary="Kernels over three to five words, the largest answer of each, one linear layer.",
        taught="To tell what a text is about, a few telling phrases matter more than the order of all its words.",
        year=2014,
        paper="Kim: Convolutional neural networks for sentence classification",
        recipe={"optimiser": "adamw", "lr": 0.002, "weight_decay": 0.01, "schedule": "triangular", "warmup": 0.1},
        n_seen=80_000,
        batch_size=64,
        takes=("texts",),
        native=(Words(56, 18_767), 2),
        ours=(
            Figure("IMDb reviews, 20,000 to train on, 5,000 to test", 0.8812, "the usual recipe, 4 epochs", n_seeds=1),
        ),
        published=(
            Figure("movie reviews of one sentence (Pang and Lee 2005)", 0.761, _KIM),
            Figure("Stanford sentiment treebank, two classes", 0.827, _KIM),
        ),
    ),
)
