// What was chosen to train on: its kind, known of a dataset with a name and of any other by a glance, and what suits it.
import type { Form, Glance, InputKind } from '../types';
import type { Suited } from './values';

const TABLE = /\.(csv|tsv)$/i; // of texts and labels

class Kinds {
  #seen: Readonly<Record<string, { kind: InputKind; suited: Suited }>> = $state.raw({});

  /** Remembers what a glance at data has shown. */
  tell({ name, kind, knobs }: Glance): void {
    this.#seen = { ...this.#seen, [name]: { kind, suited: knobs as Suited } };
  }

  /** Whether somebody has looked, or need not. */
  isKnown(form: Form, data: string): boolean {
    return data in this.#seen || form.datasets.some(({ name }) => name === data);
  }

  /** Null while nobody has looked. */
  of(form: Form, data: string): InputKind | null {
    const named = form.datasets.find(({ name }) => name === data);
    return named?.kind ?? this.#seen[data]?.kind ?? (TABLE.test(data.trim()) ? 'texts' : null);
  }

  /** What the server fills in for data where no model is chosen; nothing of data that have a usual model alone. */
  suited(data: string): Suited {
    return this.#seen[data]?.suited ?? {};
  }
}

export const kinds = new Kinds();
