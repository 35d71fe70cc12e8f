"""Who is let in: hosts, origins, sites and tokens, for requests and for sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from served import HOST, PAGE, client
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from convoscope.server.guard import Gate, loopback_hosts

NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
LETS_IN: list[tuple[str, dict[str, str], bool]] = [
    # A program that is no browser says nothing of where it comes from.
    ("GET", {}, True),
    ("POST", {}, True),
    # The host must be ours, whoever asks.
    ("GET", {"host": "localhost:8808"}, True),
    ("GET", {"host": "LOCALHOST:8808"}, True),
    ("GET", {"host": "[::1]:8808"}, True),
    ("GET", {"host": "evil.example"}, False),
    ("GET", {"host": "evil.example:8808"}, False),
    ("GET", {"host": "127.0.0.1"}, False),
    ("GET", {"host": "127.0.0.1:8809"}, False),
    ("GET", {"host": "127.0.0.1:8808.evil.example"}, False),
    ("GET", {"host": ""}, False),
    # A page says its origin: only our own may ask.
    ("POST", {"origin": PAGE}, True),
    ("POST", {"origin": PAGE.upper()}, True),
    ("GET", {"origin": "http://evil.example"}, False),
    ("POST", {"origin": "http://evil.example"}, False),
    ("POST", {"origin": "http://localhost:8808"}, False),  # the page of another name of ours is another page
    ("POST", {"origin": "https://127.0.0.1:8808"}, False),
    ("POST", {"origin": "null"}, False),  # a sandboxed frame, or a file
    # Images, scripts and forms of other sites say no origin; browsers say the site.
    ("GET", {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, True),
    ("GET", {"sec-fetch-site": "none"} | NAVIGATION, True),
    ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, False),
    ("GET", {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}, False),
    ("GET", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, False),
    ("GET", {"sec-fetch-site": "cross-site"} | NAVIGATION, True),  # a link that a person followed
    ("POST", {"sec-fetch-site": "cross-site"} | NAVIGATION, False),
    ("POST", {"sec-fetch-site": "same-site"}, False),
    ("GET", {"sec-fetch-site": "made up"}, False),
]


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return client(tmp_path_factory.mktemp("none"))


@pytest.mark.parametrize(("method", "headers", "enters"), LETS_IN)
def test_who_is_let_in(visitor: TestClient, method: str, headers: dict[str, str], enters: bool) -> None:
    path = "/api/health" if method == "GET" else "/api/data"
    answer = visitor.request(method, path, headers=headers, json={} if method == "POST" else None)
    assert answer.status_code == (({"GET": 200}.get(method, 400)) if enters else 403), answer.text
    if not enters:
        assert answer.json()["error"] == "Forbidden"
        assert answer.json()["message"]


@pytest.mark.parametrize(("headers", "enters"), [row[1:] for row in LETS_IN if row[0] == "GET"])
def test_sockets_are_no_other(visitor: TestClient, headers: dict[str, str], enters: bool) -> None:
    navigates = headers.get("sec-fetch-mode") == "navigate" and headers["sec-fetch-site"] != "none"
    address = f"ws://{HOST}/api/runs/none/live"
    with visitor.websocket_connect(address, headers=headers) as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_text()
    assert closed.value.code == (4404 if enters and not navigates else 4403)


def test_a_page_of_a_developer_can_be_let_in(tmp_path: Path) -> None:
    visitor = client(tmp_path, allowed_origins=["http://localhost:5173"])
    assert visitor.get("/api/health", headers={"origin": "http://localhost:5173"}).status_code == 200
    assert visitor.get("/api/health", headers={"origin": "http://localhost:5174"}).status_code == 403


def test_an_open_gate_needs_a_token() -> None:
    with pytest.raises(ValueError, match="token"):
        Gate(None)
    assert "localhost" in loopback_hosts(80)
    assert "localhost" not in loopback_hosts(8808)


@pytest.fixture
def guest(tmp_path: Path) -> TestClient:
    return client(tmp_path, token="open-sesame")  # noqa: S106


@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "open-sesame"},
        {"authorization": "Bearer öpen"},
        {"cookie": "convoscope-8808=wrong"},
        {"cookie": "convoscope-8809=open-sesame"},
    ],
)
def test_without_the_token_nothing_is_shown(guest: TestClient, shown: dict[str, Any]) -> None:
    shown = {name: value.encode() for name, value in shown.items()}
    for path in ("/", "/api/health", "/assets/x.js", "/?token=wrong", "/?token="):
        answer = guest.get(path, headers=shown, follow_redirects=False)
        assert answer.status_code == 403
        assert "open-sesame" not in answer.text + str(answer.headers)
    with guest.websocket_connect("/api/runs/none/live", headers=shown) as socket:  # type: ignore[arg-type]
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert closed.value.code == 4403


def test_a_program_shows_it_as_a_bearer(guest: TestClient) -> None:
    with_token = {"authorization": "bearer open-sesame", "host": "any.example"}
    assert guest.get("/api/health", headers=with_token).status_code == 200
    assert guest.get("/api/health", headers=with_token | {"origin": "http://other.example"}).status_code == 403


def test_the_printed_address_gives_a_cookie_and_hides_the_token(guest: TestClient) -> None:
    answer = guest.get("/runs/a/look?image=test%3A4&token=open-sesame&step=3", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/runs/a/look?image=test%3A4&step=3"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert guest.get("/api/health").status_code == 200  # the client keeps the cookie
    assert guest.get("/api/health", headers={"sec-fetch-site": "cross-site"}).status_code == 403


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "///evil.example/%2f"])
def test_it_never_leads_to_another_site(guest: TestClient, path: str) -> None:
    answer = guest.get(f"{PAGE}{path}?token=open-sesame", follow_redirects=False)
    assert answer.status_code == 303
    assert not answer.headers["location"].startswith(("//", "/\\", "http"))


def test_every_answer_carries_the_rules(visitor: TestClient) -> None:
    for path in ("/", "/api/health", "/api/nothing", "/runs/x/look"):
        headers = visitor.get(path).headers
        rules = headers["content-security-policy"]
        assert "default-src 'none'" in rules
        assert "script-src 'self';" in rules
        assert f"connect-src 'self' ws://{HOST};" in rules
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert "server" not in headers
