// Slots: where in a column a channel's tile is, and how a shape is written above it.
import type { ColumnBox, Layout } from './layout';

/** "6×28×28", as a title says it. */
export const shapeText = (shape: number[]): string => (shape.length > 0 ? shape.join('×') : '1');

/** The top of a slot. */
export const slotY = (layout: Layout, box: ColumnBox, slot: number): number => layout.top + slot * box.pitch;

/** The middle of a slot's tile. */
export const slotMiddle = (layout: Layout, box: ColumnBox, slot: number): number =>
  slotY(layout, box, slot) + box.tileHeight / 2;

/** Whether a column's channels do not all have a slot. */
export const hasMore = (box: ColumnBox): boolean => box.slots < box.column.node.n_channels;
