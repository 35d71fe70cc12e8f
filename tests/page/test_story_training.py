"""The story's beginning: a run is started from the form, watched, steered, left alone, and found again whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from page.conftest import PATIENCE, Visit, Visits
from page.stage import House, serving, until

pytestmark = pytest.mark.xdist_group("page")
STARTS = 60_000  # milliseconds until a process of its own has taken its first step, on a busy machine


def steps_of(page: Page) -> int:
    """How many steps the page says have been taken."""
    said = page.locator("dl > div", has=page.get_by_text("step", exact=True)).locator("dd").first.inner_text()
    return int(said.split(" of ")[0].replace(",", ""))


def last_of_curve(page: Page, what: str) -> int:
    """To which step a curve goes."""
    found = re.search(r"to step ([\d,]+)", curve(page, what).get_attribute("aria-label") or "")
    return int(found[1].replace(",", "")) if found else 0


def curve(page: Page, what: str) -> Locator:
    """A chart by what it shows."""
    return page.get_by_role("img", name=re.compile(f"^{what} by step|^{what}:"))


def fill_form(page: Page, house: House, epochs: int) -> None:
    """Data, model, and a knob: what is out of bounds is refused, in words, where it stands."""
    page.get_by_role("radio", name=re.compile("^Your own")).check()
    page.get_by_role("textbox", name="Path of the folder or file").fill(str(house.digits))
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_text("10 classes, images of 28 × 28, 1 channel")).to_be_visible(timeout=STARTS)
    field = page.get_by_role("textbox", name="epochs")
    expect(page.get_by_text("How many times every training image is seen")).to_be_visible()
    expect(page.get_by_text("Time grows in proportion").first).to_be_visible()
    start = page.get_by_role("button", name="Start training")
    field.fill("-3")
    expect(page.get_by_text("It must be 0 to 100,000.")).to_be_visible()
    expect(start).to_be_disabled()
    field.fill(str(epochs))
    expect(page.get_by_text("It must be 0 to 100,000.")).to_have_count(0)
    page.get_by_role("textbox", name="batch size").fill("30")
    expect(page.get_by_role("complementary", name="This run")).to_contain_text(f"--epochs {epochs}")
    expect(start).to_be_enabled()


@pytest.mark.timeout(240)
def test_a_run_is_started_watched_steered_left_and_found_again(visit: Visit, house: House) -> None:
    """The whole life of a run by the buttons on its page."""
    page = visit("/")
    page.get_by_role("link", name="New run").click()
    fill_form(page, house, epochs=400)
    page.get_by_role("button", name="Start training").click()
    expect(page).to_have_url(re.compile(r"/runs/[^/]+$"), timeout=STARTS)
    until(lambda: last_of_curve(page, "loss") > 3, 60)
    filters = page.get_by_role("region", name="First filters")
    expect(filters.get_by_text(re.compile("at step"))).to_be_visible()
    watch_it_grow(page, filters)
    steer_it(page)
    leave_and_come_back(visit, page)

    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("stopped", exact=True).first).to_be_visible(timeout=STARTS)
    stopped_at = last_of_curve(page, "loss")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=STARTS)
    until(lambda: last_of_curve(page, "loss") > stopped_at, 60)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("stopped", exact=True).first).to_be_visible(timeout=STARTS)


def watch_it_grow(page: Page, filters: Locator) -> None:
    """Curves go on, filters change, and the figures are there."""
    first_step = last_of_curve(page, "loss")
    first_text = filters.get_by_text(re.compile("at step")).inner_text()
    first_picture = filters.locator("canvas").first.screenshot()
    until(lambda: last_of_curve(page, "loss") > first_step + 5, 60)
    until(lambda: filters.get_by_text(re.compile("at step")).inner_text() != first_text, 60)
    until(lambda: filters.locator("canvas").first.screenshot() != first_picture, 60)
    for name in ("accuracy", "images per second", "time left"):
        figure = page.locator("dl > div", has=page.get_by_text(name, exact=True)).locator("dd").first
        expect(figure).to_have_text(re.compile(r"\d"))


def steer_it(page: Page) -> None:
    """Pause holds it, one step is one step, go on lets it go."""
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("paused", exact=True).first).to_be_visible()
    single = page.get_by_role("button", name="One step")
    page.wait_for_timeout(500)
    held = steps_of(page)
    page.wait_for_timeout(500)
    assert steps_of(page) == held
    single.click()
    until(lambda: steps_of(page) == held + 1)
    page.wait_for_timeout(500)
    assert steps_of(page) == held + 1
    assert last_of_curve(page, "loss") == held + 1
    page.get_by_role("button", name="Go on").click()
    until(lambda: steps_of(page) > held + 1)


def leave_and_come_back(visit: Visit, page: Page) -> None:
    """The run goes on without a page, and another one has every step of it."""
    address = re.sub(r"^http://[^/]+", "", page.url)
    left_at = steps_of(page)
    page.goto("about:blank")
    again = visit(address)
    until(lambda: last_of_curve(again, "loss") > left_at, 60)
    events = again.evaluate(f"fetch('/api{address}/events?from=0&limit=5000').then(a => a.json())")["events"]
    steps = [one["event"]["step"] for one in events if one["event"]["event"] == "step"]
    assert steps == list(range(1, len(steps) + 1))
    page.goto(again.url)
    until(lambda: last_of_curve(page, "loss") >= len(steps), 60)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_run_that_ends_while_it_is_watched_shows_how_well_it_does(visit: Visit, house: House) -> None:
    """Without a reload."""
    page = visit("/new")
    fill_form(page, house, epochs=2)
    page.get_by_role("button", name="Start training").click()
    expect(page).to_have_url(re.compile(r"/runs/[^/]+$"), timeout=STARTS)
    expect(page.get_by_text("accuracy on test images")).to_be_visible(timeout=STARTS)
    expect(page.get_by_role("region", name="Confusion")).to_be_visible()
    expect(page.get_by_text("finished", exact=True).first).to_be_visible()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_empty_list_invites_and_a_server_that_is_gone_is_said(browser: Browser, tmp_path: Path) -> None:
    """The first visit; and the last: what is shown stays, and what to do is said."""
    runs = tmp_path / "runs"
    runs.mkdir()
    with serving(runs) as own:
        visits = Visits(browser, own.address)
        page = visits("/", allowed="ERR_CONNECTION|WebSocket|Failed to|Unable to preload")
        expect(page.get_by_role("heading", name="Train a network, then open it up")).to_be_visible()
        expect(page.get_by_role("button", name="Train LeNet-5 on MNIST")).to_be_enabled()
        own.end()
        page.get_by_role("link", name="Or choose data and model yourself").click()
        expect(page.get_by_text("Convoscope does not answer")).to_be_visible(timeout=PATIENCE)
        with serving(runs, port=int(own.address.rsplit(":", 1)[1])):
            page.get_by_role("button", name="Try again").click()
            expect(page.get_by_role("heading", name="New run")).to_be_visible()
            expect(page.get_by_role("button", name="Start training")).to_be_visible()
            visits.leave()
