"""The routes of events: a run's log from a line on, once or as it grows."""

from __future__ import annotations

import contextlib
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import APIRouter, Query, Request, WebSocket, WebSocketDisconnect
from starlette.responses import Response

from convoscope.errors import RunError
from convoscope.lab.folder import folder_of
from convoscope.server.asking import Office, RunName, Work
from convoscope.server.refusals import Refused
from convoscope.server.replies import reply
from convoscope.server.wire import MOST, EventPage

router = APIRouter(prefix="/runs/{run}")

NO_RUN = 4404  # the code that a socket closes with
_From = Annotated[int, Query(alias="from", ge=0, le=MOST, description="The first line wanted.")]


@router.get("/events", response_model=EventPage)
async def events(
    work: Work, request: Request, run: RunName, first: _From = 0, limit: Annotated[int, Query(ge=1, le=20_000)] = 5000
) -> Response:
    """What happened in a run, from a line on."""
    try:
        texts, following = await work.live.page(work.runs / run, first, limit)
    except RunError as error:
        raise Refused(404, error) from None
    return reply(f'{{"next":{following},"events":[{",".join(texts)}]}}'.encode(), request.headers)


@router.websocket("/live")
async def live(socket: WebSocket, run: str, first: _From = 0) -> None:
    """The same, and then what comes; messages are JSON arrays of lines. Closes with 4404 where there is no run."""
    work: Office = socket.app.state.office
    await socket.accept()
    try:
        folder = await anyio.to_thread.run_sync(lambda: folder_of(run, runs=work.runs))
    except (RunError, ValueError) as error:
        await socket.close(NO_RUN, _short(error))
        return
    async with anyio.create_task_group() as group:

        async def tell() -> None:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the viewer left in the middle of a message
                async with contextlib.aclosing(work.live.follow(folder, first)) as messages:
                    try:
                        async for message in messages:
                            await socket.send_text(message)
                    except RunError as error:
                        await socket.close(NO_RUN, _short(error))

        group.start_soon(tell)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:  # a viewer says nothing; what is waited for is that it leaves
                await socket.receive()
        group.cancel_scope.cancel()


def _short(error: Exception) -> str:
    """The reason as a closing frame can take it: at most 123 bytes."""
    return str(error).encode()[:120].decode(errors="ignore")
