import { describe, expect, test } from 'vitest';
import { amplify, average, cellsOf, gainOf } from './cells';
import { HOLE, REACH, ZERO } from './colours';
import { KeptCells } from './kept';
import { boxOf, cellAt, shownOf, type Tile } from './tile';

const tileOf = (change: Partial<Tile> = {}): Tile => ({
  key: 'a',
  x: 0,
  y: 0,
  width: 20,
  height: 20,
  rows: 2,
  columns: 2,
  data: new Uint8Array([1, 128, 192, 255]),
  offset: 0,
  peak: 1,
  limit: 1,
  scale: 'value',
  ...change,
});
const box = (width: number, height: number) => ({ left: 0, top: 0, width, height });

describe('boxes', () => {
  test('neighbours touch at every ratio', () => {
    for (const ratio of [1, 1.25, 1.5, 2, 2.625]) {
      for (let place = 0; place < 50; place++) {
        const one = boxOf(tileOf({ x: place * 7.3, width: 7.3 }), ratio);
        const next = boxOf(tileOf({ x: (place + 1) * 7.3, width: 7.3 }), ratio);
        expect(one.left + one.width).toBe(next.left);
      }
    }
  });

  test('a pixel shows the cell under its middle', () => {
    expect(Array.from({ length: 6 }, (_, pixel) => cellAt(pixel, 3, 6))).toEqual([0, 0, 1, 1, 2, 2]);
    expect(Array.from({ length: 5 }, (_, pixel) => cellAt(pixel, 3, 5))).toEqual([0, 0, 1, 2, 2]);
    for (let pixel = 0; pixel < 40; pixel++) expect(cellAt(pixel, 40, 40)).toBe(pixel);
  });

  test('never more cells than pixels, nor than a texture holds', () => {
    expect(shownOf(tileOf({ rows: 112, columns: 3 }), box(40, 40))).toEqual({ rows: 40, columns: 3 });
    const photo = tileOf({ rows: 3000, columns: 4000, scale: 'rgb' });
    expect(shownOf(photo, box(4000, 3000))).toEqual({ rows: 682, columns: 2048 });
  });
});

describe('bytes', () => {
  test('as they are when nothing is to be averaged: not copied', () => {
    const data = new Uint8Array([9, 1, 128, 192, 255]);
    const { bytes } = cellsOf(tileOf({ data, offset: 1 }), box(20, 20));
    expect([...bytes]).toEqual([1, 128, 192, 255]);
    expect(bytes.buffer).toBe(data.buffer);
  });

  test('the limit shows them stronger or fainter', () => {
    expect(gainOf(tileOf({ peak: 3, limit: 6 }))).toBe(0.5);
    expect(gainOf(tileOf({ peak: 0, limit: 0 }))).toBe(1);
    expect(gainOf(tileOf({ scale: 'grey', peak: 3, limit: 6 }))).toBe(1);
    expect(gainOf(tileOf({ data: new Float32Array(4), peak: 3, limit: 6 }))).toBe(1);
    expect(amplify(255, 0.5, 'value')).toBe(ZERO + 64);
    expect(amplify(255, 9, 'value')).toBe(255);
    expect(amplify(1, 9, 'value')).toBe(1);
    expect(amplify(ZERO, 9, 'value')).toBe(ZERO);
    expect(amplify(HOLE, 9, 'value')).toBe(HOLE);
    expect(amplify(0, 9, 'grey')).toBe(0);
  });

  test('a number keeps its colour through peak and limit, to one colour', () => {
    for (const value of [-2, -1.3, -0.01, 0, 0.4, 1.999]) {
      const byte = ZERO + Math.round((REACH * value) / 2);
      const shown = amplify(byte, 2 / 2.5, 'value');
      expect(Math.abs(shown - (ZERO + (REACH * value) / 2.5))).toBeLessThanOrEqual(1);
    }
  });
});

describe('floats', () => {
  test('by the limit; what is not finite is a hole', () => {
    const data = new Float32Array([-2, 0, NaN, Infinity]);
    expect([...cellsOf(tileOf({ data, limit: 2 }), box(9, 9)).bytes]).toEqual([1, ZERO, HOLE, HOLE]);
  });

  test('grey from 0 to the limit', () => {
    const data = new Float32Array([0, 0.5, 1, 2]);
    expect([...cellsOf(tileOf({ data, scale: 'grey' }), box(9, 9)).bytes]).toEqual([0, 128, 255, 255]);
  });
});

describe('averages', () => {
  test('keep the mean, at whole and broken ratios', () => {
    const data = Float32Array.from({ length: 7 * 5 }, (_, place) => Math.sin(place * 12.9898) * 3);
    const mean = (numbers: Float32Array) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
    for (const [rows, columns] of [
      [1, 1],
      [3, 2],
      [7, 2],
      [4, 5],
      [7, 5],
    ] as const) {
      expect(mean(average(data, 7, 5, rows, columns))).toBeCloseTo(mean(data), 5);
    }
    expect([...average([1, 2, 3, 4, 5, 6, 7, 8], 2, 4, 1, 2)]).toEqual([3.5, 5.5]);
    expect([...average([3, 6, 9], 1, 3, 1, 2)]).toEqual([4, 8]);
  });

  test('a hole is never averaged away', () => {
    const data = new Uint8Array(16).fill(200);
    data[5] = HOLE;
    expect([...cellsOf(tileOf({ data, rows: 4, columns: 4 }), box(2, 2)).bytes]).toEqual([HOLE, 200, 200, 200]);
  });

  test('black pixels are no holes', () => {
    const data = new Uint8Array([0, 100, 0, 100]);
    expect([...cellsOf(tileOf({ data, scale: 'grey' }), box(1, 2)).bytes]).toEqual([50, 50]);
  });

  test('the three planes of a picture apart', () => {
    const data = new Uint8Array([0, 2, 4, 6, 10, 10, 10, 10, 250, 250, 0, 0]);
    const cells = cellsOf(tileOf({ data, scale: 'rgb' }), box(1, 1));
    expect(cells).toMatchObject({ rows: 1, columns: 1, planes: 3 });
    expect([...cells.bytes]).toEqual([3, 10, 125]);
  });
});

describe('kept cells', () => {
  const kept = new KeptCells();
  const paint = (tile: Tile, width = 20) => {
    kept.begin();
    const cells = kept.of(tile, box(width, 20));
    kept.end();
    return cells;
  };

  test('are the same while the numbers are, wherever and however the tile is shown', () => {
    const tile = tileOf();
    const first = paint(tile);
    expect(paint({ ...tile, x: 50, peak: 4, limit: 9, dim: 0.5 })).toBe(first);
    expect(paint(tile, 300)).toBe(first);
    expect(paint(tile, 1)).not.toBe(first);
    const anew = paint(tile);
    expect(paint({ ...tile, data: tile.data.slice() })).not.toBe(anew);
  });

  test('floats are quantised anew for another limit, even if the tile itself was written to', () => {
    const tile = tileOf({ data: new Float32Array(4).fill(1) });
    const first = paint(tile);
    tile.limit = 2;
    expect(paint(tile)).not.toBe(first);
  });

  test('those of a tile that is gone are let go', () => {
    const gone: string[] = [];
    paint(tileOf());
    kept.begin();
    kept.end((key) => gone.push(key));
    expect(gone).toEqual(['a']);
  });
});
