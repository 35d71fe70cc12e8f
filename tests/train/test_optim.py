from __future__ import annotations

import pytest
import torch
from torch import nn

from convoscope.errors import RecipeError
from convoscope.train.gradient import Plan, workers
from convoscope.train.optim import OPTIMISERS, make_optimiser
from convoscope.train.recipe import Recipe


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 4, 5), nn.ReLU(), nn.Linear(5, 2))


def gradients(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(8, 2, 4, 4, generator=generator)
    model.zero_grad()
    model(x).square().mean().backward()


PEERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.03),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, weight_decay=0.03),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True, weight_decay=0.03),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.03),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.03),
}


@pytest.mark.parametrize("name", list(PEERS))
def test_each_rule_is_torchs(name: str) -> None:
    ours, peer = network(), network()
    optimiser = make_optimiser(ours, Recipe(optimiser=name, lr=0.1, momentum=0.8, weight_decay=0.03))
    theirs = PEERS[name](peer.parameters())
    for seed in range(4):
        gradients(ours, seed)
        optimiser.step(0.1)
        gradients(peer, seed)
        theirs.step()
    for one, other in zip(ours.parameters(), peer.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_muon_moves_kernels_as_matrices_and_leaves_the_rest_to_adamw() -> None:
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    optimiser = make_optimiser(model, Recipe(optimiser="muon", lr=0.1, weight_decay=0.03))
    gradients(model, 0)
    kernel = nn.Parameter(before[0].reshape(3, -1).clone())
    kernel.grad = model[0].weight.grad.reshape(3, -1).clone()
    bias = nn.Parameter(before[1].clone())
    bias.grad = model[0].bias.grad.clone()
    optimiser.step(0.1)
    torch.optim.Muon([kernel], lr=0.1, momentum=0.95, weight_decay=0.03, adjust_lr_fn="match_rms_adamw").step()
    torch.optim.AdamW([bias], lr=0.1, weight_decay=0.03).step()
    torch.testing.assert_close(model[0].weight.reshape(3, -1), kernel)
    torch.testing.assert_close(model[0].bias, bias)
    moved_by = {name: type(part.optimiser) for part in optimiser.parts for name in part.names}
    muon, adamw = torch.optim.Muon, torch.optim.AdamW
    assert moved_by == {
        "0.weight": muon, "3.weight": muon, "0.bias": adamw, "3.bias": adamw, "5.weight": adamw, "5.bias": adamw
    }  # fmt: skip


def test_a_crew_moves_the_parts_side_by_side_to_the_same_bits() -> None:
    alone, helped = network(), network()
    with workers(Plan(shards=2)) as crew:
        for model, given in ((alone, None), (helped, crew)):
            optimiser = make_optimiser(model, Recipe(optimiser="muon", lr=0.1, weight_decay=0.03))
            for seed in range(3):
                gradients(model, seed)
                optimiser.step(0.1, given)
    assert all(torch.equal(a, b) for a, b in zip(alone.parameters(), helped.parameters(), strict=True))


def test_muon_does_not_mind_the_order_of_axes_in_memory() -> None:
    plain, last = network(), network().to(memory_format=torch.channels_last)
    for model in (plain, last):
        optimiser = make_optimiser(model, Recipe(optimiser="muon", lr=0.1))
        gradients(model, 0)
        optimiser.step(0.1)
    assert last[0].weight.is_contiguous(memory_format=torch.channels_last)
    # Muon's iteration runs in bfloat16, whose sums differ with the order of the columns.
    torch.testing.assert_close(plain[0].weight, last[0].weight, atol=0.01, rtol=0.05)


@pytest.mark.parametrize("name", list(OPTIMISERS))
def test_state_taken_out_and_put_back_changes_no_bit(name: str) -> None:
    recipe = Recipe(optimiser=name, lr=0.05, weight_decay=0.01)
    straight = network()
    optimiser = make_optimiser(straight, recipe)
    for seed in range(3):
        gradients(straight, seed)
        optimiser.step(0.05)
    state = {key: value.clone() for key, value in optimiser.state().items()}
    again = network()
    again.load_state_dict({key: value.clone() for key, value in straight.state_dict().items()})
    second = make_optimiser(again, recipe)
    second.load_state(state)
    for seed in range(3, 6):
        for model, rule in ((straight, optimiser), (again, second)):
            gradients(model, seed)
            rule.step(0.05)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), again.parameters(), strict=True))
    assert (name == "sgd") == (not state)


def test_frozen_parameters_stay() -> None:
    model = network()
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    optimiser = make_optimiser(model, Recipe(optimiser="muon", lr=0.1, weight_decay=0.1))
    gradients(model, 0)
    optimiser.step(0.1)
    assert torch.equal(model[0].weight, before)


def test_held_matrices_keep_their_length_and_turn_by_lr() -> None:
    model = network()
    optimiser = make_optimiser(model, Recipe(optimiser="muon", hold=True, lr=0.1, weight_decay=0.3))
    for seed in range(3):
        gradients(model, seed)
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        optimiser.step(0.1)
    for name in ("0.weight", "3.weight"):
        weight, rows = model.get_parameter(name), len(before[name])
        held = before[name] * rows**0.5 / before[name].norm()
        # Newton-Schulz leaves singular values between about 0.7 and 1.2: O is as long as its rank's root, nearly.
        turned = (weight - held).norm() / (0.1 * rows**0.5)
        assert 0.6 < turned < 1.25


def test_what_muon_leaves_moves_at_its_own_rate() -> None:
    model = network()
    before = model[5].weight.detach().clone()
    optimiser = make_optimiser(model, Recipe(optimiser="muon", lr=0.1, rest_lr=0.2, weight_decay=0.3))
    gradients(model, 0)
    peer = nn.Parameter(before)
    peer.grad = model[5].weight.grad.clone()
    optimiser.step(0.1)
    torch.optim.AdamW([peer], lr=0.02, weight_decay=0.3).step()
    torch.testing.assert_close(model[5].weight, peer)


def test_the_last_layer_and_the_rest_have_rates_of_their_own() -> None:
    model = network()
    knobs = {"hold": True, "rest": "nesterov", "momentum": 0.6, "rest_lr": 3.0, "head_lr": 0.2}
    optimiser = make_optimiser(model, Recipe(optimiser="muon", lr=0.1, **knobs))
    rates = {"5.weight": 0.02, "5.bias": 0.02, "0.bias": 0.3, "3.bias": 0.3}
    peers = {name: nn.Parameter(model.get_parameter(name).detach().clone()) for name in rates}
    theirs = {name: torch.optim.SGD([p], lr=rates[name], momentum=0.6, nesterov=True) for name, p in peers.items()}
    for seed in range(3):
        gradients(model, seed)
        for name, peer in peers.items():
            peer.grad = model.get_parameter(name).grad.clone()
            theirs[name].step()
        optimiser.step(0.1)
    for name, peer in peers.items():
        torch.testing.assert_close(model.get_parameter(name), peer)


def test_a_matrix_of_zeros_is_moved_all_the_same() -> None:
    model = network()
    nn.init.zeros_(model[0].weight)
    optimiser = make_optimiser(model, Recipe(optimiser="muon", hold=True, lr=0.1))
    gradients(model, 0)
    optimiser.step(0.1)
    assert model[0].weight.isfinite().all()


@pytest.mark.parametrize("knobs", [{"hold": True}, {"rest": "nesterov"}, {"rest_lr": 2.0}, {"head_lr": 2.0}])
def test_only_muon_holds_and_leaves(knobs: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match="asked with the optimiser adamw"):
        Recipe(optimiser="adamw", **knobs)
