"""Brute-force search in other libraries: `python neighbours.py scikit-learn|faiss data.npz k`, by its own interpreter.

Reads `references`, `labels` and `queries`, makes its index, and says that it is ready. For every line it then gets, it
searches for all queries once and prints the seconds; the last line "answers PATH" writes what it found.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # of NumPy, whose types this environment may not have


def scikit_learn(references: Array, labels: Array, k: int) -> tuple[str, dict[str, Callable[[Array], Array]]]:
    module = importlib.import_module("sklearn.neighbors")
    classifier = module.KNeighborsClassifier(k, algorithm="brute", n_jobs=-1).fit(references, labels)
    found = {"search": lambda x: classifier.kneighbors(x)[1], "predict": classifier.predict}
    return f"scikit-learn {importlib.import_module('sklearn').__version__}", found


def faiss(references: Array, labels: Array, k: int) -> tuple[str, dict[str, Callable[[Array], Array]]]:
    module = importlib.import_module("faiss")
    index = module.IndexFlatL2(references.shape[1])
    index.add(references)

    def predict(x: Array) -> Array:
        votes = labels[index.search(x, k)[1]]
        return np.array([np.bincount(row).argmax() for row in votes])

    return f"faiss {module.__version__}", {"search": lambda x: index.search(x, k)[1], "predict": predict}


def main() -> None:
    which, path, k = sys.argv[1:]
    data = np.load(path)
    make = {"scikit-learn": scikit_learn, "faiss": faiss}[which]
    name, calls = make(data["references"].astype(np.float32), data["labels"], int(k))
    queries = data["queries"].astype(np.float32)
    print(json.dumps({"name": name}), flush=True)
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "answers":
            np.savez(rest, **{what: call(queries) for what, call in calls.items()})
            print("{}", flush=True)
        else:
            start = time.perf_counter()
            calls[word](queries)
            print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
