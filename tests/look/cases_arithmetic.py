"""The cases of ops on numbers, shapes and matrices, each in odd settings."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from cases import case, free, tied
from networks import Case, Fn
from torch import Tensor, nn


@case
def arithmetic() -> Case:
    def compute(x: Tensor, w: Tensor, v: Tensor) -> Tensor:
        y = (x + w * 2 - 1 / (x.abs() + 1)) ** 2 + torch.rsub(x, 3.0) + (-x).abs().sqrt() + (x * x + 0.5).rsqrt()
        y = y + (x * 0.3).exp() + (x.abs() + 0.1).log() + 2.0 ** (0.2 * x) + (x.abs() + 0.2) ** v
        y = y + torch.add(x, w, alpha=2) + torch.sub(v, x, alpha=3) + torch.addcmul(x, w, v, value=0.5)
        y = y + torch.lerp(x, w, 0.3) + x.square() + torch.addcdiv(x, w, v.abs() + 1, value=0.5) + x.sin() * x.cos()
        y = y + torch.maximum(x, w) + torch.minimum(x, v) + x.clamp(-0.5, 1.0) + x.clamp_min(0.0) + x.clamp_max(0.3)
        y = y + torch.where(x > 0, x * w, v) + (x >= 0.5) * x + (x < 0).to(x.dtype) * v + x.masked_fill(x > 1, 2.0)
        y = (
            y
            + torch.erf(x)
            + x.abs().log1p()
            + x.expm1() * 0.1
            + x.tan() * 0.01
            + x.sign()
            + torch.heaviside(x.detach(), torch.zeros(1, dtype=x.dtype))
        )
        y = (
            y
            + x.detach() // 0.7
            + torch.remainder(x, 0.7)
            + torch.div(x, 0.3, rounding_mode="floor")
            + x.pow(0.0)
            + x.pow(1.0)
            + (x * x).pow(1.5)
        )
        return y / (1 + w * w) + (x != 0).logical_not() + torch.maximum(x, x.clamp(0.0, 9.0)) + x.floor() + x.ceil()

    return free(Fn(compute, w=torch.randn(3, 1, 4), v=torch.randn(4)), torch.randn(2, 3, 5, 4))


@case
def reductions() -> Case:
    def compute(x: Tensor) -> Tensor:
        y = x.mean((2, 3)).sum(1) + x.amax((1, 2, 3)) + x.amin((1, 2, 3)) + x.std((1, 2, 3)) + x.var((1, 2, 3))
        y = y + x.max(1)[0].sum((1, 2)) + x.min(-1).values.sum((1, 2)) + torch.linalg.vector_norm(x, 2, (1, 2, 3))
        y = (
            y
            + torch.linalg.vector_norm(x, 1, (1, 2, 3))
            + torch.linalg.vector_norm(x, 3, (1, 2, 3))
            + x.logsumexp(1).sum((1, 2))
        )
        y = y + x.prod(3).sum((1, 2)) + x.cumsum(2).pow(2).sum((1, 2, 3)) + x.argmax(1).sum((1, 2)) * 0.1
        y = (
            y
            + F.normalize(x, dim=1).pow(3).sum((1, 2, 3))
            + x.std()
            + x.max()
            + x.min()
            + x.sum()
            + x.mean()
            + x.norm()
        )
        y = (
            y
            + x.mean(1, keepdim=True).amax((1, 2, 3))
            + x.var(1, correction=0).sum((1, 2))
            + x.max(1, keepdim=True)[0].sum((1, 2, 3))
        )
        found: Tensor = y + x.topk(2, 1)[0].pow(2).sum((1, 2, 3)) + x.sort(2)[0][:, :, 1].sum((1, 2))
        return found

    return free(Fn(compute), torch.randn(2, 3, 4, 5))


@case
def tied_reductions() -> Case:
    def compute(x: Tensor) -> Tensor:
        y = x.amax((1, 2)) + x.amin(1).sum(1) + x.max(1)[0].sum(1) + x.min(2).values.sum(1) + x.max() + x.min()
        return (
            y
            + torch.maximum(x, x.flip(1)).sum((1, 2))
            + x.relu().sum((1, 2))
            + x.clamp(-1.0, 1.0).sum((1, 2))
            + x.abs().sum((1, 2))
        )

    return free(Fn(compute), tied(2, 4, 5))


@case
def shapes() -> Case:
    def compute(x: Tensor) -> Tensor:
        y = (
            x.flatten(1)
            .view(2, 4, 7, 6)
            .reshape(2, 4, 42)
            .permute(0, 2, 1)
            .transpose(1, 2)
            .unsqueeze(1)
            .squeeze(1)
            .contiguous()
        )
        y = (
            y.clone().flatten(1)
            + x.mT.flatten(1)
            + x.movedim(1, 2).flatten(1)
            + torch.unflatten(x, 1, (2, 2)).transpose(1, 2).flatten(1)
        )
        z = torch.cat([x, 2 * x[:, :1], x[:, 1:3]], 1) + torch.stack([x, x * x], 2).flatten(1, 2)[:, :7]
        z = z + x.repeat(1, 2, 1, 1)[:, 1:] + x.repeat_interleave(2, 1)[:, :7] + torch.tile(x, (2, 1, 1))[:, :7]
        a, b = torch.split(x, [1, 3], 1)
        c, d = x.chunk(2, 2)
        e = x.unbind(3)
        y = y.sum(1) + (a * b).sum((1, 2, 3)) + (c[:, :, :3] * d).sum((1, 2, 3)) + (e[0] * e[5] + e[2]).sum((1, 2))
        z = z + x[:, [0, 2, 2, 1, 0, 3, 1]] + x.index_select(1, torch.tensor([0, 1, 1, 3, 2, 0, 0]))
        y = y + x[:, 1:3, ::2, -1].sum((1, 2)) + x.narrow(1, 1, 2).pow(2).sum((1, 2, 3)) + x.select(1, 2).sum((1, 2))
        y = (
            y
            + x[:, :, torch.tensor([0, 1, 1]), torch.tensor([2, 3, 3])].pow(2).sum((1, 2))
            + x.flip((1, 3))[:, 0].pow(3).sum((1, 2))
        )
        y = y + torch.gather(x, 1, torch.arange(168).view(2, 2, 7, 6) % 4).sum((1, 2, 3))
        y = (
            y
            + x.roll((1, 2), (1, 3))[:, 0].pow(2).sum((1, 2))
            + x.tril()[:, 1].pow(2).sum((1, 2))
            + x[:1].expand(3, 4, 7, 6).sum()
        )
        return (
            y
            + z.pow(2).sum((1, 2, 3))
            + x.detach().pow(2).sum((1, 2, 3))
            + x[:, :, None].expand(-1, -1, 3, -1, -1).pow(2).sum((1, 2, 3, 4))
        )

    return free(Fn(compute), torch.randn(2, 4, 7, 6))


@case
def pads() -> Case:
    return free(
        Fn(lambda x: F.pad(F.pad(F.pad(F.pad(x, (1, 0, 2, -1)), (2, 1, 0, 3), mode="reflect"), (1, 2, 3, 0),
                                 mode="replicate"),
                           (1, 2), value=0.5)),
        torch.randn(2, 2, 5, 4),
    )  # fmt: skip


@case
def shuffles() -> Case:
    return free(
        nn.Sequential(nn.PixelShuffle(2), nn.PixelUnshuffle(3), nn.ChannelShuffle(3), nn.Unfold((2, 1))),
        torch.randn(2, 8, 3, 6),
    )


@case
def products_of_matrices() -> Case:
    def compute(x: Tensor, w: Tensor, v: Tensor, b: Tensor) -> Tensor:
        y = torch.bmm(x, x.transpose(1, 2)) + torch.baddbmm(x[:, :, :4], x, x.mT, beta=0.5, alpha=2.0)
        y = y + x @ w @ w.T @ x.mT + torch.matmul(x, v).unsqueeze(1) + torch.einsum("bij,jk,bkl->bil", x, w @ w.T, x.mT)
        m = torch.addmm(b, x[0], w, beta=2, alpha=3) + torch.mm(x[-1], w) + torch.outer(x[0, :, 0], b[0])
        return (
            y.sum((1, 2))
            + m.pow(2).sum()
            + torch.mv(x[0], v).sum()
            + torch.dot(v, v)
            + F.linear(x, w.T, b[0]).sum((1, 2))
            + (x[:, None] @ w[None]).sum()
        )

    return free(Fn(compute, w=torch.randn(5, 3), v=torch.randn(5), b=torch.randn(1, 3)), torch.randn(2, 4, 5))


@case
def rearranged() -> Case:
    def compute(x: Tensor) -> Tensor:
        y = x.clone()
        y[:, 1] = x[:, 0] * 2
        y[:, :, 1:3] = x[:, :, :2] * x[:, :, 1:3]
        y[:, :, 0] *= 3
        z = y.rot90(1, [2, 3]) + torch.hstack([x, x])[:, :3] + torch.vstack([x, x])[:2]
        z = z + x.diagonal(0, 2, 3).sum(2)[..., None, None] + x.unfold(2, 2, 1).sum(4)[:, :, :1]
        z = z + torch.take(x, torch.tensor([3, 3, 1])).sum() + x.kthvalue(2, 3)[0][..., None] + x.median(1)[0][:, None]
        z = z + torch.max(x, y) + torch.min(x, y) * 2 + x.diag_embed()[..., 1] + x.ravel()[5]
        z = z + torch.index_put(x[0], (torch.tensor([0, 1]), torch.tensor([2, 0])), x[0, 1, :2] ** 2)
        z = z + x.topk(2, 1)[0][:, :1] * x.topk(2, 1)[1][:, :1]
        z = z + torch.scatter(x, 1, torch.tensor([[[[2]]], [[[1]]]]), (x * 3)[:, :1, :1, :1])
        z = z + torch.take_along_dim(x, x.argmax(1, keepdim=True), 1) * y
        found: Tensor = z + x.triu(1) * x.flatten().view(2, 3, 4, 4)
        return found

    return free(Fn(compute), torch.randn(2, 3, 4, 4))


@case
def constants() -> Case:
    def compute(x: Tensor) -> Tensor:
        def made(y: Tensor) -> Tensor:
            return y.to(x.dtype)

        y = x + made(torch.zeros(4)) + torch.ones_like(x) * made(torch.full((4,), 2.0)) + torch.arange(1, 9, 2)
        y = y * made(torch.eye(4)) + made(torch.linspace(0.0, 1.0, 5)[:4]) + x.new_zeros(4) + torch.full_like(x, 0.5)
        y = y + x.to(torch.int64) + x.bool() * x + (x > 0).logical_and(x < 1) * x + ((x > 0) | (x < -1)) * x
        return y + (~(x > 0)) * x + x.round() + x.new_full((4,), 3.0) + made(torch.ones(4)) * x.trunc()

    return free(Fn(compute), torch.randn(2, 4, 4))


@case
def other_names() -> Case:
    def compute(x: Tensor) -> Tensor:
        y = (
            torch.absolute(x)
            + torch.clip(x, -0.5, 0.5)
            + torch.multiply(x, x)
            + torch.negative(x)
            + torch.subtract(x, 2.0)
        )
        y = y + torch.true_divide(x, 3.0) + torch.divide(x, 4.0) + torch.fmax(x, x * x) + torch.fmin(x, x * x)
        y = y + (x.abs() + 1).log2() * (x.abs() + 1).log10() + (x == x.floor()) * x + (x > 1).logical_or(x < 0) * x
        y = y + torch.moveaxis(x, 0, 1).swapaxes(0, 1) + x.swapdims(1, 2).swapdims(1, 2) + x.view_as(y).reshape_as(y)
        y = (
            y
            + x.type_as(y) * torch.zeros_like(y)
            + x.new_ones(1)
            + torch.broadcast_to(x[:1], y.shape)
            + torch.positive(x)
        )
        y = (
            y
            + torch.concat([x, x], 1)[:, 4:] * torch.concatenate([x, x])[:2]
            + ((x > 0) & (x < 1)).bitwise_or(x < -1) * x
        )
        y = y + (x > 0).bitwise_and(x < 1) * (x < 0).bitwise_not() * x + x.argmin(1, keepdim=True) * x
        z = x[0]
        w = (
            z.t() @ z
            + torch.diag(z[0, :3]).sum()
            + torch.ger(z[0], z[0])
            + torch.addmv(z[0], z.t(), z[:, 0], beta=2.0, alpha=0.5)
        )
        for part in torch.tensor_split(x, 3, 2):
            w = w + (part * part).sum()
        w = w + torch.functional.atleast_1d(x.sum()) + torch.functional.atleast_2d(z[0])  # type: ignore[no-untyped-call]
        w = w + torch.functional.atleast_3d(z)[0, :, 0]  # type: ignore[no-untyped-call]
        found: Tensor = y + w[:4, :5].unsqueeze(0)
        return found + F.max_pool2d(x[:, None], 2, 1, return_indices=True)[0].mean()

    return free(Fn(compute), torch.randn(2, 4, 5))


@case
def random_numbers() -> Case:
    def compute(x: Tensor) -> Tensor:
        shape = (4, 5)
        drawn = torch.rand_like(x) + torch.randn_like(x) + torch.bernoulli(x.sigmoid())
        return x * drawn + torch.rand(shape, dtype=x.dtype) * torch.randn(shape, dtype=x.dtype)

    return free(Fn(compute), torch.randn(2, 4, 5))
