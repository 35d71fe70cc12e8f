// The way one came: the numbers opened one from another, so that each can be gone back to.
import type { Tab } from '../state/place.svelte';

export interface Visited {
  node: string;
  at: number[];
  tab: Tab;
}

const MOST = 40;

export const same = (a: Visited, b: Visited): boolean => a.node === b.node && a.at.join() === b.at.join();

/** The trail after a number was opened: one back on it cuts it there, one followed from the last is added. */
export function extended(trail: readonly Visited[], opened: Visited, followed: Visited | null): Visited[] {
  const back = trail.findIndex((earlier) => same(earlier, opened));
  if (back >= 0) return [...trail.slice(0, back), opened];
  const goesOn = followed !== null && same(followed, opened);
  return goesOn ? [...trail, opened].slice(-MOST) : [opened];
}

class Trail {
  visited: Visited[] = $state.raw([]);
  #run: string | null = null;
  #followed: Visited | null = null;

  /** Says which number is about to be opened from the one in view. */
  follow(to: Visited): void {
    this.#followed = to;
  }

  /** Says which number is open now. */
  arrive(run: string | null, opened: Visited): void {
    const trail = run === this.#run ? this.visited : [];
    this.#run = run;
    this.visited = extended(trail, opened, this.#followed);
  }
}

export const trail = new Trail();
