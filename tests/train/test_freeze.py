from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from convoscope.data import Splits
from convoscope.data.normalise import Normalisation
from convoscope.errors import RecipeError
from convoscope.train.checkpoint import AVERAGE, MODEL, OPTIMISER, Checkpoint
from convoscope.train.device import Machine
from convoscope.train.events import Event, Finding, Statistics
from convoscope.train.freeze import freeze, frozen_by_recipe, thaw, thaws_after
from convoscope.train.gradient import Plan
from convoscope.train.loop import train
from convoscope.train.optim import make_optimiser
from convoscope.train.recipe import Recipe

# 200 images in batches of 25: 8 steps an epoch, 24 in all, frozen for the first 12.
RECIPE = Recipe(
    epochs=3, batch_size=25, freeze="body", thaw=1.5, thaw_lr=0.25, lr=0.02, snapshots=0, save_seconds=1e6,
    statistics_every=1, device="cpu", flat_epochs=0,
)  # fmt: skip
THAWS = 12


class Net(nn.Module):
    """A body with a batch norm and dropout, with one layer that nobody trains, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(144, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 8))
        self.body[4].requires_grad_(False)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.body(x))
        return y


def network() -> Net:
    torch.manual_seed(0)
    return Net()


def events_of(
    model: nn.Module, splits: Splits, recipe: Recipe, resume: Checkpoint | None = None, stop: int | None = None
) -> Iterator[Event | Checkpoint]:
    return train(
        model, splits, Normalisation.fit("z-score", splits.train.images), recipe, Machine("cpu"), Plan(),
        resume=resume, steer=lambda step: "stop" if step == stop else "go",
    )  # fmt: skip


def taken(checkpoint: Checkpoint) -> Checkpoint:
    """A checkpoint that the loop does not change any more, as from the disk."""
    tensors = {name: value.detach().clone() for name, value in checkpoint.tensors.items()}
    return Checkpoint(checkpoint.reason, tensors, {**checkpoint.progress})


def last_of(events: Iterator[Event | Checkpoint]) -> tuple[Checkpoint, list[Event]]:
    seen: list[Event] = []
    last = None
    for event in events:
        if isinstance(event, Checkpoint):
            last = taken(event)
        else:
            seen.append(event)
    assert last is not None
    return last, seen


def same(one: Checkpoint, other: Checkpoint) -> bool:
    return one.tensors.keys() == other.tensors.keys() and all(
        torch.equal(value, other.tensors[name]) for name, value in one.tensors.items()
    )


def learns(checkpoint: Checkpoint, prefix: str) -> set[str]:
    return {name.removeprefix(prefix).split(".")[0] for name in checkpoint.tensors if name.startswith(prefix)}


@pytest.mark.parametrize(
    ("thaw_at", "epochs", "steps_per_epoch", "after"),
    [
        (0.0, 3, 8, None),
        (1.0, 3, 8, 8),
        (1.5, 3, 8, 12),
        (0.01, 3, 8, 1),
        (2.99, 3, 8, 23),
        (0.5, 1, 2, 1),
        (0.5, 1, 1, 0),
    ],
)
def test_after_how_many_updates_it_thaws(thaw_at: float, epochs: int, steps_per_epoch: int, after: int | None) -> None:
    recipe = replace(RECIPE, epochs=epochs, thaw=thaw_at)
    assert thaws_after(recipe, steps_per_epoch) == after


def test_what_took_no_gradient_before_never_thaws() -> None:
    model = network()
    freeze(model, "body", 4)
    freeze(model, "body", 4)  # as a run that is prepared and then trained does
    model = copy.deepcopy(model)
    assert not any(parameter.requires_grad for parameter in model.body.parameters())
    thawed = ["body.1.weight", "body.1.bias", "body.2.weight", "body.2.bias"]
    assert thaw(model) == thawed == list(frozen_by_recipe(model))
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == {"body.4.weight", "body.4.bias"}


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"freeze": ""}, "nothing is frozen"),
        ({"thaw": 3.0}, "the run has 3: nothing would ever thaw"),
        ({"thaw": -1.0}, "must be"),
        ({"thaw_lr": 1.5}, "must be"),
    ],
)
def test_a_thaw_that_makes_no_sense_is_refused(knobs: dict, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        replace(RECIPE, **knobs)


def test_a_thaw_beyond_epochs_that_are_found_later_is_refused() -> None:
    recipe = replace(RECIPE, epochs=None, thaw=50.0)
    with pytest.raises(RecipeError, match="the run has 2: nothing would ever thaw"):
        recipe.settled(100, n_seen=200, batch_size=10)


@pytest.mark.parametrize("optimiser", ["adamw", "nesterov", "muon"])
def test_it_stays_as_it_is_until_it_thaws_and_learns_then(optimiser: str, splits: Splits) -> None:
    model = network()
    first = {name: value.clone() for name, value in model.state_dict().items()}
    at_thaw: dict[str, Tensor] = {}
    moved: dict[int, set[str]] = {}
    told = []
    for event in events_of(model, splits, replace(RECIPE, optimiser=optimiser, weight_decay=0.1)):
        if isinstance(event, Statistics):
            moved[event.step] = {name.split(".")[0] for name in event.parameters}
        if isinstance(event, Finding):
            told.append(event)
            at_thaw = {name: value.clone() for name, value in model.state_dict().items()}
    assert [(one.name, one.step) for one in told] == [("thawed", THAWS + 1)]
    assert "at 0.25 times" in told[0].message
    assert all(torch.equal(first[name], at_thaw[name]) for name in first if name.startswith("body"))
    assert moved == {step: {"head"} if step <= THAWS else {"head", "body"} for step in range(1, 25)}
    last = model.state_dict()
    kept = {name for name in first if torch.equal(first[name], last[name])}
    assert kept == {"body.4.weight", "body.4.bias"}  # running figures of the batch norm have moved too
    assert last["body.2.num_batches_tracked"] == 24 - THAWS


def test_the_first_step_after_the_thaw_is_the_optimisers_own(splits: Splits) -> None:
    """Against torch's AdamW with two groups, one of which joins with nothing in its state."""
    recipe = replace(RECIPE, schedule="constant", warmup=0.0, weight_decay=0.1)
    start, _ = last_of(events_of(network(), splits, recipe, stop=THAWS))
    model = network()
    end, _ = last_of(events_of(model, splits, recipe, resume=start, stop=THAWS + 1))
    gradient = {name: p.grad for name, p in model.named_parameters()}
    for name in ("body.1.weight", "head.weight"):
        weight = nn.Parameter(start.tensors[MODEL + name].clone())
        weight.grad = gradient[name]
        peer = torch.optim.AdamW([weight], lr=0.02 * (0.25 if name.startswith("body") else 1), weight_decay=0.1)
        state = {k: v for k, v in start.tensors.items() if k.startswith(f"{OPTIMISER}{name}.")}
        assert bool(state) is name.startswith("head")
        if state:
            peer.state[weight] = {key.rpartition(".")[2]: value.clone() for key, value in state.items()}
        peer.step()
        torch.testing.assert_close(end.tensors[MODEL + name], weight.detach(), atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("stop", [5, THAWS, THAWS + 1, 20])
@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_a_stop_anywhere_changes_no_bit(optimiser: str, stop: int, splits: Splits) -> None:
    recipe = replace(RECIPE, optimiser=optimiser, ema=0.9, clip=1.0, l2=0.01, patience=5, weight_decay=0.01)
    straight, _ = last_of(events_of(network(), splits, recipe))
    halfway, before = last_of(events_of(network(), splits, recipe, stop=stop))
    assert halfway.step == stop
    assert learns(halfway, OPTIMISER) == learns(halfway, AVERAGE) == ({"head"} if stop <= THAWS else {"head", "body"})
    model = network()
    model.load_state_dict({name: torch.randn_like(value.float()) for name, value in model.state_dict().items()})
    again, after = last_of(events_of(model, splits, recipe, resume=halfway))
    assert same(straight, again)
    told = [event.step for event in (*before, *after) if isinstance(event, Finding)]
    assert told == [THAWS + 1]


def test_a_model_that_a_longer_run_thawed_is_frozen_anew(splits: Splits) -> None:
    """Steps are trained again with the very network that was trained to the end before."""
    model = network()
    weights = copy.deepcopy(model.state_dict())
    one, _ = last_of(events_of(model, splits, RECIPE))
    model.load_state_dict(weights)
    two, _ = last_of(events_of(model, splits, RECIPE))
    assert same(one, two)


@pytest.mark.parametrize(("frozen", "by_muon"), [("0", {"0.weight"}), ("4", {"0.weight", "2.weight"})])
def test_the_rule_of_a_parameter_does_not_change_when_something_thaws(frozen: str, by_muon: set[str]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    recipe = Recipe(optimiser="muon", freeze=frozen, thaw=1, thaw_lr=0.5)
    freeze(model, frozen, 2)

    def movers() -> dict[str, tuple[str, float]]:
        return {
            name: (type(part.optimiser).__name__, part.lr_factor)
            for part in make_optimiser(model, recipe).parts
            for name in part.names
        }

    early = movers()
    assert not any(name.startswith(frozen) for name in early)
    thaw(model)
    late = movers()
    assert all(late[name] == early[name] for name in early)
    assert late[f"{frozen}.bias"] == ("AdamW", 0.5)
    assert {name for name, (kind, _) in late.items() if kind == "Muon"} >= by_muon
    assert set(late) == {name for name, _ in model.named_parameters()}
