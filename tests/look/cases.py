"""The cases: each op of the issue in odd settings, in 26 small networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from networks import Case, square
from torch import Tensor, nn

CASES: dict[str, Callable[[], Case]] = {}


def case(make: Callable[[], Case]) -> Callable[[], Case]:
    CASES[make.__name__] = make
    return make


def free(model: nn.Module, x: Tensor, mode: Any = "eval", *, same_target: bool = True) -> Case:
    """A case whose loss is squared error plus the sum, against a random target of the output's shape."""
    training = model.training
    model.train(mode == "train")
    with torch.no_grad():
        y = model(x)
    model.train(training)
    return Case(model, x, square, torch.randn(y.shape) if same_target else torch.zeros(y.shape), mode)


def tied(*shape: int) -> Tensor:
    """Few different values, so that the largest of a window is often tied."""
    return torch.randint(-2, 3, shape).float()


@case
def convolutions() -> Case:
    return free(
        nn.Sequential(
            nn.Conv2d(4, 6, (2, 4), stride=(3, 1), padding=(1, 2), dilation=(2, 1)),
            nn.Conv2d(6, 6, 3, padding="same", dilation=2, groups=3),
            nn.Conv2d(6, 4, 2, padding="same"),
            nn.Conv2d(4, 8, (1, 2), padding="valid", groups=4, bias=False),
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.Conv2d(8, 3, 1),
        ),
        torch.randn(2, 4, 9, 8),
    )


@case
def wide_strides() -> Case:
    return free(
        nn.Sequential(nn.Conv2d(3, 4, 2, stride=3), nn.LeakyReLU(-0.3), nn.Conv2d(4, 5, 1, stride=2, padding=1)),
        torch.randn(2, 3, 11, 8),
    )


@case
def padded_convolutions() -> Case:
    return free(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=(2, 1), padding_mode="reflect"),
            nn.Conv2d(4, 4, (2, 3), padding=1, padding_mode="circular"),
            nn.Conv2d(4, 2, 3, padding=2, padding_mode="replicate"),
        ),
        torch.randn(1, 3, 6, 5),
    )


@case
def transposed() -> Case:
    return free(
        nn.Sequential(
            nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
            nn.ConvTranspose2d(6, 4, (2, 3), stride=(3, 1), padding=(0, 2), dilation=(1, 2), bias=False),
        ),
        torch.randn(2, 4, 3, 4),
    )


@case
def one_axis() -> Case:
    return free(
        nn.Sequential(
            nn.Conv1d(3, 6, 4, stride=2, padding=3, dilation=2), nn.PReLU(6),
            nn.MaxPool1d(3, 2, padding=1, ceil_mode=True),
            nn.AvgPool1d(2, 1, padding=1), nn.ConvTranspose1d(6, 3, 3, stride=2), nn.AdaptiveAvgPool1d(5),
            nn.AdaptiveMaxPool1d(3), nn.Upsample(scale_factor=2.5, mode="linear"), nn.Upsample(size=11),
            nn.Upsample(size=7, mode="nearest-exact"),
        ),
        torch.randn(2, 3, 17),
    )  # fmt: skip


@case
def three_axes() -> Case:
    return free(
        nn.Sequential(
            nn.Conv3d(2, 3, 2, padding=1),
            nn.MaxPool3d(2, ceil_mode=True),
            nn.AvgPool3d((2, 1, 2), padding=(1, 0, 1)),
            nn.ConvTranspose3d(3, 2, 2, stride=2),
            nn.Upsample(scale_factor=1.5, mode="trilinear"),
            nn.Upsample(size=(3, 4, 5)),
            nn.Upsample(size=(2, 5, 4), mode="nearest-exact"),
            nn.AdaptiveMaxPool3d((2, 3, 3)),
            nn.AdaptiveAvgPool3d((1, 2, 2)),
        ),
        torch.randn(1, 2, 3, 4, 5),
    )


@case
def pools_with_ties() -> Case:
    return free(
        nn.Sequential(
            nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True), nn.MaxPool2d(2, stride=1, dilation=2),
            nn.MaxPool2d((1, 2), stride=(1, 3)), nn.AdaptiveMaxPool2d((2, None)),
        ),
        tied(2, 3, 13, 14),
    )  # fmt: skip


@case
def average_pools() -> Case:
    return free(
        nn.Sequential(
            nn.AvgPool2d(3, 2, padding=1, ceil_mode=True, count_include_pad=False),
            nn.AvgPool2d((2, 3), (3, 1), padding=(1, 1), ceil_mode=True),
            nn.AvgPool2d(2, 1, padding=1, divisor_override=3), nn.AdaptiveAvgPool2d((3, 4)), nn.AdaptiveAvgPool2d(1),
        ),
        torch.randn(2, 3, 16, 12),
    )  # fmt: skip


@case
def activations() -> Case:
    kinds = [nn.ReLU(inplace=True), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.PReLU(3), nn.PReLU(), nn.GELU(), nn.GELU("tanh"),
             nn.SiLU(),
             nn.Sigmoid(), nn.Tanh(), nn.Hardtanh(-0.5, 0.7), nn.ReLU6(), nn.Hardswish(), nn.Hardsigmoid(), nn.Mish(),
             nn.Softplus(2.0, 3.0), nn.Threshold(0.1, 0.2), nn.SELU(), nn.CELU(0.6), nn.LogSigmoid(), nn.Softsign(),
             nn.Hardshrink(), nn.Softshrink(), nn.Tanhshrink(), nn.RReLU()]  # fmt: skip

    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kinds = nn.ModuleList(kinds)

        def forward(self, x: Tensor) -> Tensor:
            y = torch.zeros(x.shape, dtype=x.dtype)
            for k, kind in enumerate(self.kinds):
                y = y + (k + 1) * kind(x * 1.0)
            return y

    x = 3 * torch.randn(2, 3, 5, 5)
    x[0, 0] = torch.tensor([0.0, 3.0, -3.0, 6.0, 0.5]).expand(5, 5)
    return free(Sum(), x)


@case
def batch_norm_in_evaluation() -> Case:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.BatchNorm2d(4, affine=False),
        nn.Flatten(),
        nn.BatchNorm1d(16),
    )
    for part in model:
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            part.running_mean = torch.randn(part.num_features)
            part.running_var = torch.rand(part.num_features) + 0.1
    return free(model, torch.randn(2, 3, 4, 4))


@case
def batch_norm_in_training() -> Case:
    return free(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4, affine=False),
                      nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten(), nn.BatchNorm1d(16)),
        torch.randn(5, 3, 4, 4), "train",
    )  # fmt: skip


@case
def other_norms() -> Case:
    model = nn.Sequential(
        nn.GroupNorm(2, 4), nn.InstanceNorm2d(4, affine=True), nn.InstanceNorm2d(4), nn.LayerNorm([3, 5]),
        nn.LayerNorm(5, bias=False), nn.GroupNorm(4, 4, affine=False), nn.RMSNorm(5), nn.RMSNorm([3, 5], eps=1e-3),
        nn.LayerNorm(5, elementwise_affine=False),
    )  # fmt: skip
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return free(model, torch.randn(2, 4, 3, 5))


@case
def local_response_norm() -> Case:
    return free(
        nn.Sequential(nn.Conv2d(3, 6, 2), nn.LocalResponseNorm(4, alpha=0.5, beta=0.6, k=1.5)), torch.randn(2, 3, 4, 4)
    )


@case
def dropout_in_training() -> Case:
    return free(
        nn.Sequential(nn.Linear(8, 9), nn.ReLU(), nn.Dropout(0.4), nn.Linear(9, 5), nn.Unflatten(1, (5, 1, 1)),
                      nn.Dropout2d(0.5)),
        torch.randn(3, 8), "train",
    )  # fmt: skip


@case
def dropout_in_evaluation() -> Case:
    return free(nn.Sequential(nn.Linear(8, 9), nn.Dropout(0.4), nn.Dropout1d(0.1)), torch.randn(3, 2, 8))


@case
def resizes() -> Case:
    class Resize(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            up = F.interpolate
            y = (
                up(x, scale_factor=1.7)
                + up(x, size=(8, 11), mode="nearest-exact")
                + up(x, scale_factor=(1.7, 1.7), mode="bilinear")
            )
            y = y + up(x, size=(8, 11), mode="bilinear", align_corners=True) + up(x, size=(8, 11), mode="area")
            y = (
                y
                + up(x, scale_factor=1.7, mode="bicubic")
                + up(x, scale_factor=1.7, mode="bilinear", recompute_scale_factor=True)
            )
            y = y + up(x, size=(8, 11), mode="bicubic", align_corners=True)
            return (
                up(y, size=(3, 4), mode="bilinear")
                + up(y, size=(3, 4), mode="bilinear", antialias=True)
                + up(y, size=(3, 4), mode="bicubic", antialias=True)
                + up(y, size=(3, 4))
            )

    return free(Resize(), torch.randn(2, 2, 5, 7))


@case
def size_one_axes() -> Case:
    return free(
        nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.MaxPool2d(1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                      nn.Linear(1, 1)),
        torch.ones(1, 1, 1, 1), same_target=True,
    )  # fmt: skip


@case
def recurrent_cells() -> Case:
    class Cells(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.lstm, self.gru = nn.Linear(7, 4), nn.Linear(8, 16), nn.Linear(8, 12)
            self.table = nn.Embedding(6, 3, padding_idx=2)

        def forward(self, x: Tensor) -> Tensor:
            steps = self.table(x)
            h = c = u = torch.zeros(x.shape[0], 4, dtype=steps.dtype)
            outputs = []
            for k in range(x.shape[1]):
                h = torch.tanh(self.rnn(torch.cat([steps[:, k], h], 1)))
                i, f, g, o = self.lstm(torch.cat([h, u], 1)).chunk(4, 1)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                u = o.sigmoid() * c.tanh()
                r, z, n = self.gru(torch.cat([h, u], 1)).split(4, 1)
                h = (1 - z.sigmoid()) * (r.sigmoid() * n).tanh() + z.sigmoid() * h
                outputs.append(h)
            return torch.stack(outputs, 1)

    return free(Cells(), torch.tensor([[1, 2, 5], [0, 1, 1]]))


@case
def attention() -> Case:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(6, 18)
            self.block = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)
            self.heads = nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = (t.view(2, 5, 2, 3).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
            attend = F.scaled_dot_product_attention
            mask = torch.arange(5)[None] <= torch.arange(5)[:, None] + 1
            added = torch.zeros(5, 5, dtype=q.dtype).masked_fill(~mask, float("-inf")) + 0.25
            y = (
                attend(q, k, v)
                + attend(q, k, v, is_causal=True, scale=0.3)
                + attend(q, k, v, attn_mask=mask)
                + attend(q, k, v, attn_mask=added)
            )
            y = y.transpose(1, 2).flatten(2)
            found: Tensor = self.block(y) + self.heads(y, x, x)[0] + x.softmax(-1) + x.log_softmax(1)
            return found

    return free(Attention(), torch.randn(2, 5, 6))


@case
def bilinear_product() -> Case:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pair = nn.Bilinear(3, 4, 2)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.pair(x[:, :3], x[:, 3:])
            return found

    return free(Pair(), torch.randn(2, 7))
