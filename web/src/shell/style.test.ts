// Every text reads on every ground, in both themes: WCAG 2.2, 1.4.3 (text) and 1.4.11 (edges of controls).
import { describe, expect, it } from 'vitest';
import sheet from '../style.css?raw';

function tokens(theme: string): Record<string, string> {
  const block = sheet.split(`:root[data-theme='${theme}'] {`)[1]?.split('}')[0] ?? '';
  return Object.fromEntries(
    [...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, colour]) => [name, colour]),
  );
}

/** Relative luminance, 0-1, by WCAG 2.2's definition. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

const GROUNDS = ['ground', 'surface', 'sunken'];
const TEXTS = ['text', 'muted', 'accent', 'good', 'bad', 'warn'].flatMap((text) => GROUNDS.map((on) => [text, on]));
const PAIRS = ['accent', 'good', 'bad', 'warn'].map((text) => [text, `${text}-soft`]);
const FILLED = ['accent', 'strong'].map((fill) => [`on-${fill}`, fill]);

describe.each(['light', 'dark'])('the %s theme', (theme) => {
  const colours = tokens(theme);
  const between = (one: string, other: string) => contrast(colours[one] ?? '#000000', colours[other] ?? '#000000');

  it.each([...TEXTS, ...PAIRS, ...FILLED])('shows %s on %s at 4.5:1 at least', (text = '', on = '') => {
    expect(between(text, on)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(GROUNDS)('draws the edges of controls on %s at 3:1 at least', (on) => {
    expect(between('edge', on)).toBeGreaterThanOrEqual(3);
  });

  it('has the same tokens as the other', () => {
    expect(Object.keys(colours)).toEqual(Object.keys(tokens(theme === 'light' ? 'dark' : 'light')));
  });
});
