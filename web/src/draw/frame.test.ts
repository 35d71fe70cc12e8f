import { expect, test } from 'vitest';
import { cellsOf } from './cells';
import { HOLE, ZERO, lut, surfaceOf } from './colours';
import { Frame, Palette, STRIPES, pixelOf, striped } from './frame';
import { boxOf, type Tile } from './tile';

const palette = new Palette('light');
const draw = (change: Partial<Tile>, width = 8, height = 8) => {
  const tile: Tile = {
    ...{ key: 'a', x: 0, y: 0, width, height, rows: 2, columns: 2, offset: 0, peak: 1, limit: 1, scale: 'value' },
    data: new Uint8Array([1, ZERO, ZERO, 255]),
    ...change,
  };
  const frame = new Frame(width, height);
  const box = boxOf(tile, 1);
  frame.draw(tile, box, cellsOf(tile, box), palette);
  return (x: number, y: number) => frame.pixels[y * width + x];
};
const colour = (index: number, ramp: 'value' | 'grey' = 'value') => {
  const [r, g, b] = lut(ramp, 'light').subarray(4 * index);
  return pixelOf(r!, g!, b!);
};

test('a pixel is R G B A in memory', () => {
  expect([...new Uint8Array(new Uint32Array([pixelOf(1, 2, 3)]).buffer)]).toEqual([1, 2, 3, 255]);
});

test('every pixel of a cell has its colour, and the edges between cells are sharp', () => {
  const pixel = draw({});
  for (let y = 0; y < 8; y++) {
    for (let x = 0; x < 8; x++) {
      const index = [1, ZERO, ZERO, 255][2 * Math.floor(y / 4) + Math.floor(x / 4)]!;
      expect(pixel(x, y)).toBe(colour(index));
    }
  }
});

test('nothing is painted beside the tile, and what leaves the frame is cut off', () => {
  const pixel = draw({ x: -4, y: 6, width: 8, height: 8 });
  expect(pixel(0, 5)).toBe(0);
  expect(pixel(4, 6)).toBe(0);
  expect(pixel(0, 6)).toBe(colour(ZERO));
  expect(pixel(3, 7)).toBe(colour(ZERO));
});

test('dimmed wholly, a tile is the card', () => {
  expect(draw({ dim: 1 })(0, 0)).toBe(pixelOf(...surfaceOf('light')));
  expect(draw({ dim: 0.5 })(0, 0)).not.toBe(colour(1));
});

test('a hole is striped on every line, other cells of its row are not', () => {
  const pixel = draw({ data: new Uint8Array([HOLE, 200, 200, 200]), width: 24, height: 24 }, 24, 24);
  for (let y = 0; y < 12; y++) {
    for (let x = 0; x < 12; x++) {
      expect(pixel(x, y)).toBe(striped(x, y) ? colour(HOLE) : pixelOf(...surfaceOf('light')));
    }
    expect(pixel(12, y)).toBe(colour(200));
  }
  expect(STRIPES % 2).toBe(0);
});

test('black is no hole, and pictures have their own colours', () => {
  expect(draw({ data: new Uint8Array([0, 10, 20, 30]), scale: 'grey' })(0, 0)).toBe(colour(0, 'grey'));
  const picture = new Uint8Array([9, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0]);
  expect(draw({ data: picture, scale: 'rgb' })(0, 0)).toBe(pixelOf(9, 8, 7));
});

test('a dimmed picture fades to the card in each of its channels', () => {
  const dark = new Palette('dark');
  const frame = new Frame(1, 1);
  const tile: Tile = {
    ...{ key: 'a', x: 0, y: 0, width: 1, height: 1, rows: 1, columns: 1, offset: 0, peak: 1, limit: 1, scale: 'rgb' },
    data: new Uint8Array([200, 100, 50]),
    dim: 1,
  };
  frame.draw(tile, boxOf(tile, 1), cellsOf(tile, boxOf(tile, 1)), dark);
  expect(frame.pixels[0]).toBe(pixelOf(...surfaceOf('dark')));
});
