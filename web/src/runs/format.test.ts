// Figures are short and never claim more than is so.
import { describe, expect, it } from 'vitest';
import { duration, figure, percent, when } from './format';

describe('a share', () => {
  it.each([
    [0.98765, '98.77 %'],
    [1, '100.00 %'],
    [0.999999, '99.99 %'],
    [0.000001, '0.01 %'],
    [0, '0.00 %'],
    [null, '–'],
  ])('%s is %s', (share, text) => expect(percent(share)).toBe(text));
});

describe('a figure', () => {
  it.each([
    [0.0831234, '0.08312'],
    [-0.5, '−0.5'],
    [1.23e-7, '1.23e−7'],
    [12_340.4, '12,340'],
    [0, '0'],
    [NaN, '–'],
  ])('%s is %s', (value, text) => expect(figure(value)).toBe(text));
});

describe('a time', () => {
  it.each([
    [4.24, '4.2 s'],
    [59.6, '1 min 0 s'],
    [3725, '1 h 2 min'],
    [90_000, '1 d 1 h'],
    [null, '–'],
  ])('of %s seconds is %s', (seconds, text) => expect(duration(seconds)).toBe(text));

  it('is told from now, and by its date after a week', () => {
    const now = Date.parse('2026-11-21T12:00:00Z');
    expect(when('2026-11-21T11:57:30Z', now)).toBe('2 minutes ago');
    expect(when('2026-11-20T11:00:00Z', now)).toBe('yesterday');
    expect(when('2026-10-01T11:00:00Z', now)).toContain('2026');
  });
});
