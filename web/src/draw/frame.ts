// A frame of pixels, painted by the processor: the Canvas 2D painter's picture, and what the shader must agree with.
import { amplify, gainOf, type Cells } from './cells';
import { HOLE, lut, surfaceOf, type Ramp, type Rgb, type Theme } from './colours';
import { cellAt, rampOf, type Box, type Tile } from './tile';

/** Width of a hole's stripes and gaps together, in pixels of the screen. */
export const STRIPES = 6;

/** A pixel as one number. Canvases keep R G B A in this order of bytes, and every machine with a browser is little-endian. */
export function pixelOf(r: number, g: number, b: number): number {
  return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
}

/** A colour faded to another by a share, as the shader rounds it. */
export function fade(from: number, to: number, share: number): number {
  return Math.round(from + (to - from) * share);
}

/** The pixels that bytes become, for one theme. */
export class Palette {
  readonly surface: Rgb;
  readonly #tables = new Map<string, Uint32Array>();
  readonly #fadings = new Map<string, Uint32Array>();

  constructor(readonly theme: Theme) {
    this.surface = surfaceOf(theme);
  }

  /** 256 pixels, one for each byte, at a gain and dimming. */
  table(ramp: Ramp, gain: number, dim: number): Uint32Array {
    const key = `${ramp} ${gain} ${dim}`;
    let table = this.#tables.get(key);
    if (!table) {
      if (this.#tables.size >= 1024) this.#tables.clear();
      this.#tables.set(key, (table = this.#make(ramp, gain, dim)));
    }
    return table;
  }

  /** New gains come with every stroke, dimmings hardly ever: the colours are faded once, and then only looked up. */
  #make(ramp: Ramp, gain: number, dim: number): Uint32Array {
    const faded = this.#faded(ramp, dim);
    return new Uint32Array(256).map((_, byte) => faded[amplify(byte, gain, ramp)]!);
  }

  #faded(ramp: Ramp, dim: number): Uint32Array {
    const key = `${ramp} ${dim}`;
    let faded = this.#fadings.get(key);
    if (!faded) {
      const colours = lut(ramp, this.theme);
      const [r, g, b] = this.surface;
      faded = new Uint32Array(256).map((_, index) => {
        const at = 4 * index;
        return pixelOf(fade(colours[at]!, r, dim), fade(colours[at + 1]!, g, dim), fade(colours[at + 2]!, b, dim));
      });
      if (this.#fadings.size >= 64) this.#fadings.clear();
      this.#fadings.set(key, faded);
    }
    return faded;
  }
}

/** Whether a pixel of the screen lies in a stripe rather than a gap of a hole. */
export const striped = (x: number, y: number): boolean => (x + y) % STRIPES < STRIPES / 2;

export class Frame {
  readonly pixels: Uint32Array<ArrayBuffer>;
  /** The maps of `#columns`; the tiles of a page share few. */
  readonly #maps = new Map<string, Uint16Array>();

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.pixels = new Uint32Array(width * height);
  }

  /** Paints a tile's cells into its box; what lies beyond the frame is left out. */
  draw(tile: Tile, box: Box, cells: Cells, palette: Palette): void {
    const left = Math.max(0, box.left);
    const right = Math.min(this.width, box.left + box.width);
    const top = Math.max(0, box.top);
    const bottom = Math.min(this.height, box.top + box.height);
    if (left >= right || top >= bottom) return;

    const ramp = rampOf(tile);
    const table = palette.table(ramp, gainOf(tile), tile.dim ?? 0);
    const columns = this.#columns(left - box.left, right - left, cells.columns, box.width);
    const holes = ramp !== 'grey' && cells.bytes.includes(HOLE);
    const gap = pixelOf(...palette.surface);
    let painted = -1;
    for (let y = top; y < bottom; y++) {
      const row = cellAt(y - box.top, cells.rows, box.height);
      const start = y * this.width + left;
      if (row === painted) {
        this.pixels.copyWithin(start, start - this.width, start - this.width + columns.length);
        continue;
      }
      const line = this.pixels.subarray(start, start + columns.length);
      if (cells.planes === 3) fillRgb(line, cells, row, columns, table);
      else fillRow(line, cells, row, columns, table);
      painted = row;
      if (holes && cells.bytes.subarray(row * cells.columns, (row + 1) * cells.columns).includes(HOLE)) {
        const stripes = (x: number) => striped(left + x, y);
        columns.forEach((column, x) => {
          if (cells.bytes[row * cells.columns + column] === HOLE && !stripes(x)) line[x] = gap;
        });
        painted = -1; // stripes differ from line to line
      }
    }
  }

  /** The column of cells under each of `count` pixels of a line, from a tile's pixel `first` on. */
  #columns(first: number, count: number, cells: number, pixels: number): Uint16Array {
    const key = `${first} ${count} ${cells} ${pixels}`;
    let map = this.#maps.get(key);
    if (!map) {
      map = Uint16Array.from({ length: count }, (_, x) => cellAt(first + x, cells, pixels));
      if (this.#maps.size >= 256) this.#maps.clear();
      this.#maps.set(key, map);
    }
    return map;
  }
}

function fillRow(line: Uint32Array, cells: Cells, row: number, columns: Uint16Array, table: Uint32Array) {
  const start = row * cells.columns;
  for (let x = 0; x < line.length; x++) line[x] = table[cells.bytes[start + columns[x]!]!]!;
}

/** The grey table holds a faded byte in each channel; three of them make a colour when the card's colour is faded in too. */
function fillRgb(line: Uint32Array, cells: Cells, row: number, columns: Uint16Array, table: Uint32Array) {
  const size = cells.rows * cells.columns;
  const start = row * cells.columns;
  for (let x = 0; x < line.length; x++) {
    const at = start + columns[x]!;
    const red = table[cells.bytes[at]!]! & 0x0000ff;
    const green = table[cells.bytes[at + size]!]! & 0x00ff00;
    const blue = table[cells.bytes[at + 2 * size]!]! & 0xff0000;
    line[x] = (0xff000000 | blue | green | red) >>> 0;
  }
}
