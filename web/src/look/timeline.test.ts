// The time slider: every snapshot has its place, and they can be told apart.
import { describe, expect, it } from 'vitest';
import { curveOf, scaleOf, stopAt, stopsOf, ticksOf } from './timeline';

const STEPS = [0, 1, 2, 3, 5, 8, 13, 22, 36, 61, 101, 169, 282];
const stops = stopsOf(
  STEPS.map((step) => ({ step, reason: 'snapshot' })),
  true,
  282,
);

describe('stops', () => {
  it('are all snapshots and the final weights', () => {
    expect(stops.map((stop) => stop.step)).toEqual([...STEPS, null]);
    expect(stopsOf([], false, 10)).toEqual([]);
  });

  it('are found by their step, the nearest where there is none', () => {
    expect(stops[stopAt(stops, 36)]?.step).toBe(36);
    expect(stops[stopAt(stops, 35)]?.step).toBe(36);
    expect(stops[stopAt(stops, null)]?.step).toBe(null);
    expect(stops[stopAt(stops, 282)]?.step).toBe(282);
    expect(stops[stopAt(stops, 9999)]?.step).toBe(282);
  });
});

describe('the axis', () => {
  it.each([
    ['of a short run', STEPS, 282],
    ['of a long one', [0, 1, 2, 3, 5, 8, 14, 25, 44, 79, 140, 250, 500, 1000, 1500, 2000], 2000],
  ])('%s keeps snapshots apart and in order', (_, steps, last) => {
    const scale = scaleOf(steps, last, 1100);
    const places = steps.map((step) => scale.of(step) * 1100);
    expect(places[0]).toBe(0);
    expect(places.at(-1)).toBe(1100);
    for (let i = 1; i < places.length; i += 1)
      expect((places[i] ?? 0) - (places[i - 1] ?? 0)).toBeGreaterThanOrEqual(9);
  });

  it('is straight where that is possible', () => expect(scaleOf([0, 50, 100], 100, 1000).of(50)).toBe(0.5));

  it('has round ticks that do not run into each other', () => {
    const scale = scaleOf(STEPS, 282, 1100);
    const ticks = ticksOf(scale, 0.06);
    expect(ticks[0]).toBe(0);
    expect(ticks.at(-1)).toBe(282);
    for (let i = 1; i < ticks.length; i += 1)
      expect(scale.of(ticks[i] ?? 0) - scale.of(ticks[i - 1] ?? 0)).toBeGreaterThanOrEqual(0.06);
  });
});

describe('the curve', () => {
  it('is thinned, and goes down where the loss does', () => {
    const losses = Array.from({ length: 5000 }, (_, i): [number, number] => [i + 1, 3 - (2 * i) / 5000]);
    const path = curveOf(losses, scaleOf([0, 5000], 5000, 1000), 1000, 40);
    const heights = [...path.matchAll(/[ML][\d.]+ ([\d.]+)/g)].map((match) => Number(match[1]));
    expect(heights.length).toBeLessThanOrEqual(161);
    expect(heights).toEqual([...heights].sort((a, b) => a - b));
  });

  it('leaves out what is no number', () => {
    expect(
      curveOf(
        [
          [1, NaN],
          [2, Infinity],
        ],
        scaleOf([0, 2], 2, 100),
        100,
        10,
      ),
    ).toBe('');
  });
});
