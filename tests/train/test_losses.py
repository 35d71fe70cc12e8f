from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convoscope.train.losses import LOSSES, add_penalties, is_at_chance, penalised

Z = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.25, 3.0]])
Y = torch.tensor([0, 1])


def test_cross_entropy_by_hand() -> None:
    expected = [-math.log(math.exp(2) / (math.exp(2) + math.exp(-1) + math.exp(0.5)))]
    expected.append(-math.log(math.exp(0.25) / (1 + math.exp(0.25) + math.exp(3))))
    assert LOSSES["cross-entropy"](Z, Y, 0.0).tolist() == pytest.approx(expected, rel=1e-6)


def test_label_smoothing_by_hand() -> None:
    s, K = 0.3, 3
    log_p = Z.double().log_softmax(1)
    q = torch.full((2, K), s / K, dtype=torch.float64)
    q[torch.arange(2), Y] += 1 - s
    assert LOSSES["cross-entropy"](Z, Y, s).tolist() == pytest.approx((-(q * log_p).sum(1)).tolist(), rel=1e-6)


def test_hinge_by_hand() -> None:
    # Image 0: max(0, 1 - 1 - 2) + max(0, 1 + 0.5 - 2) = 0. Image 1: max(0, 1 + 0 - 0.25) + max(0, 1 + 3 - 0.25) = 4.5.
    assert LOSSES["hinge"](Z, Y, 0.0).tolist() == pytest.approx([0.0, 4.5])


def test_squared_error_by_hand() -> None:
    # Image 0: 1 + 1 + 0.25. Image 1: 0 + 0.5625 + 9.
    assert LOSSES["squared-error"](Z, Y, 0.0).tolist() == pytest.approx([2.25, 9.5625])


@given(st.floats(0, 1), st.floats(0, 1))
def test_penalties_add_their_own_gradient(l1: float, l2: float) -> None:
    weight = torch.nn.Parameter(torch.tensor([[1.5, -2.0], [0.25, 3.0]]))
    weight.grad = torch.ones_like(weight)
    value = add_penalties([weight], l1, l2)
    copy = weight.detach().clone().requires_grad_()
    penalty = l1 * copy.abs().sum() + l2 / 2 * copy.square().sum()
    penalty.backward()
    assert value == pytest.approx(float(penalty.detach()), rel=1e-5)
    torch.testing.assert_close(weight.grad, 1 + (copy.grad if copy.grad is not None else 0))


def test_penalties_leave_biases_alone() -> None:
    layer = torch.nn.Linear(3, 2)
    assert penalised(layer.parameters()) == [layer.weight]


def test_chance() -> None:
    assert is_at_chance(0.105, 10_000, 0.1)
    assert not is_at_chance(0.2, 10_000, 0.1)
    assert is_at_chance(0.2, 20, 0.1)  # 4 of 20 is within three standard errors of 2 of 20


def test_what_is_nearly_all_right_is_not_chance() -> None:
    assert is_at_chance(0.995, 10_000, 0.995)
    assert not is_at_chance(0.999, 10_000, 0.995)  # one class has nearly all images
    assert not is_at_chance(1.0, 4, 0.5)  # so few that three standard errors reach past 1
    assert is_at_chance(0.7, 4, 0.5)
