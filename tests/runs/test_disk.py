"""Writing whole or not at all, and the disk's refusals in words."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from convoscope.errors import RunError, StorageError
from convoscope.runs.disk import read_json, storing, write_json, write_whole


@pytest.mark.parametrize("call", ["fsync", "open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
def test_what_stood_there_stays_when_the_disk_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    path = tmp_path / "x.json"
    write_whole(path, b"old", "The card")

    def refuse(*rest: object, **named: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(*((os, "fsync", refuse) if call == "fsync" else (Path, "open", refuse)))
    with pytest.raises(StorageError, match=f"The card could not be written to {path}") as raised:
        write_whole(path, b"new", "The card")
    monkeypatch.undo()
    assert raised.value.hint
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x.json"]  # noqa: PTH208


def test_an_interrupted_write_leaves_the_old_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    write_whole(path, b"old", "The card")

    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new", "The card")
    assert path.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [path]


def test_synced_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), sync(handle)))
    monkeypatch.setattr(Path, "replace", lambda path, to: (done.append("rename"), replace(path, to)))
    write_whole(tmp_path / "x", b"new", "The card")
    assert done == ["sync", "rename", "sync"]


def test_no_folder_and_a_file_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the folder is gone"):
        write_json(tmp_path / "none" / "x.json", {}, "The card")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        write_json(tmp_path / "file" / "x.json", {}, "The card")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"), storing("It", tmp_path):
        (tmp_path / "file").mkdir()


def test_an_unknown_refusal_is_told_in_the_systems_words(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Input/output error") as raised, storing("It", tmp_path):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert isinstance(raised.value.__cause__, OSError)


def test_json_goes_round(tmp_path: Path) -> None:
    value = {"数字": [1, 2.5, None, "é"], "x": {}}
    write_json(tmp_path / "x.json", value, "The card")
    assert read_json(tmp_path / "x.json", "The card") == value
    assert "数字" in (tmp_path / "x.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"\0\0"])
def test_what_is_no_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(RunError, match=r"The card cannot be read: .*x\.json"):
        read_json(tmp_path / "x.json", "The card")
    with pytest.raises(RunError, match="The card is missing"):
        read_json(tmp_path / "y.json", "The card")
    with pytest.raises(RunError, match="The card cannot be read"):
        read_json(tmp_path, "The card")
