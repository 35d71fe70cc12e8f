// Which colour a number has: four ramps, each for light and dark, as tables of 256 colours.
//
// An index of a table is a quantised number: 128 is 0, 1 and 255 are -limit and +limit, and 0 is a hole (not a finite
// number). The grey ramp is for pixels as they are stored: index 0 is black, 255 white, and it has no hole.
import { hcl, rgb } from 'd3-color';
import { interpolateLab, piecewise } from 'd3-interpolate';
import { scaleLinear } from 'd3-scale';
import type { Theme } from '../state/theme.svelte';

export type { Theme };
export type Ramp = 'value' | 'weight' | 'probability' | 'grey';
export type Rgb = readonly [number, number, number];

/** The index of 0, and how many indices lie on either side of it. */
export const ZERO = 128;
export const REACH = 127;
/** The index of what is not a finite number. */
export const HOLE = 0;

/** A point on an arm: hue in degrees and chroma, in CIE LCh. */
type Point = readonly [hue: number, chroma: number];

/** The way from the middle out: half-way, and the end with its CIE lightness (0-100), to which lightness is a straight line. */
interface Way {
  half: Point;
  end: Point;
  lightness: number;
}

interface Ways {
  /** The colour of 0: a shade away from the card, so that a map of zeros is still seen as a map. */
  middle: string;
  /** The card under the maps; what is dimmed fades to it. */
  surface: string;
  hole: string;
  /** The two ways of a ramp end in one lightness, so that equal distances from 0 weigh alike. */
  value: { up: Way; down: Way };
  weight: { up: Way; down: Way };
  probability: { up: Way };
}

const WAYS: Record<Theme, Ways> = {
  light: {
    middle: '#f6f7f9',
    surface: '#ffffff',
    hole: '#e6007e',
    value: {
      up: { half: [262, 30], end: [268, 50], lightness: 46 }, // blue
      down: { half: [56, 42], end: [51, 72], lightness: 46 }, // orange
    },
    weight: {
      up: { half: [158, 32], end: [158, 42], lightness: 46 }, // green
      down: { half: [316, 32], end: [316, 56], lightness: 46 }, // purple
    },
    probability: { up: { half: [70, 38], end: [65, 74], lightness: 66 } },
  },
  dark: {
    middle: '#222833',
    surface: '#181d26',
    hole: '#ff4fa8',
    value: {
      up: { half: [266, 45], end: [258, 36], lightness: 78 },
      down: { half: [54, 52], end: [66, 58], lightness: 78 },
    },
    weight: {
      up: { half: [156, 38], end: [154, 48], lightness: 78 },
      down: { half: [314, 56], end: [314, 42], lightness: 78 },
    },
    probability: { up: { half: [62, 50], end: [72, 66], lightness: 80 } },
  },
};

/** The colours of a way: from the middle at 0 to its end at 1. */
function colourAlong(theme: Theme, { half, end, lightness }: Way): (distance: number) => string {
  const { middle } = WAYS[theme];
  const between = (hcl(middle).l + lightness) / 2;
  return piecewise(interpolateLab, [middle, String(hcl(...half, between)), String(hcl(...end, lightness))]);
}

function parse(colour: string): Rgb {
  const { r, g, b } = rgb(colour);
  return [r, g, b];
}

function makeTable(ramp: Ramp, theme: Theme): Uint8Array {
  const table = new Uint8Array(4 * 256);
  const put = (index: number, [r, g, b]: Rgb) => table.set([r, g, b, 255], 4 * index);
  if (ramp === 'grey') {
    for (let index = 0; index < 256; index++) put(index, [index, index, index]);
    return table;
  }
  const { middle, hole, [ramp]: ways } = WAYS[theme];
  const up = colourAlong(theme, ways.up);
  const down = 'down' in ways ? colourAlong(theme, ways.down) : () => middle;
  put(HOLE, parse(hole));
  for (let distance = 0; distance <= REACH; distance++) {
    put(ZERO - distance, parse(down(distance / REACH)));
    put(ZERO + distance, parse(up(distance / REACH)));
  }
  return table;
}

const tables = new Map<string, Uint8Array>();

/** The 256 colours of a ramp, RGBA one after the other; made once, not to be written to. */
export function lut(ramp: Ramp, theme: Theme): Uint8Array {
  const key = `${ramp} ${theme}`;
  let table = tables.get(key);
  if (!table) tables.set(key, (table = makeTable(ramp, theme)));
  return table;
}

/** The card under the maps. */
export function surfaceOf(theme: Theme): Rgb {
  return parse(WAYS[theme].surface);
}

/**
 * The index of a number on a ramp whose ends stand for `limit`. What lies beyond takes the colour of the end. A limit of 0
 * belongs to a map of zeros; any other number is beyond it.
 */
export function indexOf(ramp: Ramp, value: number, limit: number): number {
  if (!Number.isFinite(value)) return HOLE;
  const share = limit > 0 ? Math.min(1, Math.max(-1, value / limit)) : Math.sign(value);
  return ramp === 'grey' ? Math.round(255 * Math.max(0, share)) : ZERO + Math.round(REACH * share);
}

/** The colour of a number as CSS has it. */
export function colourOf(ramp: Ramp, theme: Theme, value: number, limit: number): string {
  const [r, g, b] = lut(ramp, theme).subarray(4 * indexOf(ramp, value, limit));
  return `rgb(${r}, ${g}, ${b})`;
}

/** The share of light that a channel's byte gives (sRGB's transfer curve, IEC 61966-2-1). */
export function toLinear(byte: number): number {
  const share = byte / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

/** Relative luminance as WCAG 2.2 defines it, 0 to 1. */
export function luminance([r, g, b]: Rgb): number {
  return 0.2126 * toLinear(r) + 0.7152 * toLinear(g) + 0.0722 * toLinear(b);
}

const INK: readonly [string, string] = ['#050508', '#ffffff'];

/** The ink, near-black or white, that is read more easily on a colour (WCAG 2.2's contrast ratio decides). */
export function textOn(colour: string): string {
  const under = luminance(parse(colour));
  const contrast = (ink: string) => {
    const over = luminance(parse(ink));
    return (Math.max(over, under) + 0.05) / (Math.min(over, under) + 0.05);
  };
  return contrast(INK[0]) >= contrast(INK[1]) ? INK[0] : INK[1];
}

/** Stops of a ramp from its least to its greatest number, for a legend: [share 0-1 of the way, colour]. */
export function stopsOf(ramp: Ramp, theme: Theme, count = 33): [number, string][] {
  const signed = ramp === 'value' || ramp === 'weight';
  const number = scaleLinear([0, count - 1], [signed ? -1 : 0, 1]);
  return Array.from({ length: count }, (_, place) => [place / (count - 1), colourOf(ramp, theme, number(place), 1)]);
}
