"""What the page's tests share: trained runs, one server, one browser, and visits that must leave no error behind."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from page.stage import House, Server, browser_path, build_house, serving

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"desk": (1440, 900), "tablet": (1024, 768), "phone": (390, 844), "zoomed": (720, 450)}
LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}
PATIENCE = 15_000  # milliseconds; the machine has other work


class Visit(Protocol):
    """Opens a window of its own on the page."""

    def __call__(
        self, path: str = "/", *, size: str = "desk", theme: str = "light", language: str = "en",
        allowed: str = "", permissions: tuple[str, ...] = (), bypass_csp: bool = False,
    ) -> Page:  # fmt: skip
        """The page at a path; `allowed` is a pattern of the console's errors that are meant to come."""
        ...


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Data and a trained LeNet-5."""
    browser_path()
    return build_house(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="package")
def server(house: House) -> Iterator[Server]:
    """The server that all tests look at; one that must end it starts its own."""
    with serving(house.runs) as here:
        yield here


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium."""
    path = browser_path()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    """Visits to the server; an error in the console, or a request to another host, fails the test."""
    visits = Visits(browser, server.address)
    yield visits
    visits.leave()


class Visits:
    """The windows of one test, and what went wrong in them."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser, self.address = browser, address
        self._contexts: list[BrowserContext] = []
        self.errors: list[str] = []

    def __call__(
        self, path: str = "/", *, size: str = "desk", theme: str = "light", language: str = "en",
        allowed: str = "", permissions: tuple[str, ...] = (), bypass_csp: bool = False,
    ) -> Page:  # fmt: skip
        """See `Visit`."""
        width, height = SIZES[size]
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light",
            locale=LANGUAGES[language], permissions=list(permissions), bypass_csp=bypass_csp,
            has_touch=size == "phone",
        )  # fmt: skip
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.on("console", lambda message: self._heard(message, allowed))
        context.on("weberror", lambda error: self.errors.append(f"uncaught: {error.error}"))
        context.on("request", self._asked)
        page = context.new_page()
        page.goto(self.address + path)
        return page

    def _heard(self, message: ConsoleMessage, allowed: str) -> None:
        if message.type == "error" and not (allowed and re.search(allowed, message.text)):
            self.errors.append(f"{message.text} at {message.location.get('url')}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and f"http://{parts.netloc}" != self.address.replace("ws:", "http:"):
            self.errors.append(f"another host was asked: {request.url}")

    def leave(self) -> None:
        """Closes the windows; fails where the console had an error."""
        for context in self._contexts:
            context.close()
        assert not self.errors, "\n".join(self.errors)


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where pictures go: the folder that CONVOSCOPE_SHOTS names, or the test's own."""
    folder = Path(os.environ.get("CONVOSCOPE_SHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
