"""The story with texts: a run that reads words is opened, given a text of one's own, and looked into to one number."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from page.conftest import Visit
from page.moves import choose, click_unit, looked, number, opened
from page.stage import GRU, House, train_gru

pytestmark = [pytest.mark.xdist_group("page"), pytest.mark.timeout(240)]
LOOK = f"/runs/{GRU}/look"


@pytest.fixture(scope="module", autouse=True)
def _reviews(house: House) -> None:
    if not (house.runs / GRU).exists():
        train_gru(house)


def test_a_text_is_read_word_by_word(visit: Visit) -> None:
    """Each word is a turn of the loop; a word opens as its vector, and a number of that as its arithmetic."""
    page = visit(f"{LOOK}?image=test:1")
    looked(page)
    words = page.get_by_role("toolbar", name=re.compile("The text as the network reads it"))
    read = words.get_by_role("button").all_inner_texts()
    assert read[:3] == ["the", "film", "was"]
    for place, word in enumerate(read):
        expect(page.get_by_role("button", name=f"{place} {word}", exact=True)).to_be_visible()
    expect(page.get_by_role("application")).to_have_count(0)  # nothing to draw on
    words.get_by_role("button", name=f"word 3: {read[3]}", exact=True).click()
    expect(page).to_have_url(re.compile(r"node=read\.embedding&unit=3"))
    expect(opened(page)).to_contain_text("input · 3")
    page.goto(f"{page.url}&at=3,2".replace("&unit=3", ""))
    looked(page)
    expect(number(page)).to_have_attribute("data-recorded", re.compile(r"\d"))
    page.goto(f"{page.url.partition(LOOK)[0]}{LOOK}?image=test:1&node=fc&at=1")
    looked(page)
    expect(number(page)).to_contain_text(re.compile("a sum of 9 terms.*reads words 0–6"))


def test_a_text_of_ones_own(visit: Visit) -> None:
    """It has a name that the address holds; a word that was never learnt is marked; what cannot be read is refused."""
    page = visit(f"{LOOK}?image=test:1&node=read.embedding&unit=5", allowed="status of 400")
    looked(page)
    choose(page, "Write")
    field = page.get_by_role("textbox", name="Your text")
    field.fill("Zzz qqq")
    page.get_by_role("button", name="Read it").click()
    expect(page.get_by_role("complementary", name="Input").get_by_role("alert")).to_be_visible()
    field.fill("A clever zebra")
    field.press("Control+Enter")
    expect(page).to_have_url(re.compile("image=input:[0-9a-f]{16}"))
    looked(page)
    expect(page).not_to_have_url(re.compile("unit=5"))  # it has three words
    words = page.get_by_role("toolbar", name=re.compile("The text as the network reads it, 3 words"))
    expect(words.get_by_role("button", name="word 2: zebra, not in the vocabulary")).to_be_visible()
    expect(page.get_by_role("complementary", name="Input")).to_contain_text("not known")
    expect(page.get_by_role("button", name="1 clever", exact=True)).to_be_visible()
    choose(page, "Text")
    page.get_by_role("button", name="Back to test 1").click()
    expect(page).to_have_url(re.compile("image=test:1"))
    looked(page)
    page.go_back()
    page.reload()
    looked(page)
    expect(words).to_be_visible()


def test_a_turn_unfolds_to_its_ops(visit: Visit) -> None:
    """The address remembers which turn is open, and its bracket says the word."""
    page = visit(f"{LOOK}?image=test:1")
    looked(page)
    click_unit(page, "read.embedding", 1)
    expect(page).to_have_url(re.compile(r"node=read\.embedding&unit=1"))
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("button", name=re.compile(r"Unfold layer1 · 2 was:")).click()
    expect(page).to_have_url(re.compile("open=.*layer1@2"))
    looked(page)
    expect(page.get_by_role("button", name="Fold layer1 · 2 was", exact=True)).to_be_visible()
    page.get_by_role("button", name="Fold layer1 · 2 was", exact=True).click()
    expect(page).not_to_have_url(re.compile("layer1@2"))


def test_the_run_shows_its_hardest_texts(visit: Visit) -> None:
    """Texts instead of pictures, each a door into the network."""
    page = visit(f"/runs/{GRU}")
    expect(page.get_by_text("accuracy on test texts")).to_be_visible()
    first = (
        page.get_by_role("region", name=re.compile("hardest texts|What it gets wrong")).get_by_role("listitem").first
    )
    expect(first).to_contain_text("The film was")
    first.get_by_role("link").click()
    expect(page).to_have_url(re.compile(rf"/runs/{GRU}/look\?image=test:\d+"))
    looked(page)


def test_the_form_shows_models_that_take_the_data(visit: Visit, house: House) -> None:
    """Of texts those that read them, with their own usual one; and no knob of images."""
    page = visit("/new")
    models = page.get_by_role("group", name="Model")
    expect(models.get_by_role("radio", name="lenet5 1998", exact=True)).to_be_checked()
    page.get_by_role("radio", name=re.compile("^Your own")).check()
    page.get_by_role("textbox", name="Path of the folder or file").fill(str(house.reviews))
    expect(models.get_by_role("radio", name="textcnn 2014")).to_be_checked()
    expect(models.get_by_role("radio", name=re.compile("^lenet5"))).to_have_count(0)
    expect(page.locator("summary").filter(has_text="augmentation")).to_have_count(0)
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_text(re.compile("2 classes, texts of"))).to_be_visible()
    summary = page.get_by_role("complementary", name="This run")
    expect(summary).to_contain_text("--model textcnn")
    models.get_by_role("radio", name="gru 2014").check()
    expect(summary).to_contain_text("--model gru")
    expect(summary.get_by_role("button", name="Start training")).to_be_enabled()
    page.get_by_role("radio", name=re.compile("^mnist")).check()
    expect(models.get_by_role("radio", name="vgg16 2015", exact=True)).to_have_count(1)
