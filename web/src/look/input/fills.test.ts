// Fills: each is an image of the same shape, made of the image's own colours.
import { describe, expect, it } from 'vitest';
import { blurred, fillOf, inverted, plain } from './fills';
import type { Shape } from './stroke';

const shape: Shape = [2, 3, 4];
const image = Uint8Array.from({ length: 24 }, (_, k) => (k < 12 ? 10 * k : 200));

describe('a fill', () => {
  it('of one colour has it in every channel', () => {
    expect([...plain(shape, [1, 2])]).toEqual([...Array(12).fill(1), ...Array(12).fill(2)]);
    expect([...plain([3, 1, 1], [7])]).toEqual([7, 7, 7]);
  });

  it('is black, or the mean of each channel', () => {
    expect(fillOf('black', image, shape).every((value) => value === 0)).toBe(true);
    expect([...fillOf('mean', image, shape)]).toEqual([...Array(12).fill(55), ...Array(12).fill(200)]);
  });

  it('blurs without bringing in a colour that is not there, channel by channel', () => {
    const soft = blurred(image, shape);
    expect([...soft.subarray(12)]).toEqual(Array(12).fill(200));
    expect(Math.max(...soft.subarray(0, 12))).toBeLessThanOrEqual(110);
    expect(soft[0]).toBeGreaterThanOrEqual(0);
  });

  it('spreads a dot evenly to all sides, and keeps its light', () => {
    const size = 41;
    const dot = new Uint8Array(size * size);
    dot.fill(255, 20 * size + 16, 20 * size + 25);
    const soft = blurred(dot, [1, size, size]);
    const at = (row: number, column: number): number => soft[row * size + column] as number;
    expect(at(20, 20)).toBeGreaterThan(at(20, 26));
    expect(at(20, 14)).toBe(at(20, 26));
    expect(at(17, 20)).toBe(at(23, 20));
    const light = soft.reduce((sum, value) => sum + value, 0);
    expect(Math.abs(light - 9 * 255)).toBeLessThan(0.1 * 9 * 255); // what rounding to whole shades loses
  });

  it('turned around twice is what it was', () => {
    expect([...inverted(inverted(image))]).toEqual([...image]);
    expect(inverted(Uint8Array.of(0, 255))).toEqual(Uint8Array.of(255, 0));
  });
});
