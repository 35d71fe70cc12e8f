"""How many numbers were opened, how many did not check, and the worst gap: the networks of the tests and every model.

    python benchmarks/units.py [--units 200]

Random units of every node, forward and backward, in float32 and float64, held against what the pass recorded and what
autograd gave. The gap is a share of the sum of |terms|; one above 1e-5 (float32) or 1e-12 (float64) is a mismatch.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import torch

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "look")]

import cases_arithmetic  # noqa: F401 - adds its cases
import cases_distances  # noqa: F401
import cases_losses  # noqa: F401
from cases import CASES
from networks import Case, check, seen_of

from convoscope.lab.microscope import RunLoss
from convoscope.train.recipe import Recipe
from small import cases, examples, fitted, made, shape_for


def model_case(name: str, kind: str) -> Case:
    """A registered model on two random examples as small as the tests have them, with cross-entropy."""
    x, labels = examples(shape_for(name, kind), 2), torch.tensor([3, 1])
    return Case(fitted(name, made(name, kind), x, labels), x, RunLoss(Recipe(label_smoothing=0.1)), labels)


def main(units: int) -> None:
    torch.set_num_threads(1)
    makers = {**CASES, **{f"{name} on {kind}": partial(model_case, name, kind) for name, kind in cases()}}
    for dtype in (torch.float32, torch.float64):
        tried, wrong, worst, unruled, begin = 0, 0, 0.0, 0, time.perf_counter()
        for make in makers.values():
            torch.manual_seed(0)
            tally = check(seen_of(make(), dtype), dtype, units)
            tried, wrong, unruled = tried + tally.tried, wrong + len(tally.wrong), unruled + len(tally.unruled)
            worst = max(worst, tally.worst)
        print(
            f"{str(dtype).removeprefix('torch.')}: {tried:,} numbers of {len(makers)} networks, {wrong} mismatches, "
            f"{unruled} without a rule, worst gap {worst:.1e} of the sum of |terms| "
            f"({1e3 * (time.perf_counter() - begin) / tried:.2f} ms each, export and pass included)",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=200)
    main(**vars(parser.parse_args()))
