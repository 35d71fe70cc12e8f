// Tiles: what the canvas paints for a layout and an atlas.
import type { Tile } from '../draw/tile';
import type { ColumnBox, Layout } from './layout';
import { slotY } from './slots';
import { about, exactOf, limitOf, number, ZERO, type Scope, type Sheet, type Shown } from './shown';
import type { Figure } from './types';

export interface Painted {
  layout: Layout;
  sheets: ReadonlyMap<string, Sheet>;
  shown: ReadonlyMap<string, Shown>;
  scope: Scope;
  /** Values, or the change of weights. */
  scale: 'value' | 'weight';
  largest: number;
  /** Of the classes, for those that the sheet lacks. */
  scores: Figure[] | null;
  /** The part of the layout that is in view. */
  from: number;
  to: number;
}

const NONE = new Uint8Array([128]);

/** The tiles in view, at their places within it; a column whose sheet has not come, or has nothing, is left out. */
export function tilesOf(painted: Painted): Tile[] {
  const { layout, from, to } = painted;
  return layout.boxes
    .filter((box) => box.x + box.width >= from && box.x <= to)
    .flatMap((box) => {
      const shown = painted.shown.get(box.column.key);
      const sheet = painted.sheets.get(box.column.node.name);
      if (!shown || !sheet || box.kind === 'loss') return [];
      if (box.kind === 'bars') return barTiles(painted, box, shown, sheet);
      if (!sheet.data) return [];
      return box.kind === 'strip' ? [stripTile(painted, box, shown, sheet)] : mapTiles(painted, box, shown, sheet);
    });
}

function mapTiles(painted: Painted, box: ColumnBox, shown: Shown, sheet: Sheet): Tile[] {
  const size = sheet.rows * sheet.columns;
  return shown.places.flatMap((place, slot) => {
    if (place < 0) return [];
    const tile: Tile = {
      key: `${box.column.key} ${slot}`,
      x: box.tileX - painted.from,
      y: slotY(painted.layout, box, slot),
      width: box.tileWidth,
      height: box.tileHeight,
      rows: sheet.rows,
      columns: sheet.columns,
      data: sheet.data ?? NONE,
      offset: place * size,
      peak: sheet.peaks[place] ?? 0,
      limit: limitOf(painted.scope, sheet, place, painted.largest),
      scale: painted.scale,
    };
    return [tile];
  });
}

/** A vector is one tile: a row for each unit. A unit's own weights, where they are what is shown, lie along its row. */
function stripTile(painted: Painted, box: ColumnBox, shown: Shown, sheet: Sheet): Tile {
  const columns = sheet.rows * sheet.columns;
  const data = new Float32Array(shown.places.length * columns);
  shown.places.forEach((place, slot) => {
    const peak = sheet.peaks[place] ?? 0;
    for (let i = 0; i < columns; i += 1)
      data[slot * columns + i] = about(sheet.data?.[place * columns + i] ?? ZERO, peak);
  });
  const limit = limitOf(painted.scope === 'unit' ? 'layer' : painted.scope, sheet, 0, painted.largest);
  const rows = shown.places.length;
  const at = { x: box.tileX - painted.from, y: painted.layout.top, width: box.tileWidth, height: box.pitch * rows };
  return { key: box.column.key, ...at, rows, columns, data, offset: 0, peak: limit, limit, scale: painted.scale };
}

function barTiles(painted: Painted, box: ColumnBox, shown: Shown, sheet: Sheet): Tile[] {
  if (sheet.data && sheet.rows * sheet.columns > 1) return mapTiles(painted, box, shown, sheet);
  const limit = limitOf(painted.scope, sheet, 0, painted.largest);
  return shown.channels.flatMap((channel, slot) => {
    const value = barValue(painted, sheet, shown, slot, channel);
    if (value === undefined) return [];
    const at = {
      x: box.tileX - painted.from,
      y: slotY(painted.layout, box, slot),
      width: box.tileWidth,
      height: box.tileHeight,
    };
    const data = Float32Array.of(value);
    return [
      {
        key: `${box.column.key} ${slot}`,
        ...at,
        rows: 1,
        columns: 1,
        data,
        offset: 0,
        peak: limit,
        limit,
        scale: painted.scale,
      },
    ];
  });
}

/** A class's value: the sheet's, else the sight's; undefined where neither has it. */
export function barValue(
  { scores }: Pick<Painted, 'scores'>,
  sheet: Sheet | undefined,
  shown: Shown,
  slot: number,
  channel: number,
): number | undefined {
  const score = scores?.[channel];
  return exactOf(sheet, shown.places[slot] ?? -1) ?? (score === undefined ? undefined : number(score));
}
