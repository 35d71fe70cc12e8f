"""The routes of runs: what there is, starting one, steering one, its answers, images, filters and report."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import torch
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from convoscope import lab
from convoscope.errors import RunError
from convoscope.lab.folder import report_of
from convoscope.lab.screen.pack import MEDIA_TYPE
from convoscope.lab.screen.records import AnswerPage, DataReport, Form, Glance, Headline, RunDetail, TextPage
from convoscope.process import processor
from convoscope.server.asking import NAMES, RunName, Step, Version, Work, names
from convoscope.server.refusals import Refused
from convoscope.server.wire import (
    LONG,
    MOST,
    DataQuestion,
    Health,
    Launch,
    NewRun,
    Steered,
    Steering,
)
from convoscope.version import __version__

router = APIRouter()
_REPORT_RULES = (  # the report is a page of its own: it runs its few lines of script, and reaches nothing
    "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_MOST_IMAGES = 256
_Class = Annotated[int | None, Query(ge=0, le=MOST, description="A class by its number.")]


@router.get("/health")
def health(work: Work) -> Health:
    """That the server is there, and whose runs it shows."""
    return Health(
        name="convoscope", version=__version__, runs=str(work.runs), processor=processor(), torch=str(torch.__version__)
    )


@router.get("/form", response_model=Form)
async def form(work: Work, request: Request) -> Response:
    """All that can be chosen for a new run."""
    return await work.read(request, work.screen.form)


@router.post("/data", response_model=DataReport)
async def data(work: Work, request: Request, asked: DataQuestion) -> Response:
    """What a dataset or folder holds, before training on it."""
    columns = (asked.text_column, asked.label_column)
    return await work.read(request, partial(work.screen.check_data, asked.name, asked.image_size, *columns))


@router.post("/glance", response_model=Glance)
async def glance(work: Work, request: Request, asked: DataQuestion) -> Response:
    """What kind a dataset or folder is of, and what suits it: at once, where `/data` decodes every image."""
    return await work.read(request, partial(work.screen.glance, asked.name, asked.text_column, asked.label_column))


@router.get("/runs", response_model=list[Headline])
async def headlines(work: Work, request: Request) -> Response:
    """The runs, newest first."""
    return await work.read(request, work.screen.headlines)


@router.post("/runs", status_code=202)
def launch(work: Work, asked: NewRun) -> Launch:
    """Starts a run in a process of its own, which lives on whatever becomes of this server."""
    return _launched(work, lab.launch(asked.values, runs=work.runs))


@router.get("/launches/{launch}")
def launched(work: Work, launch: Annotated[str, Path(pattern="^[0-9a-f]{16}$")]) -> Launch:
    """How a start goes."""
    return _launched(work, launch)


@router.get("/runs/{run}", response_model=RunDetail)
async def detail(work: Work, request: Request, run: RunName) -> Response:
    """All that is known of a run without looking into its network."""
    return await work.read(request, partial(work.screen.detail, run))


@router.post("/runs/{run}/steer")
def steer(work: Work, run: RunName, asked: Steering) -> Steered:
    """Pauses a run that is being trained, lets it go on, makes one step, stops it; or resumes one that has stopped."""
    try:
        if asked.wish == "resume":
            return Steered(state="training", launch=lab.launch_resume(run, runs=work.runs))
        return Steered.model_validate({"state": lab.steer(run, asked.wish, runs=work.runs), "launch": None})
    except RunError as error:  # there is the run, and it is not in the state for that
        raise Refused(409, error) from None


@router.get("/runs/{run}/answers", response_model=AnswerPage)
async def answers(
    work: Work,
    request: Request,
    run: RunName,
    truth: _Class = None,
    predicted: _Class = None,
    wrong: Annotated[bool, Query(description="Only what the network got wrong.")] = False,
    order: Annotated[Literal["loss", "index", "confidence"], Query(description="What comes first.")] = "loss",
    offset: Annotated[int, Query(ge=0, le=MOST)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 60,
    v: Version = None,
) -> Response:
    """What the final network said of the labelled images."""
    found = partial(work.screen.answers, run, truth, predicted, wrong, order, offset, limit)
    return await work.see(request, run, v, found)


@router.get("/runs/{run}/images", response_class=Response, responses={200: {"content": {MEDIA_TYPE: {}}}})
async def images(
    work: Work,
    request: Request,
    run: RunName,
    images: Annotated[str, Query(min_length=1, max_length=4 * LONG, pattern=NAMES, description="test:1,test:2")],
    v: Version = None,
) -> Response:
    """Images of the run's data, as uint8; at most 256. A pack: PixelsHead."""
    found = partial(work.screen.images, run, names(images, most=_MOST_IMAGES))
    return await work.see(request, run, v, found, MEDIA_TYPE)


@router.get("/runs/{run}/texts", response_model=TextPage)
async def texts(
    work: Work,
    request: Request,
    run: RunName,
    images: Annotated[str, Query(min_length=1, max_length=4 * LONG, pattern=NAMES, description="test:1,test:2")],
    v: Version = None,
) -> Response:
    """Texts of the run's data, word by word; at most 256."""
    return await work.see(request, run, v, partial(work.screen.texts, run, names(images, most=_MOST_IMAGES)))


@router.get("/runs/{run}/filters", response_class=Response, responses={200: {"content": {MEDIA_TYPE: {}}}})
async def filters(work: Work, request: Request, run: RunName, step: Step = None, v: Version = None) -> Response:
    """The first layer's weights at a step. A pack: FiltersHead."""
    return await work.see(request, run, v, partial(work.screen.filters, run, step), MEDIA_TYPE)


@router.get("/runs/{run}/report/", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def report(work: Work, run: RunName) -> Response:
    """The run's report, a page of its own."""
    try:
        content = report_of(run, runs=work.runs)
    except RunError as error:
        raise Refused(404, error) from None
    rules = {"Content-Security-Policy": _REPORT_RULES, "Cache-Control": "private, no-cache"}
    return Response(content, headers=rules, media_type="text/html")


def _launched(work: Work, launch: str) -> Launch:
    try:
        found = lab.launched(launch, runs=work.runs)
    except RunError as error:
        raise Refused(404, error) from None
    return Launch(id=launch, state=found.state, run=found.run, error=found.error, hint=found.hint)
