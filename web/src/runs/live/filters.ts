// A layer's filters as tiles of a sheet, side by side in reading order.
import type { Tile } from '../../draw/painter';
import type { Tensor } from '../../wire/api';

export interface Layout {
  /** Of all tiles together, CSS pixels. */
  width: number;
  /** Of one tile, and between two. */
  side: number;
  gap: number;
  /** Filters shown at most. */
  most: number;
}

/** Weights from -limit to limit as bytes 0 to 255, planar as they are stored: grey is 0. */
export function colourFilter(weights: Float32Array, from: number, length: number, limit: number): Uint8Array {
  return Uint8Array.from(weights.subarray(from, from + length), (weight) => Math.round(127.5 * (1 + weight / limit)));
}

/** How many pictures a tensor (D, C, kh, kw) makes: one a filter over red, green and blue, else one a channel of each. */
export function countOf(filters: Tensor | undefined): number {
  const [D = 0, C = 0] = filters?.shape ?? [];
  return filters?.shape.length === 4 ? D * (C === 3 ? 1 : C) : 0;
}

/** The tiles, and the height that they take. */
export function tilesOf(
  filters: Tensor | undefined,
  { width, side, gap, most }: Layout,
): { tiles: Tile[]; height: number } {
  const count = Math.min(most, countOf(filters));
  if (!filters || count === 0) return { tiles: [], height: 0 };
  const [, C = 1, rows = 1, columns = 1] = filters.shape;
  const weights = filters.data as Float32Array;
  const limit = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0) || 1;
  const across = Math.max(1, Math.min(count, Math.floor((width + gap) / (side + gap))));
  const size = rows * columns;
  const look = (index: number): Pick<Tile, 'data' | 'offset' | 'limit' | 'scale'> =>
    C === 3
      ? { data: colourFilter(weights, index * 3 * size, 3 * size, limit), offset: 0, limit: 255, scale: 'rgb' }
      : { data: weights, offset: index * size, limit, scale: 'weight' };
  const tiles = Array.from({ length: count }, (_, index): Tile => {
    const [x, y] = [(index % across) * (side + gap), Math.floor(index / across) * (side + gap)];
    return { key: String(index), x, y, width: side, height: side, rows, columns, peak: limit, ...look(index) };
  });
  return { tiles, height: Math.ceil(count / across) * (side + gap) - gap };
}
