from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convoscope.errors import InputError, UnknownName
from convoscope.look.update import UPDATES, explain_update

SGD, ADAM, ADAMW, MUON = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Muon
CASES: list[tuple[str, Any, dict[str, Any]]] = [
    ("sgd", SGD, {"lr": 0.1}),
    ("sgd", SGD, {"lr": 0.1, "weight_decay": 0.05, "maximize": True}),
    ("momentum", SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ("momentum", SGD, {"lr": 0.1, "momentum": 0.8, "dampening": 0.3}),
    ("nesterov", SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02}),
    ("adam", ADAM, {"lr": 0.01}),
    ("adam", ADAM, {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True, "betas": (0.8, 0.95), "eps": 1e-4}),
    ("adam", ADAM, {"lr": 0.01, "maximize": True}),
    ("adamw", ADAMW, {"lr": 0.01}),
    ("adamw", ADAMW, {"lr": 0.01, "weight_decay": 0.3, "amsgrad": True, "betas": (0.5, 0.9)}),
    ("adamw", ADAMW, {"lr": 0.01, "fused": True}),
    ("muon", MUON, {"lr": 0.02}),
    ("muon", MUON, {"lr": 0.02, "nesterov": False, "momentum": 0.8, "weight_decay": 0.5}),
    ("muon", MUON, {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3}),
]


def settings_of(optimiser: torch.optim.Optimizer) -> dict[str, float]:
    group = dict(optimiser.param_groups[0])
    if "betas" in group:
        group["beta1"], group["beta2"] = group["betas"]
    group["match_rms_adamw"] = group.get("adjust_lr_fn") == "match_rms_adamw"
    return {name: float(value) for name, value in group.items() if isinstance(value, (int, float))}


def state_of(optimiser: torch.optim.Optimizer, weight: Tensor) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in optimiser.state[weight].items() if isinstance(value, Tensor)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("rule", "kind", "settings"), CASES, ids=[f"{c[0]}-{k}" for k, c in enumerate(CASES)])
def test_every_step_is_the_optimisers(rule: str, kind: Any, settings: dict[str, Any], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(4, 6, dtype=dtype))
    optimiser = kind([weight], **settings)
    for _ in range(4):
        weight.grad = torch.randn_like(weight)
        before, state = weight.detach().clone(), state_of(optimiser, weight)
        optimiser.step()
        for at in np.ndindex(4, 6):
            why = explain_update(rule, settings_of(optimiser), state, before, weight.grad, at, weight.detach())
            assert why.gap is not None
            # Muon's bfloat16 iteration is taken over, so the rest of the arithmetic is as exact as the others'.
            assert why.gap <= (1e-5 if dtype is torch.float32 else 1e-12) * why.scale, why.text()


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_muon_moves_a_kernel_as_a_matrix(memory: torch.memory_format) -> None:
    torch.manual_seed(0)
    kernel = torch.randn(3, 4, 2, 2).to(memory_format=memory)
    gradient = torch.randn(3, 4, 2, 2).to(memory_format=memory)
    axes = (0, 1, 2, 3) if memory is torch.contiguous_format else (0, 2, 3, 1)
    matrix = nn.Parameter(kernel.permute(axes).reshape(3, 16).clone())
    matrix.grad = gradient.permute(axes).reshape(3, 16)
    optimiser = MUON([matrix], lr=0.02)
    optimiser.step()  # type: ignore[no-untyped-call]
    after = matrix.detach().view([kernel.shape[k] for k in axes]).permute([axes.index(k) for k in range(4)])
    for at in np.ndindex(3, 4, 2, 2):
        why = explain_update("muon", settings_of(optimiser), {}, kernel, gradient, at, after)
        assert why.gap is not None
        assert why.gap <= 1e-5 * why.scale
        assert "bfloat16" in why.note
        assert "bfloat16" in why.text()
        assert "newton_schulz" in why.text()
        assert "NS" in why.latex()
        assert "bfloat16" in why._repr_html_()


@pytest.mark.parametrize("norm", [0.5, 100.0])
def test_penalties_then_clipping_as_the_trainer_has_them(norm: float) -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(5, 3))
    before, gradient = weight.detach().clone(), torch.randn(5, 3)
    penalised = gradient + 0.1 * before.sign() + 0.2 * before
    weight.grad = penalised.clone()
    total = nn.utils.clip_grad_norm_([weight], norm)
    assert bool(torch.allclose(weight.grad, penalised)) is bool(norm > total)
    SGD([weight], lr=0.3).step()
    settings = {"lr": 0.3, "l1": 0.1, "l2": 0.2, "clip_norm": norm, "total_norm": float(total)}
    for at in np.ndindex(5, 3):
        why = explain_update("sgd", settings, {}, before, gradient, at, weight.detach())
        assert why.gap is not None
        assert why.gap <= 1e-5 * why.scale
        assert (abs((why.computed or 0) - (why.recorded or 0))) == why.gap


def test_a_wrong_state_shows_as_a_gap() -> None:
    weight, gradient = torch.ones(2, 2), torch.ones(2, 2)
    wrong = explain_update(
        "momentum", {"lr": 0.1, "momentum": 0.9}, {"momentum_buffer": torch.ones(2, 2)}, weight, gradient, (0, 0), 0.9
    )
    assert wrong.gap == pytest.approx(0.09)


def test_three_numbers_by_hand() -> None:
    why = explain_update(
        "nesterov",
        {"lr": 0.1, "momentum": 0.9},
        {"momentum_buffer": torch.tensor([1.0])},
        torch.tensor([1.0]),
        torch.tensor([2.0]),
        (0,),
    )
    assert why.computed == pytest.approx(0.539)
    assert why.recorded is None
    assert "momentum" in why.text()


def test_what_cannot_be_explained() -> None:
    one = torch.ones(2, 2)
    with pytest.raises(UnknownName, match="adamw"):
        explain_update("adamv", {"lr": 0.1}, {}, one, one, (0, 0))
    with pytest.raises(InputError, match="sizes"):
        explain_update("sgd", {"lr": 0.1}, {}, one, one, (0, 2))
    with pytest.raises(InputError, match="shape"):
        explain_update("sgd", {"lr": 0.1}, {}, one, torch.ones(3), (0, 0))
    with pytest.raises(InputError, match="state"):
        explain_update("sgd", {"lr": 0.1}, {"momentum_buffer": torch.ones(3)}, one, one, (0, 0))
    with pytest.raises(InputError, match="norm"):
        explain_update("sgd", {"lr": 0.1, "clip_norm": 1.0}, {}, one, one, (0, 0))
    with pytest.raises(InputError, match="one axis"):
        explain_update("muon", {"lr": 0.1}, {}, torch.ones(2), torch.ones(2), (0,))
    assert set(UPDATES) == {"sgd", "momentum", "nesterov", "adam", "adamw", "muon"}
