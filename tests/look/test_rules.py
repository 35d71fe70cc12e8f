from __future__ import annotations

import cases_arithmetic  # noqa: F401 - adds its cases
import cases_losses  # noqa: F401
import pytest
import torch
from cases import CASES
from networks import check, seen_of

from convoscope.look.rules import RULES

# Each is y = x, or says that it has no rule; export writes them in no model here.
PLAIN = {"alias", "alpha_dropout", "lift_fresh_copy", "output", "_to_copy"}
TRIED: set[str] = set()
pytestmark = pytest.mark.xdist_group("rules")  # the last test counts what the others tried


# torch says that it pads an even kernel's input by a copy; that is what the case is for.
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_every_number_is_what_torch_has(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    seen = seen_of(CASES[name](), dtype)
    TRIED.update(node.op for node in seen.graph.nodes.values())
    tally = check(seen, dtype)
    assert tally.tried > 0
    assert not tally.wrong, "\n".join(tally.wrong[:10])
    assert not tally.unruled


def test_every_rule_was_tried() -> None:
    if len(TRIED) < len(RULES) / 2:
        pytest.skip("only some of the cases were asked for")
    assert set(RULES) - TRIED - PLAIN == set()
