"""How quick the page is in Chromium: strokes, the time slider, hovering, a ResNet-50 and its clicks, the first load.

    python benchmarks/page_speed.py [--rounds 4] [--only strokes,scrub,hover,opening,clicks,load] [--runs FOLDER]

It trains LeNet-5 on MNIST and a ResNet-50 at 224 x 224 (FOLDER keeps them for the next time), serves them, and uses the
page with real pointer events. A time is from the event, by the browser's clock, until the frame with the answer was
painted. Every figure is printed with its n, least and greatest, beside its target; it ends with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Locator, Page

from measure import spread
from page_probe import first_paint, measured, pressed, ready, settle, taken
from page_stage import chromium, lenet5, resnet50, served, visitor

FRAME_MS = 1000 / 60
Point = tuple[float, float]


@dataclass
class Sheet:
    """The figures as they are printed, and which missed their targets."""

    missed: list[str] = field(default_factory=list)

    def say(self, name: str, text: str, target: str = "", *, met: bool | None = None) -> None:
        """Prints a line: what, how much, and against which target; `met` is None for what has none."""
        verdict = "" if met is None else "met" if met else "MISSED"
        print(f"{name:58} {text:66} {target:22} {verdict}".rstrip(), flush=True)
        if met is False:
            self.missed.append(name)

    def times(self, name: str, values: Sequence[float], most: float) -> None:
        """Milliseconds whose 95th percentile has a target; also in empty frames of 1/60 s."""
        p50, p95 = np.percentile(values, 50), np.percentile(values, 95)
        text = f"p50 {p50:.1f} ms, p95 {p95:.1f} ms = {p95 / FRAME_MS:.1f} frames (n={len(values)}, "
        text += f"{min(values):.1f} to {max(values):.1f})"
        self.say(name, text, f"p95 <= {most:g} ms", met=bool(p95 <= most))

    def each(self, name: str, values: Sequence[float], most: float) -> None:
        """Milliseconds of which none may be above the target."""
        self.say(name, f"{spread(values, '.0f')} ms", f"each <= {most:g} ms", met=max(values) <= most)


@dataclass
class Visit:
    """What every measurement needs.

    Attributes:
        sheet: Where figures go.
        browser: The browser.
        runs: The folder of runs.
        small: The LeNet-5's name.
        large: The ResNet-50's.
        rounds: How often the rarer things are done.
    """

    sheet: Sheet
    browser: Browser
    runs: Path
    small: str
    large: str
    rounds: int

    def look(self, address: str, run: str) -> str:
        """The address of a run's look screen."""
        return f"{address}/runs/{run}/look"


def strokes(visit: Visit, address: str) -> None:
    """Draws rows of zigzags on the pad; each pointer event is timed until a picture with its pixels is painted."""
    with visitor(visit.browser) as page:
        _open(page, visit.look(address, visit.small))
        page.get_by_text("Draw", exact=True).click()
        settle(page)
        _prepare(page)
        box = _box(page.locator(".picture"))
        for row in range(8):
            top = box[1] + box[3] * (0.08 + 0.11 * row)
            path = [(box[0] + box[2] * (0.05 + 0.03 * k), top + 7 * (k % 2)) for k in range(31)]
            _drag(page, path)
            settle(page)
        seen, own = taken(page, "strokes"), measured(page, "stroke")
        assert len(seen) >= 200, f"only {len(seen)} strokes were drawn"
        visit.sheet.times("stroke on the pad -> every layer of LeNet-5", seen, 50)
        visit.sheet.say("  the page's own measure of it", f"median {np.median(own):.1f} ms (n={len(own)})")


def scrub(visit: Visit, address: str) -> None:
    """Drags the time slider from snapshot to snapshot and back, once the page has fetched them in its idle time."""
    with visitor(visit.browser) as page:
        _open(page, visit.look(address, visit.small))
        _prefetched(page)
        _prepare(page)
        stops = page.locator(".time svg .stop")
        places = [_middle(_box(stops.nth(k))) for k in range(stops.count())]
        sweep = [*reversed(places), *places[1:]]
        _drag(page, sweep * (1 + 200 // len(sweep)))
        settle(page)
        seen, own, cold = taken(page, "scrubs"), measured(page, "scrub"), page.evaluate("probe.cold")
        assert len(seen) >= 200, f"only {len(seen)} of the slider's moves were drawn"
        assert cold == 0, f"{cold} snapshots were not warm"
        visit.sheet.times("drag of the time slider -> redrawn, warm", seen, 50)
        visit.sheet.say("  the page's own measure of it", f"median {np.median(own):.1f} ms (n={len(own)})")


def hover(visit: Visit, address: str) -> None:
    """Sweeps the pointer over the network for 5 s: frames a second in the worst half second."""
    for run, what in ((visit.small, "LeNet-5"), (visit.large, "ResNet-50")):
        with visitor(visit.browser) as page:
            _open(page, visit.look(address, run))
            _prefetched(page)
            still = _frames(page, partial(page.wait_for_timeout, 2000))
            left, top, width, height = _box(page.locator(".network"))
            path = [
                (left + width * (0.02 + 0.96 * (k % 90) / 90), top + height * (0.12 + 0.8 * (k // 90 % 12) / 12))
                for k in range(90 * 12)
            ]
            moving = _frames(page, partial(_sweep, page, path, 5.0))
        worst, least = _slowest(moving), _slowest(still)
        text = f"{worst:.0f} frames/s; untouched {least:.0f}; of that {worst / least:.2f} (n={len(moving)} frames)"
        visit.sheet.say(f"hovering {what}, worst half second of 5 s", text, ">= 50 frames/s", met=worst >= 50)


def opening(visit: Visit) -> None:
    """Opens the ResNet-50 on a server that was just started, on a warm one, and once more."""
    first, fresh, warm, again = list[float](), list[float](), list[float](), list[float]()
    shutil.rmtree(visit.runs / visit.large / "graph", ignore_errors=True)
    for turn in range(visit.rounds):
        with served(visit.runs) as address:
            (first if turn == 0 else fresh).append(_ready(visit, address, visit.large))
        with served(visit.runs) as address:
            _ready(visit, address, visit.small)
            warm.append(_ready(visit, address, visit.large))
            again.append(_ready(visit, address, visit.large))
    visit.sheet.say("ResNet-50 opens, looked into for the first time, new server", f"{first[0]:.0f} ms (n=1)")
    visit.sheet.each("ResNet-50 opens, server just started", fresh, 4000)
    visit.sheet.each("ResNet-50 opens, server warm", warm, 4000)
    visit.sheet.each("ResNet-50 opens, once more", again, 4000)


def clicks(visit: Visit, address: str) -> None:
    """Clicks through the ResNet-50, each round with another image; timed until the page comes to rest."""
    times: dict[str, list[float]] = {}
    with visitor(visit.browser) as page:
        _open(page, visit.look(address, visit.large))

        def click(name: str, what: Locator, shows: str, at: Point = (0.5, 0.5)) -> None:
            spent = _click(page, what, at)
            assert page.evaluate(f"() => Boolean({shows})"), f"{name}: the click did not lead there"
            times.setdefault(name, []).append(spent)

        for turn in range(visit.rounds + 1):
            click("another image", page.get_by_label("Next image"), _address(f"test:{turn + 1}"))
            click("unfold layer2", _fold("layer2", page), _has('[data-module="layer2.1"]'))
            click("unfold layer2.1", _fold("layer2.1", page), _has('.bracket[data-module="layer2.1"]'))
            click("open layer4: 2048 channels", page.locator('[data-module="layer4"] .title'), _has(".channels canvas"))
            click("open a channel", page.locator(".channels"), _address("unit="), ((4.5 + turn) / 12, 0.1))
            click("open a number", _largest_map(page), _has("article[data-computed]"), (0.1 + 0.1 * turn, 0.4))
            for _ in range(3):
                page.keyboard.press("Escape")
                settle(page)
            click("tab Backward", page.locator("header label", has_text="Backward"), _address("tab=backward"))
            click("tab Forward", page.locator("header label", has_text="Forward"), f"!{_address('tab=backward')}")
            click("fold layer2", page.locator('.bracket[data-module="layer2"]'), "!" + _has('[data-module="layer2.1"]'))
    for name, values in times.items():
        visit.sheet.each(f"ResNet-50: {name}", values[1:], 300)


def load(visit: Visit, address: str) -> None:
    """Opens the page for the first time, with nothing kept, on a server that has answered before."""
    for name, path in (("the runs", "/"), ("a LeNet-5", f"/runs/{visit.small}/look")):
        sizes, paints, uses = list[float](), list[float](), list[float]()
        for _ in range(1 + visit.rounds):
            with visitor(visit.browser) as page:
                sent = list[float]()
                wire = page.context.new_cdp_session(page)
                wire.send("Network.enable")
                wire.on("Network.loadingFinished", lambda told, sent=sent: sent.append(told["encodedDataLength"]))
                page.goto(address + path)
                if path == "/":
                    page.wait_for_selector('main a[href*="/runs/"]')
                uses.append(page.evaluate("performance.now()") if path == "/" else ready(page))
                sizes.append(
                    sum(sent) / 1000
                )  # what the look screen fetches later, in its idle time, is not waited for
                settle(page)
                paints.append(first_paint(page))
        text, met = f"{spread(sizes[1:], '.0f')} kB", max(sizes[1:]) < 300
        visit.sheet.say(f"first load of {name}: compressed, headers and data too", text, "< 300 kB", met=met)
        visit.sheet.each(f"first load of {name}: first paint of content", paints[1:], 1000)
        visit.sheet.each(f"first load of {name}: usable", uses[1:], 1000)


def _open(page: Page, address: str) -> None:
    page.goto(address)
    ready(page)
    settle(page)


def _ready(visit: Visit, address: str, run: str) -> float:
    """Milliseconds from a new visitor's navigation to the first atlas, painted."""
    with visitor(visit.browser) as page:
        page.goto(visit.look(address, run), wait_until="commit")
        return ready(page)


def _prepare(page: Page) -> None:
    """Forgets what was measured so far."""
    page.evaluate("probe.strokes = [], probe.scrubs = [], probe.cold = 0, performance.clearMeasures()")


def _prefetched(page: Page) -> None:
    """Waits until the page has asked for no atlas for a second."""
    asked, before = -1, -2
    while asked != before:
        before = asked
        page.wait_for_timeout(1000)
        settle(page)
        asked = page.evaluate("probe.cold")


def _drag(page: Page, path: Sequence[Point]) -> None:
    page.mouse.move(*path[0])
    page.mouse.down()
    for x, y in path[1:]:
        page.mouse.move(x, y)
    page.mouse.up()


def _sweep(page: Page, path: Sequence[Point], seconds: float) -> None:
    end, k = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        page.mouse.move(*path[k % len(path)])
        k += 1


def _frames(page: Page, do: Callable[[], None]) -> list[float]:
    """When the frames began that were made while something was done, in milliseconds."""
    page.evaluate("probe.roll()")
    do()
    found: list[float] = page.evaluate("probe.stop()")
    return found


def _slowest(frames: Sequence[float], window: float = 500) -> float:
    """Frames a second in the half second that has the fewest."""
    times = np.array(frames)
    begins = times[times <= times[-1] - window]
    counts = np.searchsorted(times, begins + window) - np.searchsorted(times, begins)
    return float(counts.min() * 1000 / window)


def _click(page: Page, what: Locator, at: Point) -> float:
    """Goes there, waits until that has been answered, and clicks: the milliseconds until the page rests."""
    what.scroll_into_view_if_needed()
    settle(page)
    left, top, width, height = _box(what)
    page.mouse.move(left + width * at[0], top + height * at[1])
    settle(page)
    page.mouse.down()
    page.mouse.up()
    return pressed(page)


def _fold(path: str, page: Page) -> Locator:
    return page.locator(f'[data-module="{path}"] .fold')


def _largest_map(page: Page) -> Locator:
    return page.locator(".rise article").get_by_role("application").last


def _has(selector: str) -> str:
    return f"document.querySelector('{selector}')"


def _address(part: str) -> str:
    return f"location.href.includes('{part}')"


def _box(what: Locator) -> tuple[float, float, float, float]:
    """Left, top, width and height in the window."""
    box = what.bounding_box()
    assert box, f"{what} is not to be seen"
    return box["x"], box["y"], box["width"], box["height"]


def _middle(box: tuple[float, float, float, float]) -> Point:
    return box[0] + box[2] / 2, box[1] + box[3] / 2


def main(rounds: int, only: str, runs: Path | None) -> int:
    """Prints the figures; 1 where a target is missed."""
    wanted = only.split(",")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        runs = (runs or Path(folder) / "runs").absolute()
        runs.mkdir(parents=True, exist_ok=True)
        known = sorted(path.name for path in runs.iterdir())
        small = next((name for name in known if name.startswith("lenet5")), None) or lenet5(runs)
        large = next((name for name in known if name.startswith("resnet50")), None) or resnet50(runs)
        visit = Visit(Sheet(), browser, runs, small, large, rounds)
        if "opening" in wanted:
            opening(visit)
        with served(runs) as address:
            for measurement in (strokes, scrub, hover, clicks, load):
                if measurement.__name__ in wanted:
                    measurement(visit, address)
    print(f"{len(visit.sheet.missed)} missed: {', '.join(visit.sheet.missed)}" if visit.sheet.missed else "all met")
    return 1 if visit.sheet.missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", default="strokes,scrub,hover,opening,clicks,load")
    parser.add_argument("--runs", type=Path)
    sys.exit(main(**vars(parser.parse_args())))
