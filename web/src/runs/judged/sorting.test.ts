// Classes are sorted by any column; those without a figure stand last.
import { describe, expect, it } from 'vitest';
import { sorted } from './sorting';

const NONE = { precision: null, recall: null, recall_95_low: null, recall_95_high: null };
const of = (name: string, n: number, f1: number | null) => ({ name, n, f1, ...NONE });
const CLASSES = [of('class 10', 5, 0.5), of('class 9', 9, null), of('class 1', 1, 0.1)];
const names = (...how: Parameters<typeof sorted>) => sorted(...how).map(({ figures }) => figures.name);

describe('the order of classes', () => {
  it('counts numbers in names as numbers', () => {
    expect(names(CLASSES, 'name', false)).toEqual(['class 1', 'class 9', 'class 10']);
  });

  it('puts what has no figure last, up or down', () => {
    expect(names(CLASSES, 'f1', false)).toEqual(['class 1', 'class 10', 'class 9']);
    expect(names(CLASSES, 'f1', true)).toEqual(['class 10', 'class 1', 'class 9']);
  });

  it('keeps the number of each class', () => expect(sorted(CLASSES, 'n', true).map(({ k }) => k)).toEqual([1, 0, 2]));
});
