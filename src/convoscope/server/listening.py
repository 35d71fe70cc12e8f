"""Where the server listens: the port asked for, the next free one, or a server of ours that is there already."""

from __future__ import annotations

import contextlib
import errno
import http.client
import ipaddress
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convoscope.errors import InputError

PORT = 8808
_TRIES = 20  # ports after the one that is taken
_PATIENCE = 5.0  # seconds for a server to say who it is: one that has just been started imports torch first


@dataclass(frozen=True)
class Place:
    """An address to listen at.

    Attributes:
        host: As asked for: "127.0.0.1", "0.0.0.0".
        port: Which it became.
        listener: The socket, listening; None where a server of ours shows the same runs there already.
        passed_over: The port asked for, where something else has it.
    """

    host: str
    port: int
    listener: socket.socket | None
    passed_over: int | None = None

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    def address(self, path: str = "/", token: str | None = None) -> str:
        """What a browser opens; for an address that others reach, by the name that they know."""
        host = self.host if self.is_private else _known_as(self.host)
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}{path}{f'?token={token}' if token else ''}"


def listen(host: str, port: int, runs: Path) -> Place:
    """Listens at the port, or finds our own server there, or takes the next free port.

    Raises:
        InputError: the machine has no such address, or no port is free.
    """
    last = min(port + _TRIES, 65_535)
    for candidate in range(port, last + 1):
        try:
            return _placed(host, candidate, passed_over=None if candidate == port else port)
        except OSError as error:
            _refuse_unless_taken(error, host, candidate)
        said = health(host, candidate) if is_loopback(host) else None
        if said and said.get("runs") == str(runs.absolute()):
            return Place(host, candidate, None)
    raise InputError(f"The ports {port} to {last} are all taken.", hint="Choose another one with --port.")


def health(host: str, port: int, seconds: float = _PATIENCE, token: str | None = None) -> dict[str, Any] | None:
    """What the server at that port says of itself, None for a server that is not ours, or none."""
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=seconds)  # noqa: S104
    try:
        connection.request("GET", "/api/health", headers={"Authorization": f"Bearer {token}"} if token else {})
        said = json.loads(connection.getresponse().read(1 << 16))
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return said if isinstance(said, dict) and said.get("name") == "convoscope" else None


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, which no other reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _placed(host: str, port: int, passed_over: int | None) -> Place:
    listener = _bind(host, port)
    return Place(host, listener.getsockname()[1], listener, passed_over)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends each answer at once; without it small ones wait some 40 ms (Nagle).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that ended just now holds nobody up
        listener.bind((host, port))
        listener.listen(512)
    except BaseException:
        listener.close()
        raise
    return listener


def _refuse_unless_taken(error: OSError, host: str, port: int) -> None:
    if error.errno == errno.EADDRINUSE:
        return
    if error.errno == errno.EACCES:
        message, hint = f"The port {port} is not for everyone to take.", "Choose one above 1023 with --port."
    else:
        message, hint = f"This machine cannot listen at {host}: {error.strerror}.", "Leave --host out to listen here."
    raise InputError(message, hint=hint) from None


def _known_as(host: str) -> str:
    """The machine's own address in its network where it listens at all of them."""
    if host not in {"0.0.0.0", "::"}:  # noqa: S104
        return host
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # an address for documents (RFC 5737); a datagram socket sends nothing yet
        return str(probe.getsockname()[0])
    return socket.gethostname()
