// One cell of a heatmap: the number in it, and which cell the keyboard comes to next.
import { REACH, ZERO } from './colours';
import type { Tile } from './tile';

export interface Cell {
  row: number;
  column: number;
}

/** Cells to outline: a rectangle from a cell on, of one cell where no size is given. */
export interface Mark extends Cell {
  rows?: number;
  columns?: number;
}

/** The number that a cell holds; of bytes on a signed ramp the one they stand for, not a number where they stand for none. */
export function numberAt(data: Uint8Array | Float32Array, place: number, peak: number, scale: Tile['scale']): number {
  const stored = data[place] ?? NaN;
  if (data instanceof Float32Array || scale === 'grey' || scale === 'rgb') return stored;
  return stored === 0 ? NaN : ((stored - ZERO) / REACH) * peak;
}

/** The cell that a key leads to, kept inside; null for keys that lead nowhere. From no cell every one of them leads to the first. */
export function moved(from: Cell | null, key: string, rows: number, columns: number): Cell | null {
  const { row, column } = from ?? { row: 0, column: 0 };
  const to = {
    ArrowUp: { row: row - 1, column },
    ArrowDown: { row: row + 1, column },
    ArrowLeft: { row, column: column - 1 },
    ArrowRight: { row, column: column + 1 },
    Home: { row, column: 0 },
    End: { row, column: columns - 1 },
  }[key];
  if (!to || rows * columns === 0) return null;
  if (!from) return { row: 0, column: 0 };
  return {
    row: Math.min(rows - 1, Math.max(0, to.row)),
    column: Math.min(columns - 1, Math.max(0, to.column)),
  };
}
