// The folio: the sheets of one sight that have come so far, so that unfolding a module asks only for those that are new.
import type { Drawing } from './drawing';
import type { Sheet } from './shown';

export class Folio {
  #key = '';
  #drawing: Drawing | null = null;

  /** Which of the nodes have no sheet yet, for the sight of a key. */
  missing(key: string, nodes: readonly string[]): string[] {
    return nodes.filter((node) => key !== this.#key || !this.#drawing?.sheets.has(node));
  }

  /** Puts in what has come; another sight's sheets go. */
  add(key: string, { sight, sheets }: Drawing): void {
    const before = key === this.#key ? (this.#drawing?.sheets ?? []) : [];
    this.#key = key;
    this.#drawing = { sight, sheets: new Map([...before, ...sheets]) };
  }

  /** The drawing of these nodes alone: the colours' ends are theirs. Null before anything has come. */
  of(nodes: readonly string[]): Drawing | null {
    if (!this.#drawing) return null;
    const { sight, sheets } = this.#drawing;
    const wanted = nodes.flatMap((node): [string, Sheet][] => {
      const sheet = sheets.get(node);
      return sheet ? [[node, sheet]] : [];
    });
    return { sight, sheets: new Map(wanted) };
  }
}
