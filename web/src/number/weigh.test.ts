// What mattered most is the largest term, down to a number that can be opened.
import { describe, expect, it } from 'vitest';
import type { LeafPart, Part } from './types';
import { mostOf, negated, real, size } from './weigh';

const unit = (name: string, value: number | string): LeafPart => ({
  kind: 'unit',
  node: name,
  at: [0],
  of: 'value',
  value,
  dtype: 'float32',
});
const param = (name: string, value: number): LeafPart => ({
  kind: 'param',
  node: name,
  at: [0],
  of: 'value',
  value,
  dtype: 'float32',
});
const number = (value: number, meaning = ''): Part => ({ kind: 'number', value, meaning, dtype: 'float64' });
const product = (value: number, ...factors: Part[]): Part => ({ kind: 'product', value, meaning: '', factors });
const sum = (value: number, ...terms: Part[]): Part => ({
  kind: 'sum',
  value,
  meaning: '',
  n_terms: terms.length,
  terms,
  rest: null,
});
const any = (): boolean => true;

describe('what mattered most', () => {
  it('is the one multiplication of the largest term, added or taken off', () => {
    const big = product(-6, unit('x', 3), param('w', -2));
    const most = mostOf(sum(-4, product(2, unit('a', 1), param('v', 2)), big), any);
    expect(most).toMatchObject({ product: big, value: -6, leaf: { node: 'x' } });
  });

  it('is found through groups, and in a group the value is the whole group of the outer sum', () => {
    const inner = product(5, unit('x', 5), param('w', 1));
    const most = mostOf(sum(4, sum(4, product(-1, unit('y', 1), param('w', -1)), inner), param('bias', 0.5)), any);
    expect(most).toMatchObject({ product: inner, value: 4, leaf: { node: 'x' } });
  });

  it('prefers the unit of a product, and goes into a bracket for one', () => {
    const bracket = sum(2, unit('x', 3), product(-1, number(-1), param('mean', 1)));
    expect(mostOf(product(8, param('scale', 4), bracket), any)?.leaf.node).toBe('x');
    const learned = sum(2, param('w', 1), param('v', 1));
    expect(mostOf(product(8, param('scale', 4), learned), any)?.leaf.node).toBe('scale');
  });

  it('follows the chosen option, and where that is a constant the one that lost to it', () => {
    const choice = (chosen: number): Part => ({
      kind: 'choose',
      value: 0,
      rule: 'x > 0',
      n_options: 2,
      chosen,
      options: [number(0), unit('x', -2)],
    });
    expect(mostOf(choice(1), any)?.leaf.node).toBe('x');
    expect(mostOf(choice(0), any)?.leaf.node).toBe('x');
  });

  it('puts a number that broke first', () => {
    expect(mostOf(sum(NaN, unit('a', 9), unit('broken', 'nan')), any)?.leaf.node).toBe('broken');
    expect([size(unit('', 'nan')), size(unit('', '-inf')), real('-inf')]).toEqual([Infinity, Infinity, -Infinity]);
  });

  it('passes by what cannot be opened, and is nothing where nothing can', () => {
    const both = sum(3, param('weight', 2), product(1, number(0.1, 'lr'), unit('g', 10)));
    expect(mostOf(both, (leaf) => leaf.node !== 'weight')?.leaf.node).toBe('g');
    expect(mostOf(number(3), any)).toBeNull();
  });
});

it('a term that is taken off is told from one with a factor of -1 that means something', () => {
  const taken = negated(product(-6, number(-1), unit('x', 3), param('w', 2)));
  expect(taken).toMatchObject({ kind: 'product', value: 6, factors: [{ node: 'x' }, { node: 'w' }] });
  expect(negated(product(-3, number(-1), unit('x', 3)))).toMatchObject({ node: 'x' });
  expect(negated(product(-3, number(-1, 'sign of x'), unit('x', 3)))).toBeNull();
  expect(negated(unit('x', -1))).toBeNull();
});
