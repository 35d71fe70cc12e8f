"""The commands: each reads its arguments, calls the lab once, and hands what comes to a renderer."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, TypeAlias, cast

import typer

from convoscope import __version__
from convoscope.cli import render, zoo
from convoscope.cli.data import data_app
from convoscope.cli.knobs import takes_knobs
from convoscope.cli.options import RUNS, AtStep, Image, Json, RunName, Runs, answer, extra_options
from convoscope.cli.predict import predict
from convoscope.cli.rates import find_lr
from convoscope.cli.suspects import suspects
from convoscope.errors import RecipeError

app = typer.Typer(
    name="convoscope",
    help="Train convolutional networks on your own images, and open every number into the arithmetic that made it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data_app, name="data")

GivenText = Annotated[str | None, typer.Option("--text", help="A text itself, for a run on texts.")]
InMode = Annotated[str, typer.Option("--mode", help="eval, or train for dropout and batch statistics.")]
Mode: TypeAlias = Literal["eval", "train"]  # what the lab holds it to
Library: TypeAlias = Literal["torchvision", "timm"]  # likewise


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
def train(
    ctx: typer.Context,
    recipe_name: Annotated[
        str | None,
        typer.Option("--recipe", help="A recipe by name (speed); knobs that are given go before its own."),
    ] = None,
    runs: Runs = RUNS,
    json_lines: Json = False,
    **given: Any,  # noqa: ANN401
) -> None:
    """Train a network and keep the run.

    Options of the model go here too (--hidden 512,256 --dropout 0.2 for mlp; see: convoscope models NAME).
    """
    from convoscope import lab

    values = {name: value for name, value in given.items() if value is not None}
    options = extra_options(ctx.args)
    if options:
        values["model_options"] = lab.read_options(lab.model_of(values, recipe_name), options)
    recipe = lab.make_recipe(values, recipe_name)
    if "model" not in values and recipe_name is None and (chosen := lab.in_words(recipe)):
        typer.echo(chosen, err=True)
    with _stopping() as should_stop:
        events = lab.train(recipe, runs=runs, should_stop=should_stop, command=sys.argv[1:])
        _follow(render.training(events, as_json=json_lines))


app.command("find-lr", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(find_lr)


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
    answer({"runs": rows}, json_lines, lambda: render.runs(rows, runs))


@app.command()
def show(run: RunName, runs: Runs = RUNS, json_lines: Json = False) -> None:
    """Show a run: what it was made from, how it went, and what is kept of it."""
    from convoscope import lab

    facts = lab.show(run, runs=runs)
    answer(facts, json_lines, lambda: render.run(facts))


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
    answer(facts, json_lines, lambda: render.evaluation(facts))


app.command()(predict)
app.command()(suspects)


@app.command()
def look(
    run: RunName,
    image: Image = "test:0",
    text: GivenText = None,
    step: AtStep = None,
    mode: InMode = "eval",
    runs: Runs = RUNS,
    json_lines: Json = False,
) -> None:
    """Run one image or text through a run's network and show every node: shape, parameters, FLOPs, field, values."""
    from convoscope import lab

    facts = lab.look(run, image, runs=runs, step=step, mode=cast(Mode, mode), text=text)
    answer(facts, json_lines, lambda: render.look(facts))


@app.command()
def why(
    run: RunName,
    at: Annotated[str, typer.Option("--at", help="The number: conv2[5,4,3], fc3[7], conv2.weight[5,0,2,2].")],
    image: Image = "test:0",
    text: GivenText = None,
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
        seen_in = cast(Mode, mode)
        found = lab.why(
            run, at, image, text=text, runs=runs, step=step, direction=direction, target=target, mode=seen_in
        )
    limit = terms or None
    written = found.latex(limit) if latex else found.text(limit)
    answer(found.json(limit) if json_lines else None, json_lines, lambda: typer.echo(written))


@app.command()
def weights(
    run: RunName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to: a .safetensors, .pt or .pth file.")],
    like: Annotated[
        str | None, typer.Option(help="Names and shapes of this library's networks: torchvision or timm; else ours.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    step: AtStep = None,
    runs: Runs = RUNS,
    json_lines: Json = False,
) -> None:
    """Write a run's weights to a file that other programs read."""
    from convoscope import lab

    facts = lab.save_weights(run, file, runs=runs, step=step, like=cast(Library, like), force=force)
    answer(facts, json_lines, lambda: render.weights(facts))


@app.command()
def neighbours(
    run: RunName, image: Image = "test:0", step: AtStep = None, runs: Runs = RUNS, json_lines: Json = False
) -> None:
    """Show which training images voted in a run of knn, and what the distance to the nearest is made of."""
    from convoscope import lab
    from convoscope.cli import voters

    facts = lab.neighbours(run, image, runs=runs, step=step)
    answer(facts, json_lines, lambda: voters.show(facts))


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


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def models(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="One architecture: a name, path/to/file.py:factory, or a TOML file."),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(help="Of one example: an image's 3x32x32, or the words of a text; else the paper's own."),
    ] = None,
    classes: Annotated[int | None, typer.Option(help="How many classes to tell apart; else the paper's own.")] = None,
    all_layers: Annotated[
        bool, typer.Option("--all-layers", help="Show blocks that repeat the one before them layer by layer too.")
    ] = False,
    json_lines: Json = False,
) -> None:
    """List the architectures as a history of the field, or show one: its layers, figures, options and usual recipe.

    Options of the model go here too (--hidden 512,256 for mlp, --stem cifar for resnet18).
    """
    from convoscope import lab

    if name is None:
        if shape or classes or ctx.args:
            raise RecipeError("The list takes no shape, classes or options.", hint="Name a model before them.")
        rows = lab.list_models()
        answer({"models": rows}, json_lines, lambda: zoo.models(rows))
        return
    facts = lab.describe_typed(name, shape, classes, extra_options(ctx.args))
    answer(facts, json_lines, lambda: zoo.model(facts, all_layers=all_layers))


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
