// How large a map is drawn among others: its own aspect, within a square.
import type { Tensor } from '../../wire/api';

const LEAST = 14; // of either side, in CSS pixels

/** Rows and columns of a tensor's last axes, and the size that fits `side`; a cell is at most `cell` wide. */
export function mapSize(
  tensor: Tensor,
  side = 64,
  cell = Infinity,
): { rows: number; columns: number; width: number; height: number } {
  const [rows = 1, columns = 1] = tensor.shape.slice(-2);
  const zoom = Math.min(side / Math.max(rows, columns), cell);
  return { rows, columns, width: Math.max(LEAST, columns * zoom), height: Math.max(LEAST, rows * zoom) };
}
