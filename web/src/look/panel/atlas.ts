// Where each channel of a layer lies in a grid that scrolls, and the tiles of those in view.
import type { Tile } from '../../draw/tile';
import type { Pack, Tensor } from '../../wire/api';
import type { LayerHead } from './types';

/** A grid of cells of one size. */
export interface Grid {
  across: number;
  rows: number;
  /** From one cell to the next, in CSS pixels. */
  pitchX: number;
  pitchY: number;
  height: number;
}

export interface Spot {
  x: number;
  y: number;
  width: number;
  height: number;
}

const GAP = 4;
const MANY = 128; // maps

/** The grid of `n` cells in a width. */
export function gridOf(n: number, width: number, cell: { width: number; height: number }): Grid {
  const pitchX = cell.width + GAP;
  const pitchY = cell.height + GAP;
  const across = Math.max(1, Math.floor((width + GAP) / pitchX));
  const rows = Math.ceil(n / across);
  return { across, rows, pitchX, pitchY, height: Math.max(0, rows * pitchY - GAP) };
}

/** Which places of the order are in view, both ends: [first, last). */
export function inView(grid: Grid, n: number, top: number, height: number): [number, number] {
  const first = Math.max(0, Math.floor(top / grid.pitchY)) * grid.across;
  const last = Math.ceil((top + height) / grid.pitchY) * grid.across;
  return [Math.min(first, n), Math.min(last, n)];
}

/** The place of the order that a point of the grid is in, null between and beyond cells. */
export function placeUnder(grid: Grid, n: number, x: number, y: number): number | null {
  const [column, row] = [Math.floor(x / grid.pitchX), Math.floor(y / grid.pitchY)];
  if (x < 0 || y < 0 || column >= grid.across) return null;
  if (x - column * grid.pitchX > grid.pitchX - GAP || y - row * grid.pitchY > grid.pitchY - GAP) return null;
  const place = row * grid.across + column;
  return place < n ? place : null;
}

export const spotOf = (grid: Grid, place: number): Spot => ({
  x: (place % grid.across) * grid.pitchX,
  y: Math.floor(place / grid.across) * grid.pitchY,
  width: grid.pitchX - GAP,
  height: grid.pitchY - GAP,
});

/** A cell's size for `n` maps of a shape: at least a few pixels, at most a thumb, smaller where they are many. */
export function cellFor(rows: number, columns: number, n = 1): { width: number; height: number } {
  if (rows * columns === 1) return { width: 22, height: 22 };
  const most = n > MANY ? 44 : 64;
  const zoom = Math.min(most / columns, most / rows);
  return { width: Math.max(12, Math.round(columns * zoom)), height: Math.max(12, Math.round(rows * zoom)) };
}

/** A channel's map at a spot. */
export function mapTile(pack: Pack<LayerHead>, channel: number, spot: Spot, limit: number): Tile[] {
  const { sheet } = pack.meta;
  const maps = pack.tensors.maps;
  if (!maps) return [];
  const peak = (pack.tensors.peaks?.data[channel] as number | undefined) ?? sheet.peak;
  const { rows, columns } = sheet;
  return [
    {
      key: `map ${channel}`,
      ...spot,
      rows,
      columns,
      data: maps.data as Uint8Array,
      offset: channel * rows * columns,
      peak,
      limit,
      scale: 'value',
    },
  ];
}

const MOST_KERNELS = 16;

/** A channel's filter at a spot: in colour where it reads red, green and blue, else its kernels side by side. */
export function filterTiles(
  filters: Tensor,
  place: number,
  spot: Spot,
  limit: number,
  coloured: Uint8Array | null,
): Tile[] {
  const [, n = 1, kh = 1, kw = 1] = filters.shape;
  const data = filters.data as Float32Array;
  const tile = { limit, peak: limit, scale: 'weight' as const, data };
  if (coloured) {
    const base = {
      key: `filter ${place}`,
      ...spot,
      rows: kh,
      columns: kw,
      data: coloured,
      offset: place * 3 * kh * kw,
    };
    return [{ ...base, peak: 1, limit: 255, scale: 'rgb' }];
  }
  if (kh * kw === 1) {
    // A row of weights, laid out as a near square; what does not fill its last row is left out.
    const columns = Math.ceil(Math.sqrt(n));
    const rows = Math.floor(n / columns) || 1;
    return [{ key: `filter ${place}`, ...spot, ...tile, rows, columns: Math.min(columns, n), offset: place * n }];
  }
  const shown = Math.min(n, MOST_KERNELS);
  const side = Math.ceil(Math.sqrt(shown));
  return Array.from({ length: shown }, (_, k) => ({
    ...tile,
    key: `filter ${place} ${k}`,
    x: spot.x + ((k % side) * spot.width) / side,
    y: spot.y + (Math.floor(k / side) * spot.height) / side,
    width: spot.width / side - (side > 1 ? 1 : 0),
    height: spot.height / side - (side > 1 ? 1 : 0),
    rows: kh,
    columns: kw,
    offset: (place * n + k) * kh * kw,
  }));
}

/** Filters over red, green and blue as pictures, 128 for 0, each by its own largest |weight|; null for others. */
export function colouredFilters(filters: Tensor | undefined, whole: readonly number[]): Uint8Array | null {
  const [n = 0, channels = 0, kh = 1, kw = 1] = filters?.shape ?? [];
  if (!filters || channels !== 3 || whole[1] !== 3 || kh * kw === 1) return null;
  const size = channels * kh * kw;
  const data = filters.data as Float32Array;
  const pixels = new Uint8Array(n * size);
  for (let d = 0; d < n; d++) {
    const one = data.subarray(d * size, (d + 1) * size);
    const peak = one.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0) || 1;
    for (let k = 0; k < size; k++) pixels[d * size + k] = Math.round(127.5 + (127.5 * (one[k] ?? 0)) / peak);
  }
  return pixels;
}
