// Prefetch: the other snapshots' atlases of the image in view, in quiet moments, so that dragging the slider only draws.
import { getPack } from '../wire/api';
import { AT_ONCE, atlasQuery } from './asking';
import type { Scene } from './scene.svelte';

const PAUSE_MS = 400; // after the last change of place
const MOST = 48;
const LONGEST_MS = 80; // a network that takes longer is left alone: the machine has better to do
const MOST_BYTES = 2 << 20;
const MOST_FLOPS = 2e8; // of a pass: a larger network would make the user wait for what nobody asked for

/** Begins when nothing has moved for a moment; returns how to stop. Reads the scene, so that an effect follows it. */
export function prefetch(scene: Scene): (() => void) | undefined {
  if (!scene.atlas || scene.drawn || !scene.image || (scene.network?.flops ?? Infinity) > MOST_FLOPS) return undefined;
  if (!scene.isCurrent || scene.columns.length >= AT_ONCE) return undefined;
  const route = `${scene.route}/atlas`;
  const here = scene.stops.findIndex((stop) => stop.step === scene.step);
  const nearest = scene.stops
    .map((stop, index) => ({ step: stop.step, far: Math.abs(index - here) }))
    .filter(({ far }) => far > 0)
    .sort((a, b) => a.far - b.far)
    .slice(0, MOST);
  const queries = nearest.map(({ step }) => atlasQuery(scene, step));
  const stop = new AbortController();
  const timer = setTimeout(() => void bring(route, queries, stop.signal), PAUSE_MS);
  return () => {
    clearTimeout(timer);
    stop.abort();
  };
}

async function bring(route: string, queries: Parameters<typeof getPack>[1][], signal: AbortSignal): Promise<void> {
  try {
    for (const query of queries) {
      const began = performance.now();
      const { tensors } = await getPack(route, query, { signal });
      const bytes = Object.values(tensors).reduce((sum, { data }) => sum + data.byteLength, 0);
      if (performance.now() - began > LONGEST_MS || bytes > MOST_BYTES || signal.aborted) return;
    }
  } catch {
    // Whoever needs it asks again, and is told what is wrong.
  }
}
