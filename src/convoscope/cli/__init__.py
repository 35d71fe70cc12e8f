"""Door two: the command line."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from convoscope.errors import ConvoscopeError, InputError, MissingPackage, StorageError

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main() -> None:
    """Runs the command line; an error is its message and its hint, and a non-zero exit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show is escaped, and stops nothing
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run()
        sys.stdout.flush()
    except ConvoscopeError as error:
        code = 1
        _tell(error)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except OSError as error:
        code = 1
        # What could not be written waits in the buffer, and would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # then the reader has gone, as with `| head`: no one to tell
            _tell(StorageError(f"The system refused: {error}.", hint="Look at the disk and its permissions."))
    sys.exit(code)


def _run() -> int:
    """Runs the command that was asked for; returns its exit code."""
    try:
        import typer

        from convoscope.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        raise MissingPackage(
            f"The command line needs the package {error.name}, which is not installed.",
            hint=f"Install it with: pip install {error.name}",
        ) from None
    # click's UsageError, which lies elsewhere from one typer to the next.
    misuse: Any = typer.BadParameter.__mro__[1]
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    try:
        return app(prog_name="convoscope", standalone_mode=False) or 0
    except misuse as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "convoscope"
        message = error.format_message().rstrip(".")
        raise InputError(message if message.endswith("?") else f"{message}.", hint=f"See: {command} --help") from None


def _tell(error: ConvoscopeError) -> None:
    if "--json" in sys.argv:
        body = {"event": "error", "error": type(error).__name__, "message": error.message, "hint": error.hint}
        print(json.dumps(body, ensure_ascii=False), flush=True)  # noqa: T201 - this is the door
    print(f"convoscope: {error.message}", file=sys.stderr)  # noqa: T201
    if error.hint:
        print(error.hint, file=sys.stderr)  # noqa: T201


__all__ = ["main"]
