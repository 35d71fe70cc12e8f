// How fast a run goes, and how long it still takes.
import type { Column } from './columns';

const RECENT_STEPS = 200;
const LEAST_STEPS = 5;

/**
 * Seconds of training that are left: the pace of the last steps, times those to come. Evaluation between epochs is not
 * in it. Null before there is a pace to speak of.
 *
 * `seconds` holds, for each step taken in order, the training time so far.
 */
export function timeLeft(seconds: Column, step: number, nSteps: number): number | null {
  const last = seconds.length - 1;
  const back = Math.min(RECENT_STEPS, Math.floor(last / 2));
  if (nSteps <= step) return 0;
  if (back < LEAST_STEPS) return null;
  const pace = (seconds.at(last) - seconds.at(last - back)) / back;
  return Number.isFinite(pace) && pace >= 0 ? pace * (nSteps - step) : null;
}

/** How healthy the size of a parameter's step is beside the parameter's own; about 0.001 is usual. */
export type Health = 'still' | 'slow' | 'healthy' | 'fast' | 'wild' | 'unknown';

/** A step of 0.001 of the parameter's own length is usual; a tenth or ten times that is well. */
export function healthOf(ratio: number | null): Health {
  if (ratio === null || !Number.isFinite(ratio)) return 'unknown';
  if (ratio === 0) return 'still';
  if (ratio < 1e-4) return 'slow';
  if (ratio <= 1e-2) return 'healthy';
  return ratio <= 1e-1 ? 'fast' : 'wild';
}

/** The ratio's distance from 0.001 in powers of ten, at most two either way: -1 to 1 on a colour scale. */
export function healthColour(ratio: number | null): number {
  if (ratio === null || !Number.isFinite(ratio)) return NaN;
  return ratio <= 0 ? -1 : Math.max(-1, Math.min(1, (Math.log10(ratio) + 3) / 2));
}
