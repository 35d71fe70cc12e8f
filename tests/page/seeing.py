"""What a critical eye finds: what is cut, laid over something else or too small to hit, and what axe-core reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from playwright.sync_api import Page

from page.moves import drawn
from page.stage import missing

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
LEAST_SIDE = 24  # CSS pixels, WCAG 2.2's 2.5.8

# Every fault of the layout, in words. What scrolls, or ends in "…" by its style, means to be cut; what is laid on
# purpose over something else is a layer of its own: a dialog over the page, the opened panel over the network.
_FAULTS = """
() => {
  const faults = [];
  const seen = (element) => {
    const box = element.getBoundingClientRect();
    if (box.width < 1 || box.height < 1) return null;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return null;
    if (element.closest('.hidden-text, [aria-hidden="true"], [inert]')) return null;
    let [left, top, right, bottom] = [box.left, box.top, box.right, box.bottom];
    for (let up = element.parentElement; up; up = up.parentElement) {
      const style = getComputedStyle(up);
      if (style.clipPath === 'inset(50%)') return null;
      if (style.overflowX === 'visible' && style.overflowY === 'visible') continue;
      const outer = up.getBoundingClientRect();
      [left, top] = [Math.max(left, outer.left), Math.max(top, outer.top)];
      [right, bottom] = [Math.min(right, outer.right), Math.min(bottom, outer.bottom)];
    }
    if (right - left < 1 || bottom - top < 1) return null;
    return { left, top, right, bottom, width: box.width, height: box.height };
  };
  const called = (element) => {
    const text = element.textContent.trim().replace(/\\s+/g, ' ');
    const name = element.getAttribute('aria-label') || text || element.className;
    return `<${element.tagName.toLowerCase()} ${element.getAttribute('class') ?? ''}> "${String(name).slice(0, 50)}"`;
  };
  // A button may be hit beyond its box, where its style says so: what counts is where a click arrives.
  const reaches = (element, box) => {
    const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    const [wide, high] = [box.width, box.height].map((side) => Math.max(LEAST - 1, side) / 2 - 0.5);
    const places = [[x - wide, y], [x + wide, y], [x, y - high], [x, y + high]];
    return places.every(([at, below]) => element.contains(document.elementFromPoint(at, below)));
  };
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth)
    faults.push(`the page scrolls sideways: ${root.scrollWidth} px in ${root.clientWidth} px`);

  for (const element of document.body.querySelectorAll('*')) {
    const isText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!isText || !seen(element) || element.closest('.katex')) continue;
    const style = getComputedStyle(element);
    const clips = style.overflowX === 'hidden' || style.overflowX === 'clip';
    const isBlock = style.display !== 'inline';
    if (isBlock && clips && style.textOverflow !== 'ellipsis' && element.scrollWidth > element.clientWidth + 1)
      faults.push(`text is cut: ${called(element)}, ${element.scrollWidth} px in ${element.clientWidth} px`);
    if (isBlock && style.overflowY === 'hidden' && element.scrollHeight > element.clientHeight + 2)
      faults.push(`text is cut below: ${called(element)}, ${element.scrollHeight} px in ${element.clientHeight} px`);
    const box = seen(element);
    if (box && (box.left < -1 || box.right > innerWidth + 1) && !element.closest('.network, .scroll, pre, .formula'))
      faults.push(`text leaves the window: ${called(element)}`);
  }

  const dialog = document.querySelector('dialog[open]');
  const kinds = 'a[href], button, input, select, textarea, [role="slider"]';
  const links = [...(dialog ?? document.body).querySelectorAll(kinds)]
    .filter((element) => getComputedStyle(element).pointerEvents !== 'none' && !element.classList.contains('skip'))
    .map((element) => ({ element, box: seen(element) }))
    .filter(({ box }) => box);
  for (const { element, box } of links) {
    const isSmall = Math.min(box.width, box.height) < LEAST - 0.5;
    if (element.tagName === 'BUTTON' && isSmall && !reaches(element, box))
      faults.push(`too small to hit: ${called(element)}, ${box.width.toFixed(0)} x ${box.height.toFixed(0)} px`);
  }
  links.forEach(({ element, box }, k) => {
    for (const other of links.slice(k + 1)) {
      if (element.contains(other.element) || other.element.contains(element)) continue;
      const layered = (one) => one.closest('.rise, .toasts, [popover], .skip');
      if (layered(element) !== layered(other.element)) continue;
      const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
      const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
      if (wide > 2 && high > 2) {
        const [x, y] = [Math.max(box.left, other.box.left) + wide / 2, Math.max(box.top, other.box.top) + high / 2];
        const where = `${x.toFixed(0)}, ${y.toFixed(0)}`;
        faults.push(`one over the other: ${called(element)} and ${called(other.element)} at ${where}`);
      }
    }
  });
  return faults;
}
"""


def settle(page: Page) -> None:
    """Waits until the page has all it asked for and drawn it, and nothing moves."""
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready.then(() => true)")
    drawn(page)


def faults_of_layout(page: Page) -> list[str]:
    """Every fault of the layout as it stands, in words."""
    return cast("list[str]", page.evaluate(_FAULTS.replace("LEAST", str(LEAST_SIDE))))


def faults_of_access(page: Page) -> list[str]:
    """What axe-core calls serious or critical; the page must have been visited with its policy bypassed."""
    if not AXE.is_file():
        missing("axe-core is not here: npm --prefix web ci")
    page.add_script_tag(path=AXE)
    found = cast("Mapping[str, Any]", page.evaluate("axe.run(document, { resultTypes: ['violations'] })"))
    return [
        f"{one['impact']}: {one['id']}: {one['help']}: {', '.join(str(node['target'][0]) for node in one['nodes'][:6])}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]
