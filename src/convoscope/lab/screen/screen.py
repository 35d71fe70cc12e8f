"""The screen: every question a page can ask of the runs in one folder, from several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from convoscope.errors import InputError
from convoscope.lab.answers import Order
from convoscope.lab.screen import atlas as sheets_of
from convoscope.lab.screen import changes as changes_of
from convoscope.lab.screen import channels as channels_of
from convoscope.lab.screen import inputs, numbers
from convoscope.lab.screen.ask import DRAWN, Ask
from convoscope.lab.screen.facts import Facts, form
from convoscope.lab.screen.kept import Kept
from convoscope.lab.screen.network import network
from convoscope.lab.screen.opened import OpenRun, Picture, find, version_of
from convoscope.lab.screen.pack import pack
from convoscope.lab.screen.passes import Passes
from convoscope.lab.screen.records import (
    AnswerPage,
    DataReport,
    FiltersHead,
    Form,
    GivenImage,
    Glance,
    Headline,
    PixelsHead,
    RunDetail,
    TextPage,
    Written,
)
from convoscope.lab.screen.sheets import as_images
from convoscope.lab.screen.sights import Mode, Network, NumberCard
from convoscope.look.derive import Why

T = TypeVar("T")
_MOST_RUNS = 4  # open at a time
_QUIET_SECONDS = 0.4
_MOST_PIXELS = 1 << 25  # numbers in one answer of images


class Screen:
    """Answers for one folder of runs.

    All arithmetic is done by one thread of its own: torch's threads then stay warm, and questions come one after the
    other. Steps that are trained again, and what is made before somebody asks, have another: they hold nothing up.
    """

    def __init__(self, runs: Path, *, keep_bytes: int = 1 << 30) -> None:
        self.runs = runs
        self._facts = Facts(runs)
        self._open: Kept[OpenRun] = Kept(_MOST_RUNS)
        self._opening = threading.Lock()
        self._passes = Passes(keep_bytes)
        self._changes = changes_of.Changes()
        self._keep_bytes = keep_bytes
        self._asked = 0
        self._arithmetic = ThreadPoolExecutor(1, "arithmetic")
        self._background = ThreadPoolExecutor(1, "background")

    def headlines(self) -> list[Headline]:
        """A line for each run, newest first; one that cannot be read says why."""
        return self._facts.headlines()

    def detail(self, run: str) -> RunDetail:
        """All that is known of a run without its network; RunError where it cannot be read."""
        return self._facts.detail(run)

    def version(self, run: str) -> str:
        """Digits that change when the run's folder becomes another run's; RunError where there is none."""
        return version_of(find(run, self.runs))

    def form(self) -> Form:
        """All that can be chosen for a new run."""
        return form()

    def glance(self, name: str, text_column: str | None = None, label_column: str | None = None) -> Glance:
        """What kind data are of and what suits them, by a glance that decodes nothing."""
        return self._facts.glance(name, text_column, label_column)

    def check_data(
        self, name: str, image_size: int | None, text_column: str | None = None, label_column: str | None = None
    ) -> DataReport:
        """What a dataset, a folder or a table holds; DataError where nothing can be trained on."""
        return self._facts.check_data(name, image_size, text_column, label_column)

    def answers(
        self, run: str, truth: int | None, predicted: int | None, wrong: bool, order: Order, offset: int, limit: int
    ) -> AnswerPage:
        """Some of what the final network said of the labelled images; see `lab.pick`."""
        return self._facts.answers(run, truth, predicted, wrong, order, offset, limit)

    def images(self, run: str, names: list[str]) -> bytes:
        """The pack `PixelsHead` of images by name; InputError where there is none of a name, or they are too many."""
        opened = self._run(run)
        if len(names) * int(np.prod(opened.shape)) > _MOST_PIXELS:
            raise InputError(
                f"{len(names)} images of {opened.shape} are more than one answer holds.",
                hint="Ask for fewer at a time.",
            )
        found = [self._picture(opened, name, None) for name in names]
        pixels = np.stack([picture.pixels for picture in found]) if found else np.zeros((0, *opened.shape), np.uint8)
        return pack(PixelsHead(names, [picture.label for picture in found]), {"images": pixels})

    def texts(self, run: str, names: list[str]) -> TextPage:
        """Texts by name, word by word; InputError where the run's examples are images."""
        opened = self._run(run)
        return TextPage([inputs.card(self._picture(opened, name, None)) for name in names])

    def filters(self, run: str, step: int | None) -> bytes:
        """The pack `FiltersHead`: the first layer's weights at a step."""
        opened = self._run(run)
        if opened.takes_texts:
            return pack(FiltersHead(opened.step(step), ""), {})
        for name, weight in opened.weights(step).items():
            if weight.dim() == 4 or (weight.dim() == 2 and weight.shape[1] == np.prod(opened.shape)):
                return pack(FiltersHead(opened.step(step), name), {"filters": as_images(weight, opened.shape)})
        return pack(FiltersHead(opened.step(step), ""), {})

    def network(self, run: str, mode: Mode, image: str | None = None) -> Network:
        """The run's network, for a text as it takes that one; ModelError where it cannot be exported."""
        opened = self._run(run)
        picture = self._picture(opened, image, None) if image is not None and opened.takes_texts else None
        return self._do(lambda: network(opened, mode, picture))

    def atlas(
        self, run: str, ask: Ask, nodes: list[str] | None, k: int, vector: int, tile: int, pixels: bytes | None
    ) -> bytes:
        """The pack `Atlas`; `pixels`, uint8 (C, H, W), are the image where it is drawn."""
        opened = self._run(run)
        picture = self._picture(opened, ask.image, pixels)
        if ask.tab == "update":
            return self._changed(opened, picture, ask, changes_of.atlas, nodes, k, tile)
        found = self._do(lambda: sheets_of.atlas(opened, self._passes, picture, ask, nodes, k, vector, tile))
        if pixels is None:
            self._go_back_later(opened, picture, ask)
        return found

    def layer(self, run: str, ask: Ask, node: str) -> bytes:
        """The pack `LayerHead`: all channels of a node."""
        opened = self._run(run)
        picture = self._picture(opened, ask.image, None)
        if ask.tab == "update":
            return self._changed(opened, picture, ask, changes_of.layer, node)
        gradients = sheets_of.is_small(opened.graph(ask.mode, picture))
        found = self._do(lambda: sheets_of.layer(opened, self._passes, picture, ask, node, gradients=gradients))
        self._go_back_later(opened, picture, ask)
        return found

    def unit(self, run: str, ask: Ask, node: str, channel: int, n_sources: int) -> bytes:
        """The pack `UnitHead`: one channel and what it is made of."""
        opened = self._run(run)
        picture = self._picture(opened, ask.image, None)
        if ask.tab == "update":
            return self._changed(opened, picture, ask, changes_of.unit, node, channel, n_sources)
        return self._do(lambda: channels_of.unit(opened, self._passes, picture, ask, node, channel, n_sources))

    def values(self, run: str, ask: Ask, node: str, channels: list[int]) -> bytes:
        """The pack `ValuesHead`: exact values."""
        opened = self._run(run)
        picture = self._picture(opened, ask.image, None)
        if ask.tab == "update":
            return self._changed(opened, picture, ask, changes_of.values, node, channels)
        return self._do(lambda: channels_of.values(opened, self._passes, picture, ask, node, channels))

    def number(self, run: str, ask: Ask, node: str, at: tuple[int, ...], by: numbers.By, terms: int) -> NumberCard:
        """One number, opened; in the tab "update" a parameter's, by the step after the snapshot."""
        opened = self._run(run)
        graph = opened.graph(ask.mode, self._picture(opened, ask.image, None) if opened.takes_texts else None)
        found, step = self._opened(opened, ask, node, at)
        place = None if ask.tab == "update" else graph.find(node)
        card = numbers.card(found, place, place.name if place else node, at, ask.tab, by, terms, graph)
        return replace(card, update_step=step)

    def written(
        self, run: str, ask: Ask, node: str, at: tuple[int, ...], by: numbers.By, terms: int,
        form: Literal["text", "latex"],
    ) -> Written:  # fmt: skip
        """A number's arithmetic as text or LaTeX."""
        found = numbers.arranged(self._opened(self._run(run), ask, node, at)[0], by)
        return Written(found.latex(terms or None) if form == "latex" else found.text(terms or None))

    def keep(self, run: str, content: bytes, raw: bool) -> GivenImage:
        """Keeps an image that a user gives, a file or raw pixels; BrokenImage where it cannot be read."""
        return GivenImage(inputs.keep(self.runs, self._run(run), content, is_raw=raw))

    def keep_text(self, run: str, content: bytes) -> GivenImage:
        """Keeps a text that a user gives, in UTF-8; InputError where the network knows no word of it."""
        return GivenImage(inputs.keep_text(self.runs, self._run(run), content))

    def kept_text(self, run: str, digits: str) -> bytes:
        """A text that a user gave, in UTF-8."""
        picture = inputs.given(self.runs, self._run(run), f"input:{digits}")
        assert picture is not None
        return picture.text.originals[0].encode()

    def kept_png(self, run: str, digits: str) -> bytes:
        """An image that a user gave, as a PNG file."""
        picture = inputs.given(self.runs, self._run(run), f"input:{digits}")
        assert picture is not None
        return inputs.png(picture)

    def _opened(self, run: OpenRun, ask: Ask, node: str, at: tuple[int, ...]) -> tuple[Why, int | None]:
        """A number's arithmetic, and of an update the step that made it."""
        if ask.tab == "update":
            numbers.check_parameter(run.graph(ask.mode), node)
            taken = self._background.submit(self._changes.of, self.runs, run, ask.step).result()
            return taken.why(node, at), taken.step
        picture = self._picture(run, ask.image, None)
        return self._do(lambda: numbers.why(run, self._passes, picture, ask, node, at)), None

    def _changed(self, run: OpenRun, picture: Picture, ask: Ask, tell: Callable[..., bytes], *more: Any) -> bytes:  # noqa: ANN401
        """A pack of the tab "update": the step is brought back beside the arithmetic, the pass is made by it."""
        taken = self._background.submit(self._changes.of, self.runs, run, ask.step).result()
        seen = self._do(lambda: self._passes.of(run, picture, ask, gradients=False))
        return self._do(partial(tell, run, seen, taken, ask, *more))

    def _do(self, work: Callable[[], T]) -> T:
        self._asked += 1
        return self._arithmetic.submit(work).result()

    def _go_back_later(self, run: OpenRun, picture: Picture, ask: Ask) -> None:
        """Has the gradients of a large network at hand before somebody asks for them."""
        if ask.mode == "eval" and not sheets_of.is_small(run.graph(ask.mode, picture)):
            self._later(lambda: self._passes.of(run, picture, ask, gradients=True))

    def _later(self, work: Callable[[], object]) -> None:
        """Does what nobody waits for, unless somebody asks for something before it begins."""
        asked = self._asked

        def begin() -> None:
            if self._asked == asked:
                self._background.submit(work)

        timer = threading.Timer(_QUIET_SECONDS, begin)
        timer.daemon = True
        timer.start()

    def _run(self, name: str) -> OpenRun:
        """The run, opened on the first question and after its folder became another run's."""
        run = find(name, self.runs)
        version = version_of(run)
        with self._opening:
            kept = self._open.get(run.name)
            if kept is None or kept.version != version:
                kept = self._open.put(run.name, OpenRun(run, version, self._keep_bytes // 2))
            return kept

    def _picture(self, run: OpenRun, name: str, pixels: bytes | None) -> Picture:
        if pixels is not None:
            return Picture(DRAWN, run.unlabelled(inputs.raw(run, pixels)), None)
        return inputs.given(self.runs, run, name) or run.picture(name)
