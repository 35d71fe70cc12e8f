"""Runs as the screen is told of them, networks left out: lists, details, answers, and what can be chosen."""

from __future__ import annotations

import dataclasses
import os
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from convoscope import data as data_room
from convoscope.data import TextKnobs
from convoscope.errors import RunError
from convoscope.lab.answers import Order, answers, count, pick
from convoscope.lab.listing import describe_data, list_data
from convoscope.lab.reading import OF_IMAGES, OF_TEXTS, USUAL, kind_of
from convoscope.lab.ready import TOGETHER
from convoscope.lab.screen.kept import Kept
from convoscope.lab.screen.opened import find, version_of
from convoscope.lab.screen.pack import plain
from convoscope.lab.screen.records import (
    AnswerCard,
    AnswerPage,
    Calibrated,
    ClassFigures,
    Compared,
    DataCard,
    DataReport,
    Form,
    Glance,
    Headline,
    InputKind,
    Judged,
    KnobCard,
    ModelCard,
    OptionCard,
    RunDetail,
    Snapshot,
)
from convoscope.lab.usual import usual_knobs
from convoscope.lab.zoo import native_parameters
from convoscope.models import MODELS
from convoscope.runs import store
from convoscope.runs.describe import describe, headline
from convoscope.runs.log import last_of, read_log
from convoscope.runs.store import Run
from convoscope.train.events import Started, Step
from convoscope.train.recipe import Recipe, knobs

R = TypeVar("R", ClassFigures, Compared, Calibrated, Judged)
_FIELDS = {item.name for item in dataclasses.fields(Headline)}


class Facts:
    """The runs of one folder, described; what has not changed is not read again."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self._headlines: Kept[Headline] = Kept(2000)

    def headlines(self) -> list[Headline]:
        """A line for each run, newest first."""
        return [self._headline(run) for run in store.all_runs(self.runs)]

    def _headline(self, run: Run) -> Headline:
        mark = _mark(run)
        kept = self._headlines.get((run.name, mark))
        if kept is not None and kept.state not in ("training", "paused"):
            return kept
        return self._headlines.put((run.name, mark), _line(run))

    def detail(self, name: str) -> RunDetail:
        """All that is known of a run.

        Raises:
            RunError: there is none, or it cannot be read.
        """
        run = find(name, self.runs)
        known = describe(run)
        card, judged = run.card("data", "class_names", "policy"), known["evaluation"]
        kind, shape, n_words = _shape(card["policy"])
        begun = [event for _, event in read_log(run.log_path, steps=False) if isinstance(event, Started)]
        return RunDetail(
            headline=_line(run), version=version_of(run), class_names=list(card["class_names"]),
            kind=kind, input_shape=shape, n_words=n_words,
            counts={part: int(card.get(f"n_{part}", 0)) for part in ("train", "validation", "test")},
            recipe=plain(known["recipe"]), provenance=plain(known["provenance"]), plan=plain(known["plan"]),
            snapshots=[Snapshot(one["step"], one["reason"]) for one in known["checkpoints"]],
            missing=known["checkpoints_missing"], judged=_judged(judged),
            n_parameters=begun[-1].n_parameters if begun else None,
            has_weights=known["weights"] is not None, has_report=known["report"] is not None,
        )  # fmt: skip

    def answers(
        self, name: str, truth: int | None, predicted: int | None, wrong: bool, order: Order, offset: int, limit: int
    ) -> AnswerPage:
        """Some of what the final network said of the labelled images.

        Raises:
            RunError: no such run, or it has no final weights.
            DataError: its data are gone.
        """
        found = answers(str(find(name, self.runs).folder), runs=self.runs)
        which: dict[str, Any] = {"truth": truth, "predicted": predicted, "wrong": wrong}
        cards = [
            AnswerCard(f"{found.split}:{one.index}", one.truth, one.predicted, one.probability, one.loss)
            for one in pick(found, **which, order=order, offset=offset, limit=limit)
        ]
        return AnswerPage(found.split, count(found, **which), offset, cards)

    def glance(self, name: str, text_column: str | None, label_column: str | None) -> Glance:
        """What kind data are of and what suits them, by their names and a few headers; images where nothing is."""
        columns = {"text_column": text_column, "label_column": label_column}
        seen = kind_of(name, **columns)
        (kind,) = (one for one in get_args(InputKind) if one == seen)
        return Glance(name, kind, plain(usual_knobs({"data": name, **columns})))

    def check_data(
        self, name: str, image_size: int | None, text_column: str | None, label_column: str | None
    ) -> DataReport:
        """What a dataset or a folder holds; broken files are named and passed over.

        Raises:
            DataError: there is nothing that can be trained on.
        """
        texts = TextKnobs(text_column=text_column, label_column=label_column)
        return DataReport(name, plain(describe_data(name, image_size=image_size, broken="quarantine", texts=texts)))


def _shape(policy: dict[str, Any]) -> tuple[InputKind, list[int], int | None]:
    """What a run's examples are, one's shape, and the word numbers of texts; from the run's card."""
    if "vocabulary" not in policy:
        return "images", [policy["channels"], policy["height"], policy["width"]], None
    shape = [policy["n_levels"], policy["width"]] if policy["n_levels"] else [policy["length"]]
    return policy["kind"], shape, policy["n_words"]


def _line(run: Run) -> Headline:
    known = {key: value for key, value in headline(run).items() if key in _FIELDS}
    known["error"] = known.get("error", "").replace(f"{run.folder.parent}{os.sep}", "")
    newest = last_of(run.log_path, Step) if known["state"] != "broken" else None
    return Headline(**known, loss=plain(newest.loss) if isinstance(newest, Step) else None)


def _mark(run: Run) -> tuple[int, ...]:
    """Changes when the run's log or recipe does."""
    marks = []
    for path in (run.log_path, run.folder / "recipe.json", run.weights_path):
        try:
            found = path.stat()
            marks += [found.st_mtime_ns, found.st_size, found.st_ino]
        except OSError:
            marks += [0, 0, 0]
    return tuple(marks)


def _judged(found: Any) -> Judged | None:  # noqa: ANN401 - a JSON document
    if not isinstance(found, dict) or "confusion" not in found:
        return None
    calibration = found.get("calibration")
    try:
        return _known(
            Judged,
            found
            | {
                "per_class": [_known(ClassFigures, row) for row in found["per_class"]],
                "compared": [_known(Compared, row) for row in found.get("compared", [])],
                "calibration": _known(Calibrated, calibration) if isinstance(calibration, dict) else None,
            },
        )
    except (TypeError, KeyError, AttributeError):
        raise RunError(
            "evaluation.json does not hold what a run writes there.", hint="Restore it from a copy, or train again."
        ) from None


def _known(record: type[R], row: dict[str, Any]) -> R:
    """A record of the fields that it has; a newer document may hold more, a document without one raises TypeError."""
    names = {item.name for item in dataclasses.fields(record)}
    return record(**{key: value for key, value in row.items() if key in names})


@cache
def _knob_cards() -> list[KnobCard]:
    hints = get_type_hints(Recipe)
    cards = []
    for item in dataclasses.fields(Recipe):
        knob = knobs()[item.name]
        kinds = get_args(hints[item.name]) or (hints[item.name],)
        default = None if item.default is dataclasses.MISSING else item.default
        cards.append(
            KnobCard(
                name=item.name,
                help=knob.help,
                group=knob.group,
                kind=_kind(item.name, kinds, bool(knob.choices)),
                unit=knob.unit,
                low=knob.low,
                high=knob.high,
                open_high=knob.open_high,
                choices=list(knob.choices),
                default=default,
                optional=type(None) in kinds,
                cost=knob.cost,
                source=knob.source,
                kinds=[
                    kind
                    for kind in get_args(InputKind)
                    if item.name not in (OF_TEXTS if kind == "images" else OF_IMAGES)
                ],
                goes_with=[choice for choice, figures in TOGETHER.items() if item.name in figures],
            )
        )
    return cards


Kind = Literal["integer", "number", "switch", "choice", "text", "options"]


def _kind(name: str, kinds: tuple[Any, ...], has_choices: bool) -> Kind:
    if name == "model_options":
        return "options"
    if has_choices:
        return "choice"
    found: dict[Any, Kind] = {bool: "switch", int: "integer", float: "number"}
    return next((found[kind] for kind in kinds if kind in found), "text")


def form() -> Form:
    """All that can be chosen for a new run."""
    models = [_model_card(name) for name in MODELS]
    datasets = [DataCard(one["name"], one["summary"], _is_here(one["name"]), "images") for one in list_data()]
    return Form(_knob_cards(), models, datasets, dict(USUAL))


def _model_card(name: str) -> ModelCard:
    entry = MODELS[name]
    shape, n_classes = entry.native
    return ModelCard(
        name=name, year=entry.year, summary=entry.summary, taught=entry.taught, paper=entry.paper,
        options=_options(entry.options), recipe=dict(entry.recipe),
        takes=[kind for kind in get_args(InputKind) if kind in entry.takes],
        native=list(shape) if isinstance(shape, tuple) else [], n_classes=n_classes,
        n_parameters=native_parameters(name),
    )  # fmt: skip


def _is_here(name: str) -> bool:
    """Whether a dataset lies on this machine: in the package, or fetched."""
    return name not in data_room.REMOTES or data_room.locate(name) is not None


def _options(kind: type) -> list[OptionCard]:
    hints = get_type_hints(kind)
    kinds: dict[Any, Any] = {bool: "switch", int: "integer", float: "number", tuple[int, ...]: "integers"}
    cards: list[OptionCard] = []
    for item in dataclasses.fields(kind):
        choices = list(item.metadata.get("choices", ()))
        of: Any = "choice" if choices else kinds.get(hints[item.name], "text")
        cards.append(OptionCard(item.name, item.metadata["help"], of, choices, item.default))
    return cards
