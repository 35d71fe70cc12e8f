"""Linear regression: the exact solution is the least squares', and both ways to it work."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convoscope.errors import ModelError, RecipeError
from convoscope.models import MODELS, build
from convoscope.models.linear_regression import MOST_INPUTS, fit

Floats = NDArray[np.float64]


def examples(n: int, *, seed: int = 0, offset: float = 0.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 2, 3, 4, generator=generator) + offset, torch.arange(n) % 5


def solved(x: Tensor, labels: Tensor, ridge: float, batch: int = 7) -> nn.Module:
    model = build("linear_regression", (2, 3, 4), 5, {"ridge": ridge})
    fit(model, zip(x.split(batch), labels.split(batch), strict=True))
    return model


def parts(model: nn.Module) -> tuple[Floats, Floats]:
    weight, bias = (model.get_parameter(f"fc.{name}").detach().double().numpy() for name in ("weight", "bias"))
    return weight, bias


def expected(x: Tensor, labels: Tensor, ridge: float) -> tuple[Floats, Floats]:
    """By numpy's least squares: the ridge as rows of its own, the bias as what the means leave."""
    flat, t = x.flatten(1).double().numpy(), np.eye(5)[labels.numpy()]
    n, D = flat.shape
    centred = flat - flat.mean(0)
    rows = np.concatenate([centred, np.sqrt(ridge * n) * np.eye(D)])
    solution = np.linalg.lstsq(rows, np.concatenate([t - t.mean(0), np.zeros((D, 5))]), rcond=1e-10)[0]
    return solution.T, t.mean(0) - flat.mean(0) @ solution


@pytest.mark.parametrize("ridge", [0.0, 0.001, 3.0])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("n", [60, 10])
def test_it_is_the_least_squares_solution(ridge: float, offset: float, n: int) -> None:
    x, labels = examples(n, offset=offset)
    weight, bias = parts(solved(x, labels, ridge))
    expected_weight, expected_bias = expected(x, labels, ridge)
    np.testing.assert_allclose(weight, expected_weight, atol=1e-5)
    np.testing.assert_allclose(bias, expected_bias, rtol=1e-5, atol=1e-5)


def test_a_pixel_that_never_changes_takes_no_part() -> None:
    x, labels = examples(60)
    x[:, 0, 0] = 255.0
    weight, _ = parts(solved(x, labels, 0.0))
    assert np.abs(weight[:, :4]).max() < 1e-6
    assert np.isfinite(weight).all()


def test_no_step_makes_it_better() -> None:
    """The gradient of the mean squared error and the ridge vanishes there."""
    x, labels = examples(60)
    model = solved(x, labels, 0.01).double().requires_grad_(True)
    t = nn.functional.one_hot(labels, 5).double()
    cost = (model(x.double()) - t).square().sum(1).mean() + 0.01 * model.get_parameter("fc.weight").square().sum()
    cost.backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert float(parameter.grad.abs().max()) < 1e-6


def test_sixteen_images_by_heart() -> None:
    x, labels = examples(16)
    model = solved(x, labels, 0.0)
    torch.testing.assert_close(model(x), nn.functional.one_hot(labels, 5).float(), atol=1e-4, rtol=0)


def test_batches_and_blank_images() -> None:
    x, labels = examples(60)
    for one, other in zip(parts(solved(x, labels, 0.1, 60)), parts(solved(x, labels, 0.1, 1)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)
    weight, bias = parts(solved(torch.zeros(10, 2, 3, 4), torch.arange(10) % 5, 0.0))
    assert not weight.any()
    np.testing.assert_allclose(bias, 0.2, atol=1e-7)
    with pytest.raises(ModelError, match="no training image"):
        fit(build("linear_regression", (2, 3, 4), 5), [])


def test_solved_weights_take_no_gradient_and_others_do() -> None:
    assert not any(p.requires_grad for p in build("linear_regression", (1, 4, 4), 3).parameters())
    model = build("linear_regression", (1, 4, 4), 3, {"solve": "gradient"})
    assert all(p.requires_grad for p in model.parameters())
    before = model.get_parameter("fc.weight").detach().clone()
    fit(model, [(torch.randn(20, 1, 4, 4), torch.arange(20) % 3)])
    assert torch.equal(model.get_parameter("fc.weight"), before)


def test_what_it_refuses() -> None:
    with pytest.raises(RecipeError, match="exact, gradient"):
        build("linear_regression", (1, 4, 4), 3, {"solve": "guess"})
    for ridge in (-1.0, float("nan"), float("inf")):
        with pytest.raises(RecipeError, match="0 or more"):
            build("linear_regression", (1, 4, 4), 3, {"ridge": ridge})
    with pytest.raises(ModelError, match="150,528") as raised:
        build("linear_regression", (3, 224, 224), 3)
    assert "--solve gradient" in raised.value.hint
    build("linear_regression", (1, 1, MOST_INPUTS), 2)
    build("linear_regression", (3, 224, 224), 3, {"solve": "gradient"})


def test_the_registry_s_entry() -> None:
    entry = MODELS["linear_regression"]
    assert (entry.year, entry.recipe["loss"]) == (1805, "squared-error")
