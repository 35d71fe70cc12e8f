"""Chooses how the arithmetic of a run is laid out, by measuring on copies of the network before the first step.

A choice that changes bits must not hang on the noise of a measurement: a layout other than the plain one is taken only
where it is faster by a clear margin, and the choice is kept for this network on this machine, so that the same recipe
gives the same weights the next time too.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor, nn

from convoscope.data.cache import cache_folder
from convoscope.process import processor
from convoscope.train.device import Machine
from convoscope.train.feed import Feed
from convoscope.train.freeze import set_learning, thaw
from convoscope.train.gradient import BatchGradient, Plan, workers
from convoscope.train.recipe import Recipe

_CLEARLY_FASTER = 1.15
_WORTH_BFLOAT16 = 1.3
_ROUNDS = 3
_PATIENCE_SECONDS = 5.0  # a candidate is not repeated beyond this
_A_WHILE_SECONDS = 1.0  # of one thread's own time: enough to compare by
_FEWEST_IMAGES = 8
_WHOLE_BATCH = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd, nn.RReLU)
_SAME = 1e-3  # relative difference of two float32 gradients that are the same but for rounding


Clock: TypeAlias = Callable[[], float]


def make_plan(model: nn.Module, feed: Feed, recipe: Recipe, machine: Machine) -> Plan:
    """The layout for this run: what the recipe fixes, what was chosen before, else what is measured to be fastest."""
    if not recipe.counts()[0]:
        return _plain(recipe, machine)  # no step to measure; nor one to keep a choice for
    if recipe.thaw:  # the layout must hold for the steps after the thaw, which take more time than those before
        model = copy.deepcopy(model)
        thaw(model)
    key = _key(model, feed, recipe, machine)
    known = _remembered(key) if machine.rank == 0 else None
    if known is None and machine.rank == 0:
        alone = machine if machine.n_processes == 1 else None
        # Peers wait while rank 0 decides; a measurement that sums over processes would wait for them in turn.
        with torch.random.fork_rng(devices=[]):
            known = _measured(model, feed, recipe, alone) if alone else _plain(recipe, machine)
        known = _remember(key, known)
    plan = machine.broadcast(known)
    assert isinstance(plan, Plan)
    return plan


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AVX512_BF16 or AMX); elsewhere it is emulated and slow."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _plain(recipe: Recipe, machine: Machine) -> Plan:
    """The layout that needs no measurement."""
    on_gpu = machine.device.type != "cpu"
    fast_half = machine.device.type == "cuda" and torch.cuda.is_bf16_supported()
    cores = 1 if on_gpu else machine.n_cores
    precision = recipe.precision if recipe.precision != "auto" else "bfloat16" if fast_half else "float32"
    memory_format = recipe.memory_format if recipe.memory_format != "auto" else "contiguous"
    shards = recipe.shards or 1
    threads = recipe.threads or (1 if shards > 1 else cores)
    return Plan(precision, memory_format, shards, threads)


def _measured(model: nn.Module, feed: Feed, recipe: Recipe, machine: Machine) -> Plan:
    plan = _plain(recipe, machine)
    if machine.device.type != "cpu" or len(feed) == 0:
        return plan
    shards = min(machine.n_cores, recipe.counts()[1], len(feed))
    free = recipe.shards == 0 and recipe.threads == 0
    if free and shards > 1 and _shards_agree(model, feed, recipe, machine, shards):
        plan = Plan(plan.precision, plan.memory_format, shards, 1)
    # The formats first; each must earn its place. One thread is timed by its own clock, whatever else the machine does.
    alone = plan.shards == 1
    trial = replace(plan, threads=1) if alone else plan
    n_images = _enough(model, feed, recipe, machine, trial) if alone else recipe.counts()[1]
    clock = time.thread_time if alone else time.perf_counter
    seconds = _seconds(model, feed, recipe, machine, n_images, clock, trial)
    for precision, memory_format, margin in _formats(
        recipe, plan, has_kernels=any(p.ndim == 4 for p in model.parameters())
    ):
        other = replace(trial, precision=precision, memory_format=memory_format)
        other_seconds = _seconds(model, feed, recipe, machine, n_images, clock, other)
        if seconds > margin * other_seconds:
            trial, seconds = other, other_seconds
    plan = replace(plan, precision=trial.precision, memory_format=trial.memory_format)
    if not free:
        return plan
    if alone:
        seconds = _seconds(model, feed, recipe, machine, n_images, time.perf_counter, plan)
    # Then whether n threads inside each operation, or one alone, beat the shards (or beat n threads).
    for threads in {1, machine.n_cores} - ({plan.threads} if plan.shards == 1 else set()):
        other = replace(plan, shards=1, threads=threads)
        other_seconds = _seconds(model, feed, recipe, machine, n_images, time.perf_counter, other)
        if seconds > _CLEARLY_FASTER * other_seconds:
            plan, seconds = other, other_seconds
    return plan


def _formats(recipe: Recipe, plan: Plan, *, has_kernels: bool) -> Iterator[tuple[str, str, float]]:
    """The formats to try beside the plain one that the recipe leaves open, each with the speed-up it must bring."""
    # The order of axes matters to kernels alone.
    channels_last_open = recipe.memory_format == "auto" and has_kernels
    if channels_last_open:
        yield plan.precision, "channels-last", _CLEARLY_FASTER
    if recipe.precision == "auto" and has_bfloat16():
        yield "bfloat16", "channels-last" if channels_last_open else plan.memory_format, _WORTH_BFLOAT16


def _gradient(
    model: nn.Module, feed: Feed, recipe: Recipe, machine: Machine, plan: Plan, rounds: int, seed: int = 0,
    n_images: int | None = None, clock: Clock = time.perf_counter,
) -> tuple[float, list[Tensor]]:  # fmt: skip
    """The least seconds of `rounds` gradients of one batch after a first, and the last gradient.

    `n_images` is how many of the batch to take, all where None.
    """
    channels_last = plan.memory_format == "channels-last"
    likeness = copy.deepcopy(model)
    set_learning(likeness)
    likeness = likeness.to(memory_format=torch.channels_last) if channels_last else likeness  # type: ignore[call-overload]
    before, feed.channels_last = feed.channels_last, channels_last
    index = feed.order(0)[: n_images or recipe.counts()[1]]
    least, since = float("inf"), time.perf_counter()
    try:
        with workers(plan) as crew:
            gradient = BatchGradient(likeness, recipe, machine, plan, crew)
            for turn in range(1 + rounds):
                machine.seed(seed)
                begin = clock()
                gradient(feed, index, 0)
                took, waited = clock() - begin, time.perf_counter() - since
                least = min(least, took) if turn or not rounds else least
                if waited > _PATIENCE_SECONDS and turn:
                    break
    finally:
        feed.channels_last = before
    return least, [parameter.grad for parameter in gradient.parameters if parameter.grad is not None]


def _seconds(
    model: nn.Module, feed: Feed, recipe: Recipe, machine: Machine, n_images: int, clock: Clock, plan: Plan
) -> float:
    return _gradient(model, feed, recipe, machine, plan, _ROUNDS, n_images=n_images, clock=clock)[0]


def _enough(model: nn.Module, feed: Feed, recipe: Recipe, machine: Machine, plan: Plan) -> int:
    """How many images of a batch tell the formats apart: as many as keep one thread busy for a while, or all.

    A batch of a large network would keep it busy for minutes.
    """
    n, batch_size = _FEWEST_IMAGES, min(recipe.counts()[1], len(feed))
    while n < batch_size:
        if _gradient(model, feed, recipe, machine, plan, 0, n_images=n, clock=time.thread_time)[0] > _A_WHILE_SECONDS:
            return n
        n *= 2
    return batch_size


def _shards_agree(model: nn.Module, feed: Feed, recipe: Recipe, machine: Machine, shards: int) -> bool:
    """Whether the sum of the shards' gradients is the batch's gradient: not so with batch norm or dropout.

    The known layers are told by their class; what a model does in its own code shows in the gradients.
    """
    likeness = copy.deepcopy(model)
    set_learning(likeness)  # frozen, they see one image at a time
    if any(layer.training and isinstance(layer, _WHOLE_BATCH) for layer in likeness.modules()):
        return False
    # Another seed for the parts: dropout would otherwise hide, where the threads draw the same masks by chance.
    whole = _gradient(model, feed, recipe, machine, Plan(shards=1, threads=1), 0, seed=0)[1]
    parts = _gradient(model, feed, recipe, machine, Plan(shards=shards, threads=1), 0, seed=1)[1]
    for one, other in zip(whole, parts, strict=True):
        if not float((one - other).norm()) <= _SAME * float(one.norm()) + 1e-12:
            return False
    return True


def _key(model: nn.Module, feed: Feed, recipe: Recipe, machine: Machine) -> str:
    """Names this network on this machine: everything that the choice depends on."""
    facts = (
        repr(model),
        tuple(feed.values.shape[1:]),
        min(recipe.counts()[1], len(feed)),
        (recipe.loss, recipe.device, recipe.precision, recipe.memory_format, recipe.shards, recipe.threads),
        (machine.device.type, machine.n_cores, machine.n_processes, platform.machine(), processor()),
        torch.__version__,
        *((recipe.freeze,) if recipe.freeze and not recipe.thaw else ()),
        *((model.source_digest,) if hasattr(model, "source_digest") else ()),  # code of the user's own
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _remembered(key: str) -> Plan | None:
    try:
        return Plan(**json.loads((cache_folder() / "plans" / f"{key}.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None  # not measured yet, or not readable: measure


def _remember(key: str, plan: Plan) -> Plan:
    """Keeps the plan; where another process was first, its plan is the one that holds."""
    folder = cache_folder() / "plans"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f"{key}.{os.getpid()}.aside"
        aside.write_text(json.dumps(vars(plan)))
        try:
            os.link(aside, folder / f"{key}.json")
        except FileExistsError:
            return _remembered(key) or plan
        finally:
            aside.unlink(missing_ok=True)
    except OSError:
        pass  # a cache that cannot be written costs a measurement each time, nothing else
    return plan
