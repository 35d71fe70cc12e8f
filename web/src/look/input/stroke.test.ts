// Strokes: the brush covers what it should, however densely the pointer is told, and leaves the image before it alone.
import { describe, expect, it } from 'vitest';
import { coverage, distanceToWay, snapped, squareDistanceToWay, Stroke, type Shape, type Tip } from './stroke';

const soft: Tip = { shape: 'soft', radius: 1.2 };
const shape: Shape = [1, 9, 9];
const black = new Uint8Array(81);
const white = new Uint8Array(81).fill(255);
const drawn = (tip: Tip, ...way: [number, number][]): Uint8Array => {
  const stroke = new Stroke(black, white, shape, tip);
  for (const [x, y] of way) stroke.move({ x, y });
  return stroke.pixels();
};
const row = (pixels: Uint8Array, at: number): number[] => [...pixels.subarray(9 * at, 9 * at + 9)];

describe('a soft brush', () => {
  it('covers all in its middle, a half at its radius, and nothing to speak of beyond two', () => {
    expect(coverage(soft, 0)).toBe(1);
    expect(coverage(soft, 1.2)).toBeCloseTo(0.5);
    expect(coverage(soft, 2.4) * 255).toBeLessThan(0.5);
  });

  it('leaves a line with soft edges, as MNIST has them', () => {
    const line = drawn(soft, [4.5, 1.5], [4.5, 7.5]);
    const [, , far, near, middle, other, otherFar] = row(line, 4);
    expect(middle).toBe(255);
    expect(near).toBe(other);
    expect(near).toBeGreaterThan(120);
    expect(near).toBeLessThan(255);
    expect(far).toBe(otherFar);
    expect(far).toBeLessThan(10);
  });

  it('draws the same line whether the pointer is told at its ends or at every place between', () => {
    const ends = drawn(soft, [1.5, 4.5], [7.5, 4.5]);
    const all = drawn(soft, ...Array.from({ length: 61 }, (_, k): [number, number] => [1.5 + k / 10, 4.5]));
    expect([...all]).toEqual([...ends]);
  });

  it('does not grow darker where it stands still', () => {
    expect([...drawn(soft, [4, 4], [4, 4], [4, 4])]).toEqual([...drawn(soft, [4, 4])]);
  });

  it('takes paint only where it has been, in every channel, and leaves the image before as it was', () => {
    const before = new Uint8Array(2 * 81).fill(100);
    const paint = new Uint8Array(2 * 81).fill(200, 0, 81);
    const stroke = new Stroke(before, paint, [2, 9, 9], soft);
    stroke.move({ x: 4.5, y: 4.5 });
    const pixels = stroke.pixels();
    expect([pixels[40], pixels[81 + 40], pixels[0], pixels[81]]).toEqual([200, 0, 100, 100]);
    expect(before.every((value) => value === 100)).toBe(true);
  });

  it('may leave the image', () => {
    expect(() => drawn(soft, [-20, 4], [40, 4])).not.toThrow();
    expect(drawn(soft, [-20, -20]).every((value) => value === 0)).toBe(true);
  });
});

describe('a patch', () => {
  it.each([1, 2, 3, 4, 5])('of %i pixels covers as many, wherever it is set down', (side) => {
    for (const place of [3.2, 4.5, 4.9]) {
      const middle = snapped({ x: place, y: 4.5 }, side);
      const covered = drawn({ shape: 'square', radius: side / 2 }, [middle.x, middle.y]);
      expect(covered.filter((value) => value === 255).length).toBe(side * side);
    }
  });

  it('sweeps what lies between, a square one with its corners', () => {
    const square = drawn({ shape: 'square', radius: 1.5 }, [2.5, 2.5], [6.5, 2.5]);
    expect(row(square, 1)).toEqual([0, 255, 255, 255, 255, 255, 255, 255, 0]);
    const round = drawn({ shape: 'round', radius: 1.5 }, [2.5, 2.5]);
    expect(round.filter((value) => value === 255).length).toBe(9);
    expect(drawn({ shape: 'round', radius: 2.5 }, [4.5, 4.5]).filter((value) => value === 255).length).toBe(21);
  });
});

describe('the distance to a way', () => {
  const from = { x: 1, y: 1 };
  const to = { x: 5, y: 3 };
  it('is the least of those to all its places', () => {
    for (const at of [
      { x: 0, y: 0 },
      { x: 3, y: 5 },
      { x: 4, y: 2.5 },
      { x: 9, y: 1 },
    ]) {
      const places = Array.from({ length: 2001 }, (_, k) => ({ x: 1 + (4 * k) / 2000, y: 1 + (2 * k) / 2000 }));
      const round = Math.min(...places.map((place) => Math.hypot(at.x - place.x, at.y - place.y)));
      const square = Math.min(...places.map((place) => Math.max(Math.abs(at.x - place.x), Math.abs(at.y - place.y))));
      expect(distanceToWay(at, from, to)).toBeCloseTo(round, 2);
      expect(squareDistanceToWay(at, from, to)).toBeCloseTo(square, 2);
    }
  });

  it('is that to the place where the way has no length', () => {
    expect(distanceToWay({ x: 4, y: 5 }, from, from)).toBe(5);
    expect(squareDistanceToWay({ x: 4, y: 5 }, from, from)).toBe(4);
  });
});
