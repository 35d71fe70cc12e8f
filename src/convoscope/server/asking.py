"""What requests have in common: the run, the sight, places and lists, read once and bounded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Path, Query, Request
from starlette.responses import Response

from convoscope.errors import InputError, RunError
from convoscope.lab.folder import folder_of, is_settled
from convoscope.lab.screen import Ask, Screen
from convoscope.lab.screen.sights import Mode, Tab
from convoscope.server.desk import Desk
from convoscope.server.live import Live
from convoscope.server.refusals import Refused
from convoscope.server.replies import JSON, as_json, reply
from convoscope.server.wire import LONG, MOST, SHORT

NUMBERS = r"^(\d{1,9}(,\d{1,9})*)?$"
NAMES = r"^[^\x00-\x1f,]+(,[^\x00-\x1f,]+)*$"
IMAGE = r"^((train|validation|test):\d{1,9}|input:[0-9a-f]{16})$"
CLASS = r"^[^\x00-\x1f]+$"

Version = Annotated[
    str | None, Query(alias="v", max_length=SHORT, description="The run's version: the answer may then be kept.")
]
Step = Annotated[int | None, Query(ge=0, le=MOST, description="The checkpoint; absent: the final weights.")]
Node = Annotated[str, Query(min_length=1, max_length=LONG, pattern=CLASS, description="A node, or a parameter.")]
At = Annotated[str, Query(max_length=SHORT, pattern=NUMBERS, description="Its index without the batch: 5,4,3.")]
InMode = Annotated[Mode, Query(description="Of the network.")]


class Office:
    """What every route works with: the runs, the screen, the live logs, and the desks."""

    def __init__(self, runs: FilePath, screen: Screen) -> None:
        self.runs, self.screen, self.live = runs, screen, Live()
        self.sights, self.papers = Desk(), Desk(8, 256)
        self._shapes: dict[str, tuple[str, list[int]]] = {}

    def shape(self, run: str) -> list[int]:
        """[C, H, W] of the run's images, looked up once for each version of it: a drawing pad asks at every stroke.

        Raises:
            InputError: its network takes texts.
        """
        version = self.screen.version(run)
        known = self._shapes.get(run)
        if known is None or known[0] != version:
            detail = self.screen.detail(run)
            if detail.kind != "images":
                raise InputError(f"{run} takes {detail.kind}, and an image was given.", hint="Give a text.")
            known = self._shapes[run] = (version, detail.input_shape)
        return known[1]

    async def see(
        self, request: Request, run: str, v: str | None, work: Callable[[], Any], media_type: str = JSON
    ) -> Response:
        """What `work` finds in a run, a record or the bytes of a pack, as a reply that may be kept."""

        def made() -> Response:
            found = work()
            content = found if isinstance(found, bytes) else as_json(found)
            # Asked after the work: should the run be replaced meanwhile, nobody keeps the wrong one for ever. Before
            # its end, what is said of the last step so far is true for now.
            for_ever = v is not None and self.screen.version(run) == v and is_settled(run, runs=self.runs)
            return reply(content, request.headers, media_type=media_type, for_ever=for_ever)

        return await self.sights.do(request, made)

    async def read(self, request: Request, work: Callable[[], Any]) -> Response:
        """What `work` finds in folders, a record or records: it changes, so it is asked for each time."""
        return await self.papers.do(request, lambda: reply(as_json(work()), request.headers))


def office(request: Request) -> Office:
    """The application's office."""
    found: Office = request.app.state.office
    return found


Work: TypeAlias = Annotated[Office, Depends(office)]


def run_name(work: Work, run: Annotated[str, Path(max_length=255, description='A run\'s name, or "latest".')]) -> str:
    """The name of the run in the path, which is one of the folder's runs."""
    try:
        return folder_of(run, runs=work.runs).name
    except (RunError, ValueError) as error:
        known = error if isinstance(error, RunError) else RunError(f"There is no run {run!r}.")
        raise Refused(404, known) from None


RunName: TypeAlias = Annotated[str, Depends(run_name)]


def _sight(
    step: Step = None,
    tab: Annotated[Tab, Query(description="Values, gradients, or changes of weights.")] = "forward",
    mode: InMode = "eval",
    target: Annotated[
        str | None, Query(max_length=SHORT, pattern=CLASS, description="The class that the loss is against.")
    ] = None,
    minus: Annotated[
        int | None, Query(ge=-1, le=MOST, description="The checkpoint whose values are taken off; -1: the final ones.")
    ] = None,
) -> Ask:
    """Whose values are asked for; the image follows."""
    return Ask(image="drawn", step=step, tab=tab, mode=mode, target=target, minus=minus)


def _sight_of_image(
    image: Annotated[str, Query(pattern=IMAGE, description="test:45 (or train:, validation:), or input:...")],
    drawn: Annotated[Ask, Depends(_sight)],
) -> Ask:
    """Whose values are asked for."""
    return Ask(image, drawn.step, drawn.tab, drawn.mode, drawn.target, drawn.minus)


Drawn: TypeAlias = Annotated[Ask, Depends(_sight)]
Sight: TypeAlias = Annotated[Ask, Depends(_sight_of_image)]


def numbers(text: str, *, most: int) -> tuple[int, ...]:
    """Reads "5,4,3"; raises InputError for more numbers than `most`."""
    found = tuple(int(part) for part in text.split(",") if part)
    return _few(found, most)


def names(text: str, *, most: int) -> list[str]:
    """Reads "conv1,conv2"; raises InputError for more names than `most`."""
    return list(_few(tuple(text.split(",")), most))


def _few(found: tuple[Any, ...], most: int) -> tuple[Any, ...]:
    if len(found) > most:
        raise InputError(f"{len(found)} were asked for at once; at most {most} are given.")
    return found
