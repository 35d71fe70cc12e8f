"""`convoscope open`: the address, the browser, the port, and how it ends."""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from served import RUN, listening, own_runs, until
from typer.testing import CliRunner

from convoscope.cli.app import app
from convoscope.cli.opening import Wanted, _wanted
from convoscope.errors import InputError, MissingPackage, RunError
from convoscope.server import listening as listening_room
from convoscope.server.listening import Place, health, is_loopback, listen


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine with a browser: the addresses that it was told to open."""
    addresses: list[str] = []
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.BaseBrowser())
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    return addresses


def command(*words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["open", *words])
    if answer.exception is not None and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer.exit_code, answer.output


@contextmanager
def somebody_else(port: int = 0) -> Iterator[int]:
    """Another program's server at a port."""

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"name": "something else"}')

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("why", ["CI", "no browser"])
def test_where_nobody_looks_it_says_the_address_and_ends(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "CI":
        monkeypatch.setenv("CI", "true")
    else:
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(sys, "platform", "linux")
    port = free_port()
    code, said = command(RUN, "--runs", str(own_runs(tmp_path)), "--port", str(port))
    assert code == 0
    assert f"Convoscope is at http://127.0.0.1:{port}/runs/{RUN}/look\n" in said
    assert "It answers, and ends again" in said
    assert opened == []
    assert health("127.0.0.1", port, 1) is None


def test_our_own_server_is_opened_rather_than_a_second_started(tmp_path: Path, opened: list[str]) -> None:
    folder = own_runs(tmp_path)
    with listening(folder) as place:
        code, said = command("--runs", str(folder), "--port", str(place.port))
        assert (code, opened) == (0, [f"http://127.0.0.1:{place.port}/"])
        assert "already" in said
        command("latest", "--runs", str(folder), "--port", str(place.port))
        assert opened[-1] == f"http://127.0.0.1:{place.port}/runs/{RUN}/look"
        command("--runs", str(folder), "--port", str(place.port), "--no-browser")
        assert len(opened) == 2
        other = listen("127.0.0.1", place.port, tmp_path / "other runs")
        assert other.listener is not None
        other.listener.close()
        assert other.passed_over == place.port


def test_a_port_that_is_taken_is_passed_over_and_said(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "1")
    with somebody_else() as port:
        code, said = command("--runs", str(tmp_path), "--port", str(port))
        assert code == 0
        assert f"Port {port} is taken by something else" in said
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\n", said)
        assert found is not None
        assert int(found[1]) > port
        monkeypatch.setattr(listening_room, "_TRIES", 0)
        with pytest.raises(InputError, match="all taken"):
            command("--runs", str(tmp_path), "--port", str(port))


def test_what_to_open(tmp_path: Path) -> None:
    folder = own_runs(tmp_path)
    assert _wanted(None, folder) == Wanted(folder, None, "/")
    for name in (RUN, "latest"):
        assert _wanted(name, folder) == Wanted(folder, RUN, f"/runs/{RUN}/look")
    elsewhere = _wanted(str(folder / RUN), tmp_path / "none")
    assert elsewhere == Wanted(folder, RUN, f"/runs/{RUN}/look")
    (folder / RUN / "weights.safetensors").unlink()
    assert _wanted(RUN, folder).path == f"/runs/{RUN}"
    (folder / RUN / "recipe.json").write_text("{")
    assert _wanted(RUN, folder).path == f"/runs/{RUN}"
    with pytest.raises(RunError, match="There is no run 'nothing'"):
        _wanted("nothing", folder)


def test_a_run_that_is_not_there_is_said_before_anything_is_served(tmp_path: Path, opened: list[str]) -> None:
    with pytest.raises(RunError, match="There is no run 'nothing'"):
        command("nothing", "--runs", str(tmp_path))
    assert opened == []


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "websockets"])
def test_a_missing_package_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackage, match=package) as error:
        command("--runs", str(tmp_path))
    assert error.value.hint == f"Install with: pip install {package}"


def test_addresses() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.8.0.1", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "192.168.0.7", "::", "example.com"))  # noqa: S104
    assert Place("::1", 8808, None).address("/runs/a") == "http://[::1]:8808/runs/a"
    assert Place("192.0.2.7", 80, None).address("/", "secret") == "http://192.0.2.7:80/?token=secret"
    assert not Place("0.0.0.0", 1, None).address().startswith("http://0.0.0.0")  # noqa: S104
    with pytest.raises(InputError, match=r"cannot listen at 192\.0\.2\.7"):
        listen("192.0.2.7", 0, Path("runs"))
    with pytest.raises(InputError, match="cannot listen at nowhere"):
        listen("nowhere.invalid", 0, Path("runs"))


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    return subprocess.Popen(
        [sys.executable, "-m", "convoscope", "open", "--no-browser", "--runs", str(folder), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_quietly(tmp_path: Path, number: int) -> None:
    port = free_port()
    with start(tmp_path, "--port", str(port)) as process:
        try:
            until(lambda: health("127.0.0.1", port, 60), 60)
            process.send_signal(number)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == (0 if number == signal.SIGINT else -signal.SIGTERM)
    assert out.splitlines()[0] == f"Convoscope is at http://127.0.0.1:{port}/"
    assert err == ""


def test_others_need_the_token_that_is_printed(tmp_path: Path) -> None:
    port = free_port()
    with start(tmp_path, "--port", str(port), "--host", "0.0.0.0") as process:  # noqa: S104
        try:
            assert process.stdout is not None
            found = re.search(rf":{port}/\?token=(\S+)", process.stdout.readline())
            assert found is not None
            assert len(found[1]) >= 32
            until(lambda: health("127.0.0.1", port, 60, found[1]), 60)
            assert health("127.0.0.1", port, 5) is None
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}/api/runs", headers={"Authorization": f"Bearer {found[1]}"}
            )
            with urllib.request.urlopen(asked) as answer:  # noqa: S310
                assert json.load(answer) == []
        finally:
            process.kill()


def test_the_page_is_there_while_torch_is_still_being_imported(tmp_path: Path) -> None:
    code = (
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from convoscope.server.listening import listen\n"
        "from convoscope.server.serving import serve\n"
        "import urllib.request, urllib.error\n"
        "place = listen('127.0.0.1', 0, Path('runs'))\n"
        "def ask():\n"
        "    try:\n"
        "        urllib.request.urlopen(place.address('/')).read()\n"
        "    except urllib.error.HTTPError:\n"
        "        pass\n"  # the page was not built here
        "    print('torch' in sys.modules, flush=True)\n"
        "sys.modules['convoscope.server.app'] = None\n"  # never gets as far
        "threading.Thread(target=ask).start()\n"
        "serve(place, Path('runs'), answering=lambda: False)\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert answer.stdout == "False\n"
    assert "does not answer" in answer.stderr
