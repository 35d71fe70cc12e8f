"""Test accuracy of the zoo on real data: every figure that `convoscope models` shows as ours, over seeds.

    python benchmarks/accuracy.py [--only resnet20-cifar10] [--seeds 3]
        [--fashion-mnist DIR] [--cifar10 DIR] [--reviews CSV]

MNIST is bundled; the other datasets are taken from the folders given, else from where `convoscope data get` put them.
The reviews are the 25,000 of IMDb in a CSV of text, label and split (20,000 to train on, 5,000 to test). Each case is
the model's usual recipe, but for the knobs told beside it; validation is held out of the training part and the test
part is judged once, at the end.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from measure import train


@dataclass(frozen=True)
class Case:
    """A model, its data, what differs from the usual recipe, and the accuracy asked of it."""

    model: str
    data: str
    asked: float
    knobs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def name(self) -> str:
        """What `--only` calls it."""
        return f"{self.model}-{self.data}"


CASES = (
    Case("knn", "mnist", 0.97),
    Case("linear", "mnist", 0.92),
    Case("mlp", "mnist", 0.983),
    Case("lenet5", "mnist", 0.991),
    Case("resnet20", "mnist", 0.995, {"epochs": "5", "flip": "no"}),
    Case("lstm", "mnist", 0.985),
    Case("lenet5", "fashion-mnist", 0.90, {"epochs": "6", "flip": "yes"}),
    Case("resnet18", "fashion-mnist", 0.935, {"epochs": "6", "flip": "yes"}),
    Case("resnet20", "cifar10", 0.88),
    Case("textcnn", "reviews", 0.85),
    Case("gru", "reviews", 0.85),
)


def _options(knobs: Mapping[str, str]) -> list[str]:
    """Knobs as the command line takes them; a switch is "yes" or "no"."""
    words: list[str] = []
    for name, value in knobs.items():
        words += [{"yes": f"--{name}", "no": f"--no-{name}"}[value]] if value in ("yes", "no") else [f"--{name}", value]
    return words


def main(only: list[str], seeds: int, places: Mapping[str, str]) -> None:
    unknown = set(only) - {case.name for case in CASES}
    if unknown:
        raise SystemExit(f"there is no case {', '.join(sorted(unknown))}; known: {', '.join(c.name for c in CASES)}")
    for case in CASES:
        if only and case.name not in only:
            continue
        found, seconds = [], []
        for seed in range(seeds):
            data = places.get(case.data) or case.data
            options = ("--model", case.model, "--data", data, "--seed", str(seed), "--keep", "last")
            last = train(*options, *_options(case.knobs))[-1]
            found.append(last["test_accuracy"])
            seconds.append(last["training_seconds"])
            print(f"{case.name} seed {seed}: {found[-1]:.4f} in {seconds[-1]:.0f} s", flush=True)
        print(
            f"{case.name}: mean {statistics.mean(found):.4f} (n={seeds}, {min(found):.4f} to {max(found):.4f}), asked "
            f"{case.asked}; {' '.join(_options(case.knobs)) or 'usual recipe'}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], metavar="CASE")
    parser.add_argument("--seeds", type=int, default=3)
    for name in ("fashion-mnist", "cifar10", "reviews"):
        parser.add_argument(f"--{name}", default="", metavar="PATH")
    given = parser.parse_args()
    folders = {"fashion-mnist": given.fashion_mnist, "cifar10": given.cifar10, "reviews": given.reviews}
    main(given.only, given.seeds, folders)
