"""The log of a run as it grows: what stands there from a line on, read once for all who ask."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from convoscope.errors import RunError
from convoscope.train.events import from_json, to_json

_BLOCK = 512  # lines that are found, read and kept together
_KEPT_BYTES = 32 << 20  # of older blocks, as texts
_CHUNK_BYTES = 1 << 20
_MARK_BYTES = 64  # what stood before the end tells whether it is still the same log


@dataclass(frozen=True)
class Batch:
    """Some lines of a log.

    Attributes:
        texts: JSON objects {"line": number, "event": {...}}; lines that hold no event are left out.
        next: The line after the last one that was read.
        generation: Of the log that they were read from; another log, cut or replaced, has another one.
    """

    texts: list[str]
    next: int
    generation: int


class Tail:
    """Follows one log. `look` reads what has come; `lines` may be asked from several threads meanwhile.

    Lines are numbered from 0 as they stand in the file, as in `runs.log.read_log`. A last line without its end is being
    written: it is not there yet. Memory is bounded: what is old is read from the disk again when it is asked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generation = 0
        self._lock = threading.Lock()
        self._forget()

    @property
    def n_lines(self) -> int:
        """How many whole lines there are, as of the last look."""
        return (len(self._starts) - 1) * _BLOCK + len(self._newest)

    def look(self) -> bool:
        """Reads what has come since the last look; returns whether there is anything new.

        Raises:
            RunError: the run's folder is gone, or the disk does not give the log.
        """
        with self._lock:
            try:
                return self._look()
            except OSError as error:
                reason = error.strerror or error
                raise RunError(f"The log {self.path} cannot be read: {reason}.", hint="Is the disk there?") from None

    def lines(self, first: int, *, limit: int = _BLOCK, limit_bytes: int = 256 << 10) -> Batch:
        """Lines from `first` on: at most `limit`, about `limit_bytes` of text, and to the end of a block of 512.

        Raises:
            RunError: the disk does not give them.
        """
        with self._lock:
            block, texts, place, size = first // _BLOCK, [], first, 0
            there = self._texts(block) if first < self.n_lines else []
            for text in there[first - block * _BLOCK :][:limit]:
                if size > limit_bytes:
                    break
                place, size = place + 1, size + len(text)
                if text:
                    texts.append(text)
            return Batch(texts, place, self.generation)

    def _forget(self) -> None:
        self._inode, self._end, self._mark = -1, 0, b""
        self._starts = [0]  # where each block begins, in bytes; the last one is still growing
        self._newest: list[bytes] = []  # its lines
        self._newest_texts: list[str] = []
        self._older: OrderedDict[int, list[str]] = OrderedDict()
        self._older_bytes = 0

    def _look(self) -> bool:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            if not self.path.parent.is_dir():
                raise RunError(f"The run {self.path.parent.name} is gone.", hint="Its folder was removed.") from None
            return self._begin_anew() if self._end else False
        anew = bool(self._end) and (found.st_ino != self._inode or found.st_size < self._end)
        if not anew and found.st_size == self._end:
            return False
        with self.path.open("rb") as file:
            file.seek(max(0, self._end - _MARK_BYTES))
            if anew or file.read(len(self._mark)) != self._mark:
                anew = self._begin_anew()
            self._inode = os.fstat(file.fileno()).st_ino
            return self._read(file) or anew

    def _begin_anew(self) -> bool:
        self._forget()
        self.generation += 1
        return True

    def _read(self, file: BinaryIO) -> bool:
        """Takes in the whole lines from where the last look ended; returns whether there were any."""
        before = self._end
        file.seek(before)
        rest = b""
        while chunk := file.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._newest.append(line)
                self._end += len(line) + 1
                if len(self._newest) == _BLOCK:
                    self._starts.append(self._end)
                    self._newest, self._newest_texts = [], []
        if self._end > before:
            start = max(0, self._end - _MARK_BYTES)
            file.seek(start)
            self._mark = file.read(self._end - start)
        return self._end > before

    def _texts(self, block: int) -> list[str]:
        first = block * _BLOCK
        if block == len(self._starts) - 1:
            for number in range(len(self._newest_texts), len(self._newest)):
                self._newest_texts.append(_told(first + number, self._newest[number]))
            return self._newest_texts
        if block not in self._older:
            self._older[block] = [_told(first + i, raw) for i, raw in enumerate(self._raw(block))]
            self._older_bytes += sum(map(len, self._older[block]))
            while self._older_bytes > _KEPT_BYTES and len(self._older) > 1:
                _, dropped = self._older.popitem(last=False)
                self._older_bytes -= sum(map(len, dropped))
        self._older.move_to_end(block)
        return self._older[block]

    def _raw(self, block: int) -> list[bytes]:
        try:
            with self.path.open("rb") as file:
                file.seek(self._starts[block])
                return file.read(self._starts[block + 1] - self._starts[block]).split(b"\n")[:-1]
        except OSError as error:
            raise RunError(
                f"The log {self.path} cannot be read: {error.strerror}.", hint="Is the disk there?"
            ) from None


def _told(number: int, raw: bytes) -> str:
    """A line as the wire has it, "" for one that holds no event: torn by a kill, damaged, or of a newer version."""
    try:
        line = json.loads(raw, parse_constant=_refuse)
        event = from_json(line)
    except (ValueError, AttributeError, RecursionError):
        return ""
    if event is None:
        return ""
    # Written by this version, as nearly always: what stands there is what is told.
    is_ours = line.keys() - {"event"} == vars(event).keys()
    text = raw.decode().strip() if is_ours else json.dumps(to_json(event), ensure_ascii=False)
    return f'{{"line":{number},"event":{text}}}'


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
