// Where channels lie, which are in view, and what is drawn of each.
import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../wire/api';
import { cellFor, colouredFilters, filterTiles, gridOf, inView, placeUnder, spotOf } from './atlas';
import { deadOf, ordered, sortsOf } from './order';
import { weightIndex } from './weights';
import type { NodeCard } from '../types';

const grid = gridOf(2048, 640, { width: 28, height: 28 });
const tensor = (shape: number[], data: number[]): Tensor => ({ shape, data: Float32Array.from(data) });
const SPOT = { x: 10, y: 20, width: 40, height: 40 };

describe('a grid', () => {
  it('fits its width and scrolls the rest', () => {
    expect(grid).toMatchObject({ across: 20, rows: 103, height: 103 * 32 - 4 });
    expect(gridOf(3, 10, { width: 28, height: 28 }).across).toBe(1);
  });

  it('draws what is in view and no more', () => {
    expect(inView(grid, 2048, 0, 320)).toEqual([0, 200]);
    expect(inView(grid, 2048, 3000, 320)).toEqual([1860, 2048]);
  });

  it('finds the cell under a point, and none between cells', () => {
    const { x, y } = spotOf(grid, 45);
    expect(placeUnder(grid, 2048, x + 1, y + 27)).toBe(45);
    expect([placeUnder(grid, 2048, x + 30, y), placeUnder(grid, 2048, -1, y), placeUnder(grid, 2048, 0, 1e6)]).toEqual([
      null,
      null,
      null,
    ]);
  });

  it('gives maps their own aspect', () => {
    expect(cellFor(28, 14)).toEqual({ width: 32, height: 64 });
    expect(cellFor(1, 1)).toEqual({ width: 22, height: 22 });
  });
});

describe('a filter', () => {
  it('over colours is a picture: 0 is grey, its own largest weight is full', () => {
    const weights = tensor([1, 3, 1, 2], [0, 2, -2, 1, 0, 0]);
    expect([...(colouredFilters(weights, [1, 3, 1, 2]) ?? [])]).toEqual([128, 255, 0, 191, 128, 128]);
    expect(colouredFilters(weights, [1, 64, 1, 2])).toBeNull();
  });

  it('of many channels shows its first kernels side by side', () => {
    const tiles = filterTiles(tensor([2, 20, 3, 3], []), 1, SPOT, 1, null);
    expect(tiles).toHaveLength(16);
    expect(tiles[5]).toMatchObject({ x: 20, y: 30, offset: (20 + 5) * 9, rows: 3, columns: 3 });
  });

  it('of single weights is one near square', () => {
    expect(filterTiles(tensor([2, 120, 1, 1], []), 1, SPOT, 1, null)).toMatchObject([
      { rows: 10, columns: 11, offset: 120 },
    ]);
  });
});

it('channels are sorted by the figure asked for, the largest first and broken ones last', () => {
  const tensors = { mean: tensor([4], [1, NaN, 3, 3]), dead: tensor([4], [0, 1, 0, 1]) };
  expect(ordered(4, 'mean', tensors)).toEqual([2, 3, 0, 1]);
  expect(ordered(4, 'dead', tensors)).toEqual([1, 3, 0, 2]);
  expect(ordered(4, 'gradient', tensors)).toEqual([0, 1, 2, 3]);
  expect(sortsOf(tensors)).toEqual(['number', 'mean', 'dead']);
  expect(deadOf(tensors)).toBe(2);
});

it('a weight is found by the shape of the parameter, groups counted', () => {
  const card = (shape: number[]) =>
    ({
      parameters: [
        { name: 'bias', kind: 'parameter', shape: [8] },
        { name: 'w', kind: 'parameter', shape },
      ],
    }) as unknown as NodeCard;
  expect(weightIndex(card([8, 4, 3, 3]), 5, 6, 2, 1)).toEqual({ node: 'w', at: [5, 2, 2, 1] });
  expect(weightIndex(card([8, 120]), 5, 6, 0, 0)).toEqual({ node: 'w', at: [5, 6] });
  expect(weightIndex(card([8, 4, 3, 3]), 5, 6, 3, 0)).toBeNull();
  expect(weightIndex({ parameters: [] } as unknown as NodeCard, 5, 6, 0, 0)).toBeNull();
});
