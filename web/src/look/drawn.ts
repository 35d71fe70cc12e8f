// Drawn: how long it took from what the user did to the picture, as measures of the browser's own clock.
import { tick } from 'svelte';

let since: number | null = null;

/** What the user did last, and has not been answered yet. */
export const drawnSince = {
  /** The user did something that the picture must follow. */
  mark(): void {
    since = performance.now();
  },
  /** Takes the mark, for the answer that it belongs to. */
  take(): number | null {
    const mine = since;
    since = null;
    return mine;
  },
  /** The picture stands: measures "scrub" or "stroke" since then, and says that the screen is ready. */
  async tell(name: 'scrub' | 'stroke', start: number | null): Promise<void> {
    await tick(); // the canvas has asked for its frame by now, so that ours comes after its painting
    requestAnimationFrame(() => {
      document.documentElement.dataset.ready = 'look';
      if (start !== null) performance.measure(name, { start, end: performance.now() });
    });
  },
};
