"""Small models, each with something that a graph must get right."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convoscope.graph.build import build
from convoscope.graph.graph import Graph, Mode


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(F.relu(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


class Block(nn.Module):
    """A residual block as torchvision writes it: one in-place ReLU used twice, the skip added in place."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.layer1 = nn.Sequential(Block(4, 4), Block(4, 8, 2))
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer1(F.relu(self.stem(x), inplace=True))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Reused(nn.Module):
    """One linear layer and one activation, each used three times."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.act(self.linear(x)) + x
        return x


class Grouped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3, groups=2, padding="same")
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8, stride=2, padding_mode="circular", padding=1)
        self.lrn = nn.LocalResponseNorm(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.lrn(self.depthwise(F.leaky_relu(self.conv(x), 0.1))).mean((2, 3))


class Dropped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.drop = nn.Dropout(0.4)
        self.spatial = nn.Dropout2d(0.5)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(F.relu(self.fc1(x)))
        x = self.spatial(x.view(x.size(0), 4, 2, 2))
        return self.fc2(F.dropout(x.flatten(1), 0.2, self.training, inplace=True))


class LSTMCell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Linear(7, 16)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = self.gates(torch.cat([x, h], 1)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class Recurrent(nn.Module):
    """Rows of an image as a sequence, through a cell written out."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = LSTMCell()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = c = torch.zeros(x.shape[0], 4)
        for row in x.unbind(1):
            h, c = self.cell(row, h, c)
        return self.fc(h)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)
        self.mha = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        n, t, _ = x.shape
        q, k, v = self.qkv(self.norm(x)).view(n, t, 3, 2, 4).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, 8))
        return (x + self.mha(x, x, x, need_weights=False)[0]).mean(1)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(2, 4, 3, padding=1)
        self.deep = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.GroupNorm(2, 4)
        self.up = nn.ConvTranspose2d(4, 3, 2, 2)
        self.last = nn.Conv2d(11, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = F.silu(self.down(x))
        b = F.gelu(self.norm(self.deep(F.avg_pool2d(a, 2))))
        wide = F.interpolate(b, scale_factor=2, mode="nearest")
        return self.last(torch.cat([a, wide, self.up(b)], 1))


class InPlace(nn.Module):
    """Writes to views, to slices, to parts, to the input, to a constant, and reads the old names afterwards."""

    scale: Tensor
    hidden: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 1)
        self.register_buffer("scale", torch.tensor(2.0))
        self.register_buffer("hidden", torch.tensor([0.5]), persistent=False)
        self.offset = torch.tensor([1.0, 2.0, 3.0, 4.0])

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(self.scale)
        first, second = x.chunk(2, 1)
        first[:, 0] = 0.25
        second.transpose(2, 3)[:, :, 1].mul_(3.0)
        for part in x.unbind(3):
            part.clamp_(min=-0.5)
        y = self.conv(x)
        flat = y.view(y.size(0), 4, -1)
        flat.add_(self.hidden)
        y.permute(0, 2, 3, 1)[..., 1].mul_(-1.5)
        counts = torch.ones(3, dtype=torch.int64)
        counts.mul_(2)
        literal = torch.tensor([1.0, 2.0, 3.0, 4.0])
        literal += self.offset
        literal.mul_(torch.full((4,), 1.5, dtype=torch.float64))  # stays float32
        y.masked_fill_(y > 2, 0.1)
        return y[:, 1:3].sum((1, 2, 3))[:, None] + flat.mean(2) + literal + counts.sum()


class Parts(nn.Module):
    """Ops that make several values, a region without gradients, an unused branch, a dtype conversion."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.fc(x)
        self.fc(x * 3).relu()
        a, b = y.split([2, 4], 1)
        values, indices = b.max(1)
        with torch.no_grad():
            frozen = y.exp()
        return {"a": a + values[:, None].to(torch.float32), "b": frozen * y, "i": indices.float()}


class Normalised(nn.Module):
    """Writes by out=, ties two weights, and computes a weight from others."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6))
        self.gain = nn.utils.parametrizations.weight_norm(nn.Linear(6, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain(self.spectral(self.second(F.relu(self.first(x)))))


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Linear(4, 3)
        self.word = nn.Embedding(5, 3)

    def forward(self, image: Tensor, word: Tensor) -> Tensor:
        return self.image(image) * self.word(word)


class FixedBatch(nn.Module):
    """Fixes its batch size in the code."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.reshape(2, 4))


class ThreesAreSpecial(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if x.shape[0] % 3 == 0 else x + 1


class ManyAreSpecial(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if x.shape[0] > 4 else x + 1


class PairsOfImages(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1, 2, 3).sum(1)


class OneIsSpecial(nn.Module):
    """Computes something else for a batch of one, and squeezes its axis away."""

    def forward(self, x: Tensor) -> Tensor:
        return (x * 2).squeeze() if x.shape[0] == 1 else x + 1


def image(n: int, channels: int, size: int) -> Tensor:
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(n * 100 + channels))


Entry = tuple[Callable[[], nn.Module], Callable[[int], tuple[Tensor, ...]]]

ZOO: dict[str, Entry] = {
    "lenet": (LeNet, lambda n: (image(n, 1, 28),)),
    "resnet": (ResNet, lambda n: (image(n, 3, 16),)),
    "reused": (Reused, lambda n: (image(n, 1, 6)[:, 0, 0],)),
    "grouped": (Grouped, lambda n: (image(n, 4, 7),)),
    "dropped": (Dropped, lambda n: (image(n, 1, 8)[:, 0, 0],)),
    "recurrent": (Recurrent, lambda n: (image(n, 1, 3)[:, 0],)),
    "attention": (Attention, lambda n: (image(n, 5, 8)[:, :, 0],)),
    "unet": (UNet, lambda n: (image(n, 2, 8),)),
    "inplace": (InPlace, lambda n: (image(n, 2, 4),)),
    "parts": (Parts, lambda n: (image(n, 1, 6)[:, 0, 0],)),
    "normalised": (Normalised, lambda n: (image(n, 1, 6)[:, 0, 0],)),
    "two": (TwoInputs, lambda n: (image(n, 1, 4)[:, 0, 0], torch.arange(n) % 5)),
}


def make(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = ZOO[name][0]()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.5, 2)
    return model


@cache
def graph_of(name: str, mode: Mode = "eval") -> Graph:
    """The graph of `make(name)`, which has the same weights each time, for a batch of 2; built once."""
    return build(make(name), ZOO[name][1](2), mode)
