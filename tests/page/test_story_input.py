"""The story's input: another image, a file, the clipboard, a drawing that reaches every layer, and a part erased."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from page.conftest import Visit
from page.moves import choose, column, drag, drawn, inside, looked
from page.stage import LENET, until

pytestmark = pytest.mark.xdist_group("page")
LOOK = f"/runs/{LENET}/look?image=test:7"
LAYERS = ("conv1", "act1", "pool1", "conv2", "act2", "pool2", "flatten", "fc1", "act3", "fc2", "act4", "fc3")


def a_seven() -> bytes:
    """A seven as a person would photograph it: dark on white, and large, as a PNG."""
    picture = Image.new("L", (120, 160), 255)
    ImageDraw.Draw(picture).line([(25, 35), (95, 35), (50, 135)], fill=0, width=12)
    kept = io.BytesIO()
    picture.save(kept, "PNG")
    return kept.getvalue()


def layers(page: Page) -> dict[str, bytes]:
    """Each layer's column as it is seen."""
    drawn(page)
    seen = {}
    for name in LAYERS:
        box = column(page, name).bounding_box()
        assert box is not None
        seen[name] = page.screenshot(clip=box)
    return seen


def unchanged(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """The layers that look as they did."""
    return [name for name in LAYERS if before[name] == after[name]]


def test_another_image_and_a_file_and_the_clipboard(visit: Visit, tmp_path: Path) -> None:
    """Each shows in every layer, in the prediction and in the address."""
    page = visit(LOOK, permissions=("clipboard-read", "clipboard-write"))
    looked(page)
    before = layers(page)
    page.get_by_role("button", name="Next image").click()
    expect(page).to_have_url(re.compile("image=test:8"))
    looked(page)
    next_one = layers(page)
    assert unchanged(before, next_one) == []

    file = tmp_path / "seven.png"
    file.write_bytes(a_seven())
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Upload").click()
    chosen.value.set_files(file)
    expect(page).to_have_url(re.compile("image=input:[0-9a-f]{16}"))
    looked(page)
    uploaded = page.url
    assert unchanged(next_one, layers(page)) == []
    expect(page.get_by_role("complementary", name="Input")).to_contain_text("not known")

    page.get_by_role("button", name=re.compile("Back to test 8")).click()
    expect(page).to_have_url(re.compile("image=test:8"))
    looked(page)
    copy_image(page)
    page.get_by_role("button", name="Paste").click()
    expect(page).to_have_url(uploaded)  # the same pixels have the same name
    looked(page)


def copy_image(page: Page) -> None:
    """Puts the seven on the clipboard, as another program would."""
    page.evaluate(
        """async (given) => {
          const bytes = Uint8Array.from(atob(given), (letter) => letter.charCodeAt(0));
          const item = new ClipboardItem({ 'image/png': new Blob([bytes], { type: 'image/png' }) });
          await navigator.clipboard.write([item]);
        }""",
        base64.b64encode(a_seven()).decode(),
    )


def test_what_is_no_image_is_refused_in_words(visit: Visit, tmp_path: Path) -> None:
    """The page says why and what to do, and what was shown stays."""
    page = visit(LOOK, allowed="status of 400")
    looked(page)
    file = tmp_path / "letter.png"
    file.write_bytes(b"Dear network, who are you?")
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Upload").click()
    chosen.value.set_files(file)
    expect(page.get_by_role("complementary", name="Input").get_by_role("alert")).to_be_visible()
    expect(page).to_have_url(re.compile("image=test:7"))


def test_a_stroke_reaches_every_layer(visit: Visit) -> None:
    """While it is drawn, before it is kept; then it has a name that the address holds, and can be undone."""
    page = visit(LOOK)
    looked(page)
    choose(page, "Draw")
    pad = page.get_by_role("application", name=re.compile("Drawing pad"))
    expect(pad).to_be_visible()
    looked(page)
    before = layers(page)
    shown = page.get_by_role("region", name="Prediction").inner_text()
    way = inside(pad, [(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)])
    page.mouse.move(*way[0])
    page.mouse.down()
    with page.expect_response(lambda answer: "/atlas" in answer.url and answer.request.method == "POST"):
        page.mouse.move(*way[1], steps=5)
        page.mouse.move(*way[2], steps=5)
    page.wait_for_timeout(150)  # the stroke has not ended, so nothing says that it is drawn
    while_drawn = layers(page)
    page.mouse.up()
    assert unchanged(before, while_drawn) == []
    expect(page).to_have_url(re.compile("image=input:[0-9a-f]{16}"))
    looked(page)
    assert page.get_by_role("region", name="Prediction").inner_text() != shown
    page.get_by_role("button", name="Undo").click()
    until(lambda: page.get_by_role("region", name="Prediction").inner_text() == shown)


def test_erasing_a_part_says_what_the_network_thinks_without_it(visit: Visit) -> None:
    """The probability before and now; reset brings the whole image back."""
    page = visit(LOOK)
    looked(page)
    before = page.get_by_role("region", name="Prediction").inner_text()
    choose(page, "Erase")
    picture = page.get_by_role("application", name=re.compile("patch"))
    drag(page, inside(picture, [(0.3, 0.3), (0.7, 0.5), (0.4, 0.8)]), steps=12)
    change = page.get_by_role("region", name="What the network thinks without this part")
    expect(change).to_be_visible()
    shares = [float(text) for text in re.findall(r"\d\.\d+", change.inner_text())]
    assert len(shares) == 2
    assert shares[0] != shares[1]
    page.get_by_role("button", name="Reset").click()
    looked(page)
    choose(page, "Image")
    until(lambda: page.get_by_role("region", name="Prediction").inner_text() == before)
