// Shown: which channels stand in a column's slots, and the colours' ends for them.
import type { ColumnBox } from './layout';
import type { Figure, NodeSheet } from './types';

/** A node's sheet with its bytes; null where there is nothing to show, and `note` says why. */
export type Sheet = NodeSheet & { data: Uint8Array | null };

export type Scope = 'unit' | 'layer' | 'network';

export interface Shown {
  /** The channel in each slot, and its place in the sheet; -1 where the sheet lacks it. */
  channels: number[];
  places: number[];
  slotOf: Map<number, number>;
}

/** The byte that stands for 0. */
export const ZERO = 128;
const SPAN = 127;

/** Figures that JSON wrote as texts, as numbers. */
export const number = (figure: Figure): number =>
  typeof figure === 'number' ? figure : figure === 'nan' ? NaN : figure === 'inf' ? Infinity : -Infinity;

/**
 * The channels of a column: in their own order while all have a slot, else the strongest first, as the server ranks them.
 *
 * @param kept a channel that must be among them: the one that the user looks at
 * @param scores of the classes, the channels of a column of bars: the sheet may lack some, and the largest come first
 */
export function shownOf(box: ColumnBox, sheet: Sheet | undefined, kept: number | null, scores?: Figure[]): Shown {
  const classes = box.kind === 'bars' ? scores : undefined;
  const all = classes ? [...classes.keys()] : (sheet?.channels ?? [...Array(box.slots).keys()]);
  let channels = all.slice(0, box.slots);
  if (classes && all.length > box.slots) {
    const score = (channel: number): number => number(classes[channel] ?? 0);
    channels = all.toSorted((a, b) => score(b) - score(a)).slice(0, box.slots);
  } else if (sheet && all.length > box.slots && all.length === sheet.n_channels) {
    const strength = strengthsOf(sheet);
    channels = all.toSorted((a, b) => (strength[b] ?? 0) - (strength[a] ?? 0)).slice(0, box.slots);
  }
  if (kept !== null && all.includes(kept) && !channels.includes(kept)) channels[channels.length - 1] = kept;
  const places = channels.map((channel) => sheet?.channels.indexOf(channel) ?? -1);
  return { channels, places, slotOf: new Map(channels.map((channel, slot) => [channel, slot])) };
}

export const sameShown = (a: Shown, b: Shown): boolean => same(a.channels, b.channels) && same(a.places, b.places);

const same = (a: number[], b: number[]): boolean => a.length === b.length && a.every((value, i) => value === b[i]);

/** The mean |value| of each channel of a sheet that has all of them, up to a factor. */
function strengthsOf({ data, channels, peaks, rows, columns }: Sheet): number[] {
  const size = rows * columns;
  return channels.map((_, place) => {
    let sum = 0;
    for (let i = place * size; i < (place + 1) * size; i += 1) sum += Math.abs((data?.[i] ?? ZERO) - ZERO);
    return sum * (peaks[place] ?? 0);
  });
}

/** The value of a channel of 1 x 1, which the sheet holds exactly; NaN where it is none, undefined where it lacks it. */
export function exactOf(sheet: Sheet | undefined, place: number): number | undefined {
  const byte = sheet?.data?.[place];
  const peak = sheet?.peaks[place];
  if (!sheet || byte === undefined || peak === undefined || sheet.rows * sheet.columns !== 1) return undefined;
  return byte === 0 ? NaN : Math.sign(byte - ZERO) * peak;
}

/** About which value a byte stands for. */
export const about = (byte: number, peak: number): number => (byte === 0 ? NaN : ((byte - ZERO) / SPAN) * peak);

/** The |value| at the ends of the colour scale. A vector's cells share theirs, or each would be fully coloured. */
export function limitOf(scope: Scope, sheet: Sheet, place: number, largest: number): number {
  if (scope === 'network') return largest || 1;
  if (scope === 'layer' || sheet.rows * sheet.columns === 1) return sheet.peak || 1;
  return sheet.peaks[place] || 1;
}

/** The largest |value| of all that an atlas shows. */
export function largestOf(sheets: Iterable<Sheet>): number {
  let largest = 0;
  for (const sheet of sheets) if (sheet.peak > largest) largest = sheet.peak;
  return largest;
}
