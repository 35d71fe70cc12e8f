import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convoscope.data import download, open_data
from convoscope.data import shards as shards_module
from convoscope.data.listing import list_images
from convoscope.errors import DataError, DownloadError, MissingPackage

pytest.importorskip("webdataset")
Members = list[tuple[str, bytes]]


def png(value: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.full((6, 6, 3), value, np.uint8)).save(content, "PNG")
    return content.getvalue()


def tar(path: Path, members: Members) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def pairs(n: int, first: int = 0, suffix: str = "cls") -> Members:
    """N samples, cats and dogs in turn; the pixels of each are its number."""
    members = []
    for i in range(first, first + n):
        label = ("cat", "dog")[i % 2]
        content = json.dumps({"label": label, "patient": f"p{i // 4}"}) if suffix == "json" else label
        members += [(f"{i:04d}.png", png(i)), (f"{i:04d}.{suffix}", content.encode())]
    return members


def folder_of(root: Path, n: int) -> Path:
    for i in range(n):
        path = root / ("cat", "dog")[i % 2] / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(i))
    return root


def values(images: object) -> list[int]:
    return np.asarray(images)[:, 0, 0, 0].tolist()


def test_shards_hold_the_pixels_and_labels_of_the_folder_they_were_made_of(tmp_path: Path) -> None:
    for part, n in (("train", 12), ("val", 4), ("test", 6)):
        folder_of(tmp_path / "folder" / part, n)
    by_class = sorted(pairs(12)[::2], key=lambda member: int(member[0][:4]) % 2)  # as a folder has them
    members = [one for name, content in by_class for one in ((name, content), (f"{name[:4]}.cls", b"cat"))]
    members = [
        (name, content if name.endswith("png") else (b"cat", b"dog")[int(name[:4]) % 2]) for name, content in members
    ]
    tar(tmp_path / "shards" / "train-000.tar", members[:10])
    tar(tmp_path / "shards" / "train-001.tar", members[10:])
    for part, n in (("val", 4), ("test", 6)):
        order = sorted(range(n), key=lambda i: i % 2)
        tar(
            tmp_path / "shards" / f"{part}-000.tar",
            [one for i in order for one in pairs(1, i)],
        )
    folder, shards = open_data(tmp_path / "folder"), open_data(tmp_path / "shards")
    assert shards.fingerprint == folder.fingerprint
    assert (shards.layout, shards.policy) == ("shards", folder.policy)
    assert shards.splits.train.names[0] == "train-000.tar/0000.png"
    assert open_data(f"{tmp_path}/shards/{{train,val,test}}-00?.tar").fingerprint == folder.fingerprint
    assert open_data(f"{tmp_path}/shards/{{train-00{{0..1}},val-000,test-000}}.tar").fingerprint == folder.fingerprint


@pytest.mark.parametrize("suffix", ["cls", "txt", "json"])
def test_a_class_stands_in_any_of_three_members(suffix: str, tmp_path: Path) -> None:
    listing = list_images(tar(tmp_path / "all.tar", pairs(8, suffix=suffix)))
    assert listing.class_names == ("cat", "dog")
    assert [item.label for item in listing.items] == [0, 1] * 4
    assert [item.split for item in listing.items] == ["train"] * 8
    assert listing.items[3].read() == png(3)
    assert listing.other == ()


def test_groups_are_keys_of_records_or_found_in_names(tmp_path: Path) -> None:
    path = tar(tmp_path / "all.tar", pairs(8, suffix="json"))
    assert [item.group for item in list_images(path, group="patient").items] == ["p0"] * 4 + ["p1"] * 4
    assert list_images(path, group=r"/(\d{3})").items[0].group == "000"
    opened = open_data(path, group="patient", validation=0.4)
    assert len(opened.splits.validation) == 4
    assert len(set(opened.groups["validation"])) == 1


def test_numbered_classes_take_their_names_from_a_file_beside_them(tmp_path: Path) -> None:
    numbered = [(name, str(i // 2 % 2 + 9).encode() if name.endswith("cls") else content)
                for i, (name, content) in enumerate(pairs(8))]  # fmt: skip
    path = tar(tmp_path / "all.tar", numbered)
    assert list_images(path).class_names == ("9", "10")
    (tmp_path / "classes.txt").write_text("\n".join(f"kind {i}" for i in range(11)))
    listing = list_images(path)
    assert listing.class_names[9] == "kind 9"
    assert [item.label for item in listing.items] == [9, 10] * 4
    (tmp_path / "classes.txt").unlink()
    (tmp_path / "class_names.json").write_text(json.dumps({f"kind {i}": i for i in range(11)}))
    assert list_images(path).class_names == listing.class_names
    (tmp_path / "class_names.json").write_text('["a", "b"]')
    with pytest.raises(DataError, match="names 2 classes, numbered from 0, and samples are of class 10"):
        list_images(path)


def test_what_cannot_be_used_is_named_and_the_rest_is_there(tmp_path: Path) -> None:
    members = pairs(6)
    members += [
        ("lonely.png", png(1)),
        ("two.png", png(1)),
        ("two.jpg", png(1)),
        ("two.cls", b"cat"),
        ("no.cls", b"cat"),
    ]
    members += [
        ("bad.png", png(2)),
        ("bad.cls", b"\xff\xfe"),
        ("notes.md", b"x"),
        ("._0001.png", b"mac"),
        ("0.seg.png", b""),
    ]
    tar(tmp_path / "a.tar", members)
    whole = tar(tmp_path / "b.tar", pairs(6, 6)).read_bytes()
    (tmp_path / "b.tar").write_bytes(whole[: len(whole) // 2 - 100])
    (tmp_path / "c.tar").write_bytes(b"this is no archive" * 100)
    (tmp_path / "d.tar").write_bytes(b"")
    (tmp_path / "e.tar").symlink_to("nowhere.tar")
    tar(tmp_path / "f.tar", [("0.png", png(1)), ("0.png", png(2)), ("0.cls", b"cat")])
    listing = list_images(tmp_path)
    reasons = {str(path.relative_to(tmp_path)): reason for path, reason in listing.problems}
    assert reasons.pop("a.tar/lonely.png") == "it has no class (cls, json, txt)"
    assert reasons.pop("a.tar/two") == "it has 2 images, and one is needed"
    assert reasons.pop("a.tar/no") == "no image"
    assert reasons.pop("a.tar/bad.png") == "its class cannot be read as text"
    assert "breaks off after" in reasons.pop("b.tar")
    assert "it is no tar archive" in reasons.pop("c.tar")
    assert "it is no tar archive" in reasons.pop("d.tar")
    assert "leads nowhere" in reasons.pop("e.tar")
    assert "0.png twice" in reasons.pop("f.tar")
    assert set(listing.other) == {"a.tar/notes.md", "a.tar/0.seg.png"}
    assert listing.hidden == ("a.tar/._0001.png",)
    assert values(open_data(tmp_path, broken="ignore", validation=0).splits.train.images)[:6] == [0, 1, 2, 3, 4, 5]
    assert all(name.startswith("b.tar/b") or len(name) < 30 for name in reasons), reasons


def test_compressed_archives_say_what_to_do(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("0.png"))
    with pytest.raises(DataError, match="it is compressed"):
        list_images(tmp_path / "a.tar.gz")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train-000.tar", "train"),
        ("imagenet-val-0001.tar", "validation"),
        ("test/000.tar", "test"),
        ("photos_testing.tar", "test"),
        ("latest-000.tar", "train"),  # a word within another is none
        ("train-test-000.tar", "train"),
        ("000.tar", "train"),
    ],
)
def test_a_shards_name_says_its_part(name: str, part: str) -> None:
    assert shards_module.part_of(Path("shards") / name) == part


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pipe:touch /tmp/x #.tar", "begins with pipe:"),
        ("s3://bucket/a.tar", "begins with s3:"),
        ("file:///etc/passwd", "begins with file:"),
        ("shards/{0..99999999}.tar", "stands for 100,000,000 shards"),
        ("shards/{0..9999}{0..9999}.tar", "stands for 100,000,000 shards"),
        ("shards/{0..2.tar", "not balanced"),
        ("shards/{0..2}.tar", "stands for 3 shards, and 3 are not there, such as shards/0.tar"),
        ("shards/*.tar", "No file is called as"),
    ],
)
def test_names_that_lead_nowhere_or_would_run_a_program_are_refused(name: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        open_data(name)


def test_without_webdataset_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tar(tmp_path / "all.tar", pairs(4))
    monkeypatch.setitem(__import__("sys").modules, "webdataset.tariterators", None)
    with pytest.raises(MissingPackage, match=r'pip install "convoscope\[shards\]"'):
        list_images(path)


class Server:
    """A web server of a few files; a name in `cut` is answered with so many bytes less, once."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, int] = {}
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/")
                server.asked.append(name)
                if name not in server.files:
                    self.send_error(404)
                    return
                content = server.files[name]
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) - server.cut.pop(name, 0)])

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def test_shards_behind_an_address_are_streamed_once(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convoscope.data.streams.FIRST_WAIT", 0.0)
    local = [tar(tmp_path / f"{name}.tar", members) for name, members in (
        ("train-0", pairs(12)), ("train-1", [*pairs(6, 12), ("x.png", b"no"), ("x.cls", b"cat")]), ("test-0", pairs(4)),
    )]  # fmt: skip
    server.files = {path.name: path.read_bytes() for path in local}
    server.cut["train-0.tar"] = 12_000  # breaks off between and within members, and is tried again
    url = f"{server.url}/{{train-{{0..1}},test-0}}.tar"
    opened = open_data(url, image_size=6, validation=0, broken="quarantine", memory="mapped")
    assert server.asked == ["train-0.tar", "train-0.tar", "train-1.tar", "test-0.tar"]
    assert [str(path) for path, _ in opened.left_out] == ["train-1.tar/x.png"]
    again = open_data(url, image_size=6, validation=0, broken="quarantine", memory="memory")
    assert len(server.asked) == 4
    assert again.fingerprint == opened.fingerprint
    files = open_data(f"{tmp_path}/*-?.tar", image_size=6, validation=0, broken="quarantine")
    assert sorted(values(files.splits.train.images)) == sorted(values(opened.splits.train.images))
    assert values(files.splits.test.images) == values(opened.splits.test.images)
    assert not list(tmp_path.with_name(f"{tmp_path.name}-cache").rglob("*.tar"))


def test_a_line_that_breaks_between_members_is_no_end(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An archive without its last blocks is whole to tar; the length that was promised tells."""
    monkeypatch.setattr("convoscope.data.streams.FIRST_WAIT", 0.0)
    content = tar(tmp_path / "a.tar", pairs(8)).read_bytes()
    half = 8 * 1024 * 2 // 2
    server.files["a.tar"], server.cut["a.tar"] = content, len(content) - half
    assert len(open_data(f"{server.url}/a.tar", validation=0).splits.train) == 8


def test_an_address_without_shards_is_told(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("convoscope.data.streams.FIRST_WAIT", 0.0)
    server.files = {"page.tar": b"<html>" * 1000, "empty.tar": tar(tmp_path / "a.tar", [("a.md", b"x")]).read_bytes()}
    with pytest.raises(DownloadError, match="the server answers 404"):
        open_data(f"{server.url}/none.tar")
    with pytest.raises(DataError, match="is no tar archive"):
        open_data(f"{server.url}/page.tar")
    with pytest.raises(DataError, match="has no sample with an image"):
        open_data(f"{server.url}/empty.tar")
    server.close()
    with pytest.raises(DownloadError, match=f"could not be streamed after {download.ATTEMPTS} attempts"):
        open_data(f"{server.url}/gone.tar")
    with pytest.raises(DataError, match="cannot be listed without fetching"):
        list_images(f"{server.url}/gone.tar")
