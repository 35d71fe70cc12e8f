"""CIFAR-10 to 94 %: `convoscope train --data cifar10 --recipe speed` over seeds, and the published method beside it.

    python benchmarks/cifar_speed.py [--data DIR] [--seeds 3] [--peer] [--knobs epochs=10,lr=0.02]

Each run is a process of its own: the seconds of its steps, and of all from the first look at the data to the final
figures, on the wall and of the processor (a busy neighbour lengthens the former alone); test accuracy in the recipe's
views and of the images alone. With --peer, and on a GPU without being asked, `peers/plain_cifar.py` takes turns with
it: airbench94_muon as published, written out in plain PyTorch; on a GPU with torch.compile too. Ours is not compiled.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from measure import script, spread

_GOAL, _LIMIT = 0.94, 720.0  # of the test images, and seconds on two cores


def ours(data: str, knobs: dict[str, object]) -> None:
    """Prints the figures of one run."""
    import dataclasses

    from convoscope import lab
    from convoscope.lab.trainee import open_run
    from convoscope.train.events import Finished

    with tempfile.TemporaryDirectory() as folder:
        begin, begin_processor = time.perf_counter(), time.process_time()
        events = lab.train(lab.make_recipe({"data": data, **knobs}, "speed"), runs=Path(folder))
        last = next(event for event in events if isinstance(event, Finished))
        wall, processor = time.perf_counter() - begin, time.process_time() - begin_processor
        trainee = open_run("latest", runs=Path(folder))
        test = trainee.opened().splits.test
        assert test is not None
        alone = dataclasses.replace(trainee, recipe=dataclasses.replace(trainee.recipe, tta="none")).logits(test)
        right = (alone.argmax(1).numpy() == test.labels).mean()
    figures = {"seconds": last.training_seconds, "wall": wall, "processor": processor}
    print(json.dumps({**figures, "accuracy": last.test_accuracy, "alone": float(right)}))


def main(data: str, seeds: int, knobs: dict[str, object], *, peer: bool) -> None:
    """Prints a line for each run, and the figures over all."""
    import torch

    on_gpu = torch.cuda.is_available()
    plain = Path(__file__).parent / "peers" / "plain_cifar.py"
    kinds = ["peer", "peer compiled"] if on_gpu else ["peer"] if peer else []
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in ("ours", *kinds)}
    for seed in range(seeds):
        own = json.dumps({**knobs, "seed": seed})
        for name, found in rows.items():
            if name == "ours":
                found.append(script(Path(__file__), "--ours", "--data", data, "--json-knobs", own))
            else:
                found.append(script(plain, str(_folder(data)), str(seed), *name.split()[1:]))
            print(f"seed {seed}, {name}: {found[-1]}", flush=True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(f"CIFAR-10, recipe speed, on {torch.cuda.get_device_name() if on_gpu else f'{cores} cores'}, {seeds} seeds")
    for name, found in rows.items():
        accuracies = [row["accuracy"] for row in found]
        print(f"{name}: test accuracy, mean {statistics.mean(accuracies):.2%}; {spread(accuracies, '.2%')}")
        print(f"    of the images alone: {spread([row['alone'] for row in found], '.2%')}")
        print(f"    seconds of training: {spread([row['seconds'] for row in found], '.1f')}")
    first = rows["ours"]
    print(f"    ours, from the data to the figures: {spread([row['wall'] for row in first], '.1f')} seconds")
    print(f"    ours, processor seconds / cores: {spread([row['processor'] / cores for row in first], '.1f')}")
    for name in kinds:
        pairs = zip(rows[name], first, strict=True)
        print(f"{name} / ours, seconds: {spread([other['seconds'] / own['seconds'] for other, own in pairs])}")
    if not on_gpu:
        reached = statistics.mean(row["accuracy"] for row in first) >= _GOAL
        in_time = max(row["seconds"] for row in first) <= _LIMIT
        print(f"94 % on average: {'yes' if reached else 'no'}; each within 12 minutes: {'yes' if in_time else 'no'}")


def _folder(data: str) -> Path:
    """Where the .bin files lie."""
    from convoscope.data.cache import datasets_folder

    return datasets_folder() / data if data == "cifar10" else Path(data)


def _knobs(text: str) -> dict[str, object]:
    """epochs=10,lr=0.02 as knobs: numbers where they are such."""
    pairs = (pair.partition("=") for pair in text.split(",") if pair)
    return {name: json.loads(value) if value[:1] in "-.0123456789" else value for name, _, value in pairs}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--knobs", default="")
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json-knobs", default="{}", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.ours:
        sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
        ours(asked.data, json.loads(asked.json_knobs))
    else:
        main(asked.data, asked.seeds, _knobs(asked.knobs), peer=asked.peer)
