import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from convoscope.cli.app import app
from convoscope.data import room
from convoscope.data.image import ImagePolicy
from convoscope.data.item import Item
from convoscope.data.kept import images_folder
from convoscope.data.pixels import decode_items
from convoscope.errors import DataError, UnknownName


def keep(folder: Path, n: int = 3, side: int = 4) -> None:
    """Decodes a folder of new images, so that they are kept."""
    folder.mkdir()
    for i in range(n):
        values = np.random.default_rng([i, n, len(folder.name)]).integers(0, 256, (side, side, 3)).astype(np.uint8)
        Image.fromarray(values).save(folder / f"{i}.png")
    items = [Item(path.name, path, "train", 0) for path in sorted(folder.iterdir())]
    decode_items(items, ImagePolicy(3, side, side))


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["data", "cache", *words])


def told(*words: str) -> dict[str, Any]:
    answer = run(*words, "--json")
    assert answer.exit_code == 0, answer.output
    document: dict[str, Any] = json.loads(answer.output)
    return document


def test_an_empty_cache_is_told_as_such() -> None:
    facts = told()
    assert (facts["images"], facts["bytes"]) == ([], 0)
    assert facts["folder"] == str(images_folder())
    assert "0.0 MB of decoded images" in run().output
    assert told("--clear")["removed"] == []
    assert not images_folder().exists()  # looking makes nothing


def test_what_is_kept_is_listed_and_removed(tmp_path: Path) -> None:
    keep(tmp_path / "cats")
    keep(tmp_path / "dogs and\nbirds", 5)
    facts = told()
    birds, cats = facts["images"]
    assert [one["images"] for one in facts["images"]] == [5, 3]
    assert (cats["source"], cats["shape"]) == (str(tmp_path / "cats"), [3, 4, 4])
    assert cats["name"].startswith("cats-")
    assert birds["name"].startswith("dogs-and-birds-")
    assert (
        facts["bytes"]
        == birds["bytes"] + cats["bytes"]
        == sum(p.stat().st_size for p in images_folder().glob("*.rows"))
    )
    assert abs(cats["used"] - time.time()) < 60
    words = run().output
    assert cats["name"] in words
    assert "dogs and\\nbirds" in words
    assert isinstance(run("cats").exception, BaseException)  # a name alone could be meant otherwise
    assert isinstance(run("--clear", "horses").exception, UnknownName)
    assert f"Removed: {cats['name']}." in run("--clear", "cats").output
    assert [one["name"] for one in told()["images"]] == [birds["name"]]
    assert told("--clear")["removed"] == [birds["name"]]
    assert not list(images_folder().glob("*.rows"))


def test_one_limit_for_all_holds_from_now_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path / "old", 3, 30)
    time.sleep(0.01)
    keep(tmp_path / "new", 4, 30)
    assert told("--limit", "15 kB")["limit"] == 15_000
    assert [Path(one["source"]).name for one in told()["images"]] == ["new"]
    keep(tmp_path / "more", 3, 30)
    assert [Path(one["source"]).name for one in told()["images"]] == ["more"]
    monkeypatch.setenv(room.LIMIT_VARIABLE, "2GB")
    assert told()["limit"] == 2_000_000_000
    told("--clear")
    monkeypatch.delenv(room.LIMIT_VARIABLE)
    assert told()["limit"] == 15_000  # the limit stays when all images go


def test_without_a_limit_half_of_the_disk_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_on_disk", lambda: 10**9)
    assert room.limit_bytes() == 5 * 10**8
    monkeypatch.setattr(room, "free_on_disk", lambda: 10**15)
    assert room.limit_bytes() == room.USUAL_LIMIT


@pytest.mark.parametrize(
    ("text", "n_bytes"), [("7", 7), ("5GB", 5 * 10**9), ("1.5 mb", 1_500_000), ("2k", 2000), ("3GiB", 3 << 30)]
)
def test_sizes_are_read_as_people_write_them(text: str, n_bytes: int) -> None:
    assert room.read_bytes(text, "A size") == n_bytes


@pytest.mark.parametrize("text", ["", "five", "-1", "5 PB", "1e9", "GB", "5,000"])
def test_what_is_no_size_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(run("--limit", text).exception, DataError)
    if text:
        monkeypatch.setenv(room.LIMIT_VARIABLE, text)
        assert "CONVOSCOPE_CACHE_BYTES" in str(run().exception)
