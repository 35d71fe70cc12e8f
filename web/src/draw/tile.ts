// A tile: one heatmap among many on a canvas, and which of the screen's pixels it covers.
import type { Ramp } from './colours';

export interface Tile {
  /** Which tile it is, from one paint to the next. */
  key: string;
  /** Where on the canvas, in CSS pixels. Tiles do not overlap. */
  x: number;
  y: number;
  width: number;
  height: number;
  rows: number;
  columns: number;
  /** Row-major from `offset`. Painters look at the reference alone: new numbers come in a new array. */
  data: Uint8Array | Float32Array;
  offset: number;
  /** Bytes on a signed ramp: 128 is 0, 1 to 255 are -peak to +peak, and 0 is not a finite number. Else ignored. */
  peak: number;
  /** The |value| at the ends of the colour scale. */
  limit: number;
  /** `grey`: bytes are black to white as stored, floats 0 to limit. `rgb`: the same, planar (3, rows, columns). */
  scale: Ramp | 'rgb';
  /** How far to fade to the card, 0 to 1. */
  dim?: number;
}

/** Where a tile lies on the canvas, in whole pixels of the screen. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** The side of the texture that tiles are packed in: the least that every WebGL 2 has. */
export const TEXTURE_SIDE = 2048;

export const planesOf = (tile: Tile): 1 | 3 => (tile.scale === 'rgb' ? 3 : 1);
export const rampOf = (tile: Tile): Ramp => (tile.scale === 'rgb' ? 'grey' : tile.scale);

/** A tile's box at `ratio` pixels of the screen to a CSS pixel: its edges fall on whole pixels, so that neighbours touch. */
export function boxOf(tile: Tile, ratio: number): Box {
  const left = Math.round(tile.x * ratio);
  const top = Math.round(tile.y * ratio);
  return {
    left,
    top,
    width: Math.max(1, Math.round((tile.x + tile.width) * ratio) - left),
    height: Math.max(1, Math.round((tile.y + tile.height) * ratio) - top),
  };
}

/** Which cell a pixel shows: the one under its middle, of `cells` over `pixels`. In whole numbers, as the shader does it. */
export function cellAt(pixel: number, cells: number, pixels: number): number {
  return Math.floor(((2 * pixel + 1) * cells) / (2 * pixels));
}

/** How many cells of a tile are shown: never more than the box has pixels, nor than fit into a texture. */
export function shownOf(tile: Tile, box: Box): { rows: number; columns: number } {
  return {
    rows: Math.min(tile.rows, box.height, Math.floor(TEXTURE_SIDE / planesOf(tile))),
    columns: Math.min(tile.columns, box.width, TEXTURE_SIDE),
  };
}
