"""What a visitor's hand does: choosing by what stands on it, pointing at a unit of the network, drawing a stroke."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from playwright.sync_api import Locator, Page, expect


class Point(NamedTuple):
    """A place in the window, in CSS pixels."""

    x: float
    y: float


def looked(page: Page) -> None:
    """Waits until the look screen shows what the address asks for."""
    page.locator("html[data-ready=look]").wait_for(state="attached")
    expect(page.locator("section.middle")).to_have_attribute("aria-busy", "false")
    expect(page.locator("main [aria-busy=true]")).to_have_count(0)


def drawn(page: Page) -> None:
    """Waits for two frames: what was said has been drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")


def choose(page: Page, label: str) -> None:
    """Picks one of a few choices side by side by what stands on it."""
    page.locator("fieldset label").filter(has_text=re.compile(rf"^\s*{re.escape(label)}\s*$")).click()


def column(page: Page, node: str) -> Locator:
    """A node's list of channels in the network."""
    return page.locator(f'[role=listbox][aria-label^="{node}:"]')


def unit_at(page: Page, node: str, slot: int, down: float = 0.5, across: float = 0.5) -> Point:
    """Where a tile of a column lies: the slot from the top, and the share (0-1) of its height and width."""
    box = column(page, node).bounding_box()
    label = column(page, node).get_attribute("aria-label") or ""
    found = re.search(r"(\d+) of \d+", label)
    assert box is not None
    assert found is not None, label
    pitch = (box["height"] - 8) / int(found[1])
    return Point(box["x"] + 4 + across * (box["width"] - 8), box["y"] + 4 + pitch * (slot + down * 0.9))


def click_unit(page: Page, node: str, slot: int, down: float = 0.5, across: float = 0.5) -> None:
    """Clicks a tile of the network."""
    page.mouse.click(*unit_at(page, node, slot, down, across))


def opened(page: Page) -> Locator:
    """The panel in which a layer, a unit or a number is open."""
    return page.get_by_role("region", name="Opened")


def number(page: Page) -> Locator:
    """The card of the number that is open, with its arithmetic."""
    return page.locator("article[data-computed], article[data-recorded]")


def drag(page: Page, through: Sequence[Point], steps: int = 6) -> None:
    """Presses, moves through places, and lets go."""
    page.mouse.move(*through[0])
    page.mouse.down()
    for place in through[1:]:
        page.mouse.move(*place, steps=steps)
    page.mouse.up()


def inside(element: Locator, places: Sequence[tuple[float, float]]) -> list[Point]:
    """Places within an element by shares (0-1) of its width and height."""
    box = element.bounding_box()
    assert box is not None
    return [Point(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
