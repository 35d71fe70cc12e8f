// Steady: a map that stays the same object while what it says stays the same, so that nobody who follows it is woken.

/** The map as it was if the entries say the same in the same order, else a new one of them. */
export function steady<Key, Value>(
  before: Map<Key, Value>,
  entries: [Key, Value][],
  isSame: (a: Value, b: Value) => boolean,
): Map<Key, Value> {
  const old = [...before];
  const isOld =
    old.length === entries.length &&
    entries.every(([key, value], i) => {
      const was = old[i];
      return was !== undefined && was[0] === key && isSame(was[1], value);
    });
  return isOld ? before : new Map(entries);
}
