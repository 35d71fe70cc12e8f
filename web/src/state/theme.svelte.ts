// Light or dark: what the user chose, otherwise what the system wants.
import { MediaQuery } from 'svelte/reactivity';

export type Theme = 'light' | 'dark';
export type Choice = Theme | 'system';

const KEPT = 'convoscope.theme';

const known = (given: string | null): Choice => (given === 'light' || given === 'dark' ? given : 'system');

let chosen: Choice = $state(typeof localStorage === 'undefined' ? 'system' : known(localStorage.getItem(KEPT)));
const system = new MediaQuery('(prefers-color-scheme: dark)');

export const theme = {
  /** What the page wears now. */
  get current(): Theme {
    if (chosen !== 'system') return chosen;
    return system.current ? 'dark' : 'light';
  },
  /** What the user chose. */
  get choice(): Choice {
    return chosen;
  },
  choose(next: Choice): void {
    chosen = next;
    localStorage.setItem(KEPT, next);
  },
};
