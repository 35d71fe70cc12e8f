// Growing columns keep their numbers, means are what adding up gives, and thinning loses no spike.
import { describe, expect, it } from 'vitest';
import { Column, Curve, smoothingWindow, thin } from './columns';

function curveOf(values: (number | null)[]): Curve {
  const curve = new Curve();
  for (const value of values) curve.push(value);
  return curve;
}

describe('a column', () => {
  it('grows past its first room and is cut back', () => {
    const column = new Column();
    for (let value = 0; value < 5000; value++) column.push(value);
    expect(column.at(4999)).toBe(4999);
    expect([...column.view(1022, 1026)]).toEqual([1022, 1023, 1024, 1025]);
    column.cut(10);
    column.push(-1);
    expect([...column.view(8)]).toEqual([8, 9, -1]);
    expect(column.at(11)).toBeNaN();
  });

  it('finds its place by halves', () => {
    const column = new Column();
    for (const value of [1, 2, 2, 5, 9]) column.push(value);
    expect([0, 1, 2, 3, 9, 10].map((value) => column.countBelow(value))).toEqual([0, 0, 1, 3, 4, 5]);
  });
});

describe('smoothing', () => {
  it('averages the neighbours, fewer at the ends', () => {
    const curve = curveOf([1, 2, 3, 4, 10]);
    expect(curve.meanAround(2, 3)).toBeCloseTo(3);
    expect(curve.meanAround(0, 3)).toBeCloseTo(1.5);
    expect(curve.meanAround(4, 5)).toBeCloseTo(17 / 3);
    expect(curve.meanAround(3, 1)).toBe(4);
  });

  it('leaves out what is no number', () => {
    const curve = curveOf([1, null, NaN, 5]);
    expect(curve.meanAround(1, 3)).toBe(1);
    expect(curveOf([null]).meanAround(0, 1)).toBeNaN();
    expect(curve.values.at(1)).toBeNaN();
  });

  it('goes on rightly after a cut', () => {
    const curve = curveOf([1, 2, 300]);
    curve.cut(2);
    curve.push(6);
    expect(curve.meanAround(1, 3)).toBeCloseTo(3);
  });

  it.each([
    [1, 1],
    [99, 1],
    [100, 3],
    [5000, 101],
  ])('%i steps are averaged by %i', (count, window) => expect(smoothingWindow(count)).toBe(window));
});

describe('thinning', () => {
  const column = new Column();
  for (let index = 0; index < 10_000; index++)
    column.push(index === 7777 ? 50 : index === 1234 ? -50 : Math.sin(index));

  it('keeps every spike, in order, within the number asked for', () => {
    const kept = thin(column, 0, 10_000, 400);
    expect(kept.length).toBeLessThanOrEqual(400);
    expect(kept).toContain(7777);
    expect(kept).toContain(1234);
    expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
  });

  it('keeps all where they are few, and none of nothing', () => {
    expect(thin(column, 5, 8, 400)).toEqual([5, 6, 7]);
    expect(thin(column, 8, 8, 400)).toEqual([]);
  });

  it('is not misled by what is no number', () => {
    const broken = new Column();
    for (let index = 0; index < 100; index++) broken.push(index === 60 ? 9 : NaN);
    expect(thin(broken, 0, 100, 4)).toContain(60);
  });
});
