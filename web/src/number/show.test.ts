// Numbers as they are written: all digits, or the first ones, never another number.
import { describe, expect, it } from 'vitest';
import { address, brief, exact, placeOf, stretch, typeset } from './show';
import type { LeafPart } from './types';

describe('a number', () => {
  it('has the digits of its own precision', () => {
    expect(exact(Math.fround(0.1), 'float32')).toBe('0.1');
    expect(exact(Math.fround(0.1), 'float64')).toBe('0.10000000149011612');
    expect(exact(7, 'int64')).toBe('7');
    expect(exact(1, 'bool')).toBe('1');
    expect(exact('nan', 'float32')).toBe('nan');
  });

  it.each([
    [0.000012345678, '1.2346e-5'],
    [-1234.5678, '-1234.6'],
    [0, '0'],
    [12345678, '1.2346e+7'],
    [0.5, '0.5'],
  ])('%s in brief is %s', (value, written) => expect(brief(value)).toBe(written));

  it('has a minus sign as wide as the plus sign', () => expect(typeset('-1e-05')).toBe('−1e−05'));
});

it('an address leaves out the batch axis of a unit, and nothing of a parameter', () => {
  const leaf = (kind: 'unit' | 'param', at: number[]) =>
    ({ kind, node: 'n', at, of: 'value', value: 0, dtype: 'float32' }) as LeafPart;
  expect([address(leaf('unit', [0, 5, 4])), address(leaf('param', [0, 5])), address(leaf('unit', []))]).toEqual([
    'n[5, 4]',
    'n[0, 5]',
    'n',
  ]);
  expect(placeOf(leaf('unit', [0, 5]))).toEqual([5]);
});

it.each([
  [[3, 4, 5], '3–5'],
  [[3], '3'],
  [[3, 5], '3, 5'],
])('rows %s are written %s', (rows, written) => expect(stretch(rows)).toBe(written));
