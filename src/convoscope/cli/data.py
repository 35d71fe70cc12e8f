"""`convoscope data`: the datasets known by name, what one holds, and fetching one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from convoscope.cli import checkup, render
from convoscope.cli.cache import cache
from convoscope.cli.options import Json, answer
from convoscope.cli.split import split
from convoscope.train.recipe import knobs


class DefaultsToShow(TyperGroup):
    """A group whose first word may be a dataset or a path: then it is shown; `./get` is the folder called so."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer holds a click of its own
        """The words of the command line, with `show` before them where they name no command."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)


data_app = typer.Typer(
    cls=DefaultsToShow, help="List the datasets known by name, look at one, at a folder or at a table, or fetch one."
)


@data_app.command()
def show(
    path: Annotated[
        str | None, typer.Argument(metavar="[NAME-OR-PATH]", help="What to look at; without it, what there is.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help=knobs()["image_size"].help)] = None,
    broken: Annotated[str, typer.Option(help=knobs()["broken"].help)] = "stop",
    text_column: Annotated[str | None, typer.Option(help=knobs()["text_column"].help)] = None,
    label_column: Annotated[str | None, typer.Option(help=knobs()["label_column"].help)] = None,
    vocabulary: Annotated[int, typer.Option(min=1, help=knobs()["vocabulary"].help)] = 20_000,
    text_length: Annotated[int, typer.Option(min=1, help=knobs()["text_length"].help)] = 256,
    out: Annotated[Path | None, typer.Option(help="Write the answer to this JSON file too.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with pictures, of image files.")] = None,
    json_lines: Json = False,
) -> None:
    """List the datasets known by name, or check one, a folder or a table (`convoscope data PATH`).

    Image files are all opened and decoded; exit code 1 says that some cannot be (but with --broken quarantine).
    """
    from convoscope import lab

    if path is None:
        rows = lab.list_data()
        answer({"datasets": rows}, json_lines, lambda: render.datasets(rows))
        return
    texts = lab.TextKnobs(vocabulary, text_length, text_column, label_column)
    with checkup.bar(path, as_json=json_lines) as progress:
        facts = lab.check_data(
            path, image_size=image_size, broken=broken, texts=texts, out=out, html=html, progress=progress
        )
    checked = "passed" in facts
    answer(facts, json_lines, lambda: checkup.show(facts) if checked else render.dataset(facts))
    if checked and not facts["passed"]:
        raise typer.Exit(1)


data_app.command("cache")(cache)
data_app.command("split")(split)


@data_app.command()
def get(
    name: Annotated[str, typer.Argument(help="The name of what to fetch.")],
    source: Annotated[str | None, typer.Option("--from", help="Take it from this folder or archive.")] = None,
    json_lines: Json = False,
) -> None:
    """Fetch a dataset by name into the cache."""
    from convoscope import lab

    with render.download(name, as_json=json_lines) as progress:
        folder = lab.get_data(name, source=source, progress=progress)
    told = {"name": name, "folder": str(folder)}
    answer(told, json_lines, lambda: typer.echo(f"{name} is in {folder}"))
