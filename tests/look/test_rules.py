from __future__ import annotations

import cases_arithmetic  # noqa: F401 - adds its cases
import cases_distances  # noqa: F401
import cases_losses  # noqa: F401
import pytest
import torch
from cases import CASES
from networks import check, seen_of

from convoscope.graph.build import build
from convoscope.look.rules import RULES

# Each is y = x, or says that it has no rule; export writes them in no model here.
PLAIN = {"alias", "alpha_dropout", "lift_fresh_copy", "output", "_to_copy"}


# torch says that it pads an even kernel's input by a copy; that is what the case is for.
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_every_number_is_what_torch_has(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    seen = seen_of(CASES[name](), dtype)
    tally = check(seen, dtype)
    assert tally.tried > 0
    assert not tally.wrong, "\n".join(tally.wrong[:10])
    assert not tally.unruled


@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_every_rule_is_tried_by_some_case() -> None:
    tried = set()
    for make in CASES.values():
        case = make()
        graph = build(case.model, case.x, case.mode, loss=case.loss, target=case.target, dynamic=False)
        tried |= {node.op for node in graph.nodes}
    assert set(RULES) - tried - PLAIN == set()
