"""What a run's network says of files and texts: found, read side by side, answered in order, written as they come."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convoscope.data import Dataset, ImagePolicy, TextPolicy
from convoscope.data.corpus import SUFFIX as TEXT_SUFFIX
from convoscope.data.found import find_files
from convoscope.data.output import SUFFIXES as FORMS
from convoscope.data.output import Write, writing_rows
from convoscope.data.table import SUFFIXES as TABLES
from convoscope.data.table import read_column
from convoscope.errors import DataError, InputError, RunError, StorageError
from convoscope.lab.trainee import Trainee, open_run
from convoscope.runs.disk import storing
from convoscope.train.gradient import workers

_TEXTS = 256  # that are answered together
# Pixels that go through a network together, so many images of a size; a GPU is kept busy by more of them.
_PIXELS = {"cpu": 1 << 17}
_PIXELS_ON_GPU = 1 << 22
_LEAST, _MOST = 4, 64  # images
_HELD = 1024  # rows without an answer that wait for the next that has one

Row: TypeAlias = dict[str, Any]
Good: TypeAlias = NDArray[np.uint8] | str  # an image as uint8 (C, H, W), or a text
Read: TypeAlias = tuple[str, Good | DataError]  # what a row is called, and what was read for it


def predict(
    name: str, paths: Iterable[str | Path], *, runs: Path, texts: Iterable[str] = (), top: int = 3,
    step: int | None = None, raw: bool = False, out: Path | None = None, force: bool = False,
) -> Iterator[Row]:  # fmt: skip
    """What a run's network says of files and texts, in order: for each its path, the class, and `top` probabilities.

    A file that cannot be read, or a text without a known word, keeps its row, with `error` saying why and no class; so
    does a folder or a pattern that leads to no file. Memory stays the same however many files there are.

    On one machine an image has the same answer, bit for bit, whatever it is asked together with. (Texts are padded to
    the longest beside them, which moves a probability by 1e-6 at most.)

    Args:
        name: The run.
        paths: Image files, folders and patterns (see `data.found.find_files`); or, where the network takes texts, files
            of one text each and tables (.csv, .tsv), each row a text.
        runs: The folder of runs.
        texts: Texts themselves; each stands as its own path.
        top: How many classes to name.
        step: The checkpoint; the final weights without it.
        raw: Probabilities as the network gives them; else calibrated, where the run has a temperature for its final
            weights (see `runs.calibration`).
        out: A file that every row is written to before it is given (see `data.output.writing_rows`); it is there when
            the last one has been asked for.
        force: Whether to replace a file that is there.

    Raises:
        RunError: no such run or weights, or the classes that it keeps are not its network's.
        InputError: texts were given, and the network takes images; nothing was given at all; or `out` has an unknown
            suffix, or is there already.
        MissingPackage: `out` is a Parquet file, and pyarrow is not installed.
        StorageError: the disk refused `out`.
    """
    if out is not None:
        _check_place(out, force=force)
    trainee = open_run(name, runs=runs, step=step)
    if not isinstance(trainee.policy, TextPolicy) and (texts := list(texts)):
        raise InputError(
            f"{trainee.run.name} takes images, and was given {len(texts)} texts.", hint="Give image files."
        )
    n_top = min(top, len(trainee.class_names))
    rows = _rows(trainee, _asked(trainee, paths, texts), n_top, 1.0 if raw else trainee.temperature)
    first = next(rows, None)
    if first is None:
        raise InputError("No file and no text was given to predict.", hint="Give files, folders or patterns.")
    with _kept(out, n_top, name) as write:
        for row in itertools.chain([first], rows):
            write(row)
            yield row


def _check_place(path: Path, *, force: bool) -> None:
    if path.suffix.casefold() not in FORMS:
        raise InputError(f"The predictions were to go to {path}; the file is one of {', '.join(FORMS)}.")
    if not path.parent.is_dir():
        raise InputError(
            f"The predictions were to go to {path}, and there is no folder {path.parent}.", hint="Make it."
        )
    if path.is_dir() or (path.exists() and not force):
        raise InputError(f"{path} is there already.", hint="Choose another name, or replace a file with --force.")


@contextlib.contextmanager
def _kept(out: Path | None, n_top: int, name: str) -> Iterator[Write]:
    """What writes a row to the file that was asked for, which is whole when the context ends."""
    if out is None:
        yield lambda _: None
        return
    with contextlib.ExitStack() as stack:
        with _storing(out):
            write = stack.enter_context(writing_rows(out, n_top, {"run": name}))

        def kept(row: Mapping[str, Any]) -> None:
            with _storing(out):
                write(row)

        yield kept
        with _storing(out):
            stack.close()


@contextlib.contextmanager
def _storing(out: Path) -> Iterator[None]:
    """What the disk refuses is told in a sentence."""
    try:
        with storing("The predictions", out):
            yield
    except StorageError as error:
        raise StorageError(error.message, hint="Choose another place for the file.") from None


def _asked(
    trainee: Trainee, paths: Iterable[str | Path], texts: Iterable[str]
) -> Iterator[tuple[str, str | Path | DataError]]:
    """What each row is called, and the file or text it is of; a table's rows one by one."""
    takes_texts = isinstance(trainee.policy, TextPolicy)
    found = find_files(paths, noun="texts", suffixes=frozenset({TEXT_SUFFIX, *TABLES})) if takes_texts else None
    for one in found or find_files(paths):
        if one.problem:
            yield str(one.path), DataError(f"{one.path}: {one.problem}.")
        elif takes_texts and one.path.suffix.casefold() in TABLES:
            try:
                for row, text in read_column(one.path, trainee.recipe.text_column):
                    yield f"{one.path} {row}", text
            except DataError as error:
                yield str(one.path), error
        else:
            yield str(one.path), one.path
    for text in texts:
        yield text, text


def _rows(
    trainee: Trainee, asked: Iterable[tuple[str, str | Path | DataError]], n_top: int, temperature: float
) -> Iterator[Row]:
    """Every row in order: many are read while a few are answered, and no more are held than that takes."""
    policy = trainee.policy
    together = _TEXTS
    if isinstance(policy, ImagePolicy):
        together = batch_size(policy, trainee.machine.device.type) * max(1, trainee.plan.shards)
    waiting: list[Read] = []
    n_good = 0
    for read in _read(trainee, asked, 2 * together):
        waiting.append(read)
        n_good += not isinstance(read[1], DataError)
        if n_good == together or len(waiting) - n_good == _HELD:
            yield from _answers(trainee, waiting, n_top, temperature)
            waiting, n_good = [], 0
    yield from _answers(trainee, waiting, n_top, temperature)


def _read(trainee: Trainee, asked: Iterable[tuple[str, str | Path | DataError]], n_ahead: int) -> Iterator[Read]:
    """What was asked about, read by several threads, at most `n_ahead` before it is wanted, in order."""

    def read(given: str | Path | DataError) -> Good | DataError:
        if isinstance(given, DataError):
            return given
        try:
            return trainee.read(given)
        except DataError as error:
            return error

    pool = ThreadPoolExecutor(trainee.machine.n_cores, thread_name_prefix="reads")
    ahead: deque[tuple[str, Future[Good | DataError]]] = deque()
    try:
        for called, given in asked:
            ahead.append((called, pool.submit(read, given)))
            if len(ahead) == n_ahead:
                called, future = ahead.popleft()
                yield called, future.result()
        while ahead:
            called, future = ahead.popleft()
            yield called, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _answers(trainee: Trainee, rows: Sequence[Read], n_top: int, temperature: float) -> Iterator[Row]:
    good = [one for _, one in rows if not isinstance(one, DataError)]
    # Softmax in float64: what float32 rounds away is a digit of the second class where the first is nearly sure.
    answered = iter((_logits(trainee, good).double() / temperature).softmax(1).tolist() if good else [])
    names = trainee.class_names
    for path, one in rows:
        if isinstance(one, DataError):
            yield {"path": path, "predicted": None, "probability": None, "top": [], "error": one.message}
            continue
        row = next(answered)
        order = sorted(range(len(row)), key=lambda k: -row[k])[:n_top]
        best = [{"class": names[k], "probability": row[k]} for k in order]
        told = best[0]
        yield {
            "path": path, "predicted": told["class"], "probability": told["probability"], "top": best, "error": None,
        }  # fmt: skip


def _logits(trainee: Trainee, good: Sequence[Good]) -> Tensor:
    """float32 (N, K) of images or texts; RunError where there is not one number for each class that the run keeps."""
    images = [one for one in good if not isinstance(one, str)]
    if isinstance(trainee.policy, TextPolicy):
        texts = [one for one in good if isinstance(one, str)]
        logits = trainee.logits(trainee.policy.texts(texts, trainee.class_names, trainee.run.name))
    else:
        logits = alike(trainee, np.stack(images))
    if logits.shape[1] != len(trainee.class_names):
        raise RunError(
            f"The network of {trainee.run.name} tells {logits.shape[1]} classes apart, and the run names "
            f"{len(trainee.class_names)}.",
            hint="Restore data.json from a copy, or train again.",
        )
    return logits


def batch_size(policy: ImagePolicy, device: str) -> int:
    """How many images go through a network together, of the policy's size: a power of two from 4 to 64.

    Few, because one image alone costs as much as a whole batch (see `alike`); and not one, because layers that are
    mostly weights take as long for one image as for several.
    """
    n = _PIXELS.get(device, _PIXELS_ON_GPU) // (policy.height * policy.width)
    return max(_LEAST, min(_MOST, 1 << max(n, 1).bit_length() - 1))


def alike(trainee: Trainee, images: NDArray[np.uint8]) -> Tensor:
    """The logits of images uint8 (N, C, H, W), each with the bits that it has alone: float32 (N, K) on the CPU.

    Every batch has the same shape, filled up with black images: each operation then adds an image's numbers up in the
    same order, wherever in the batch it stands and whatever stands beside it.
    """
    assert isinstance(trainee.policy, ImagePolicy)
    n, size = len(images), batch_size(trainee.policy, trainee.machine.device.type)
    padded = np.zeros((-(-n // size) * size, *images.shape[1:]), np.uint8)
    padded[:n] = images
    feed = trainee.feed(Dataset(padded, np.zeros(len(padded), np.int64), trainee.class_names, trainee.run.name))

    def forward(index: Tensor) -> Tensor:
        with torch.inference_mode(), trainee.machine.autocast(trainee.plan.precision):
            y: Tensor = trainee.model(feed.batch(index, 0)[0])
            return y.float().cpu()

    with workers(trainee.plan) as crew:
        return torch.cat(crew.map(forward, torch.split(torch.arange(len(padded)), size)))[:n]
