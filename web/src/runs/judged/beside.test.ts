// Differences carry their signs, and the majority is that of training where a run tells it.
import { describe, expect, it } from 'vitest';
import type { Judged } from '../types';
import { between, majorityOf, neighboursOf } from './beside';

const knn = {
  name: 'knn' as const,
  n: 100,
  accuracy: 0.3,
  network_accuracy: 0.25,
  difference: -0.05,
  difference_95_low: -0.12,
  difference_95_high: 0.021,
  class_name: null,
  k: 5,
  n_references: 60,
};
const majority = { ...knn, name: 'majority' as const, accuracy: 0.1 };
const of = (compared: (typeof knn | typeof majority)[]) => ({ majority_accuracy: 0.2, compared }) as unknown as Judged;

describe('what a network is measured against', () => {
  it('is the majority of training, or of what is judged for older runs', () => {
    expect(majorityOf(of([knn, majority]))).toBe(0.1);
    expect(majorityOf(of([]))).toBe(0.2);
    expect(majorityOf({ majority_accuracy: 0.2 } as unknown as Judged)).toBe(0.2);
  });

  it('has neighbours only where they were asked', () => {
    expect(neighboursOf(of([majority]))).toBeUndefined();
    expect(neighboursOf(of([majority, knn]))?.k).toBe(5);
  });

  it('writes differences in points with their signs', () => {
    expect(between(knn)).toEqual({ points: '−5.0', low: '−12.0', high: '+2.1' });
  });
});
