from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from networks import Case, check, seen_of
from torch import Tensor, nn

from convoscope.errors import ConvoscopeError, InputError, UnknownName
from convoscope.graph.build import build
from convoscope.graph.graph import Graph
from convoscope.look.capture import capture
from convoscope.look.derive import derive
from convoscope.look.expr import Expression, Number, Param, Product, Sum, Unit
from convoscope.look.rules import RULES
from convoscope.look.seen import Seen


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)
        self.head = nn.Linear(48, 4)

    def forward(self, x: Tensor) -> Any:
        y = self.conv(x).relu()
        return self.head((y + y * y).flatten(1))


@pytest.fixture(scope="module")
def seen() -> Seen:
    torch.manual_seed(0)
    x, target = torch.randn(1, 2, 4, 4), torch.tensor([2])
    return seen_of(Case(Small(), x, nn.functional.cross_entropy, target), torch.float32)


class Spoilt:
    """A pass with one number changed."""

    def __init__(self, seen: Seen, node: str) -> None:
        self.graph: Graph = seen.graph
        self.seen, self.node = seen, node

    def value(self, node: str) -> Tensor:
        value = self.seen.value(node)
        return value * 1.001 if node == self.node else value

    def gradient(self, node: str) -> Tensor | None:
        return self.seen.gradient(node)


def test_a_spoilt_number_is_found(seen: Seen) -> None:
    assert not check(seen, torch.float32, units=20).wrong
    assert check(Spoilt(seen, "conv"), torch.float32, units=20).wrong
    assert check(Spoilt(seen, "conv.weight"), torch.float32, units=20).wrong


def test_every_part_opens_down_to_the_pixels(seen: Seen) -> None:
    titles: set[str] = set()
    ends: set[str] = set()
    waiting = [derive(seen, "loss", ())]
    while waiting and len(titles) < 400:
        why = waiting.pop()
        titles.add(why.title)
        if why.expression is None:
            ends.add(why.note.split(" is ")[1].split(":")[0])
            continue
        for part in why.parts(3):
            inner = None if isinstance(part, Number) else why.open(part)
            if inner is not None and (inner.recorded is None or inner.title not in titles):
                waiting.append(inner)
    assert ends == {"an input", "a parameter"}


def test_backward_opens_up_to_the_loss(seen: Seen) -> None:
    why = derive(seen, "conv.weight", (1, 0, 2, 2), "backward")
    for _ in range(12):
        units: list[Expression] = [p for p in why.parts() if isinstance(p, Unit) and p.of == "gradient"]
        if not units:
            factors = [f for p in why.parts() if isinstance(p, Product) for f in p.factors]
            units = [f for f in factors if isinstance(f, Unit) and f.of == "gradient"]
        if not units and isinstance(why.expression, Sum):
            units = [why.parts()[0]]
        if not units:
            break
        why = why.open(units[0])
    assert why.expression == Number(1.0, "the backward pass starts here")
    assert why.title == "dloss/d loss"


def test_a_value_read_twice_takes_both_parts(seen: Seen) -> None:
    node = next(n for n in seen.graph.nodes.values() if n.op == "relu")
    why = derive(seen, node.name, (0, 0, 1, 1), "backward")
    assert isinstance(why.expression, Sum)
    assert len(why.expression.terms) == 3  # y + y·y: once in the sum, twice in the product


def test_a_part_opens_by_its_position(seen: Seen) -> None:
    why = derive(seen, "conv", (0, 1, 2, 2))
    product = why.open(0)
    assert isinstance(product.expression, Product)
    assert product.recorded is None
    assert product.gap is None
    unit = product.open(product.expression.factors[0])
    assert "an input" in unit.note
    assert "learned" in product.open(product.expression.factors[1]).note
    with pytest.raises(InputError, match="no part 99"):
        why.open(99)


def test_the_batch_index_may_be_left_out(seen: Seen) -> None:
    assert derive(seen, "conv", (1, 2, 2)).recorded == derive(seen, "conv", (0, 1, 2, 2)).recorded


@pytest.mark.parametrize(
    ("node", "at", "direction", "hint"),
    [
        ("convv", (0,), "forward", "conv"),
        ("conv", (0, 3, 0, 0), "forward", "0 to 2"),
        ("conv", (0, -1, 0, 0), "forward", "-1"),
        ("conv", (0, 0), "forward", "4 axes"),
        ("conv", (0, 0, 0, 0), "sideways", "backward"),
    ],
)
def test_bad_questions_get_one_clear_sentence(
    seen: Seen, node: str, at: tuple[int, ...], direction: Any, hint: str
) -> None:
    with pytest.raises(ConvoscopeError, match=hint):
        derive(seen, node, at, direction)


def test_near_names_are_listed(seen: Seen) -> None:
    with pytest.raises(UnknownName, match=r"conv\b"):
        derive(seen, "cnov", (0,))


def test_an_op_without_a_rule_says_so() -> None:
    class Rare(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = torch.special.i0(x)
            return found

    x = torch.randn(1, 3)
    seen = seen_of(Case(Rare(), x, lambda y, t: (y * t).sum(), torch.ones(1, 3)), torch.float32)
    name = next(n.name for n in seen.graph.nodes.values() if "i0" in n.op)
    forward, backward = derive(seen, name, (0, 1)), derive(seen, "x", (0, 1), "backward")
    assert forward.expression is None
    assert forward.computed is None
    assert forward.gap is None
    assert forward.recorded == pytest.approx(float(torch.special.i0(x)[0, 1]))
    assert "has no rule" in forward.text()
    assert "has no rule" in backward.note
    assert forward.json()["expression"] is None


def test_without_a_loss_there_is_no_gradient() -> None:
    model, x = nn.Linear(3, 2), torch.randn(1, 3)
    graph = build(model, x)
    seen = capture(graph, model, x)
    with pytest.raises(InputError, match="gradient"):
        derive(seen, graph.outputs[0], (0, 0), "backward")
    logit = capture(graph, model, x, logit=1)
    why = derive(logit, "weight", (1, 2), "backward")
    assert why.gap == 0
    assert derive(logit, graph.outputs[0], (0, 1), "backward").computed == 1


def test_every_rule_says_what_it_does_with_numbers() -> None:
    for op, rule in RULES.items():
        assert rule.__doc__, op
        assert any(sign in rule.__doc__ for sign in "0123456789"), f"{op}: no example"


def test_a_term_is_a_weight_times_a_unit(seen: Seen) -> None:
    why = derive(seen, "head", (0, 3))
    assert isinstance(why.expression, Sum)
    assert len(why.expression.terms) == 49
    term = why.expression.terms[5]
    assert isinstance(term, Product)
    assert isinstance(term.factors[1], Param)
    assert term.factors[1].at == (3, 5)
    assert isinstance(why.expression.terms[48], Param)


def test_what_was_opened_does_not_keep_the_pass() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    passed = capture(build(model, torch.ones(1, 2), "eval"), model, torch.ones(1, 2))
    derive(passed, "1", (0, 0))
    gone = weakref.ref(passed)
    del passed
    gc.collect()
    assert gone() is None
