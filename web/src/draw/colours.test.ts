import { hcl, lab, rgb } from 'd3-color';
import { describe, expect, test } from 'vitest';
import { HOLE, REACH, ZERO, colourOf, indexOf, luminance, lut, stopsOf, surfaceOf, textOn, toLinear } from './colours';
import type { Ramp, Rgb, Theme } from './colours';
import sheet from '../style.css?raw';

const THEMES: Theme[] = ['light', 'dark'];
const DIVERGING: Ramp[] = ['value', 'weight'];
const cases = (ramps: Ramp[]) => ramps.flatMap((ramp) => THEMES.map((theme) => [ramp, theme] as const));

const at = (ramp: Ramp, theme: Theme, index: number): Rgb => {
  const [r, g, b] = lut(ramp, theme).subarray(4 * index);
  return [r!, g!, b!];
};
const labOf = ([r, g, b]: Rgb) => lab(rgb(r, g, b));
/** The distance of two colours in CIELAB (CIE 1976); 2.3 is about what an eye just sees. */
const distance = (a: Rgb, b: Rgb) => {
  const [p, q] = [labOf(a), labOf(b)];
  return Math.hypot(p.l - q.l, p.a - q.a, p.b - q.b);
};

// What people without one kind of cone see, in linear light: Machado, Oliveira and Fernandes, "A Physiologically-based Model
// for Simulation of Color Vision Deficiency", IEEE TVCG 15(6), 2009, severity 1.0.
const SIGHT: Record<string, number[][]> = {
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
};
const seen = (matrix: number[][], colour: Rgb): Rgb => {
  const light = colour.map(toLinear);
  const bytes = matrix.map((row) => {
    const share = Math.min(
      1,
      Math.max(
        0,
        row.reduce((sum, weight, k) => sum + weight * light[k]!, 0),
      ),
    );
    return 255 * (share <= 0.0031308 ? 12.92 * share : 1.055 * share ** (1 / 2.4) - 0.055);
  });
  return [bytes[0]!, bytes[1]!, bytes[2]!];
};

test('a table is 256 opaque colours, made once', () => {
  const table = lut('value', 'light');
  expect(table).toHaveLength(1024);
  expect(lut('value', 'light')).toBe(table);
  for (let index = 0; index < 256; index++) expect(table[4 * index + 3]).toBe(255);
});

describe.each(cases(['value', 'weight', 'probability']))('%s, %s', (ramp, theme) => {
  test('0 is near the card, and yet another colour', () => {
    const far = distance(at(ramp, theme, ZERO), surfaceOf(theme));
    expect(far).toBeGreaterThan(1);
    expect(far).toBeLessThan(7);
  });

  test('lightness goes one way from 0 outwards', () => {
    const away = theme === 'light' ? -1 : 1;
    for (const side of ramp === 'probability' ? [1] : [1, -1]) {
      for (let step = 4; step <= REACH; step++) {
        const change =
          luminance(at(ramp, theme, ZERO + side * step)) - luminance(at(ramp, theme, ZERO + side * (step - 4)));
        expect(away * change).toBeGreaterThan(0);
      }
    }
  });

  test('colours an eighth of an arm apart are told apart by any eye, near 0 too', () => {
    for (const matrix of [null, ...Object.values(SIGHT)]) {
      const look = (index: number) => (matrix ? seen(matrix, at(ramp, theme, index)) : at(ramp, theme, index));
      for (let index = ZERO; index + 16 <= 255; index += 4) {
        expect(distance(look(index), look(index + 16))).toBeGreaterThan(4.5);
      }
    }
  });

  test('a hole is no colour of the ramp', () => {
    for (let index = 1; index < 256; index++) {
      expect(distance(at(ramp, theme, HOLE), at(ramp, theme, index))).toBeGreaterThan(24);
    }
  });

  test('every colour exists on a screen', () => {
    // A colour that does not is cut off at 0 or 255 and its lightness leaves the straight line.
    const [start, end] = [labOf(at(ramp, theme, ZERO)).l, labOf(at(ramp, theme, 255)).l];
    for (let step = 0; step <= REACH; step++) {
      const line = start + ((end - start) * step) / REACH;
      expect(Math.abs(labOf(at(ramp, theme, ZERO + step)).l - line)).toBeLessThan(0.8);
      if (ramp !== 'probability') expect(Math.abs(labOf(at(ramp, theme, ZERO - step)).l - line)).toBeLessThan(0.8);
    }
  });
});

describe.each(cases(DIVERGING))('%s, %s: two arms', (ramp, theme) => {
  test('equal distances from 0 weigh alike', () => {
    for (let step = 0; step <= REACH; step++) {
      const [up, down] = [labOf(at(ramp, theme, ZERO + step)), labOf(at(ramp, theme, ZERO - step))];
      expect(Math.abs(up.l - down.l)).toBeLessThan(0.8);
    }
  });

  test('signs are told apart by any eye, from a quarter of the way on', () => {
    for (const matrix of [null, ...Object.values(SIGHT)]) {
      const look = (index: number) => (matrix ? seen(matrix, at(ramp, theme, index)) : at(ramp, theme, index));
      for (let step = 32; step <= REACH; step++) {
        expect(distance(look(ZERO + step), look(ZERO - step))).toBeGreaterThan(12);
      }
    }
  });
});

test('values are blue and orange, weights green and purple, probabilities orange', () => {
  for (const theme of THEMES) {
    const hue = (ramp: Ramp, index: number) => hcl(labOf(at(ramp, theme, index))).h;
    expect(hue('value', 255)).toBeCloseTo(265, -1.5);
    expect(hue('value', 1)).toBeCloseTo(60, -1.5);
    expect(hue('weight', 255)).toBeCloseTo(155, -1.5);
    expect(hue('weight', 1)).toBeCloseTo(315, -1.5);
    expect(hue('probability', 255)).toBeCloseTo(65, -1.5);
  }
});

test('the card is the one of the style sheet', () => {
  const cards = [...sheet.matchAll(/--surface:\s*([^;]+);/g)].map(([, colour]) => rgb(colour!).formatRgb());
  const ours = THEMES.map((theme) => rgb(...surfaceOf(theme)).formatRgb());
  expect([...new Set(cards)]).toEqual(ours);
});

test('grey is the pixels as they are stored', () => {
  for (const theme of THEMES)
    for (const index of [0, 1, 128, 255]) expect(at('grey', theme, index)).toEqual([index, index, index]);
});

test.each([
  ['value', 0, 1, ZERO],
  ['value', 1, 1, 255],
  ['value', -1, 1, 1],
  ['value', -7, 1, 1],
  ['value', 0.5, 2, ZERO + 32],
  ['value', NaN, 1, HOLE],
  ['value', Infinity, 1, HOLE],
  ['value', 0, 0, ZERO],
  ['value', -1e-9, 0, 1],
  ['grey', 255, 255, 255],
  ['grey', -1, 255, 0],
] as const)('%s: %d of %d is index %d', (ramp, value, limit, index) => {
  expect(indexOf(ramp, value, limit)).toBe(index);
});

test('the colour of a number is its entry in the table', () => {
  const [r, g, b] = at('weight', 'dark', 1);
  expect(colourOf('weight', 'dark', -3, 3)).toBe(`rgb(${r}, ${g}, ${b})`);
});

test('ink on every colour has a contrast of at least 4.5 (WCAG 2.2, AA)', () => {
  for (const [ramp, theme] of cases(['value', 'weight', 'probability', 'grey'])) {
    for (let index = 0; index < 256; index++) {
      const under = at(ramp, theme, index);
      const ink = rgb(textOn(`rgb(${under.join(', ')})`));
      const [a, b] = [luminance(under), luminance([ink.r, ink.g, ink.b])];
      expect((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)).toBeGreaterThanOrEqual(4.5);
    }
  }
});

test('stops of a legend run from one end to the other', () => {
  const stops = stopsOf('value', 'light', 5);
  expect(stops.map(([share]) => share)).toEqual([0, 0.25, 0.5, 0.75, 1]);
  expect(stops[0]![1]).toBe(colourOf('value', 'light', -1, 1));
  expect(stops[4]![1]).toBe(colourOf('value', 'light', 1, 1));
  expect(stopsOf('probability', 'light', 3)[0]![1]).toBe(colourOf('probability', 'light', 0, 1));
});
