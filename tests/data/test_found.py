from __future__ import annotations

import os
from pathlib import Path

import pytest

from convoscope.data.found import find_files


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files in folders, hidden ones, links in every direction; the present folder is the one that holds them."""
    for name in (
        "10.png", "9.PNG", "notes.txt", "a[1].png", ".hidden.png", "Thumbs.db", "cats/1.jpg", "cats/deep/er/2.jpg",
        "cats/.cache/3.jpg", "dogs/1.jpg", "dogs/1.dat", "empty/readme.md",
    ):  # fmt: skip
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "photos" / "no_suffix").write_bytes(b"\x89PNG and more")
    monkeypatch.chdir(tmp_path)
    return Path("photos")


def found(*asked: str | Path, **more: object) -> list[str]:
    return [
        one.path.as_posix() if not one.problem else f"{one.path}: {one.problem}" for one in find_files(asked, **more)
    ]


BELOW = ["photos/9.PNG", "photos/10.png", "photos/a[1].png", "photos/no_suffix", "photos/cats/1.jpg",
         "photos/cats/deep/er/2.jpg", "photos/dogs/1.jpg"]  # fmt: skip


def test_a_folder_at_any_depth_in_natural_order(photos: Path) -> None:
    assert found(photos) == found("photos/") == BELOW
    assert found(photos / "cats", photos / "cats") == ["photos/cats/1.jpg", "photos/cats/deep/er/2.jpg"] * 2


def test_a_file_is_found_whatever_it_is_and_whether_or_not_it_is_there(photos: Path) -> None:
    names = ["photos/notes.txt", "photos/none.png", "photos/.hidden.png", "photos/notes.txt", "x" * 5000, "a\0b"]
    assert found(*names) == names


def test_what_leads_to_no_file_says_so(photos: Path) -> None:
    assert found(photos / "empty") == ["photos/empty: there are no images in it"]
    assert found("photos/*.gif") == ["photos/*.gif: no images match this pattern"]
    assert found("nowhere/**/*.png") == ["nowhere/**/*.png: no images match this pattern"]
    assert found(Path("photos/*.png")) == [
        "photos/*.png"
    ]  # a Path is no pattern, and the reader will say it is not there


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("photos/*.png", ["photos/10.png", "photos/a[1].png"]),
        ("photos/[0-9]*", ["photos/9.PNG", "photos/10.png"]),
        ("photos/a[1].png", ["photos/a[1].png"]),  # there is such a file: it is meant
        ("photos/?ats", ["photos/cats/1.jpg", "photos/cats/deep/er/2.jpg"]),
        ("photos/*/*.jpg", ["photos/cats/1.jpg", "photos/dogs/1.jpg"]),
        ("photos/*/1.jpg", ["photos/cats/1.jpg", "photos/dogs/1.jpg"]),
        ("photos/**/*.jpg", ["photos/cats/1.jpg", "photos/cats/deep/er/2.jpg", "photos/dogs/1.jpg"]),
        ("photos/**", BELOW),
        ("photos/dogs/*", ["photos/dogs/1.jpg"]),  # images are meant
        ("photos/dogs/*.dat", ["photos/dogs/1.dat"]),  # that very file is meant
        ("**/er/*", ["photos/cats/deep/er/2.jpg"]),
        ("photos/**/deep/**/*.jpg", ["photos/cats/deep/er/2.jpg"]),
    ],
)
def test_patterns(photos: Path, pattern: str, names: list[str]) -> None:
    assert found(pattern) == names


def test_a_pattern_finds_no_file_twice(photos: Path) -> None:
    every = found("photos/**/*")
    assert sorted(every) == sorted(BELOW)
    assert sorted(found("photos/**/**/*")) == sorted(BELOW)


def test_links_in_a_circle(photos: Path) -> None:
    other = Path("other")
    (other / "inner").mkdir(parents=True)
    (other / "inner" / "4.jpg").write_bytes(b"x")
    home = photos.resolve()
    for where, leads_to in (
        (photos / "cats" / "up", home), (photos / "cats" / "self", home / "cats"), (photos / "loop", Path("loop")),
        (photos / "above", home.parent), (photos / "cats" / "twin", home / "dogs"), (photos / "out", other.resolve()),
        (other / "back", home), (other / "again", other.resolve() / "inner"),
    ):  # fmt: skip
        where.symlink_to(leads_to)
    (photos / "nowhere.png").symlink_to("gone.png")
    seen = found(photos)
    assert sorted(seen) == sorted([*BELOW, "photos/nowhere.png", "photos/out/again/4.jpg"]) or sorted(seen) == sorted(
        [*BELOW, "photos/nowhere.png", "photos/out/inner/4.jpg"]
    )
    assert found("photos/**/4.jpg") == [name for name in seen if name.endswith("4.jpg")]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a folder that this user cannot read")
def test_a_folder_that_cannot_be_read(photos: Path) -> None:
    (photos / "cats").chmod(0)
    try:
        assert "photos/cats: it cannot be read (Permission denied)" in found(photos)
    finally:
        (photos / "cats").chmod(0o755)


def test_texts(photos: Path) -> None:
    suffixes = frozenset({".txt"})
    assert found(photos, noun="texts", suffixes=suffixes) == ["photos/notes.txt"]
    assert found("photos/cats", noun="texts", suffixes=suffixes) == ["photos/cats: there are no texts in it"]


def test_nothing_waits_for_what_comes_later(photos: Path) -> None:
    def asked() -> object:
        yield photos / "10.png"
        raise AssertionError("it was asked for too early")

    assert next(find_files(asked())).path == photos / "10.png"
