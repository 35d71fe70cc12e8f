"""Training beside one busy process: what share of the quiet throughput is left, with Convoscope and with a plain loop.

    python benchmarks/busy_neighbour.py [--rounds 5]

LeNet-5 on MNIST. Quiet and busy runs take turns; the ratio is of neighbouring runs. The plain loop has torch's default
threads and settings, and runs the same network on batches of 64 already in memory.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from measure import busy_neighbour, script, spread, train


def ours() -> float:
    """Images per second over a run's steps."""
    steps = [line for line in train("--data", "mnist", "--model", "lenet5", "--seed", "1") if line["event"] == "step"]
    first, last = steps[0], steps[-1]
    return float((last["step"] - first["step"]) / (last["seconds"] - first["seconds"]))


def plain() -> float:
    """Images per second of the plain loop."""
    return float(script(Path(__file__).parent / "peers" / "plain_loop.py", "64", "150")["images_per_second"])


def main(rounds: int) -> None:
    for name, measure in (("convoscope", ours), ("plain loop, torch's default threads", plain)):
        shares = []
        measure()  # the first run measures the layout and fills the disk's cache
        for _ in range(rounds):
            quiet = measure()
            with busy_neighbour():
                busy = measure()
            shares.append(busy / quiet)
        print(f"{name}: busy / quiet throughput {spread(shares)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    main(**vars(parser.parse_args()))
