// The figures of a confusion matrix: shares of the truth, the worst pairs, and a picture of many classes.

export interface Pair {
  truth: number;
  predicted: number;
  n: number;
  /** Of the images of that truth, 0-1. */
  share: number;
}

const sumOf = (row: readonly number[]): number => row.reduce((sum, n) => sum + n, 0);

/** Each count as a share of its row, 0-1; a row without images is all 0. */
export function rowShares(confusion: readonly number[][]): number[][] {
  return confusion.map((row) => {
    const all = Math.max(1, sumOf(row));
    return row.map((n) => n / all);
  });
}

/** The most frequent errors, the greater share of its truth first where counts are equal. */
export function worstPairs(confusion: readonly number[][], most: number): Pair[] {
  const pairs: Pair[] = [];
  confusion.forEach((row, truth) => {
    const all = Math.max(1, sumOf(row));
    row.forEach((n, predicted) => {
      if (n > 0 && predicted !== truth) pairs.push({ truth, predicted, n, share: n / all });
    });
  });
  return pairs.sort((a, b) => b.n - a.n || b.share - a.share).slice(0, most);
}

export function largestError(shares: readonly number[][]): number {
  return Math.max(0, ...shares.map((row, truth) => Math.max(0, ...row.map((share, k) => (k === truth ? 0 : share)))));
}

/**
 * A share's place on the diverging scale: what is right above 0 and pale, errors below. An error's place goes with the
 * root of its share, so that a single one is seen beside hundreds; `worst` is the largest error's share.
 */
export function strengthOf(share: number, isRight: boolean, worst: number): number {
  return isRight ? 0.55 * share : -0.85 * Math.sqrt(share / (worst || 1));
}

export interface Overview {
  side: number;
  /** How many classes a dot stands for in each direction. */
  per: number;
  /** Row-major, as `strengthOf` gives it. */
  data: Float32Array;
  /** For each dot the pair of its largest share. */
  pairs: [truth: number, predicted: number][];
}

/** The matrix as dots, at most `most` a side: each shows the largest share that it covers, so that none is averaged away. */
export function overviewOf(confusion: readonly number[][], most: number): Overview {
  const shares = rowShares(confusion);
  const worst = largestError(shares);
  const per = Math.max(1, Math.ceil(confusion.length / most));
  const side = Math.ceil(confusion.length / per);
  const largest = new Float64Array(side * side);
  const data = new Float32Array(side * side);
  const pairs = Array.from({ length: side * side }, (_, dot): [number, number] => [
    Math.floor(dot / side) * per,
    (dot % side) * per,
  ]);
  shares.forEach((row, truth) =>
    row.forEach((share, predicted) => {
      const dot = Math.floor(truth / per) * side + Math.floor(predicted / per);
      if (share <= (largest[dot] as number)) return;
      largest[dot] = share;
      data[dot] = strengthOf(share, truth === predicted, worst);
      pairs[dot] = [truth, predicted];
    }),
  );
  return { side, per, data, pairs };
}
