"""Nearest neighbours on MNIST, 10,000 queries against 60,000 images: the time of scikit-learn and faiss over ours.

One run prints ratios: all take turns on the same cores, each with its index made before. With them in an environment of
their own: `python benchmarks/knn.py --peers PATH/TO/python`; what is not there is left out. And whether the answers
are the same: an index that differs must be of an image at the very same distance.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import convoscope  # noqa: F401 - before torch: it sets how torch's threads wait

# isort: split
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convoscope.data.bundled import mnist
from convoscope.models import build
from convoscope.models.knn import fit, neighbours_of
from convoscope.models.neighbours import METRICS
from measure import spread

PEER = Path(__file__).parent / "peers" / "neighbours.py"
PEERS = ("scikit-learn", "faiss")
CALLS = ("search", "predict")


class Peer:
    """Another library in a process of its own, that searches when it is told to."""

    def __init__(self, python: str, which: str, data: Path, k: int, threads: int) -> None:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, str(threads))}
        self._process = subprocess.Popen(
            [python, str(PEER), which, str(data), str(k)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        self.name = str(self._read().get("name", ""))

    def ask(self, words: str) -> dict[str, Any]:
        """Tells it what to do, and waits for what it says."""
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        document: dict[str, Any] = json.loads(line) if line else {}
        return document


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(
    name: str,
    theirs: Mapping[str, NDArray[Any]],
    indices: Tensor,
    predicted: Tensor,
    references: Tensor,
    queries: Tensor,
) -> None:
    """Prints how many answers differ, and how many of these are no ties."""
    other = torch.from_numpy(theirs["search"].astype(np.int64))
    rows = (other != indices).any(1).nonzero().flatten()
    wrong = 0
    for row in rows.tolist():
        away = [
            (references[found[row]].long() - queries[row].long()).square().sum(1).tolist() for found in (other, indices)
        ]
        wrong += away[0] != away[1]
    classes = torch.from_numpy(theirs["predict"].astype(np.int64))
    differ = (classes != predicted).nonzero().flatten().tolist()
    untied = [row for row in differ if row not in set(rows.tolist())]
    print(
        f"{name}: {len(rows)} of {len(other):,} lists of neighbours differ, {wrong} of them in a distance; "
        f"{len(differ)} classes differ, {len(untied)} of them with the same neighbours",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=sys.executable, help="the Python that has scikit-learn and faiss-cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--k", type=int, default=3)
    parser.add_argument("--queries", type=int, default=10_000, help="of the test images, the first so many")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train, test = mnist()
    assert test is not None
    shape, options = train.shape, {"k": arguments.k}
    model = build("knn", shape, 10, options).eval()
    fit(model, [(torch.from_numpy(np.asarray(train.images)).float(), torch.from_numpy(train.labels))])
    held = neighbours_of(model)
    assert held is not None
    test = test.take(np.arange(min(arguments.queries, len(test))))
    images: NDArray[np.uint8] = np.asarray(test.images)
    references: NDArray[np.uint8] = np.asarray(train.images)
    x = torch.from_numpy(images).float()
    ours: dict[str, Callable[[], object]] = {
        "search": lambda: held.nearest(x.flatten(1)),
        "predict": lambda: model(x).argmax(1),
    }
    ours["search"]()
    found, predicted = held.nearest(x.flatten(1))[1], model(x).argmax(1)
    print(f"torch {torch.__version__}, {arguments.threads} threads, k = {arguments.k}, {len(test):,} queries: "
          f"{float((predicted == torch.from_numpy(test.labels)).float().mean()):.4f} right")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "mnist.npz"
        rows = references.reshape(len(train), -1), images.reshape(len(images), -1)
        np.savez(data, labels=train.labels, references=rows[0], queries=rows[1])
        peers = [Peer(arguments.peers, which, data, arguments.k, arguments.threads) for which in PEERS]
        for peer in [peer for peer in peers if peer.name]:
            ratios: dict[str, list[float]] = {call: [] for call in CALLS}
            for _ in range(arguments.rounds):
                for call in CALLS:
                    own = timed(ours[call])
                    ratios[call].append(peer.ask(call)["seconds"] / own)
            for call in CALLS:
                print(f"{peer.name}, {call} / ours: {spread(ratios[call])}", flush=True)
            path = Path(folder) / "answers.npz"
            peer.ask(f"answers {path}")
            compare(peer.name, np.load(path), found, predicted, flat_of(references), flat_of(images))
        for peer in peers:
            peer.close()
    l2 = timed(ours["search"])
    for metric in METRICS[1:]:
        other = build("knn", shape, 10, {**options, "metric": metric})
        other.load_state_dict(model.state_dict())
        part = neighbours_of(other)
        assert part is not None
        some = x[:500].flatten(1)
        part.nearest(some[:1])
        print(f"{metric} / l2, a query: {timed(lambda: part.nearest(some)) / len(some) / l2 * len(x):.1f}", flush=True)  # noqa: B023


def flat_of(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(images.reshape(len(images), -1))


if __name__ == "__main__":
    main()
