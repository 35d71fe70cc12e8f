// A plane is told by addresses alone, and only where it is whole.
import { describe, expect, it } from 'vitest';
import type { LeafPart, Part, SumPart } from './types';
import { limitOf, planeOf, valuesOf, windowOf } from './window';

const unit = (at: number[], value = 1, node = 'pool1'): LeafPart => ({
  kind: 'unit',
  node,
  at,
  of: 'value',
  value,
  dtype: 'float32',
});
const param = (at: number[], value = 2): LeafPart => ({
  kind: 'param',
  node: 'conv2.weight',
  at,
  of: 'value',
  value,
  dtype: 'float32',
});
const product = (factors: Part[], value = 0): Part => ({ kind: 'product', value, meaning: '', factors });
const sum = (terms: Part[], rest: SumPart['rest'] = null): SumPart => ({
  kind: 'sum',
  value: 0,
  meaning: 'channel 3 of pool1',
  n_terms: terms.length,
  terms,
  rest,
});

/** A window of 2 by 3 with rows 4 and 6, its terms in an order that is not that of their addresses. */
const terms = [
  [6, 1],
  [4, 0],
  [6, 2],
  [4, 2],
  [6, 0],
  [4, 1],
].map(([row = 0, column = 0]) =>
  product([unit([0, 3, row, column], 10 * row + column), param([5, 3, (row - 4) / 2, column], row)], row + column),
);

describe('a window', () => {
  it('lies in the order of its addresses, whatever order its terms came in', () => {
    const window = windowOf(sum(terms));
    expect(window?.patch.rows).toEqual([4, 6]);
    expect(window?.patch.columns).toEqual([0, 1, 2]);
    expect([...valuesOf(window?.patch.leaves ?? [])]).toEqual([40, 41, 42, 60, 61, 62]);
    expect([...valuesOf(window?.kernel ?? [])]).toEqual([4, 4, 4, 6, 6, 6]);
    expect([...valuesOf(window?.products ?? [])]).toEqual([4, 5, 6, 6, 7, 8]);
  });

  it('has the unit as its patch, whichever factor comes first', () => {
    const turned = terms.map((term) => product(term.kind === 'product' ? [...term.factors].reverse() : []));
    expect(windowOf(sum(turned))?.patch.leaves[0]?.kind).toBe('unit');
  });

  it.each([
    ['a term left out', sum(terms, { n: 2, value: 1 })],
    ['a hole in it', sum(terms.slice(1))],
    ['a bias among the terms', sum([...terms, param([5])])],
    ['units of two channels', sum([...terms.slice(1), product([unit([0, 2, 6, 1]), param([5, 3, 1, 1])])])],
    ['no position: a vector', sum([product([unit([0, 1]), param([0, 1])]), product([unit([0, 2]), param([0, 2])])])],
    ['one term', sum(terms.slice(0, 1))],
  ])('is none with %s', (_, given) => expect(windowOf(given)).toBeNull());
});

describe('a plane', () => {
  it('of one axis is one row', () => {
    const plane = planeOf([unit([0, 3, 7]), unit([0, 3, 6])]);
    expect([plane?.rows, plane?.columns]).toEqual([[0], [6, 7]]);
    expect(planeOf([unit([0, 2, 7]), unit([0, 3, 6])])).toBeNull();
  });

  it('is of leaves alone', () => expect(planeOf(terms)).toBeNull());
});

it('maps that share a scale end at the largest number that is finite', () => {
  expect(limitOf([unit([], -3)], [unit([], 'inf' as never), unit([], 2)])).toBe(3);
  expect(limitOf([unit([], 0)])).toBe(1);
});
