"""The page's numbers are the engine's: opened by their addresses, every digit that is shown is compared."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from convoscope import lab
from convoscope.look.captured import Captured
from convoscope.look.derive import Why
from page.conftest import Visit
from page.moves import number
from page.stage import LENET, House

pytestmark = pytest.mark.xdist_group("page")
IMAGE = "test:7"
SHORT = (7, 5, 4, 3, 2)  # how many digits are shown where not all of them are


@dataclass(frozen=True)
class Asked:
    """One number: whose, and which of its numbers; `step` is the snapshot that the page stands at, None for the end."""

    node: str
    at: tuple[int, ...]
    tab: str
    step: int | None = None

    @property
    def address(self) -> str:
        """The page's address of it, with its terms one by one."""
        query = {"image": IMAGE, "step": self.step, "node": self.node, "at": ",".join(map(str, self.at))}
        query |= {"tab": None if self.tab == "forward" else self.tab, "by": "term"}
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return f"/runs/{LENET}/look?{urlencode(given)}"

    @property
    def text(self) -> str:
        """As the command line writes it."""
        return f"{self.node}[{','.join(map(str, self.at))}]"


@pytest.mark.parametrize("n", [pytest.param(8, id="some"), pytest.param(50, id="fifty", marks=pytest.mark.slow)])
@pytest.mark.timeout(400)
def test_every_digit_is_the_engines(visit: Visit, house: House, n: int) -> None:
    """Values, gradients and changes of units and parameters, at the end of training and before."""
    generator = random.Random(n)  # noqa: S311 - which numbers are asked, every time the same
    captured = {step: lab.see(LENET, IMAGE, runs=house.runs, step=step).captured for step in (None, 3)}
    page = visit()
    for asked in some_numbers(captured[None], n, generator):
        page.goto(page.url.split("/runs/")[0].rstrip("/") + asked.address)
        compare(page, asked, the_engines(asked, captured[asked.step], house), captured[asked.step])


def some_numbers(captured: Captured, n: int, generator: random.Random) -> Iterator[Asked]:
    """Numbers of all kinds in turn, each of a node or parameter by chance."""
    nodes = [node for node in captured.graph.nodes.values() if node.kind in {"op", "input"} and len(node.shape) > 1]
    parameters = [node for node in captured.graph.nodes.values() if node.kind == "parameter"]
    kinds = ["forward", "backward", "weight", "update", "earlier", "weight's gradient"]
    for k in range(n):
        kind = kinds[k % len(kinds)]
        is_weight = kind not in {"forward", "backward", "earlier"}
        node = generator.choice(parameters if is_weight else nodes)
        shape = node.shape if is_weight else node.shape[1:]
        at = tuple(generator.randrange(int(size)) for size in shape)
        tab = {"update": "update", "backward": "backward", "weight's gradient": "backward"}.get(kind, "forward")
        yield Asked(node.name, at, tab, 3 if kind == "earlier" or (kind == "update" and k % 4 == 3) else None)


def the_engines(asked: Asked, captured: Captured, house: House) -> Why:
    """The same number by the engine alone."""
    if asked.tab != "update":
        return captured.why(asked.node, asked.at, "backward" if asked.tab == "backward" else "forward")
    last = lab.show(LENET, runs=house.runs)["step"] if asked.step is None else asked.step + 1
    return lab.why_update(LENET, asked.text, runs=house.runs, step=int(last))


def compare(page: Page, asked: Asked, why: Why, captured: Captured) -> None:
    """The card's head, its proof, and every number in its arithmetic."""
    card = number(page)
    expect(card).to_be_visible()
    expect(card).to_have_attribute("aria-busy", "false")
    for name, value in {"computed": why.computed, "recorded": why.recorded, "gap": why.gap}.items():
        shown = card.get_attribute(f"data-{name}")
        assert same(shown, value, why.dtype), f"{asked}: {name}: {shown} is shown for {value}"
    if why.recorded is not None:
        head = card.locator("header .value [data-value]")
        assert head.get_attribute("data-value") == written(why.recorded, why.dtype), asked
        assert plain(head.inner_text()) == written(why.recorded, why.dtype), asked
    for element in card.locator("[data-value]").all():
        check_digits(element, asked)
    check_leaves(card, asked, captured)
    check_terms(card, asked, why)


def same(shown: str | None, value: float | None, dtype: str) -> bool:
    """Whether a text is a number; what was recorded in float32 is the same number when it is so in float32."""
    if shown is None or value is None:
        return (shown is None) == (value is None)
    return float(shown) == value or (dtype == "float32" and np.float32(shown) == np.float32(value) == value)


def check_digits(element: Locator, asked: Asked) -> None:
    """What is seen is the whole number, or the number rounded to as many digits as are shown."""
    full, seen = str(element.get_attribute("data-value")), plain(element.inner_text())
    if seen in (full, "0") and (seen == full or float(full) == 0):
        return
    values = (
        float(full),
        float(np.float32(full)),
    )  # the fewest digits of a float32 stand for a number a little off them
    rounded = {float(f"{value:.{digits - 1}e}") for digits in SHORT for value in values}
    assert float(seen) in rounded, f"{asked}: {seen} is shown for {full}"


def check_leaves(card: Locator, asked: Asked, captured: Captured) -> None:
    """Each unit and parameter in the arithmetic has the value, or gradient, that the pass kept at its address."""
    if asked.tab == "update":
        return  # its numbers are the optimiser's; the terms are compared
    for leaf in card.locator("[data-node]").all():
        values = leaf.locator("[data-value]")
        if values.count() == 0:
            continue
        node, at = str(leaf.get_attribute("data-node")), str(leaf.get_attribute("data-at"))
        found = captured.graph.find(node)
        index = captured.index(found, [int(place) for place in at.split(",") if place])
        kept = (
            captured.gradient(found.name) if leaf.get_attribute("data-of") == "gradient" else captured.value(found.name)
        )
        assert kept is not None, f"{asked}: {node}[{at}]"
        value = kept[index].item()
        shown = float(str(values.first.get_attribute("data-value")))
        assert shown == value or np.float32(shown) == np.float32(value), f"{asked}: {node}[{at}]"


def check_terms(card: Locator, asked: Asked, why: Why) -> None:
    """The first terms of a long sum have the engine's values, the largest first."""
    rows = card.locator(".terms li .row > .value [data-value]")
    expression = json.loads(json.dumps(why.json(20)))["expression"]
    if rows.count() == 0 or expression is None or expression["kind"] != "sum":
        return
    shown = [str(row.get_attribute("data-value")) for row in rows.all()]
    terms = sorted(expression["terms"], key=lambda term: -abs(float(term["value"])))
    for text, term in zip(shown, terms, strict=False):
        size = str(abs(float(text)))
        assert same(size, abs(float(term["value"])), term.get("dtype", "float64")), f"{asked}: {text} for {term}"


def written(value: float, dtype: str) -> str:
    """A number in the fewest digits that give it back, as numpy writes them."""
    return str(np.float32(value)) if dtype == "float32" else str(float(value))


def plain(text: str) -> str:
    """A number that is set in type as a number that a program reads."""
    return text.strip().removeprefix("+").replace("−", "-")
