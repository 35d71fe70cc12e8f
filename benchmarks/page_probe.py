"""What the browser's own clock says of the page: a script put into it before its own, and the reading of what that saw.

Nothing here trusts the page to time itself. A picture counts as seen when a task runs that was queued in the frame that
painted it: such a task comes after the browser has laid out and painted the frame. What the compositor then takes to
bring it to the glass is the machine's, and is left out.
"""

from __future__ import annotations

from playwright.sync_api import Page

PROBE = """
(() => {
  const now = () => performance.now();
  const probe = {
    frames: [], strokes: [], scrubs: [], flights: 0, cold: 0, last: 0, pressed: 0, ready: null, rolling: false,
  };
  window.probe = probe;

  // Runs a task after the frame that is being made has been painted.
  const line = new MessageChannel();
  const tasks = [];
  line.port1.onmessage = () => tasks.splice(0).forEach((task) => task());
  const painted = (task) => { tasks.push(task); line.port2.postMessage(0); };

  // Any change of the document, and when it was seen.
  let unseen = 0;
  let waits = false;
  const changed = () => {
    if (waits) return;
    waits = true;
    unseen += 1;
    requestAnimationFrame(() => { waits = false; painted(() => { unseen -= 1; probe.last = now(); }); });
  };
  new MutationObserver((records) => {
    changed();
    const isReady = records.some((record) => record.attributeName === 'data-ready');
    if (isReady) painted(() => { probe.ready ??= now(); }); // the page says so within a frame
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });

  // Pointer events, until their picture is seen: held, then in the page's state, then under way, then here.
  let [held, known, here] = [[], [], []];
  let [steps, turned] = [[], []];
  const step = () => document.querySelector('[role=slider][data-step]')?.dataset.step;
  const pointed = (event) => {
    if (event.type === 'pointerdown') probe.pressed = event.timeStamp;
    if (event.buttons === 0 || !(event.target instanceof Element)) return;
    if (event.target.closest('.picture')) {
      if (held.push(event.timeStamp) === 1) requestAnimationFrame(() => { known.push(...held); held = []; });
    } else if (event.target.closest('.time svg')) {
      const before = step();
      const { timeStamp } = event;
      requestAnimationFrame(() => { if (step() !== before) turned.push(timeStamp); });
    }
  };
  addEventListener('pointerdown', pointed, true);
  addEventListener('pointermove', pointed, true);

  // The network's canvas is painted.
  const seen = (canvas) => {
    if (!(canvas instanceof HTMLCanvasElement)) return;
    changed();
    if (!canvas.closest('.network')) return;
    const [drawn, scrubbed] = [here, turned];
    [here, turned] = [[], []];
    if (drawn.length + scrubbed.length === 0) return;
    painted(() => {
      const at = now();
      probe.strokes.push(...drawn.map((since) => at - since));
      probe.scrubs.push(...scrubbed.map((since) => at - since));
    });
  };
  for (const [kind, names] of [
    [CanvasRenderingContext2D, ['putImageData']],
    [WebGL2RenderingContext, ['drawArrays', 'drawArraysInstanced', 'drawElements', 'drawElementsInstanced']],
  ]) {
    for (const name of names) {
      const own = kind.prototype[name];
      kind.prototype[name] = function (...given) {
        seen(this.canvas);
        return own.apply(this, given);
      };
    }
  }

  // What is asked of the server; a stroke's answer brings the events whose pixels were sent with it.
  const ask = window.fetch;
  window.fetch = (where, request) => {
    const isAtlas = String(where).includes('/atlas');
    const sent = isAtlas && request?.method === 'POST' ? known : null;
    if (sent) known = [];
    if (isAtlas && !sent) probe.cold += 1;
    probe.flights += 1;
    const landed = () => { probe.flights -= 1; };
    const asked = ask(where, request);
    asked.then((answer) => {
      for (const name of ['arrayBuffer', 'json']) {
        const read = answer[name];
        answer[name] = async () => {
          try {
            const body = await read.call(answer);
            if (sent) here.push(...sent);
            return body;
          } finally {
            landed();
          }
        };
      }
    }, landed);
    return asked;
  };

  // Frames, while somebody wants them counted.
  const roll = (at) => { probe.frames.push(at); if (probe.rolling) requestAnimationFrame(roll); };
  probe.roll = () => { probe.frames = []; probe.rolling = true; requestAnimationFrame(roll); };
  probe.stop = () => { probe.rolling = false; return probe.frames; };

  // Waits, by a clock of its own: the page's Content-Security-Policy lets nobody else evaluate anything here.
  const until = (done) => new Promise((then) => {
    const look = () => (done() ? then() : setTimeout(look, 25));
    look();
  });
  const REST = 100;
  const isQuiet = (ms) => {
    const still = now() - probe.last;
    const isBusy = unseen > 0 || document.querySelector('[aria-busy=true]');
    return !isBusy && still > ms && (probe.flights === 0 || still > 4 * ms); // what is fetched ahead changes nothing
  };
  probe.settled = (ms) => until(() => isQuiet(ms));
  const isAnswered = () => probe.last > probe.pressed && isQuiet(REST);
  probe.answered = () => until(isAnswered).then(() => probe.last - probe.pressed);
  probe.readied = () => until(() => probe.ready !== null);
})();
"""

QUIET_MS = 350  # without a change: longer than the page's own pauses before it asks and tells


def settle(page: Page, quiet: int = QUIET_MS) -> None:
    """Waits until nothing changes any more."""
    page.evaluate(f"probe.settled({quiet})")


def pressed(page: Page) -> float:
    """Milliseconds from the newest press of the button to the last change seen before the page first came to rest.

    It rests when nothing is being fetched for what is shown and nothing has changed for 100 ms. What comes later is no
    answer to the press: the card of the column under the resting pointer, for one, which waits for 350 ms.
    """
    found: float = page.evaluate("probe.answered()")
    settle(page)
    return found


def taken(page: Page, name: str) -> list[float]:
    """The milliseconds that gathered under a name since the last call; nothing is left there."""
    found: list[float] = page.evaluate(f"probe.{name}.splice(0)")
    return found


def measured(page: Page, name: str) -> list[float]:
    """What the page itself measured under a name since the last call, in milliseconds."""
    found: list[float] = page.evaluate(
        "(name) => { const all = performance.getEntriesByName(name, 'measure').map((m) => m.duration);"
        " performance.clearMeasures(name); return all; }", name
    )  # fmt: skip
    return found


def ready(page: Page) -> float:
    """Milliseconds from the beginning of the navigation to the look screen's first atlas, painted."""
    found: float = page.evaluate("probe.readied().then(() => probe.ready)")
    return found


def first_paint(page: Page) -> float:
    """Milliseconds from the beginning of the navigation to the first paint of content."""
    found: float = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return found
