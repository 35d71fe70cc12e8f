"""Datasets that are fetched once: from a copy on disk where there is one, else from their official address.

What counts is the content: every file is held against the SHA-256 of its uncompressed bytes, because archives are
recompressed on their way (Debian's Fashion-MNIST has other gzip bytes and the same images). A dataset appears in the
cache in one rename, when all its files are right, so what is there is whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import platformdirs

from convoscope.data.download import download
from convoscope.data.remote import REMOTES, Content, Remote, digest
from convoscope.errors import ConvoscopeError, DataError, DownloadError, StorageError

Progress = Callable[[int, int], None]
_DOWNLOADS = 2  # whole downloads of one file: the second where a resumed one turns out wrong


def cache_folder() -> Path:
    """Where all that can be had again is kept: $CONVOSCOPE_CACHE, else `convoscope` in the user's cache folder."""
    given = os.environ.get("CONVOSCOPE_CACHE")
    return Path(given).expanduser() if given else Path(platformdirs.user_cache_path("convoscope", False))


def datasets_folder() -> Path:
    """Where datasets are kept: `datasets` in the cache."""
    return cache_folder() / "datasets"


def locate(name: str) -> Path | None:
    """The folder of a dataset that is on this machine already, in the cache or installed; None without one.

    Raises UnknownName for a name that is none of `REMOTES`.
    """
    remote = REMOTES[name]
    kept = datasets_folder() / name
    if remote.files_in(kept):
        return kept
    return next((place for place in remote.places if remote.files_in(place)), None)


def get(name: str, *, source: str | Path | None = None, progress: Progress | None = None) -> Path:
    """The folder that holds a dataset's files, fetched and checked where they are not there yet.

    Args:
        name: One of `REMOTES`.
        source: A folder with the files, or a tar archive of them, to be copied into the cache instead of a download.
        progress: Called with (bytes done, bytes in all) of the download as a whole.

    Raises:
        UnknownName: `name` is none of `REMOTES`.
        DataError: `source` lacks a file, or a file's content is not what was published.
        DownloadError: A file cannot be fetched, or is not the file that was published.
        StorageError: The cache cannot be written.
    """
    remote = REMOTES[name]
    kept = datasets_folder() / name
    with _storage(kept.parent), _lock(kept.with_name(f"{name}.lock")):
        if source is None:
            if remote.files_in(kept):
                return kept
            for place in remote.places:
                with contextlib.suppress(DataError):  # a copy that is wrong is as good as none
                    remote.check(place)
                    return place
        gathering = kept.with_name(f"{name}.part")
        gathering.mkdir(exist_ok=True)
        if source is None:
            _fetch_all(remote, gathering, progress)
        else:
            _take_from(remote, Path(source).expanduser(), gathering)
        _keep(remote, gathering, kept)
    return kept


def _keep(remote: Remote, gathering: Path, kept: Path) -> None:
    """Moves the checked files to where they stay, in one rename."""
    wanted = {path.name for path in remote.files_in(gathering)}
    for path in gathering.iterdir():
        if path.name not in wanted:
            path.unlink()
    if kept.exists():
        shutil.rmtree(kept)
    gathering.replace(kept)


def _take_from(remote: Remote, source: Path, gathering: Path) -> None:
    """Copies the files out of a folder or an archive, and checks them; DataError where they are not right."""
    if source.is_dir():
        folder = next((at for at in (source, source / remote.folder) if remote.files_in(at)), source)
        remote.check(folder)
        for path in remote.files_in(folder):
            _place(path, gathering / path.name)
    elif source.is_file():
        _unpack(remote, source, gathering)
        remote.check(gathering)
    else:
        raise DataError(
            f"{source} is neither a folder nor a file; {remote.title} was to be taken from it.",
            hint="Give the folder or the archive that holds its files.",
        )


def _place(path: Path, target: Path) -> None:
    """Copies a file under its final name in one rename."""
    beside = target.with_name(target.name + ".copy")
    shutil.copyfile(path, beside)
    beside.replace(target)


def _unpack(remote: Remote, archive: Path, gathering: Path) -> None:
    """Takes the expected files out of a tar archive by their names, none longer than it may be.

    No path of the archive is ever used: contents are read and written under our own names, so links, absolute paths
    and ".." have nothing to act on. Raises DataError where the archive is damaged or a file too long.
    """
    expected = {content.name: content for content in remote.contents}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                content = expected.get(member.name.rsplit("/", 1)[-1])
                if content is None or not member.isfile():
                    continue
                if member.size > content.most_bytes:
                    raise DataError(f"{archive}: {member.name} has {member.size:,} bytes, not {content.n_bytes:,}.")
                stream = tar.extractfile(member)
                if stream is not None:
                    _write_member(stream, gathering / content.name)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(f"{archive} is no whole tar archive ({error}).") from error


def _write_member(stream: IO[bytes], target: Path) -> None:
    """Writes one unpacked file under its final name in one rename."""
    beside = target.with_name(target.name + ".copy")
    with stream, beside.open("wb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)
    beside.replace(target)


def _fetch_all(remote: Remote, gathering: Path, progress: Progress | None) -> None:
    """Downloads what is not in `gathering` yet; DownloadError, with a way out, where that fails."""
    total, n_before = sum(address.n_bytes for address in remote.addresses), 0
    for address in remote.addresses:
        counted = _shifted(progress, n_before, total)
        try:
            _fetch(remote, address.url, address.n_bytes, gathering, counted)
        except DownloadError as error:
            hint = f"Or take it from a copy: `convoscope data get {remote.name} --from PATH`."
            raise DownloadError(error.message, hint=f"{error.hint} {hint}".strip()) from error
        n_before += address.n_bytes


def _shifted(progress: Progress | None, n_before: int, total: int) -> Progress | None:
    """A callback for one of several downloads that counts the earlier ones too."""
    if progress is None:
        return None
    return lambda n_done, n_all: progress(n_before + n_done, max(total, n_before + n_all))


def _fetch(remote: Remote, url: str, n_bytes: int, gathering: Path, progress: Progress | None) -> None:
    """One address: a file of the dataset, or an archive of all. A wrong content costs one download from the start."""
    name = url.rsplit("/", 1)[-1]
    content = next((content for content in remote.contents if content.name == name), None)
    wanted = remote.contents if content is None else (content,)
    for attempt in range(1, _DOWNLOADS + 1):
        if all(_is_right(gathering / each.name, each) for each in wanted):
            return
        part = gathering / f"{name}.download"
        resumed = part.exists()
        download(url, part, n_bytes=n_bytes, progress=progress)
        try:
            if content is None:
                _unpack(remote, part, gathering)
                remote.check(gathering)
                part.unlink()
            else:
                part.replace(gathering / name)
                content.check(gathering / name)
        except DataError as error:
            part.unlink(missing_ok=True)
            for each in wanted:
                (gathering / each.name).unlink(missing_ok=True)
            if attempt == _DOWNLOADS or not resumed:
                raise DownloadError(f"{url} is not the file that was published: {error.message}") from error


def _is_right(path: Path, content: Content) -> bool:
    """Whether a file is there and has the published content."""
    return path.is_file() and digest(path, content.n_bytes) == content.sha256


@contextlib.contextmanager
def _storage(folder: Path) -> Iterator[None]:
    """Makes the cache folder, and turns the disk's refusals into StorageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except ConvoscopeError:
        raise
    except OSError as error:
        raise StorageError(
            f"The cache {folder} cannot be used: {error.strerror or error}.",
            hint="Make room there, or set CONVOSCOPE_CACHE to another folder.",
        ) from error


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Holds a lock on `path` until the block ends; waits while another process holds it.

    The system lets go of the lock when a process dies, so a killed one leaves nothing to clean up.
    """
    with path.open("ab") as stream:
        while not _try_lock(stream.fileno()):
            time.sleep(0.2)
        yield


def _try_lock(descriptor: int) -> bool:
    """Takes an exclusive lock on an open file; False where another process has it."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
