// Filters lie side by side and keep to their room; over three colours a filter is one picture.
import { describe, expect, it } from 'vitest';
import { countOf, tilesOf } from './filters';

const tensor = (...shape: number[]) => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return { shape, data: Float32Array.from({ length: size }, (_, index) => index - size / 2) };
};
const ROOM = { width: 100, side: 20, gap: 5, most: 64 };

describe('filters', () => {
  it('fill rows from left to right', () => {
    const { tiles, height } = tilesOf(tensor(6, 1, 5, 5), ROOM);
    expect(tiles.map(({ x, y }) => [x, y])).toEqual([[0, 0], [25, 0], [50, 0], [75, 0], [0, 25], [25, 25]]); // prettier-ignore
    expect(height).toBe(45);
    expect(tiles.map(({ offset }) => offset)).toEqual([0, 25, 50, 75, 100, 125]);
    expect(new Set(tiles.map(({ limit }) => limit))).toEqual(new Set([75]));
  });

  it('over red, green and blue are one picture each, with 0 in the middle', () => {
    const filters = tensor(2, 3, 1, 1);
    filters.data.set([-1, 0, 1, 0, 0, 0]);
    expect(countOf(filters)).toBe(2);
    const [first] = tilesOf(filters, ROOM).tiles;
    expect([...(first?.data ?? [])]).toEqual([0, 128, 255]);
  });

  it('are no more than asked for, and none of what is no stack of kernels', () => {
    expect(tilesOf(tensor(200, 1, 3, 3), ROOM).tiles).toHaveLength(64);
    expect(tilesOf(tensor(10, 784), ROOM).tiles).toEqual([]);
    expect(tilesOf(undefined, ROOM)).toEqual({ tiles: [], height: 0 });
  });
});
