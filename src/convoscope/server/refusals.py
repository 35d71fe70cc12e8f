"""Refusals: every error becomes one JSON shape and one status."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from convoscope.errors import (
    ConvoscopeError,
    DownloadError,
    InputError,
    MissingPackage,
    StorageError,
    TrainingFailed,
    UnknownName,
)
from convoscope.server.replies import JSON
from convoscope.server.wire import Refusal

# The first that fits.
_STATUS: tuple[tuple[type[ConvoscopeError], int], ...] = (
    (UnknownName, 404),
    (InputError, 400),
    (StorageError, 507),
    (DownloadError, 424),  # what the request depends on is not at hand; nothing is broken here
    (MissingPackage, 424),
    (TrainingFailed, 409),
)
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG}
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
_SEE = "The interface is described at /api/openapi.json."
NOTHING_THERE = ("There is nothing at this address.", _SEE)
TOO_LARGE = ("What was sent is larger than is taken here.", "An image file may have 20 MB, a form 64 kB.")
_WORDS = {404: NOTHING_THERE, 405: ("This address does not take that method.", _SEE), 413: TOO_LARGE}
EXPECTED: dict[int | str, dict[str, Any]] = {
    "default": {"model": Refusal, "description": "Refused: what was asked, the rule, and what to do."}
}


class Refused(Exception):
    """An error whose status depends on what was asked, not on the error alone."""

    def __init__(self, status: int, error: ConvoscopeError) -> None:
        super().__init__(str(error))
        self.status, self.error = status, error


class Busy(Exception):
    """More is waiting than will be done soon."""


class Left(Exception):
    """Who asked has gone: nothing is done for nobody."""


def status_of(error: ConvoscopeError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def refusal(status: int, kind: str, message: str, hint: str = "") -> Response:
    """A refusal in the one shape that all have."""
    body = json.dumps({"error": kind, "message": message, "hint": hint}, ensure_ascii=False)
    return Response(body, status, {"Cache-Control": "no-store"}, media_type=JSON)


def answer_errors(app: FastAPI) -> None:
    """Makes the application answer every error in that shape."""
    app.add_exception_handler(ConvoscopeError, _known)
    app.add_exception_handler(Refused, _known)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(OSError, _system)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(Left, _left)
    app.add_exception_handler(Exception, _unforeseen)


async def _known(request: Request, error: Exception) -> Response:
    said, status = (error.error, error.status) if isinstance(error, Refused) else (error, 0)
    assert isinstance(said, ConvoscopeError)
    # A file of a run is named from the folder of runs on: where that lies is nobody's business but this machine's.
    folder = f"{request.app.state.office.runs}{os.sep}"
    message, hint = (text.replace(folder, "") for text in (said.message, said.hint))
    return refusal(status or status_of(said), type(said).__name__, message, hint)


async def _misread(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = []
    for problem in error.errors()[:3]:
        place = ".".join(str(part) for part in problem["loc"][1:]) or "the body"
        said.append(f"{place}: {problem['msg']}")
    return refusal(400, "InputError", f"The request cannot be read: {'; '.join(said)}.", _SEE)


async def _plain(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message, hint = _WORDS.get(error.status_code, (f"{error.detail}.", ""))
    answer = refusal(error.status_code, "InputError", message, hint)
    answer.headers.update(error.headers or {})
    return answer


async def _system(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    if error.errno in _DISK:
        return refusal(
            507, "StorageError", f"The disk said no: {error.strerror}.", "Look at its space and permissions."
        )
    if error.errno in _GONE:
        return refusal(404, "RunError", "A file of this run has vanished while it was read.", "Look at the runs again.")
    return await _unforeseen(request, error)


async def _busy(_: Request, __: Exception) -> Response:
    answer = refusal(503, "Busy", "More is being asked than this machine can do at once.", "It is asked again soon.")
    answer.headers["Retry-After"] = "1"
    return answer


async def _left(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # nginx's number for it; nobody reads this


async def _unforeseen(_: Request, error: Exception) -> Response:
    where = traceback.extract_tb(error.__traceback__)[-1]
    print(f"convoscope: {type(error).__name__} at {where.filename}:{where.lineno}", file=sys.stderr)  # noqa: T201
    message = f"Something in Convoscope itself is broken: {type(error).__name__}: {error}."
    return refusal(500, "Fault", message, "Please report it, with what you did; the terminal says where it was.")
