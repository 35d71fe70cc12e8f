"""The commands: each reads its arguments, calls the lab once, and hands what comes to a renderer."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, TypeAlias, cast

import typer

from convoscope import __version__
from convoscope.cli import render
from convoscope.cli.knobs import takes_knobs
from convoscope.errors import RecipeError
from convoscope.train.recipe import knobs

app = typer.Typer(
    name="convoscope",
    help="Train convolutional networks on your own images, and open every number into the arithmetic that made it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Runs = Annotated[Path, typer.Option("--runs", envvar="CONVOSCOPE_RUNS", help="The folder that holds the runs.")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for machines.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help='A run: its name, its folder, or "latest".')]
AtStep = Annotated[
    int | None, typer.Option("--step", help="Use the checkpoint after this many steps, not the final weights.")
]
Image = Annotated[
    str, typer.Option("--image", help="test:45 (or train:, validation:) for an image of the run's data, or a file.")
]
InMode = Annotated[str, typer.Option("--mode", help="eval, or train for dropout and batch statistics.")]
RUNS = Path("runs")
Mode: TypeAlias = Literal["eval", "train"]  # what the lab holds it to


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"convoscope {__version__}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    pass


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@takes_knobs
def train(ctx: typer.Context, runs: Runs = RUNS, json_lines: Json = False, **given: Any) -> None:  # noqa: ANN401
    """Train a network and keep the run.

    Options of the model go here too (--hidden 512,256 --dropout 0.2 for mlp; see: convoscope models NAME).
    """
    from convoscope import lab

    values = {name: value for name, value in given.items() if value is not None}
    model = values.get("model") or "lenet5"
    values["model_options"] = lab.read_options(model, _extra_options(ctx.args))
    recipe = lab.make_recipe(values)
    with _stopping() as should_stop:
        events = lab.train(recipe, runs=runs, should_stop=should_stop, command=sys.argv[1:])
        _follow(render.training(events, as_json=json_lines))


@app.command()
def resume(run: RunName, runs: Runs = RUNS, json_lines: Json = False) -> None:
    """Go on with a run that was stopped or killed, from what it last saved."""
    from convoscope import lab

    with _stopping() as should_stop:
        events = lab.resume(run, runs=runs, should_stop=should_stop)
        _follow(render.training(events, as_json=json_lines))


@app.command("runs")
def list_runs(runs: Runs = RUNS, json_lines: Json = False) -> None:
    """List the runs, newest first."""
    from convoscope import lab

    rows = lab.list_runs(runs)
    _answer({"runs": rows}, json_lines, lambda: render.runs(rows, runs))


@app.command()
def show(run: RunName, runs: Runs = RUNS, json_lines: Json = False) -> None:
    """Show a run: what it was made from, how it went, and what is kept of it."""
    from convoscope import lab

    facts = lab.show(run, runs=runs)
    _answer(facts, json_lines, lambda: render.run(facts))


@app.command()
def evaluate(
    run: RunName,
    data: Annotated[
        str | None, typer.Option(help="Other data with the same classes, by name or path; else the run's own.")
    ] = None,
    split: Annotated[str, typer.Option(help="Which part to judge on: train, validation or test.")] = "test",
    step: AtStep = None,
    runs: Runs = RUNS,
    json_lines: Json = False,
) -> None:
    """Judge a run on images that it was not trained on."""
    from convoscope import lab

    facts = lab.evaluate(run, runs=runs, data=data, split=split, step=step)
    _answer(facts, json_lines, lambda: render.evaluation(facts))


@app.command()
def predict(
    run: RunName,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes to name for each image.")] = 3,
    step: AtStep = None,
    runs: Runs = RUNS,
    json_lines: Json = False,
) -> None:
    """Say what a run's network sees in image files."""
    from convoscope import lab

    rows = list(lab.predict(run, images, runs=runs, top=top, step=step))
    _answer({"run": run, "predictions": rows}, json_lines, lambda: render.predictions(rows))
    if any(row["error"] for row in rows):
        raise typer.Exit(1)


@app.command()
def look(
    run: RunName,
    image: Image = "test:0",
    step: AtStep = None,
    mode: InMode = "eval",
    runs: Runs = RUNS,
    json_lines: Json = False,
) -> None:
    """Run one image through a run's network and show every node: shape, parameters, FLOPs, field, values."""
    from convoscope import lab

    facts = lab.look(run, image, runs=runs, step=step, mode=cast(Mode, mode))
    _answer(facts, json_lines, lambda: render.look(facts))


@app.command()
def why(
    run: RunName,
    at: Annotated[str, typer.Option("--at", help="The number: conv2[5,4,3], fc3[7], conv2.weight[5,0,2,2].")],
    image: Image = "test:0",
    backward: Annotated[
        bool, typer.Option("--backward", help="dloss/dvalue by the chain rule, not the value.")
    ] = False,
    update: Annotated[
        bool, typer.Option("--update", help="A weight's change in the step of training that --step names.")
    ] = False,
    step: AtStep = None,
    target: Annotated[str | None, typer.Option(help="The class the loss is against; else the image's own.")] = None,
    mode: InMode = "eval",
    terms: Annotated[int, typer.Option(min=0, help="Terms of each sum to show, the largest first; 0 shows all.")] = 20,
    latex: Annotated[bool, typer.Option("--latex", help="Answer in LaTeX.")] = False,
    runs: Runs = RUNS,
    json_lines: Json = False,
) -> None:
    """Open one number of a network into the exact arithmetic that made it."""
    from convoscope import lab

    if update and (backward or step is None):
        raise RecipeError(
            "--update opens a weight's change in one step of training: it takes --step, and neither --backward nor an "
            "image.",
            hint="For example: convoscope why RUN --at conv2.weight[5,0,2,2] --step 200 --update",
        )
    if update and step is not None:
        found = lab.why_update(run, at, runs=runs, step=step)
    else:
        direction: Literal["forward", "backward"] = "backward" if backward else "forward"
        found = lab.why(run, at, image, runs=runs, step=step, direction=direction, target=target, mode=cast(Mode, mode))
    limit = terms or None
    text = found.latex(limit) if latex else found.text(limit)
    _answer(found.json(limit) if json_lines else None, json_lines, lambda: typer.echo(text))


@app.command("open")
def open_(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run to open; else the list of them.")] = None,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Where; the next free one where it is taken.")] = 8808,
    host: Annotated[
        str, typer.Option(help="The address to listen at; any but this machine's own asks visitors for a token.")
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Whether to open a browser.")] = True,
    runs: Runs = RUNS,
) -> None:
    """Open the page: runs, training as it happens, and every number of a network."""
    from convoscope.cli.opening import open_page

    open_page(run, runs=runs, host=host, port=port, browser=browser)


@app.command()
def models(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One architecture, with its table of layers.")
    ] = None,
    shape: Annotated[str, typer.Option(help="Image shape: channels x height x width.")] = "1x28x28",
    classes: Annotated[int, typer.Option(help="How many classes to tell apart.")] = 10,
    json_lines: Json = False,
) -> None:
    """List the architectures, or show one with its layers and options."""
    from convoscope import lab

    if name is None:
        rows = lab.list_models()
        _answer({"models": rows}, json_lines, lambda: render.models(rows))
        return
    facts = lab.describe_model(name, _shape(shape), classes)
    _answer(facts, json_lines, lambda: render.model(facts))


@app.command()
def data(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME-OR-PATH | get NAME]", help="What to look at, or `get` and the name of what to fetch."
        ),
    ] = None,
    source: Annotated[str | None, typer.Option("--from", help="With get: take it from this folder or archive.")] = None,
    image_size: Annotated[int | None, typer.Option(help=knobs()["image_size"].help)] = None,
    broken: Annotated[str, typer.Option(help=knobs()["broken"].help)] = "stop",
    json_lines: Json = False,
) -> None:
    """List the datasets known by name, look at one or at a folder, or fetch one."""
    from convoscope import lab

    if not words:
        rows = lab.list_data()
        _answer({"datasets": rows}, json_lines, lambda: render.datasets(rows))
    elif words[0] == "get":
        if len(words) != 2:
            raise RecipeError("`data get` takes one name.", hint="For example: convoscope data get fashion-mnist")
        with render.download(words[1], as_json=json_lines) as progress:
            folder = lab.get_data(words[1], source=source, progress=progress)
        told = {"name": words[1], "folder": str(folder)}
        _answer(told, json_lines, lambda: typer.echo(f"{words[1]} is in {folder}"))
    else:
        if len(words) > 1:
            raise RecipeError(f"`data` takes one name or path; it was given {len(words)}: {' '.join(words)}.")
        facts = lab.describe_data(words[0], image_size=image_size, broken=broken)
        _answer(facts, json_lines, lambda: render.dataset(facts))


def _answer(document: Any, as_json: bool, show: Callable[[], None]) -> None:  # noqa: ANN401 - any JSON value
    """Prints the document where JSON was asked for, else shows it."""
    if as_json:
        typer.echo(render.as_document(document))
    else:
        show()


def _follow(outcome: render.Outcome) -> None:
    if outcome.stopped:
        raise typer.Exit(128 + signal.SIGINT)


@contextmanager
def _stopping() -> Iterator[Any]:
    """Ctrl-C (or SIGTERM) asks the loop to save and stop; a second Ctrl-C ends at once."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        asked.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.write(2, b"\nSaving and stopping (Ctrl-C again to end at once) ...\n")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _extra_options(words: list[str]) -> dict[str, str]:
    """Options the recipe does not have, as typed: `--hidden 512,256` or `--hidden=512,256`."""
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, is_joined, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            raise RecipeError(
                f"{word!r} is no option.", hint="Options begin with two dashes; see: convoscope train --help"
            )
        if not is_joined:
            value = next(rest, "")
            if not value or value.startswith("--"):
                raise RecipeError(f"The option --{name} was given no value.", hint=f"For example: --{name} VALUE")
        found[name.replace("-", "_")] = value
    return found


def _shape(text: str) -> tuple[int, int, int]:
    parts = text.lower().replace("×", "x").replace(",", "x").split("x")
    if len(parts) != 3 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise RecipeError(f"The shape was given as {text!r}; it is channels x height x width, like 3x32x32.")
    C, H, W = (int(part) for part in parts)
    return C, H, W
