"""Live events: each log that is watched is read once, and every viewer is told every line in order, at its own pace."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread

from convoscope.errors import RunError
from convoscope.lab.tail import Batch, Tail

PERIOD = 0.2  # seconds between two looks at a log
HEARTBEAT = 15.0  # seconds of silence after which a viewer is told that all is well
_KEPT = 16  # logs that nobody watches and whose places are remembered
_MOST_BYTES = 4 << 20  # of one page of events


class Watch:
    """One log, and those who watch it."""

    def __init__(self, path: Path) -> None:
        self.tail = Tail(path)
        self.n_viewers = 0
        self.changed = asyncio.Event()  # replaced by a fresh one each time
        self.lost: RunError | None = None
        self._begin, self._newest, self._message = 0, Batch([], 0, 0), ""
        self._task: asyncio.Task[None] | None = None

    async def look(self) -> None:
        """Reads what has come, and wakes those who wait for it."""
        begin, generation, grew = self.tail.n_lines, self.tail.generation, False
        try:
            grew = await anyio.to_thread.run_sync(self.tail.look)
            if grew and generation == self.tail.generation:  # made once for all who have read so far
                self._newest = await anyio.to_thread.run_sync(self.tail.lines, begin)
                self._begin, self._message = begin, as_message(self._newest)
        except RunError as error:
            self.lost = error
        if self.lost or grew:
            changed, self.changed = self.changed, asyncio.Event()
            changed.set()

    async def after(self, line: int) -> tuple[Batch, str]:
        """Some lines from `line` on, and the message that tells them."""
        if line == self._begin and self._newest.generation == self.tail.generation and self._newest.next > line:
            return self._newest, self._message
        batch = await anyio.to_thread.run_sync(self.tail.lines, line)
        return batch, as_message(batch)

    def begin(self) -> None:
        """The first viewer has come: from now on the log is looked at all the time."""
        if self._task is None:
            self._task = asyncio.create_task(self._go_on())

    def end(self) -> None:
        """The last viewer has gone."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _go_on(self) -> None:
        while not self.lost:
            await asyncio.sleep(PERIOD)
            await self.look()


class Live:
    """The logs that are watched or were a moment ago."""

    def __init__(self) -> None:
        self._watches: OrderedDict[Path, Watch] = OrderedDict()

    async def page(self, folder: Path, first: int, limit: int) -> tuple[list[str], int]:
        """Lines from `first` on, at most `limit`, and the line to ask from next; as in `follow`.

        Raises:
            RunError: the run is gone, or its log cannot be read.
        """
        async with self._watching(folder) as watch:
            await watch.look()
            if watch.lost:
                raise watch.lost
            tail, texts, size = watch.tail, list[str](), 0
            place = first if first <= tail.n_lines else 0
            last = min(place + limit, tail.n_lines)
            while place < last and size < _MOST_BYTES:
                batch = await anyio.to_thread.run_sync(lambda: tail.lines(place, limit=last - place))  # noqa: B023
                if batch.next == place:
                    break
                texts, place, size = texts + batch.texts, batch.next, size + sum(map(len, batch.texts))
            return texts, place

    async def follow(self, folder: Path, first: int) -> AsyncGenerator[str]:
        """Messages, each a JSON array of lines: from `first` on what stands there, then what comes; [] for silence.

        Where the log is cut or replaced, or shorter than `first`, it is told anew from line 0. A viewer that is slow
        falls behind, and is told from where it was: nothing is kept for it but its place.

        Raises:
            RunError: the run is gone, or its log cannot be read.
        """
        async with self._watching(folder) as watch:
            watch.begin()
            await watch.look()
            place, generation = first, watch.tail.generation
            while True:
                changed = watch.changed
                if watch.lost:
                    raise watch.lost
                if generation != watch.tail.generation or place > watch.tail.n_lines:
                    place, generation = 0, watch.tail.generation
                if place < watch.tail.n_lines:
                    batch, message = await watch.after(place)
                    if batch.generation == generation:
                        place = batch.next
                        if batch.texts:
                            yield message
                    continue
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await changed.wait()
                except TimeoutError:
                    yield "[]"

    @asynccontextmanager
    async def _watching(self, folder: Path) -> AsyncIterator[Watch]:
        watch = self._watches.get(folder)
        if watch is None or watch.lost:
            watch = self._watches[folder] = Watch(folder / "events.jsonl")
        self._watches.move_to_end(folder)
        watch.n_viewers += 1
        try:
            yield watch
        finally:
            watch.n_viewers -= 1
            if not watch.n_viewers:
                watch.end()
            idle = [path for path, other in self._watches.items() if not other.n_viewers]
            for path in idle[: max(0, len(idle) - _KEPT)]:
                del self._watches[path]


def as_message(batch: Batch) -> str:
    """The lines as one JSON array."""
    return f"[{','.join(batch.texts)}]"
