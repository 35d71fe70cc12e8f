// Shares are of the truth, the worst pairs come first, and pooling never hides an error.
import { describe, expect, it } from 'vitest';
import { largestError, overviewOf, rowShares, worstPairs } from './confusion';

const SMALL = [
  [8, 2, 0],
  [0, 5, 0],
  [1, 1, 0],
];

describe('a confusion matrix', () => {
  it('is read by rows, and an empty row is no fault', () => {
    expect(rowShares(SMALL)[0]).toEqual([0.8, 0.2, 0]);
    expect(rowShares([[0, 0], [0, 0]])).toEqual([[0, 0], [0, 0]]); // prettier-ignore
    expect(largestError(rowShares(SMALL))).toBe(0.5);
  });

  it('names the most frequent errors, and of equals the one that weighs more', () => {
    expect(worstPairs(SMALL, 2)).toEqual([
      { truth: 0, predicted: 1, n: 2, share: 0.2 },
      { truth: 2, predicted: 0, n: 1, share: 0.5 },
    ]);
  });

  it('is drawn whole while it fits', () => {
    const { side, per, data } = overviewOf(SMALL, 10);
    expect([side, per]).toEqual([3, 1]);
    expect([...data].map((value) => Math.sign(value))).toEqual([1, -1, 0, 0, 1, 0, -1, -1, 0]);
    expect(data[1]).toBeCloseTo(-0.85 * Math.sqrt(0.2 / 0.5));
  });

  it('shows a lone error among a thousand classes', () => {
    const many = Array.from({ length: 1000 }, (_, k) => Array.from({ length: 1000 }, (_, j) => (j === k ? 50 : 0)));
    (many[500] as number[])[603] = 1;
    const { side, per, data, pairs } = overviewOf(many, 250);
    expect([side, per]).toEqual([250, 4]);
    const dot = data.findIndex((value) => value < 0);
    expect(pairs[dot]).toEqual([500, 603]);
    expect(data.filter((value) => value < 0)).toHaveLength(1);
  });
});
