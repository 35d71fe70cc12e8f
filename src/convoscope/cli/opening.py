"""`convoscope open`: finds a place for the server, says the address, opens the browser, and serves until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import typer

from convoscope import server
from convoscope.errors import ConvoscopeError, MissingPackage, RunError


@dataclass(frozen=True)
class Wanted:
    """What to open: a folder of runs, and of one of them the path of its page."""

    runs: Path
    run: str | None
    path: str


def open_page(run: str | None, *, runs: Path, host: str, port: int, browser: bool) -> None:
    """Serves the page and opens it.

    Where nobody can look at it (`CI` is set, or there is no browser and none was declined), it says the address, makes
    sure that the server answers, and ends.

    Raises:
        RunError: there is no such run.
        InputError: the machine has no such address, or no port is free.
        MissingPackage: FastAPI or uvicorn is not installed.
    """
    if absent := server.missing():
        raise MissingPackage(
            f"The page needs {' and '.join(absent)}, which {'is' if len(absent) == 1 else 'are'} not installed.",
            hint=f"Install with: pip install {' '.join(absent)}",
        )
    from convoscope.server.listening import listen

    wanted = _wanted(run, runs)
    place = listen(host, port, wanted.runs)
    token = None if place.is_private else secrets.token_urlsafe(24)
    address = place.address(wanted.path, token)
    can_show = browser and not os.environ.get("CI") and _has_browser()
    if place.passed_over is not None:
        typer.echo(f"Port {place.passed_over} is taken by something else; this is the next free one.")
    if place.listener is None:
        typer.echo(f"Convoscope is at {address} already.")
        if can_show:
            webbrowser.open(address)
        return
    stays = can_show or not (browser or os.environ.get("CI"))
    typer.echo(f"Convoscope is at {address}")
    if stays:
        typer.echo("Ctrl-C ends it; runs being trained go on.")

    def answering() -> bool:
        if can_show:
            webbrowser.open(address)
        return stays

    server.serve(place, wanted.runs, token=token, answering=answering)
    if not stays:
        why = "CI is set" if os.environ.get("CI") else "there is no browser here to open it in"
        typer.echo(f"It answers, and ends again: {why}. To serve it: convoscope open --no-browser")


def _wanted(run: str | None, runs: Path) -> Wanted:
    """The run in its folder of runs: by name, or by the path of a folder that lies elsewhere."""
    if run is None:
        return Wanted(runs, None, "/")
    from convoscope import lab
    from convoscope.lab.folder import folder_of

    try:
        folder = folder_of(run, runs=runs)
    except RunError:
        folder = Path(run).absolute()
        if not (folder / "recipe.json").is_file():
            raise
    path = f"/runs/{quote(folder.name, safe='')}"
    try:
        facts = lab.show(folder.name, runs=folder.parent)
    except ConvoscopeError:  # broken: its page says why
        return Wanted(folder.parent, folder.name, path)
    can_look = facts["weights"] and facts["state"] not in {"training", "paused"}
    return Wanted(folder.parent, folder.name, f"{path}/look" if can_look else path)


def _has_browser() -> bool:
    """Whether a browser can be shown to the person at this machine."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")
    if sys.platform not in {"darwin", "win32"} and not any(os.environ.get(name) for name in screens):
        return False  # a browser in text would take the terminal
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
