// A drawing: an atlas as it is drawn, and whether it is of what was asked for.
import type { Pack } from '../wire/api';
import type { Sheet } from './shown';
import type { Atlas, Sight } from './types';

export interface Drawing {
  sight: Sight;
  sheets: Map<string, Sheet>;
}

/** What the pointer or the keyboard is over. */
export interface Hovered {
  node: string;
  channel: number | null;
  at: number[] | null;
}

/** Pixels of the input, both ends included. */
export interface Field {
  rows: [number, number];
  columns: [number, number];
}

/** How the server calls an image that has no name. */
export const DRAWN = 'drawn';

export function drawingOf(pack: Pack<Atlas>): Drawing {
  const data = (node: string): Uint8Array | null => (pack.tensors[node]?.data as Uint8Array | undefined) ?? null;
  const sheets = pack.meta.sheets.map((sheet): [string, Sheet] => [sheet.node, { ...sheet, data: data(sheet.node) }]);
  return { sight: pack.meta.sight, sheets: new Map(sheets) };
}

type Wanted = Pick<Sight, 'step' | 'tab' | 'mode' | 'minus'> & { image: string | null };

/** Whether a sight is the one that is wanted; else it is what came before, and stands in for it. */
export function isOf(sight: Sight, wanted: Wanted): boolean {
  return (['image', 'step', 'tab', 'mode', 'minus'] as const).every((part) => sight[part] === wanted[part]);
}
