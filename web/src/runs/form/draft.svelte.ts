// What is filled in for a new run: kept while the page lives and through a reload, until the run has started.
import type { Form, InputKind, Value } from '../types';
import { commandOf } from './command';
import { kinds } from './kinds.svelte';
import { applying, defaultsOf, fromRecipe, modelOf, toSend, type Given, type Suited } from './values';

const KEPT = 'convoscope.draft';

interface Kept {
  given: Given;
  options: Given;
}

function kept(): Kept {
  try {
    const read = JSON.parse(sessionStorage.getItem(KEPT) ?? '') as Partial<Kept>;
    return { given: read.given ?? {}, options: read.options ?? {} };
  } catch {
    return { given: {}, options: {} };
  }
}

class Draft {
  /** Only what was chosen here; everything else is the model's usual. */
  given: Given = $state.raw({});
  options: Given = $state.raw({});
  /** Knobs whose text is no value at the moment. */
  refused: ReadonlySet<string> = $state.raw(new Set());

  constructor() {
    Object.assign(this, typeof sessionStorage === 'undefined' ? {} : kept());
  }

  set(name: string, value: Value): void {
    // Options belong to one model and mean nothing to another.
    const turns = name === 'model' && value !== this.given.model;
    this.#keep({ given: { ...this.given, [name]: value }, options: turns ? {} : this.options });
    this.refuse(name, false);
  }

  reset(name: string): void {
    const given = { ...this.given };
    delete given[name];
    this.#keep({ given, options: this.options });
    this.refuse(name, false);
  }

  setOption(name: string, value: Value | undefined): void {
    const options = { ...this.options };
    if (value === undefined) delete options[name];
    else options[name] = value;
    this.#keep({ given: this.given, options });
    this.refuse(name, false);
  }

  refuse(name: string, isRefused: boolean): void {
    if (this.refused.has(name) === isRefused) return;
    const refused = new Set(this.refused);
    if (isRefused) refused.add(name);
    else refused.delete(name);
    this.refused = refused;
  }

  /** Fills in what makes the same recipe again. */
  take(form: Form, recipe: Record<string, unknown>): void {
    this.#keep(fromRecipe(form, recipe));
    this.refused = new Set();
  }

  clear(): void {
    this.#keep({ given: {}, options: {} });
    this.refused = new Set();
  }

  sent(form: Form): Record<string, unknown> {
    return toSend(form, this.#settled(form), this.options, this.suited(form));
  }

  command(form: Form): string {
    return commandOf(this.sent(form), form.knobs);
  }

  usual(form: Form): Given {
    return defaultsOf(form, this.#settled(form), this.suited(form));
  }

  /** The name or the path of the data; "" while a path is still to be given. */
  data(form: Form): string {
    return String(this.given.data ?? form.knobs.find(({ name }) => name === 'data')?.default ?? '');
  }

  /** What kind the data are; null while that is not known. */
  kind(form: Form): InputKind | null {
    return kinds.of(form, this.data(form));
  }

  /** What is filled in for the data as long as no model is chosen. */
  suited(form: Form): Suited {
    return applying(kinds.suited(this.data(form)), this.given);
  }

  /** Whether what suits the data is known. */
  isKnown(form: Form): boolean {
    return kinds.isKnown(form, this.data(form));
  }

  /** The model where none is chosen. */
  usualModel(form: Form): string {
    return kinds.suited(this.data(form)).model ?? form.usual[this.kind(form) ?? 'images'] ?? '';
  }

  /** What was chosen, as far as it speaks to the data, with a model that takes them. */
  #settled(form: Form): Given {
    const kind = this.kind(form);
    const speaks = (name: string): boolean =>
      kind === null || (form.knobs.find((knob) => knob.name === name)?.kinds.includes(kind) ?? true);
    const given = Object.fromEntries(Object.entries(this.given).filter(([name]) => speaks(name)));
    return kind === null || kind === 'images' ? given : { model: this.usualModel(form), ...given };
  }

  model(form: Form): ReturnType<typeof modelOf> {
    return modelOf(form, { model: this.usualModel(form), ...this.#settled(form) });
  }

  #keep(next: Kept): void {
    this.given = next.given;
    this.options = next.options;
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(next));
    } catch {
      // Without room to keep it, it lasts as long as the page.
    }
  }
}

export const draft = new Draft();
