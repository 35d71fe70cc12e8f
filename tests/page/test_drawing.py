"""WebGL and Canvas 2D draw the same picture, so that nobody's machine shows other colours."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

from page.conftest import ARGUMENTS, PATIENCE
from page.moves import drawn, looked
from page.stage import LENET, Server, browser_path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]
SOFTWARE = [
    *(argument for argument in ARGUMENTS if argument != "--disable-gpu"),
    "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader",
]
TOLERANCE = 2  # of 255: the two round in their own ways
WITHOUT = """
  const real = HTMLCanvasElement.prototype.getContext;
  window.asked = [];
  const hide = (given) => function (kind, ...rest) {
    window.asked.push(kind);
    return given && kind.startsWith('webgl') ? null : real.call(this, kind, ...rest);
  };
  HTMLCanvasElement.prototype.getContext = hide(HIDE);
  if (window.OffscreenCanvas) {
    const off = OffscreenCanvas.prototype.getContext;
    OffscreenCanvas.prototype.getContext = function (kind, ...rest) {
      return HIDE && kind.startsWith('webgl') ? null : off.call(this, kind, ...rest);
    };
  }
"""

# The lines beside it are the browser's, and come out otherwise where they end at a canvas of another kind.
ALONE = "document.querySelectorAll('.world > :not(.sheet)').forEach((other) => (other.style.visibility = 'hidden'))"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_webgl_and_canvas_2d_draw_the_same(browser: Browser, server: Server, theme: str) -> None:
    """The whole network, values and gradients."""
    pictures = {hidden: photograph(browser, server, theme, hidden=hidden) for hidden in (False, True)}
    apart = np.abs(pictures[False].astype(int) - pictures[True])
    assert pictures[False].std() > 5, "nothing is drawn"
    assert apart.max() <= TOLERANCE, f"{(apart > TOLERANCE).any(-1).mean():.2%} of the pixels differ, by {apart.max()}"


def photograph(browser: Browser, server: Server, theme: str, *, hidden: bool) -> NDArray[np.uint8]:
    """The network's canvas, uint8 (H, W, 3), with WebGL, or with it hidden from the page."""
    own = browser.browser_type.launch(executable_path=browser_path(), args=SOFTWARE)
    page = own.new_page(viewport={"width": 1440, "height": 900}, color_scheme="dark" if theme == "dark" else "light")
    page.set_default_timeout(PATIENCE)
    page.add_init_script(WITHOUT.replace("HIDE", str(hidden).lower()))
    page.goto(f"{server.address}/runs/{LENET}/look?image=test:7")
    looked(page)
    drawn(page)
    assert has_webgl(page), "this Chromium has no WebGL to compare with"
    page.evaluate(ALONE)
    picture = page.locator(".sheet canvas").first.screenshot()
    own.close()
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


def has_webgl(page: Page) -> bool:
    """Whether the page asked for WebGL at all; what it got is the script's choice."""
    return bool(page.evaluate("window.asked.some((kind) => kind.startsWith('webgl'))"))
