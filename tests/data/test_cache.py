import fcntl
import gzip
import hashlib
import http.server
import io
import re
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from convoscope.data import cache, download
from convoscope.data.remote import REMOTES, Address, Content, Remote, digest
from convoscope.errors import DataError, DownloadError, StorageError, UnknownName

CONTENT = {"a.gz": bytes(range(256)) * 3000, "b.bin": b"b" * 500}
SERVED = {"a.gz": gzip.compress(CONTENT["a.gz"], 0), "b.bin": CONTENT["b.bin"]}


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; `cuts` holds how many bytes each next answer to a.gz sends before the line breaks."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(SERVED)
        self.cuts: list[int] = []
        self.ranges = True
        self.statuses: list[int] = []
        self.asked: list[tuple[str, str]] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        self.server.asked.append((name, self.headers.get("Range", "")))
        if self.server.statuses:
            self.send_error(self.server.statuses.pop(0))
        elif name == "elsewhere":
            self.answer(302, b"", "Location", "ftp://127.0.0.1/a.gz")
        elif name not in self.server.files:
            self.send_error(404)
        else:
            self.send_file(name, self.server.files[name])

    def send_file(self, name: str, body: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        n = self.server.cuts.pop(0) if self.server.cuts and name == "a.gz" else len(body)
        if not asked or not self.server.ranges:
            self.answer(200, body, n=n)
        elif int(asked[1]) >= len(body):
            self.answer(416, b"", "Content-Range", f"bytes */{len(body)}")
        else:
            start = int(asked[1])
            self.answer(206, body[start:], "Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}", n)

    def answer(self, status: int, body: bytes, header: str = "X-None", value: str = "", n: int | None = None) -> None:
        self.send_response(status)
        self.send_header(header, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:n])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "FIRST_WAIT", 0.001)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def contents() -> tuple[Content, ...]:
    return tuple(Content(name, len(body), hashlib.sha256(body).hexdigest()) for name, body in CONTENT.items())


def offer(monkeypatch: pytest.MonkeyPatch, remote: Remote) -> None:
    monkeypatch.setitem(REMOTES._entries, remote.name, remote)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> Path:
    """Where the dataset "small" goes, which `server` offers file by file."""
    monkeypatch.setenv("CONVOSCOPE_CACHE", str(tmp_path / "cache"))
    addresses = tuple(Address(server.url(name), len(SERVED[name])) for name in SERVED)
    offer(monkeypatch, Remote("small", "Small", addresses, contents(), ("x", "y"), folder="inner"))
    return tmp_path / "cache" / "datasets" / "small"


def assert_whole(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["a.gz", "b.bin"]
    assert gzip.decompress((folder / "a.gz").read_bytes()) == CONTENT["a.gz"]
    assert (folder / "b.bin").read_bytes() == CONTENT["b.bin"]
    assert not folder.with_name("small.part").exists()


def test_a_download_is_kept_and_not_repeated(kept: Path, server: Server) -> None:
    seen: list[tuple[int, int]] = []
    assert cache.get("small", progress=lambda *figures: seen.append(figures)) == kept
    assert_whole(kept)
    assert seen == sorted(seen)
    assert seen[-1] == (sum(map(len, SERVED.values())),) * 2
    n_asked = len(server.asked)
    assert cache.get("small") == kept
    assert cache.locate("small") == kept
    assert len(server.asked) == n_asked


def test_a_cut_connection_goes_on_where_it_stopped(kept: Path, server: Server) -> None:
    server.cuts = [1000, 0, 2000]
    cache.get("small")
    assert_whole(kept)
    assert server.asked[:4] == [("a.gz", ""), ("a.gz", "bytes=1000-"), ("a.gz", "bytes=1000-"), ("a.gz", "bytes=3000-")]


def test_what_an_earlier_process_left_is_gone_on_from(kept: Path, server: Server) -> None:
    part = kept.with_name("small.part") / "a.gz.download"
    part.parent.mkdir(parents=True)
    part.write_bytes(SERVED["a.gz"][:5000])
    cache.get("small")
    assert_whole(kept)
    assert server.asked[0] == ("a.gz", "bytes=5000-")


def test_a_part_that_is_whole_already_is_used(kept: Path, server: Server) -> None:
    part = kept.with_name("small.part") / "a.gz.download"
    part.parent.mkdir(parents=True)
    part.write_bytes(SERVED["a.gz"])
    cache.get("small")
    assert_whole(kept)
    assert [name for name, _ in server.asked] == ["a.gz", "b.bin"]


@pytest.mark.parametrize("left", [b"x" * 5000, b"x" * (len(SERVED["a.gz"]) + 1)])
def test_a_part_of_something_else_is_thrown_away(left: bytes, kept: Path, server: Server) -> None:
    part = kept.with_name("small.part") / "a.gz.download"
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    cache.get("small")
    assert_whole(kept)


def test_a_server_that_ignores_ranges_sends_all_again(kept: Path, server: Server) -> None:
    server.ranges, server.cuts = False, [1000]
    cache.get("small")
    assert_whole(kept)


def test_a_file_of_other_content_is_refused(kept: Path, server: Server) -> None:
    server.files["b.bin"] = b"c" * 500
    with pytest.raises(DownloadError, match="is not the file that was published") as error:
        cache.get("small")
    assert "--from PATH" in error.value.hint
    assert cache.locate("small") is None
    server.files["b.bin"] = CONTENT["b.bin"]
    cache.get("small")
    assert_whole(kept)
    assert [name for name, _ in server.asked].count("a.gz") == 1  # what was right is not fetched again


def test_other_gzip_bytes_of_the_same_content_are_right(kept: Path, server: Server) -> None:
    server.files["a.gz"] = gzip.compress(CONTENT["a.gz"], 9)
    cache.get("small")
    assert_whole(kept)


def test_a_busy_server_is_asked_again_and_a_refusing_one_is_not(kept: Path, server: Server) -> None:
    server.statuses = [503, 429]
    cache.get("small")
    assert_whole(kept)
    with pytest.raises(DownloadError, match="404"):
        download.download(server.url("gone"), kept / "gone", n_bytes=1)
    assert [name for name, _ in server.asked].count("gone") == 1


def test_a_line_that_never_holds_gives_up_and_keeps_what_came(kept: Path, server: Server) -> None:
    server.cuts = [1000] + [0] * 20
    with pytest.raises(DownloadError, match=r"after 5 attempts.*1,000 of") as error:
        cache.get("small")
    assert "data get small --from PATH" in error.value.hint
    assert (kept.with_name("small.part") / "a.gz.download").stat().st_size == 1000


def test_no_server_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "FIRST_WAIT", 0.001)
    with pytest.raises(DownloadError, match="refused"):
        download.download("http://127.0.0.1:9/x", tmp_path / "x", n_bytes=1)


def test_far_more_than_promised_is_stopped(kept: Path, server: Server) -> None:
    server.files["huge"] = bytes(2_000_000)
    with pytest.raises(DownloadError, match="2,000,000 bytes long"):
        download.download(server.url("huge"), kept.parent / "huge", n_bytes=100)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_only_http_is_spoken(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="not an http or https address"):
        download.download(url, tmp_path / "x", n_bytes=1)


def test_no_redirect_leads_to_another_kind_of_address(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"unknown url type: ftp|after 5 attempts"):
        download.download(server.url("elsewhere"), tmp_path / "x", n_bytes=1)
    assert not (tmp_path / "x").exists()


def tar_of(members: dict[str, bytes], link: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
        if link:
            info = tarfile.TarInfo("b.bin")
            info.type, info.linkname = tarfile.SYMTYPE, link
            tar.addfile(info)
    return stream.getvalue()


def test_an_archive_gives_its_expected_members_only(
    kept: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {"../../evil": b"x", "inner/a.gz": SERVED["a.gz"], "inner/b.bin": SERVED["b.bin"], "inner/readme": b"y"}
    server.files["all.tar.gz"] = tar_of(members)
    address = Address(server.url("all.tar.gz"), len(server.files["all.tar.gz"]))
    offer(monkeypatch, Remote("small", "Small", (address,), contents(), ("x", "y")))
    cache.get("small")
    assert_whole(kept)
    assert not list(tmp_path.rglob("evil"))


def test_a_copy_is_taken_from_a_folder_or_an_archive(kept: Path, server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "copy" / "inner"
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(CONTENT["a.gz"])  # uncompressed is right too
    (folder / "b.bin").write_bytes(CONTENT["b.bin"])
    assert cache.get("small", source=folder.parent) == kept
    assert sorted(path.name for path in kept.iterdir()) == ["a", "b.bin"]
    archive = tmp_path / "copy.tar.gz"
    archive.write_bytes(tar_of({f"x/{name}": body for name, body in SERVED.items()}))
    cache.get("small", source=archive)
    assert_whole(kept)
    assert server.asked == []


@pytest.mark.parametrize(
    ("members", "link", "said"),
    [
        ({"a.gz": SERVED["a.gz"]}, "", r"b\.bin missing"),
        ({"a.gz": SERVED["a.gz"]}, "/etc/passwd", r"b\.bin missing"),
        ({"a.gz": SERVED["a.gz"], "b.bin": b"c" * 500}, "", "does not have the published content"),
        ({"b.bin": bytes(10_000)}, "", "10,000 bytes, not 500"),
    ],
)
def test_an_archive_that_is_not_right_is_refused(
    members: dict[str, bytes], link: str, said: str, kept: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "copy.tar.gz"
    archive.write_bytes(tar_of(members, link))
    with pytest.raises(DataError, match=said):
        cache.get("small", source=archive)
    assert not kept.exists()


@pytest.mark.parametrize("content", [b"", b"no archive", tar_of(SERVED)[:-4000]])
def test_a_damaged_archive_is_refused(content: bytes, kept: Path, tmp_path: Path) -> None:
    archive = tmp_path / "copy.tar.gz"
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"copy\.tar\.gz"):
        cache.get("small", source=archive)
    with pytest.raises(DataError, match="neither a folder nor a file"):
        cache.get("small", source=tmp_path / "gone")


def test_an_installed_copy_is_used_in_place_unless_it_is_wrong(
    kept: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "installed"
    place.mkdir()
    for name, body in SERVED.items():
        (place / name).write_bytes(body)
    monkeypatch.setitem(REMOTES._entries, "small", Remote(**{**vars(REMOTES["small"]), "places": (place,)}))
    assert cache.locate("small") == cache.get("small") == place
    assert server.asked == []
    (place / "b.bin").write_bytes(b"c" * 500)
    assert cache.get("small") == kept
    assert_whole(kept)


def test_a_second_process_waits_and_then_finds_the_files(kept: Path, server: Server) -> None:
    kept.parent.mkdir(parents=True)
    done = threading.Event()
    with kept.with_name("small.lock").open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)

        def second() -> None:
            cache.get("small")
            done.set()

        thread = threading.Thread(target=second)
        thread.start()
        assert not done.wait(0.3)
        assert server.asked == []
    thread.join(10)
    assert done.is_set()
    assert_whole(kept)


def test_a_cache_that_cannot_be_made_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CONVOSCOPE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StorageError, match="cannot be used: Not a directory") as error:
        cache.get("cifar10")
    assert "CONVOSCOPE_CACHE" in error.value.hint


def test_a_full_disk_is_told_and_the_part_is_kept(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, *_: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_open", lambda *_: Full())
    with pytest.raises(StorageError, match="No space left"):
        cache.get("small")


def test_unknown_names_list_the_near_ones() -> None:
    with pytest.raises(UnknownName, match="fashion-mnist"):
        cache.get("fashion")


def test_a_digest_stops_at_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(5_000_000)))
    assert digest(path, 100) == ""
    assert digest(path, 5_000_000) == hashlib.sha256(bytes(5_000_000)).hexdigest()


@pytest.mark.parametrize("place", [place for place in REMOTES["fashion-mnist"].places if place.exists()])
def test_the_published_sums_are_those_of_the_installed_copy(place: Path) -> None:
    REMOTES["fashion-mnist"].check(place)
