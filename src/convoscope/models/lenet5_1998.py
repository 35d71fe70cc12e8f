"""LeNet-5 as the paper has it: partial connections, pools with weights, and drawn digits as the outputs' targets.

LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, Proceedings of the IEEE 86(11),
1998, section II.

    layer    output at 32x32                                                        parameters
    c1           6 x 28 x 28    5x5 convolution                                            156
    s2           6 x 14 x 14    sums of 2x2, each map times a weight, plus a bias           12
    c3          16 x 10 x 10    5x5 convolution, each map of some of s2's (Table I)      1,516
    s4          16 x  5 x  5    as s2                                                       32
    c5         120 x  1 x  1    5x5 convolution                                         48,120
    f6                    84    fully connected                                         10,164    60,000 in all
    output           classes    minus the squared distance from each class's code

Every layer up to f6 ends in 1.7159 tanh(2 x / 3), which takes 1 to 1 and -1 to -1 (Appendix A).

Which maps of s2 each map of c3 sees breaks the symmetry between them (Table I): six see three in a row, six see four
in a row, three see two pairs, one sees all. They are three convolutions here, one for each number of maps seen.

The code of a class is a drawing of its digit, 7 by 12 pixels of -1 and +1, which is why f6 has 84 units; it is fixed.
The paper draws them from an ASCII font, these are ours. For another number of classes than ten the codes are coin
tosses, always the same.

The paper's loss (9), for an image of class d whose distances are y, is

    y_d + log(exp(-j) + sum over classes i of exp(-y_i)),

the squared distance from the right code and a term by which the classes compete, in which a constant j > 0 keeps
codes that are far already from being pushed further. Cross-entropy of the logits -y is the same with the constant j
so large that exp(-j) is nothing: every class goes on competing. Hence the outputs are -y.

Weights of convolutions and of f6 start evenly spread between -2.4 / F and 2.4 / F, F being the inputs of a unit
(Appendix A), biases at 0. The weight of a sum starts at 1/4, so that it is a mean at first, which the paper leaves
open.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoscope.errors import ModelError
from convoscope.models.registry import MODELS, Architecture, Figure, Shape

_SIDE = 32
_SPREAD = 2.4
_CODE_LENGTH = 84

# Table I: for each number of maps seen, the maps of S2 that each map of C3 with so many sees; C3's maps in order.
TABLE = {
    3: ((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    4: (
        (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
        (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    ),
    6: ((0, 1, 2, 3, 4, 5),),
}  # fmt: skip

# Ten digits of 12 rows of 7 pixels, side by side, a space between.
_DIGITS = """
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
..###.. ...#... ..###.. ..###.. .....#. ####### ...###. ####### ..###.. ..###..
.#...#. ..##... .#...#. .#...#. ....##. #...... ..#.... ......# .#...#. .#...#.
#.....# .#.#... #.....# ......# ...#.#. #...... .#..... .....#. #.....# #.....#
#.....# ...#... ......# ......# ..#..#. #...... #...... .....#. #.....# #.....#
#.....# ...#... .....#. ..###.. .#...#. ####... #.###.. ....#.. .#####. .#...##
#.....# ...#... ....#.. .....#. #....#. ....##. ##...#. ....#.. #.....# ..###.#
#.....# ...#... ...#... ......# ####### ......# #.....# ...#... #.....# ......#
#.....# ...#... ..#.... ......# .....#. ......# #.....# ...#... #.....# .....#.
.#...#. ...#... .#..... #.....# .....#. #....#. .#...#. ..#.... .#...#. ....#..
..###.. .#####. ####### .#####. .....#. .####.. ..###.. ..#.... ..###.. .###...
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""


@dataclass(frozen=True)
class LeNet51998Options:
    """The paper leaves nothing to choose."""


class ScaledTanh(nn.Module):
    """1.7159 tanh(2 x / 3): its slope at 0 is near 1, and 1 gives 1 (LeCun et al. 1998, Appendix A)."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps x of any shape to the same shape, within -1.7159 and 1.7159."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class Subsampling(nn.Module):
    """The sum of each 2x2 window, times the map's weight, plus the map's bias.

    Args:
        n_maps: How many maps.
    """

    def __init__(self, n_maps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((n_maps,), 0.25))
        self.bias = nn.Parameter(torch.zeros(n_maps))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, n_maps, H, W) to (N, n_maps, H / 2, W / 2)."""
        sums = functional.avg_pool2d(x, 2, divisor_override=1)
        return sums * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


class PartialConvolution(nn.Module):
    """The convolution of which each output map sees some of the input maps (Table I): C3."""

    def __init__(self) -> None:
        super().__init__()
        for n_seen, rows in TABLE.items():
            self.register_buffer(f"maps{n_seen}", torch.tensor(rows).flatten(), persistent=False)
        self.threes = nn.Conv2d(18, 6, 5, groups=6)
        self.fours = nn.Conv2d(36, 9, 5, groups=9)
        self.six = nn.Conv2d(6, 1, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 6, H, W) to (N, 16, H - 4, W - 4)."""
        threes = self.threes(x.index_select(1, self.get_buffer("maps3")))
        fours = self.fours(x.index_select(1, self.get_buffer("maps4")))
        return torch.cat((threes, fours, self.six(x)), dim=1)


class Distances(nn.Module):
    """Minus the squared distance from each class's code.

    Args:
        n_classes: How many classes; ten have drawn digits for codes.
    """

    codes: Tensor

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.tensor(digits() if n_classes == 10 else tosses(n_classes)))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 84) to (N, n_classes), none above 0."""
        return -(x[:, None] - self.codes).square().sum(2)


def digits() -> list[list[float]]:
    """The drawings of 0 to 9, each a row after the other: 84 numbers, +1 where there is ink and -1 elsewhere."""
    lines = [line.split() for line in _DIGITS.split("\n") if line]
    return [[1.0 if pixel == "#" else -1.0 for line in lines for pixel in line[digit]] for digit in range(10)]


def tosses(n_classes: int) -> list[list[float]]:
    """A row of 84 coin tosses, -1 or +1, for each class, always the same."""
    coin = random.Random(_SIDE)  # noqa: S311 - no secret
    return [[1.0 if coin.random() < 0.5 else -1.0 for _ in range(_CODE_LENGTH)] for _ in range(n_classes)]


def lenet5_1998(shape: Shape, n_classes: int, options: LeNet51998Options) -> nn.Sequential:  # noqa: ARG001 - one signature
    """The paper's LeNet-5 for images of `shape` (C, H, W): float32 (N, C, H, W) to logits (N, n_classes), none above 0.

    The paper puts its 28-pixel digits on a ground of 32 by 32; zeros around do the same for any smaller image.

    Raises:
        ModelError: an image larger than 32 pixels a side, which would leave C5 maps in place of numbers.
    """
    C, H, W = shape
    if max(H, W) > _SIDE:
        raise ModelError(
            f"lenet5_1998 cannot take images of {H} x {W} pixels: the paper's network reads {_SIDE} x {_SIDE}, and "
            "smaller ones with zeros around.",
            hint=f"Use smaller images (--image-size {_SIDE}), or --model lenet5, which takes any from 12 x 12.",
        )
    left, top = ((_SIDE - side) // 2 for side in (W, H))
    layers = OrderedDict[str, nn.Module]()
    if (H, W) != (_SIDE, _SIDE):
        layers["pad"] = nn.ZeroPad2d((left, _SIDE - W - left, top, _SIDE - H - top))
    layers |= {
        "c1": nn.Conv2d(C, 6, 5),
        "act1": ScaledTanh(),
        "s2": Subsampling(6),
        "act2": ScaledTanh(),
        "c3": PartialConvolution(),
        "act3": ScaledTanh(),
        "s4": Subsampling(16),
        "act4": ScaledTanh(),
        "c5": nn.Conv2d(16, 120, 5),
        "act5": ScaledTanh(),
        "flatten": nn.Flatten(),
        "f6": nn.Linear(120, _CODE_LENGTH),
        "act6": ScaledTanh(),
        "output": Distances(n_classes),
    }
    model = nn.Sequential(layers)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            spread = _SPREAD / layer.weight[0].numel()
            nn.init.uniform_(layer.weight, -spread, spread)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    return model


MODELS.add(
    "lenet5_1998",
    Architecture(
        make=lenet5_1998,
        options=LeNet51998Options,
        summary="The paper's own: partial connections, pools with weights, scaled tanh, distances from drawn digits.",
        taught="Every stage, from pixels to the codes of the characters, can be trained at once by one gradient.",
        year=1998,
        paper="LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition",
        recipe={
            "optimiser": "muon",
            "lr": 0.02,
            "momentum": 0.9,
            "weight_decay": 0.01,
            "schedule": "triangular",
            "warmup": 0.1,
        },
        n_seen=540_000,
        batch_size=192,
        native=((1, 32, 32), 10),
        published=(
            Figure("MNIST", 0.9905, "LeCun et al. 1998, section III-C (no distortions)"),
            Figure("MNIST, distorted images", 0.992, "LeCun et al. 1998, section III-C"),
        ),
    ),
)
