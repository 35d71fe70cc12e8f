"""The desk: blocking work is done off the event loop, a few at a time, and not for those who have left."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import Request

from convoscope.server.refusals import Busy, Left

T = TypeVar("T")


class Desk:
    """Work that takes a while: `n_hands` at a time, at most `n_waiting` in the queue.

    A page whose slider is dragged asks for far more than it will look at, and takes back what it no longer wants:
    what has been taken back when its turn comes is not begun.
    """

    def __init__(self, n_hands: int = 4, n_waiting: int = 64) -> None:
        self._hands, self._n_waiting = anyio.CapacityLimiter(n_hands), n_waiting

    async def do(self, request: Request, work: Callable[[], T]) -> T:
        """Runs `work` in a thread when its turn comes. The request's body has been read before.

        Raises:
            Busy: too many are waiting.
            Left: who asked has gone meanwhile.
        """
        if self._hands.statistics().tasks_waiting >= self._n_waiting:
            raise Busy
        async with self._hands:
            if await request.is_disconnected():
                raise Left
            return await anyio.to_thread.run_sync(work)
