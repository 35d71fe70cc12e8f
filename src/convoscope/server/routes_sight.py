"""The routes of the microscope: networks, sheets, layers, channels, numbers, and the images that users give."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Any, Literal

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from convoscope.errors import InputError
from convoscope.lab.screen.pack import MEDIA_TYPE
from convoscope.lab.screen.records import GivenImage, Written
from convoscope.lab.screen.sights import Network, NumberCard
from convoscope.server.asking import (
    IMAGE,
    NAMES,
    NUMBERS,
    At,
    Drawn,
    InMode,
    Node,
    RunName,
    Sight,
    Version,
    Work,
    names,
    numbers,
)
from convoscope.server.refusals import Refused
from convoscope.server.replies import as_json
from convoscope.server.wire import LONG, SHORT

router = APIRouter(prefix="/runs/{run}")

PIXELS, TEXT = "application/octet-stream", "text/plain"
MOST_TEXT_BYTES = 1_000_000
_PACK: dict[str, Any] = {"response_class": Response, "responses": {200: {"content": {MEDIA_TYPE: {}}}}}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_MOST_NODES, _MOST_CHANNELS, _MOST_AXES = 512, 256, 8

_Nodes = Annotated[
    str | None, Query(max_length=4 * LONG, pattern=NAMES, description="Which nodes: conv1,conv2; absent: all.")
]
_Channels = Annotated[int, Query(alias="k", ge=1, le=512, description="Most channels a node, the strongest first.")]
_Vector = Annotated[int, Query(ge=1, le=4096, description="Most units of a node whose channels are 1 x 1.")]
_Tile = Annotated[int, Query(ge=1, le=512, description="Most rows and columns of a channel as sent.")]
_Channel = Annotated[int, Query(ge=0, le=1_000_000)]
_By = Annotated[Literal["channel", "term"], Query(description="Whether a long sum is told channel by channel.")]
_Terms = Annotated[int, Query(ge=0, le=1_000_000, description="Most terms of a sum, the largest first; 0: all.")]


@router.get("/network", response_model=Network)
async def network(
    work: Work,
    request: Request,
    run: RunName,
    mode: InMode = "eval",
    image: Annotated[
        str | None, Query(pattern=IMAGE, description="Of texts: which the network is to take; else the first.")
    ] = None,
    v: Version = None,
) -> Response:
    """The run's network, in the order that it is computed; of texts for as many words as the text has."""
    return await work.see(request, run, v, partial(work.screen.network, run, mode, image))


@router.get("/atlas", **_PACK)
async def atlas(
    work: Work,
    request: Request,
    run: RunName,
    ask: Sight,
    nodes: _Nodes = None,
    k: _Channels = 12,
    vector: _Vector = 96,
    tile: _Tile = 64,
    v: Version = None,
) -> Response:
    """The network's values as sheets, quantised. A pack: Atlas."""
    chosen = None if nodes is None else names(nodes, most=_MOST_NODES)
    return await work.see(
        request, run, v, partial(work.screen.atlas, run, ask, chosen, k, vector, tile, None), MEDIA_TYPE
    )


@router.post("/atlas", **_PACK, openapi_extra={"requestBody": {"content": {PIXELS: _BINARY}}})
async def atlas_of_drawn(
    work: Work,
    request: Request,
    run: RunName,
    ask: Drawn,
    nodes: _Nodes = None,
    k: _Channels = 12,
    vector: _Vector = 96,
    tile: _Tile = 64,
) -> Response:
    """The same for an image that was drawn just now: its pixels, uint8 (C, H, W), are the body. Nothing is kept."""
    chosen = None if nodes is None else names(nodes, most=_MOST_NODES)
    pixels = await _pixels(work, request, run)

    def made() -> Response:
        content = work.screen.atlas(run, ask, chosen, k, vector, tile, pixels)
        return Response(content, headers={"Cache-Control": "no-store"}, media_type=MEDIA_TYPE)

    return await work.sights.do(request, made)


@router.get("/layer", **_PACK)
async def layer(work: Work, request: Request, run: RunName, ask: Sight, node: Node, v: Version = None) -> Response:
    """All channels of a node. A pack: LayerHead."""
    return await work.see(request, run, v, partial(work.screen.layer, run, ask, node), MEDIA_TYPE)


@router.get("/unit", **_PACK)
async def unit(
    work: Work,
    request: Request,
    run: RunName,
    ask: Sight,
    node: Node,
    channel: _Channel,
    sources: Annotated[int, Query(ge=1, le=256, description="Most sources, the strongest first.")] = 24,
    v: Version = None,
) -> Response:
    """One channel: its map, what it is made of, what becomes of it. A pack: UnitHead."""
    return await work.see(request, run, v, partial(work.screen.unit, run, ask, node, channel, sources), MEDIA_TYPE)


@router.get("/values", **_PACK)
async def values(
    work: Work,
    request: Request,
    run: RunName,
    ask: Sight,
    node: Node,
    channels: Annotated[str, Query(min_length=1, max_length=LONG, pattern=NUMBERS, description="Which: 5,6.")],
    v: Version = None,
) -> Response:
    """Exact values of some channels. A pack: ValuesHead."""
    chosen = list(numbers(channels, most=_MOST_CHANNELS))
    return await work.see(request, run, v, partial(work.screen.values, run, ask, node, chosen), MEDIA_TYPE)


@router.get("/number", response_model=NumberCard)
async def number(
    work: Work,
    request: Request,
    run: RunName,
    ask: Sight,
    node: Node,
    at: At = "",
    by: _By = "channel",
    terms: _Terms = 20,
    v: Version = None,
) -> Response:
    """One number, opened into the arithmetic that made it."""
    place = numbers(at, most=_MOST_AXES)
    return await work.see(request, run, v, partial(work.screen.number, run, ask, node, place, by, terms))


@router.get("/written", response_model=Written)
async def written(
    work: Work,
    request: Request,
    run: RunName,
    ask: Sight,
    node: Node,
    at: At = "",
    by: _By = "channel",
    terms: _Terms = 20,
    form: Annotated[Literal["text", "latex"], Query(alias="format")] = "text",
    v: Version = None,
) -> Response:
    """A number's arithmetic to copy, as text or LaTeX."""
    place = numbers(at, most=_MOST_AXES)
    return await work.see(request, run, v, partial(work.screen.written, run, ask, node, place, by, terms, form))


@router.post(
    "/inputs",
    response_model=GivenImage,
    openapi_extra={"requestBody": {"content": {"image/*": _BINARY, PIXELS: _BINARY, TEXT: _BINARY}}},
)
async def give(work: Work, request: Request, run: RunName) -> Response:
    """Keeps what a user gives, so that addresses can name it: an image file, raw pixels uint8 (C, H, W), or a text."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == TEXT:
        content = await request.body()
        if len(content) > MOST_TEXT_BYTES:
            raise Refused(413, InputError(f"A text has at most {MOST_TEXT_BYTES:,} bytes; {len(content):,} were sent."))
        kept = await work.sights.do(request, partial(work.screen.keep_text, run, content))
        return Response(as_json(kept), headers={"Cache-Control": "no-store"}, media_type="application/json")
    if kind != PIXELS and not kind.startswith("image/"):
        said = kind or "nothing"
        raise InputError(f"The body was said to be {said!r}; it is an image, {TEXT}, or {PIXELS} for raw pixels.")
    raw = kind == PIXELS
    content = await (_pixels(work, request, run) if raw else request.body())
    if not content:
        raise InputError("The body is empty; it holds an image.")
    kept = await work.sights.do(request, partial(work.screen.keep, run, content, raw))
    return Response(as_json(kept), headers={"Cache-Control": "no-store"}, media_type="application/json")


@router.get("/inputs/{hex}.png", response_class=Response, responses={200: {"content": {"image/png": {}}}})
async def given(
    work: Work,
    request: Request,
    run: RunName,
    digits: Annotated[str, Path(alias="hex", pattern="^[0-9a-f]{16}$", max_length=SHORT)],
    v: Version = None,
) -> Response:
    """An image that a user gave."""
    return await work.see(request, run, v, partial(work.screen.kept_png, run, digits), "image/png")


@router.get("/inputs/{hex}.txt", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def given_text(
    work: Work,
    request: Request,
    run: RunName,
    digits: Annotated[str, Path(alias="hex", pattern="^[0-9a-f]{16}$", max_length=SHORT)],
    v: Version = None,
) -> Response:
    """A text that a user gave."""
    return await work.see(request, run, v, partial(work.screen.kept_text, run, digits), TEXT)


async def _pixels(work: Work, request: Request, run: str) -> bytes:
    """The body, which may be no longer than one image of the run: C * H * W bytes."""
    # Not at the desk: looking whether the visitor has left would take the body's first part from the queue.
    n_bytes = math.prod(await anyio.to_thread.run_sync(work.shape, run))
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > n_bytes:
            raise Refused(413, InputError(f"An image of this run has {n_bytes} pixel values; more were sent."))
    if len(content) < n_bytes:
        raise InputError(f"An image of this run has {n_bytes} pixel values; {len(content)} were sent.")
    return bytes(content)
