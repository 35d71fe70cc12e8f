"""The story's middle: from a finished run into the network, down to a number and back up, and through time."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from page.conftest import Visit
from page.moves import choose, click_unit, column, drag, drawn, inside, looked, number, opened, unit_at
from page.stage import LENET

pytestmark = pytest.mark.xdist_group("page")
LOOK = f"/runs/{LENET}/look?image=test:7"


def test_from_the_list_of_runs_to_an_image_inside_the_network(visit: Visit) -> None:
    """Accuracy, a cell of the confusion matrix, its images, one of them: each a click on what is seen."""
    page = visit()
    page.get_by_role("link", name=LENET, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(LENET)
    accuracy = page.get_by_text(re.compile(r"^\d+\.\d\d %$")).first
    expect(accuracy).to_be_visible()
    right, all_of = re.findall(r"\d+", page.get_by_text(re.compile(r"^\d+ of \d+ are right$")).inner_text())
    assert accuracy.inner_text() == f"{100 * int(right) / int(all_of):.2f} %"

    table = page.get_by_role("table", name=re.compile("^Confusion"))
    counts = [int(text) for text in table.get_by_role("link").all_inner_texts()]
    assert sum(counts) == int(all_of)
    cell = table.locator("td.wrong a").first
    said = re.match(r"truth (\d), predicted (\d): (\d+)", cell.get_attribute("aria-label") or "")
    assert said is not None
    cell.click()
    gallery = page.get_by_role("dialog")
    expect(gallery.get_by_role("heading")).to_have_text(f"Truth {said[1]}, predicted {said[2]}")
    pictures = gallery.get_by_role("link", name=re.compile(f"truth {said[1]}, predicted {said[2]} at"))
    expect(pictures).to_have_count(int(said[3]))
    pictures.first.click()

    looked(page)
    expect(page).to_have_url(re.compile(r"/look\?image=test:\d+"))
    expect(page.get_by_role("complementary", name="Input")).to_contain_text(f"taken for {said[2]}")
    for name in ("conv1", "pool1", "conv2", "fc3", "loss"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()


def test_levels_open_by_clicks_and_close_by_escape(visit: Visit) -> None:
    """Network, layer, unit, number; the address names each, and Escape goes the same way back."""
    page = visit(LOOK)
    looked(page)
    page.get_by_role("button", name="conv2", exact=True).click()
    expect(page).to_have_url(re.compile(r"node=conv2$"))
    expect(opened(page)).to_contain_text("16 channels")
    page.keyboard.press("Escape")
    expect(opened(page)).to_have_count(0)

    click_unit(page, "conv2", 0)
    expect(page).to_have_url(re.compile(r"node=conv2&unit=\d+$"))
    unit = opened(page)
    expect(unit.get_by_role("heading", name=re.compile(r"^conv2 · channel \d+"))).to_be_visible()
    expect(unit.locator(".source")).to_have_count(6)
    looked(page)
    click_unit(page, "conv2", page_slot(page, "conv2"), down=0.15, across=0.15)
    expect(page).to_have_url(re.compile(r"unit=\d+&at=\d+,\d,\d$"))
    expect(number(page).get_by_text("mattered most").first).to_be_visible()
    expect(number(page)).to_have_attribute("data-gap", re.compile(r"\d"))

    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"node=conv2&unit=\d+$"))
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"node=conv2$"))
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"image=test:7$"))
    expect(opened(page)).to_have_count(0)


def page_slot(page: Page, node: str) -> int:
    """Where in its column the unit that is open lies."""
    column(page, node).scroll_into_view_if_needed()
    unit = re.search(r"unit=(\d+)", page.url)
    assert unit is not None
    for slot in range(6):
        page.mouse.move(*unit_at(page, node, slot))
        tip = page.locator(".tip .name")
        expect(tip).to_contain_text(node)
        if tip.inner_text().startswith(f"{node}[{unit[1]},"):
            return slot
    raise AssertionError("the unit that is open has left its column")


def test_hovering_tells_the_number_and_lights_its_sources(visit: Visit) -> None:
    """Under the pointer: which number, its value as recorded, what it reads, and what it sees of the image."""
    page = visit(LOOK)
    looked(page)
    assert page.locator(".world > svg path[style*=opacity]").count() == 0
    page.mouse.move(*unit_at(page, "conv2", 1))
    tip = page.locator(".tip")
    expect(tip.locator(".name")).to_have_text(re.compile(r"^conv2\[\d+, \d, \d\]$"))
    expect(tip.locator("[data-exact=true]")).to_have_text(re.compile(r"^[-−]?\d"))
    expect(page.locator(".world > svg rect.source")).to_have_count(6)
    expect(page.get_by_role("complementary", name="Input")).to_contain_text(re.compile("sees.*14 × 14 px.*28 × 28"))
    page.mouse.move(5, 5)
    expect(tip).to_have_count(0)


def test_tabs_and_scopes_show_other_numbers_in_the_same_place(visit: Visit) -> None:
    """Forward, Backward and Update keep the geometry; the scope changes the colours' scale."""
    page = visit(LOOK)
    looked(page)
    before = heads(page)
    sheet = page.locator(".sheet canvas").first
    pictures = {"Forward": sheet.screenshot()}
    for tab in ("Backward", "Update"):
        choose(page, tab)
        expect(page).to_have_url(re.compile(f"tab={tab.lower()}"))
        looked(page)
        assert heads(page) == pytest.approx(before, abs=1)
        pictures[tab] = sheet.screenshot()
    assert len(set(pictures.values())) == 3
    expect(page.get_by_text("the update of step 92")).to_be_visible()
    choose(page, "Forward")
    looked(page)
    choose(page, "network")
    expect(page).to_have_url(re.compile("scope=network"))
    drawn(page)
    assert sheet.screenshot() != pictures["Forward"]


def heads(page: Page) -> list[float]:
    """Where the columns' names stand, in CSS pixels: x and y of each."""
    boxes = [page.get_by_role("button", name=name, exact=True).bounding_box() for name in ("conv1", "conv2", "fc3")]
    return [box[axis] for box in boxes if box for axis in ("x", "y")]


def test_time_is_dragged_played_and_compared(visit: Visit) -> None:
    """The slider takes everything along; play walks through the snapshots; a pinned step shows the difference."""
    page = visit(LOOK)
    looked(page)
    slider = page.get_by_role("slider", name="Time in training")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("final weights"))
    probability = page.get_by_role("region", name="Prediction")
    trained = probability.inner_text()
    axis = page.locator("section.time svg").last
    drag(page, inside(axis, [(0.99, 0.6), (0.5, 0.6), (0.012, 0.6)]))
    expect(page).to_have_url(re.compile(r"step=0\b"))
    looked(page)
    assert probability.inner_text() != trained
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^step 0"))

    page.get_by_role("button", name="play").click()
    expect(page).to_have_url(re.compile(r"step=[1-9]"))
    page.get_by_role("button", name="pause").click()
    looked(page)

    slider.focus()
    page.keyboard.press("Home")
    expect(page).to_have_url(re.compile(r"step=0\b"))
    page.get_by_role("button", name="compare").click()
    expect(page.get_by_text("Step 0 is pinned")).to_be_visible()
    slider.focus()
    page.keyboard.press("End")
    expect(page.get_by_text("final weights minus step 0")).to_be_visible()
    expect(page).to_have_url(re.compile("minus=0"))
    looked(page)
    page.get_by_role("button", name="Stop comparing").first.click()
    expect(page).not_to_have_url(re.compile("minus="))
