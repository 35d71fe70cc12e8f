"""The page as it is handed out: the built files, their compressed copies, and the page at every other address."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from convoscope.server.page import Page

INDEX, SCRIPT = b"<!doctype html><title>Convoscope</title>" * 20, b"export const x = 1;" * 40


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    files = {"index.html": INDEX, "mark.svg": b"<svg/>", "assets/index-a1.js": SCRIPT, "assets/font-b2.woff2": b"wOF2"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for name in ("index.html", "assets/index-a1.js"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
        (tmp_path / f"{name}.br").write_bytes(b"br of " + name.encode())
    return tmp_path


def visitor(folder: Path) -> TestClient:
    return TestClient(Page(folder), headers={"accept-encoding": "identity"})


@pytest.mark.parametrize("path", ["/", "/index.html", "/runs/mlp-my.data-1/look", "/new", "/runs/a?image=test%3A4"])
def test_the_page_stands_at_every_address(built: Path, path: str) -> None:
    answer = visitor(built).get(path)
    assert answer.content == INDEX
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    again = visitor(built).get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_assets_are_kept_for_ever_and_other_builds_are_not_mistaken_for_pages(built: Path) -> None:
    answer = visitor(built).get("/assets/index-a1.js")
    assert answer.content == SCRIPT
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert visitor(built).get("/assets/font-b2.woff2").headers["content-type"] == "font/woff2"
    assert visitor(built).get("/mark.svg").headers["content-type"] == "image/svg+xml"
    assert visitor(built).get("/assets/index-old.js").status_code == 404


def test_the_smallest_copy_that_is_taken_is_sent(built: Path) -> None:
    for path in ("/assets/index-a1.js", "/"):
        brotli = visitor(built).head(path, headers={"accept-encoding": "gzip, deflate, br"})
        assert brotli.headers["content-encoding"] == "br"
        squeezed = visitor(built).get(path, headers={"accept-encoding": "gzip"})
        assert squeezed.headers["content-encoding"] == "gzip"
        assert squeezed.content in {SCRIPT, INDEX}
        assert squeezed.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in visitor(built).get("/mark.svg", headers={"accept-encoding": "br"}).headers


@pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/%2e%2e/secret",
        "/assets/../../secret",
        "/assets/..%2f..%2fsecret",
        "//secret",
        "/assets/index-a1.js.br",
    ],
)
def test_no_address_leads_out_of_the_folder(built: Path, path: str) -> None:
    (built.parent / "secret").write_text("secret")
    answer = visitor(built).get(path)
    assert answer.content == INDEX or answer.status_code == 404
    assert "secret" not in answer.text


def test_it_is_read_and_not_written(built: Path) -> None:
    assert visitor(built).post("/").status_code == 405
    head = visitor(built).head("/")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(INDEX)))


def test_a_page_built_anew_is_seen(built: Path) -> None:
    guest = visitor(built)
    assert guest.get("/").content == INDEX
    (built / "index.html").write_bytes(b"another")
    assert guest.get("/").content == b"another"


def test_where_it_was_not_built_a_sentence_says_what_to_do(tmp_path: Path) -> None:
    for path in ("/", "/runs/a", "/assets/x.js"):
        answer = visitor(tmp_path / "none").get(path)
        assert answer.status_code == 404
        assert "npm" in answer.text
        assert "Node 20" in answer.text
