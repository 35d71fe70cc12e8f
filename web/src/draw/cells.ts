// What a tile shows: its numbers as bytes, one a cell, averaged where a cell would be smaller than a pixel of the screen.
//
// Both painters draw exactly these cells, so that a picture is the same whichever drew it.
import { HOLE, REACH, ZERO, indexOf, type Ramp } from './colours';
import { planesOf, rampOf, shownOf, type Box, type Tile } from './tile';

export interface Cells {
  columns: number;
  rows: number;
  /** 3 for rgb, one plane after the other. */
  planes: 1 | 3;
  /** Indices of the ramp before the gain; (planes, rows, columns). */
  bytes: Uint8Array;
}

/** What the distance of an index from 0 is multiplied by: bytes were quantised by their peak and are shown by the limit. */
export function gainOf(tile: Tile): number {
  if (tile.data instanceof Float32Array || rampOf(tile) === 'grey') return 1;
  if (tile.limit > 0) return tile.peak / tile.limit;
  return tile.peak > 0 ? REACH : 1;
}

/** The index that a byte is shown as, after the gain. */
export function amplify(byte: number, gain: number, ramp: Ramp): number {
  if (ramp === 'grey' || byte === HOLE) return byte;
  // Math.fround, because the shader computes in float32 and halves must fall to the same side.
  const index = Math.floor(Math.fround(Math.fround((byte - ZERO) * Math.fround(gain)) + ZERO + 0.5));
  return Math.min(ZERO + REACH, Math.max(ZERO - REACH, index));
}

/** The share of each of `from` cells in each of `to` wider ones: for each of these the first cell and the shares from it on. */
function shares(from: number, to: number): { first: number; weights: number[] }[] {
  const step = from / to;
  return Array.from({ length: to }, (_, place) => {
    const [start, end] = [place * step, Math.min(from, (place + 1) * step)];
    const first = Math.floor(start);
    const weights: number[] = [];
    for (let cell = first; cell < end - 1e-9; cell++) {
      weights.push((Math.min(end, cell + 1) - Math.max(start, cell)) / step);
    }
    return { first, weights };
  });
}

/**
 * The mean of the cells under each wider cell: (rows, columns) becomes (toRows, toColumns), each at most as many. One that is
 * not a number makes its mean none either, so that no hole is ever averaged away.
 */
export function average(data: ArrayLike<number>, rows: number, columns: number, toRows: number, toColumns: number) {
  const across = shares(columns, toColumns);
  const down = shares(rows, toRows);
  const narrow = new Float32Array(rows * toColumns);
  for (let row = 0; row < rows; row++) {
    across.forEach(({ first, weights }, column) => {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * data[row * columns + first + k]!;
      narrow[row * toColumns + column] = sum;
    });
  }
  const small = new Float32Array(toRows * toColumns);
  down.forEach(({ first, weights }, row) => {
    for (let k = 0; k < weights.length; k++) {
      const from = (first + k) * toColumns;
      for (let column = 0; column < toColumns; column++) {
        small[row * toColumns + column]! += weights[k]! * narrow[from + column]!;
      }
    }
  });
  return small;
}

/** The cells that a tile shows in a box. Bytes that need no averaging are not copied. */
export function cellsOf(tile: Tile, box: Box): Cells {
  const planes = planesOf(tile);
  const ramp = rampOf(tile);
  const { rows, columns } = shownOf(tile, box);
  const size = tile.rows * tile.columns;
  const all = tile.data.subarray(tile.offset, tile.offset + planes * size);
  const smaller = rows < tile.rows || columns < tile.columns;
  if (all instanceof Uint8Array && !smaller) return { columns, rows, planes, bytes: all };

  const bytes = new Uint8Array(planes * rows * columns);
  for (let plane = 0; plane < planes; plane++) {
    let data: ArrayLike<number> = all.subarray(plane * size, (plane + 1) * size);
    if (smaller) {
      const sound = all instanceof Uint8Array && ramp !== 'grey' ? Float32Array.from(data, byteOrNone) : data;
      data = average(sound, tile.rows, tile.columns, rows, columns);
    }
    const index = all instanceof Uint8Array ? roundOrHole : (value: number) => indexOf(ramp, value, tile.limit);
    const start = plane * rows * columns;
    for (let cell = 0; cell < rows * columns; cell++) bytes[start + cell] = index(data[cell]!);
  }
  return { columns, rows, planes, bytes };
}

const byteOrNone = (byte: number) => (byte === HOLE ? NaN : byte);
const roundOrHole = (mean: number) => (Number.isNaN(mean) ? HOLE : Math.round(mean));
