// Hit: what lies under a point of the network.
import type { ColumnBox, Layout } from './layout';
import { slotY } from './slots';

export interface Hit {
  box: ColumnBox;
  slot: number;
  /** The cell within the channel's map, by the node's own rows and columns. */
  row: number;
  column: number;
}

const REACH = 3; // pixels around a tile that still count as the tile's

/** The tile's cell under (x, y), null where there is none. */
export function hitOf(layout: Layout, x: number, y: number): Hit | null {
  const box = layout.boxes.find(
    (other) => x >= other.tileX - REACH && x < other.tileX + other.tileWidth + reachOf(other),
  );
  if (!box || y < layout.top - REACH) return null;
  const slot = Math.min(Math.max(0, Math.floor((y - layout.top) / box.pitch)), box.slots - 1);
  const from = slotY(layout, box, slot);
  if (y > from + box.tileHeight + REACH) return null;
  const { rows, columns } = box.column.node;
  return { box, slot, row: cell(y - from, box.tileHeight, rows), column: cell(x - box.tileX, box.tileWidth, columns) };
}

/** A class's name and value belong to its bar. */
const reachOf = (box: ColumnBox): number =>
  box.kind === 'bars' ? box.x + box.width - box.tileX - box.tileWidth : REACH;

const cell = (offset: number, size: number, cells: number): number =>
  Math.min(Math.max(Math.floor((offset / size) * cells), 0), cells - 1);
