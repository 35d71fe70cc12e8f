// What a network is measured against: the most frequent class of training, and the nearest neighbours in pixels.
import type { Compared, Judged } from '../types';

/** The share that naming one class gets right: that of training where it is told, else that of what is judged. */
export function majorityOf({ compared, majority_accuracy }: Judged): number {
  return compared?.find(({ name }) => name === 'majority')?.accuracy ?? majority_accuracy;
}

/** The nearest neighbours, where the network was compared with them. */
export function neighboursOf({ compared }: Judged): Compared | undefined {
  return compared?.find(({ name }) => name === 'knn');
}

/** A difference and its interval in points with their signs: 0.1234 is "+12.3". */
export function between(one: Compared): { points: string; low: string; high: string } {
  const [points, low, high] = [one.difference, one.difference_95_low, one.difference_95_high].map(signed);
  return { points: points as string, low: low as string, high: high as string };
}

function signed(share: number): string {
  const points = (100 * share).toFixed(1).replace('-', '−');
  return share > 0 ? `+${points}` : points;
}
