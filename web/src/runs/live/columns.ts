// Columns of numbers that grow by the thousand without a copy for each, with sums that make any mean one subtraction.

/** Numbers in order; appended at the end, cut back when a run goes on from an earlier step. */
export class Column {
  length = 0;
  #kept = new Float64Array(1024);

  push(value: number): void {
    if (this.length === this.#kept.length) {
      const larger = new Float64Array(2 * this.length);
      larger.set(this.#kept);
      this.#kept = larger;
    }
    this.#kept[this.length++] = value;
  }

  at(index: number): number {
    return index >= 0 && index < this.length ? (this.#kept[index] as number) : NaN;
  }

  cut(length: number): void {
    this.length = Math.min(this.length, length);
  }

  /** The numbers from `from` up to before `to`, not copied: valid until the next push. */
  view(from = 0, to = this.length): Float64Array {
    return this.#kept.subarray(from, Math.min(to, this.length));
  }

  /** How many numbers are below `value`; the column must not fall anywhere. */
  countBelow(value: number): number {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#kept[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A figure of every step, and the mean of any stretch of it in one subtraction. NaN counts as not there. */
export class Curve {
  readonly values = new Column();
  readonly #sums = new Column();
  readonly #counts = new Column();

  push(value: number | null | undefined): void {
    const there = typeof value === 'number' && Number.isFinite(value);
    const last = this.values.length - 1;
    this.values.push(there ? value : NaN);
    this.#sums.push((last < 0 ? 0 : this.#sums.at(last)) + (there ? value : 0));
    this.#counts.push((last < 0 ? 0 : this.#counts.at(last)) + (there ? 1 : 0));
  }

  cut(length: number): void {
    for (const column of [this.values, this.#sums, this.#counts]) column.cut(length);
  }

  /** The mean of the `window` values around `index`, fewer at the ends; NaN where none is a number. */
  meanAround(index: number, window: number): number {
    const half = Math.floor(window / 2);
    const [before, last] = [index - half - 1, Math.min(index + half, this.values.length - 1)];
    const sum = this.#sums.at(last) - (before < 0 ? 0 : this.#sums.at(before));
    const count = this.#counts.at(last) - (before < 0 ? 0 : this.#counts.at(before));
    return count > 0 ? sum / count : NaN;
  }
}

/** How many neighbouring steps the smooth line averages: a fiftieth of them, odd, at least 1. The report does the same. */
export function smoothingWindow(count: number): number {
  return 2 * Math.floor(Math.max(1, Math.floor(count / 50)) / 2) + 1;
}

/**
 * Which of the places from `from` up to before `to` to draw so that no spike is lost: the least and the greatest of
 * each of `most / 2` equal stretches, in order; all of them where they are no more than `most`.
 */
export function thin(values: Column, from: number, to: number, most: number): number[] {
  const count = to - from;
  if (count <= most) return Array.from({ length: Math.max(0, count) }, (_, index) => from + index);
  const buckets = Math.max(1, Math.floor(most / 2));
  const kept: number[] = [];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const first = from + Math.floor((bucket * count) / buckets);
    const end = from + Math.floor(((bucket + 1) * count) / buckets);
    let [low, high] = [first, first];
    for (let index = first; index < end; index++) {
      if (values.at(index) < values.at(low) || Number.isNaN(values.at(low))) low = index;
      if (values.at(index) > values.at(high) || Number.isNaN(values.at(high))) high = index;
    }
    kept.push(Math.min(low, high));
    if (low !== high) kept.push(Math.max(low, high));
  }
  return kept;
}
