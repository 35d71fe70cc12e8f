// What kind of data was chosen: known of a dataset with a name, and of any other once somebody has looked at it.
import type { Form, InputKind } from '../types';

const TABLE = /\.(csv|tsv)$/i; // of texts and labels

class Kinds {
  #seen: Readonly<Record<string, InputKind>> = $state.raw({});

  /** Remembers what a look at data has shown. */
  tell(data: string, kind: InputKind): void {
    this.#seen = { ...this.#seen, [data]: kind };
  }

  /** Null while nobody has looked. */
  of(form: Form, data: string): InputKind | null {
    const named = form.datasets.find(({ name }) => name === data);
    return named?.kind ?? this.#seen[data] ?? (TABLE.test(data.trim()) ? 'texts' : null);
  }
}

export const kinds = new Kinds();
