"""Door two: the command line."""

from __future__ import annotations

import os
import sys

from convoscope.errors import ConvoscopeError, MissingPackage

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main() -> None:
    """Runs the command line; an error is its message and its hint, and a non-zero exit."""
    try:
        try:
            from convoscope.cli.app import app
        except ModuleNotFoundError as error:
            if error.name not in {"typer", "rich"}:
                raise
            raise MissingPackage(
                f"The command line needs the package {error.name}, which is not installed.",
                hint=f"Install it with: pip install {error.name}",
            ) from None
        app()
    except ConvoscopeError as error:
        _tell(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _tell(error: ConvoscopeError) -> None:
    if "--json" in sys.argv:
        import json

        body = {"event": "error", "error": type(error).__name__, "message": error.message, "hint": error.hint}
        print(json.dumps(body, ensure_ascii=False), flush=True)  # noqa: T201 - this is the door
    print(f"convoscope: {error.message}", file=sys.stderr)  # noqa: T201
    if error.hint:
        print(error.hint, file=sys.stderr)  # noqa: T201


__all__ = ["main"]
