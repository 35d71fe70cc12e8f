// Brackets: over the columns of an unfolded module, one row for each level of modules.
import type { ColumnBox } from './layout';

export const BRACKET_ROOM = 24; // CSS pixels

/** An unfolded module's bracket above its columns. */
export interface Bracket {
  path: string;
  /** The unfolded module around it. */
  around: string | undefined;
  x: number;
  width: number;
  y: number;
}

/** The brackets of columns, the outermost at `top`. A module met twice, with others between, has one each time. */
export function bracketsOf(boxes: ColumnBox[], top: number): Bracket[] {
  const found: (Bracket & { last: number })[] = [];
  const newest = new Map<string, Bracket & { last: number }>();
  for (const box of boxes)
    box.column.within.forEach((path, level) => {
      const open = newest.get(path);
      if (open?.last === box.index - 1) {
        open.width = box.x + box.width - open.x;
        open.last = box.index;
        return;
      }
      const around = box.column.within[level - 1];
      const bracket = { path, around, x: box.x, width: box.width, y: top + level * BRACKET_ROOM, last: box.index };
      newest.set(path, bracket);
      found.push(bracket);
    });
  return found.map(({ last: _, ...bracket }) => bracket);
}
