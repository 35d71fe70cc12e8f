// Puts values into a text: {name} is a value, {n|run|runs} a word that follows the number n.

/** A text in both languages; the type has no place for a missing one. */
export interface Both {
  en: string;
  zh: string;
}

/** The names that a text wants values for, as a type: "step {n} of {all}" wants "n" and "all". */
export type Holes<Text extends string> = Text extends `${string}{${infer Hole}}${infer After}`
  ? (Hole extends `${infer Name}|${string}` ? Name : Hole) | Holes<After>
  : never;

const HOLE = /\{(\w+)(?:\|([^{}|]*)\|([^{}|]*))?\}/g;

/** The text with its holes filled; a hole without a value stays as it is, to be seen. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(HOLE, (hole, name: string, one?: string, many?: string) => {
    const value = values[name];
    if (value === undefined) return hole;
    if (one === undefined || many === undefined) return String(value);
    return Number(value) === 1 ? one : many;
  });
}

/** The names of a text's holes, each once, sorted. */
export function holesOf(text: string): string[] {
  return [...new Set([...text.matchAll(HOLE)].map((hole) => hole[1] ?? ''))].sort();
}
