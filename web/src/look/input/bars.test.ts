// The prediction's rows.
import { describe, expect, it } from 'vitest';
import { classesShown, probability } from './bars';

describe('the classes shown', () => {
  it('are all, in order, while they are few', () => {
    expect(classesShown([0.1, 0.7, 0.2], 0)).toEqual([0, 1, 2]);
    expect(classesShown(Array<number>(20).fill(0.05), null)).toHaveLength(20);
  });

  it('are the ten most probable of many, the likeliest first, and the truth', () => {
    const many = Array.from({ length: 1000 }, (_, k) => (k % 100 === 7 ? k / 10_000 : 0));
    expect(classesShown(many, null)).toEqual([907, 807, 707, 607, 507, 407, 307, 207, 107, 7]);
    expect(classesShown(many, 3)).toEqual([907, 807, 707, 607, 507, 407, 307, 207, 107, 7, 3]);
    expect(classesShown(many, 907)).toHaveLength(10);
  });

  it('do not stumble over a network that gives no numbers', () => {
    expect(classesShown(Array<number>(30).fill(NaN), null)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe('a probability', () => {
  it.each([
    [0, '0.000'],
    [0.0001, '<0.001'],
    [0.0123, '0.012'],
    [0.9994, '0.999'],
    [0.99999, '>0.999'],
    [1, '1.000'],
    [NaN, 'nan'],
  ])('of %d is written as %s', (share, text) => {
    expect(probability(share)).toBe(text);
  });
});
