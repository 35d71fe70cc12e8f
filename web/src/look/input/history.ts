// What was done, so that it can be undone: records that are never changed, only replaced.

export interface History<T> {
  readonly past: readonly T[];
  readonly present: T;
  readonly future: readonly T[];
}

export const begun = <T>(present: T): History<T> => ({ past: [], present, future: [] });

/** The history with something new in it; what was undone before is gone, and of the past the newest `most` stay. */
export function done<T>({ past, present }: History<T>, next: T, most: number): History<T> {
  return { past: [...past, present].slice(-most), present: next, future: [] };
}

/** One step back; the same history where there is none. */
export function undone<T>(history: History<T>): History<T> {
  const { past, present, future } = history;
  const before = past.at(-1);
  return before === undefined ? history : { past: past.slice(0, -1), present: before, future: [present, ...future] };
}

/** One step forward again; the same history where there is none. */
export function redone<T>(history: History<T>): History<T> {
  const { past, present, future } = history;
  const [next, ...rest] = future;
  return next === undefined ? history : { past: [...past, present], present: next, future: rest };
}
