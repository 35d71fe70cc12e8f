// Timeline: where the snapshots stand on the time slider, and the loss above them.
import type { Snapshot } from './types';

/** A place where the slider can stand: a snapshot, or the final weights (step null). */
export interface Stop {
  step: number | null;
  /** The step it is drawn at. */
  at: number;
}

export interface Scale {
  /** Share (0-1) of the width at a step. */
  of: (step: number) => number;
  last: number;
}

/** How an address and the server name the final weights where a step is pinned. */
export const FINAL = -1;

const EXPONENTS = [1, 0.8, 0.65, 0.5, 0.4, 0.3, 0.24, 0.18];
const LEAST_GAP = 9; // pixels between neighbours, so that each can be hit

/** Every stored snapshot, and the final weights where there are any: averaged ones differ from the last snapshot's. */
export function stopsOf(snapshots: Snapshot[], hasWeights: boolean, lastStep: number): Stop[] {
  const stops: Stop[] = snapshots.map(({ step }) => ({ step, at: step }));
  return hasWeights ? [...stops, { step: null, at: Math.max(lastStep, stops.at(-1)?.at ?? 0) }] : stops;
}

/** Which stop a step is: the nearest where there is none such, the last for null. */
export function stopAt(stops: Stop[], step: number | null): number {
  if (step === null) return stops.length - 1;
  let best = 0;
  stops.forEach((stop, index) => {
    const mine = stops[best];
    if (stop.step !== null && mine && Math.abs(stop.step - step) < Math.abs(mine.at - step)) best = index;
  });
  return best;
}

/**
 * Steps to places: as straight as keeps the snapshots apart. Those of the first epoch lie evenly in the logarithm, so the
 * axis is a power of the step, the largest of some that leaves room between neighbours.
 */
export function scaleOf(steps: number[], last: number, width: number): Scale {
  const end = Math.max(1, last);
  const places = [...new Set(steps)].sort((a, b) => a - b);
  const gapAt = (exponent: number): number =>
    places.slice(1).reduce((least, step, i) => {
      const before = places[i] ?? 0;
      return Math.min(least, width * ((step / end) ** exponent - (before / end) ** exponent));
    }, Infinity);
  const fits = EXPONENTS.find((exponent) => gapAt(exponent) >= LEAST_GAP);
  const best = fits ?? EXPONENTS.reduce((a, b) => (gapAt(b) > gapAt(a) ? b : a));
  return { of: (step) => Math.max(0, step / end) ** best, last: end };
}

/** Round steps to write under the axis, none closer to the one before than `apart` of the width. */
export function ticksOf(scale: Scale, apart: number): number[] {
  const ticks = [0];
  const round = [1, 2, 5].flatMap((first) => Array.from({ length: 9 }, (_, power) => first * 10 ** power));
  for (const step of round.sort((a, b) => a - b)) {
    const here = scale.of(step);
    if (step < scale.last && here - scale.of(ticks.at(-1) ?? 0) >= apart && 1 - here >= apart) ticks.push(step);
  }
  return [...ticks, scale.last];
}

/** The losses as an SVG path: at most `most` points, each the mean of its stretch of the axis. */
export function curveOf(losses: [number, number][], scale: Scale, width: number, height: number, most = 160): string {
  const bins = new Map<number, { x: number; y: number; n: number }>();
  for (const [step, loss] of losses) {
    if (!Number.isFinite(loss)) continue;
    const x = scale.of(step);
    const bin = Math.floor(x * most);
    const before = bins.get(bin) ?? { x: 0, y: 0, n: 0 };
    bins.set(bin, { x: before.x + x, y: before.y + loss, n: before.n + 1 });
  }
  const points = [...bins.values()].map(({ x, y, n }) => [x / n, y / n] as const);
  if (points.length < 2) return '';
  const lowest = Math.min(...points.map(([, y]) => y), 0);
  const highest = Math.max(...points.map(([, y]) => y));
  const span = highest - lowest || 1;
  return points
    .map(([x, y], i) => `${i ? 'L' : 'M'}${(x * width).toFixed(1)} ${(height * (1 - (y - lowest) / span)).toFixed(1)}`)
    .join('');
}
