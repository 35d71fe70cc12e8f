"""LeNet-5 on MNIST, default recipe: test accuracy over seeds, and training time against a plain script's to 99 %.

    python benchmarks/lenet5_mnist.py [--seeds 10] [--rounds 3]

Each round runs the plain script (peers/plain_mnist.py) and then Convoscope; both times are of training alone, and the
ratio is of that round. Ours is the whole default run, validation and checkpoints included, not only the way to 99 %.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from measure import MNIST, script, spread, train


def main(seeds: int, rounds: int) -> None:
    accuracies = []
    for seed in range(seeds):
        accuracies.append(train("--data", "mnist", "--model", "lenet5", "--seed", str(seed))[-1]["test_accuracy"])
        print(f"seed {seed}: test accuracy {accuracies[-1]:.4f}", flush=True)
    print(f"test accuracy: mean {statistics.mean(accuracies):.4f}, {spread(accuracies, '.4f')}")
    ratios = []
    for turn in range(rounds):
        plain = script(Path(__file__).parent / "peers" / "plain_mnist.py", str(MNIST), str(turn))
        ours = train("--data", "mnist", "--model", "lenet5", "--seed", str(100 + turn))[-1]
        ratios.append(plain["seconds"] / ours["training_seconds"])
        print(
            f"plain script: {plain['accuracy']:.4f} in {plain['epochs']} epochs; ours: {ours['test_accuracy']:.4f}; "
            f"ratio {ratios[-1]:.1f}",
            flush=True,
        )
    print(f"plain script's training time to 99 % / ours: {spread(ratios, '.1f')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    main(**vars(parser.parse_args()))
