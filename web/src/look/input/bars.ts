// Which classes a prediction shows, and how a probability is written.

const ALL = 20; // classes that are shown one and all, in their own order
const MOST = 10;

/** The classes to show: all while they are few, else the most probable first, and the truth in any case. */
export function classesShown(probabilities: readonly number[], truth: number | null): number[] {
  const all = [...probabilities.keys()];
  if (all.length <= ALL) return all;
  const share = (at: number): number => probabilities[at] || 0; // not a number counts as none
  const shown = all.sort((a, b) => share(b) - share(a) || a - b).slice(0, MOST);
  return truth === null || shown.includes(truth) ? shown : [...shown, truth];
}

/** A probability in three decimals; what is short of all is not written as all, nor what is more than none as none. */
export function probability(share: number): string {
  if (!Number.isFinite(share)) return 'nan';
  if (share > 0 && share < 0.0005) return '<0.001';
  return share < 1 && share >= 0.9995 ? '>0.999' : share.toFixed(3);
}
