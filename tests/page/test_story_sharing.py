"""The story's end: an address that shows the same, arithmetic and pictures to take along, and every way to use it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

from convoscope import lab
from page.conftest import Visit
from page.moves import choose, looked, number, opened
from page.stage import LENET, House

pytestmark = pytest.mark.xdist_group("page")
NUMBER = f"/runs/{LENET}/look?image=test:7&step=46&node=conv2&at=5,4,3&tab=backward&scope=network&by=term"
MOST_TABS = 90


def test_an_address_shows_the_same_to_somebody_else(visit: Visit) -> None:
    """Image, step, level, tab, scope and grouping are all in it."""
    mine = visit(f"/runs/{LENET}/look?image=test:7")
    looked(mine)
    mine.get_by_role("link", name=re.compile(r"^why \d\?")).click()
    mine.locator("a.most").first.click()
    choose(mine, "Backward")
    choose(mine, "network")
    looked(mine)
    address = mine.url.removeprefix(re.match(r"http://[^/]+", mine.url)[0])  # type: ignore[index]
    theirs = visit(address)
    looked(theirs)
    assert number(theirs).get_attribute("data-recorded") == number(mine).get_attribute("data-recorded")
    for region in ("Prediction", "Time in training"):
        seen = [page.get_by_role("region", name=region).inner_text() for page in (mine, theirs)]
        assert seen[0] == seen[1], region
    arithmetic = [number(page).locator("header, .expression, dl").all_inner_texts() for page in (mine, theirs)]
    assert arithmetic[0] == arithmetic[1]
    chosen = [page.locator("header label.chosen").all_inner_texts() for page in (mine, theirs)]
    assert chosen[0] == chosen[1]


def test_arithmetic_is_copied_as_text_and_as_latex(visit: Visit, house: House) -> None:
    """The clipboard has what the engine writes."""
    page = visit(NUMBER.replace("&tab=backward", ""), permissions=("clipboard-read", "clipboard-write"))
    looked(page)
    why = lab.why(LENET, "conv2[5,4,3]", "test:7", runs=house.runs, step=46)
    recorded = str(number(page).locator("header .value [data-value]").get_attribute("data-value"))
    page.get_by_role("button", name="copy as text").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    text = str(page.evaluate("navigator.clipboard.readText()"))
    assert recorded in text
    assert text.splitlines()[0] in why.text()
    page.get_by_role("button", name="copy as LaTeX").click()
    expect(page.get_by_text("Copied.").last).to_be_visible()
    page.wait_for_timeout(300)
    latex = str(page.evaluate("navigator.clipboard.readText()"))
    assert latex != text
    assert re.search(r"\\(mathrm|times|cdot|text|begin)", latex)
    page.get_by_role("button", name="formula", exact=True).click()
    expect(page.locator(".katex").first).to_be_visible()


@pytest.mark.parametrize("kind", ["PNG", "SVG"])
def test_the_view_is_saved_as_a_picture(visit: Visit, tmp_path: Path, kind: str) -> None:
    """A file that other programs open, of the size that is seen, and not blank."""
    from PIL import Image

    page = visit(f"/runs/{LENET}/look?image=test:7&node=conv2")
    looked(page)
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("button", name=f"Save the view as {kind}").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.suffix == f".{kind.lower()}"
    assert LENET in file.name
    if kind == "PNG":
        picture = Image.open(file).convert("RGB")
        assert picture.width >= 1400
        assert len(picture.resize((200, 120)).getcolors(1 << 20) or []) > 100
    else:
        drawing = ElementTree.parse(file).getroot()  # noqa: S314 - our own file
        assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
        assert "conv2" in "".join(drawing.itertext())


def test_language_and_colours_stay_as_chosen(visit: Visit) -> None:
    """Across screens and reloads; the address stays the same."""
    page = visit("/")
    choose(page, "中")
    expect(page.get_by_role("heading", level=1)).to_have_text("训练记录")
    theme = page.locator("html")
    page.get_by_role("button", name=re.compile("^配色")).click()
    expect(theme).to_have_attribute("data-theme", "light")
    page.get_by_role("button", name=re.compile("^配色")).click()
    expect(theme).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(theme).to_have_attribute("data-theme", "dark")
    expect(theme).to_have_attribute("lang", "zh-Hans")
    page.get_by_role("link", name=LENET, exact=True).click()
    expect(page.get_by_text("测试图像上的准确率")).to_be_visible()
    choose(page, "EN")
    expect(page.get_by_text("accuracy on test images")).to_be_visible()


def test_the_keyboard_alone_goes_from_the_list_to_a_number_and_back(visit: Visit) -> None:
    """Tab, arrows, Enter and Escape; where the focus is can be seen."""
    page = visit("/")
    expect(page.get_by_role("link", name=LENET, exact=True)).to_be_visible()
    tab_to(page, lambda name: name == f"Look inside {LENET}")
    page.keyboard.press("Enter")
    looked(page)
    tab_to(page, lambda name: name.startswith("conv1:"))
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    focus = page.locator(":focus")
    expect(focus).to_have_attribute("aria-label", re.compile("^conv2:"))
    assert focus.evaluate("element => getComputedStyle(element).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"node=conv2&unit=\d+$"))
    looked(page)
    page.keyboard.press("Enter")  # the column still has the focus: the open unit's middle number
    expect(page).to_have_url(re.compile(r"unit=\d+&at="))
    expect(number(page)).to_be_visible()
    for _ in range(3):
        page.keyboard.press("Escape")
    expect(opened(page)).to_have_count(0)
    tab_to(page, lambda name: name == "runs", back=True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")


def tab_to(page: Page, wanted: Callable[[str], bool], *, back: bool = False) -> None:
    """Presses Tab until what has the focus has the name wanted."""
    names = []
    for _ in range(MOST_TABS):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        name = page.evaluate(
            "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim()"
        )
        if wanted(name):
            return
        names.append(name[:30])
    raise AssertionError(f"the keyboard does not get there; it came by {names}")


def test_shortcuts_are_told_on_a_question_mark(visit: Visit) -> None:
    """And do what they say."""
    page = visit(f"/runs/{LENET}/look?image=test:7")
    looked(page)
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog")
    expect(help_).to_contain_text("next example")
    page.keyboard.press("Escape")
    expect(help_).to_have_count(0)
    page.keyboard.press("]")
    expect(page).to_have_url(re.compile("image=test:8"))
    page.keyboard.press("b")
    expect(page).to_have_url(re.compile("tab=backward"))


def test_at_twice_the_size_everything_is_still_there(visit: Visit) -> None:
    """200 % zoom on a small laptop leaves half the window: nothing may be out of reach."""
    page = visit(f"/runs/{LENET}/look?image=test:7", size="zoomed")
    looked(page)
    why = page.get_by_role("link", name=re.compile(r"^why \d\?"))
    if not why.is_visible():
        page.get_by_role("button", name=re.compile("Input")).click()
    why.click()
    most = page.locator("a.most").first
    most.scroll_into_view_if_needed()
    expect(most).to_be_in_viewport()
    slider = page.get_by_role("slider", name="Time in training")
    slider.scroll_into_view_if_needed()
    expect(slider).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
