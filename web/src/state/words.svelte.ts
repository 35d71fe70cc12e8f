// What the page says, in English and in Simplified Chinese: one table for each room, in that room's words.ts.
import { fill, type Both, type Holes } from './fill';
import { go, place } from './place.svelte';

export type Language = 'en' | 'zh';

const KEPT = 'convoscope.language';

const known = (given: string | null): Language | null => (given === 'en' || given === 'zh' ? given : null);

/** The language to begin with: the one chosen here before, otherwise the first of the browser's that we speak. */
function first(): Language {
  if (typeof localStorage === 'undefined') return 'en';
  const spoken = navigator.languages.map((tag) => known(tag.slice(0, 2).toLowerCase()));
  return known(localStorage.getItem(KEPT)) ?? spoken.find((one) => one !== null) ?? 'en';
}

let chosen: Language = $state(first());

/** The page's language; an address with ?lang= has the first word. */
export const language = {
  get current(): Language {
    return known(place.lang) ?? chosen;
  },
  /** Chooses a language, for now and for the next visit. */
  choose(next: Language): void {
    chosen = next;
    localStorage.setItem(KEPT, next);
    if (place.lang !== null) go({ lang: next }, { replace: true });
  },
};

type Values<Text extends string> = [Holes<Text>] extends [never] ? [] : [values: Record<Holes<Text>, string | number>];

/** Says one text of a table; typed, so that a key that no table has and a value left out do not compile. */
export interface Translator<Table extends Record<string, Both>> {
  <Key extends keyof Table & string>(key: Key, ...values: Values<Table[Key]['en']>): string;
  /** The table itself, for tests. */
  readonly table: Table;
  /** The text of a key that is made of a name from outside, such as a kind of error; undefined where none has it. */
  find(key: string): string | undefined;
}

/**
 * Makes a room's translator from its table. Keys begin with the room's name: `{ 'runs.count': { en: ..., zh: ... } }`.
 *
 * In a template, `{t('runs.count', { n: 3 })}` follows the language by itself.
 */
export function words<const Table extends Record<string, Both>>(table: Table): Translator<Table> {
  const say = (key: string, values: Record<string, string | number> = {}): string => {
    const both = table[key];
    return both === undefined ? key : fill(both[language.current], values);
  };
  const find = (key: string): string | undefined => (Object.hasOwn(table, key) ? say(key) : undefined);
  // The checks on keys and values exist for the compiler alone; it cannot derive them from a plain function.
  return Object.assign(say, { table, find }) as unknown as Translator<Table>;
}
