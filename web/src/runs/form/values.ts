// What a recipe's form holds: which value applies to each knob, what a typed text means, and what is sent.
import type { Form, KnobCard, ModelCard, OptionCard, Value } from '../types';

export type Given = Record<string, Value>;

/** What suits data where no model is chosen: a model, its options, and knobs. */
export interface Suited {
  model?: string;
  model_options?: Given;
  [knob: string]: Value | Given | undefined;
}

/** Why a text is no value of a knob: the key of a sentence and what it fills in. */
export interface Refusal {
  why: 'number' | 'whole' | 'least' | 'between' | 'below' | 'wholes';
  low?: number;
  high?: number;
}

export type Read = { value: Value } | { refusal: Refusal };

export function modelOf(form: Form, given: Given): ModelCard | undefined {
  const name = given.model ?? form.knobs.find((knob) => knob.name === 'model')?.default;
  return form.models.find((model) => model.name === name);
}

/** What of it applies: nothing, once a model is chosen. */
export function applying(suited: Suited, given: Given): Suited {
  return given.model === undefined ? suited : {};
}

/** The value of every knob that nothing was said about: the general one, what suits the model, or what the data. */
export function defaultsOf(form: Form, given: Given, suited: Suited = {}): Record<string, Value> {
  const { model_options: _, ...knobs } = applying(suited, given);
  const data = knobs as Given;
  const general = Object.fromEntries(form.knobs.map((knob) => [knob.name, knob.default as Value]));
  const usual = { ...modelOf(form, { ...data, ...given })?.recipe, ...data } as Record<string, Value>;
  const own = { ...general, ...usual };
  const otherwise = (choice: string): boolean => choice in given && given[choice] !== own[choice];
  // What suits a model's own optimiser or loss does not suit another.
  for (const { name, goes_with } of form.knobs) if (goes_with.some(otherwise)) delete usual[name];
  return { ...general, ...usual };
}

/** What a typed text says for a knob; an empty one is no value and is not asked. */
export function readKnob(knob: KnobCard, text: string): Read {
  const number = Number(text.trim().replace(',', '.'));
  if (text.trim() === '' || !Number.isFinite(number)) return { refusal: { why: 'number' } };
  if (knob.kind === 'integer' && !Number.isInteger(number)) return { refusal: { why: 'whole' } };
  const { low, high, open_high } = knob;
  const above = high !== null && (open_high ? number >= high : number > high);
  if (low !== null && high !== null && (number < low || above)) {
    return { refusal: { why: open_high ? 'below' : 'between', low, high } };
  }
  if (low !== null && number < low) return { refusal: { why: 'least', low } };
  return { value: number };
}

/** What a typed text says for an option of a model. */
export function readOption(option: OptionCard, text: string): Read {
  if (option.kind === 'text') return { value: text.trim() };
  if (option.kind === 'integers') {
    const parts = text.split(/[\s,，]+/).filter(Boolean);
    const whole = parts.length > 0 && parts.every((part) => /^\d+$/.test(part));
    return whole ? { value: parts.map(Number) } : { refusal: { why: 'wholes' } };
  }
  const number = Number(text.trim().replace(',', '.'));
  if (text.trim() === '' || !Number.isFinite(number)) return { refusal: { why: 'number' } };
  if (option.kind === 'integer' && !Number.isInteger(number)) return { refusal: { why: 'whole' } };
  return { value: number };
}

/** A value as it is typed: "512,256", "0.1". */
export function written(value: unknown): string {
  if (value === null || value === undefined) return '';
  return Array.isArray(value) ? value.join(',') : String(value);
}

/** Whether two values are the same one. */
export function isSame(a: unknown, b: unknown): boolean {
  return a === b || (Array.isArray(a) && Array.isArray(b) && a.join() === b.join());
}

/** The knobs to send: those that differ from what would apply without them, the data, and the model if it is chosen. */
export function toSend(form: Form, given: Given, options: Given, suited: Suited = {}): Record<string, unknown> {
  const defaults = defaultsOf(form, given, suited);
  const changed = Object.entries(given).filter(([name, value]) => !isSame(value, defaults[name]));
  const data = given.data ?? defaults.data;
  // Where the data say what suits them, the server fills it in as long as no model is named.
  const model = 'model' in applying(suited, given) ? {} : { model: given.model ?? defaults.model };
  const sent: Record<string, unknown> = { data, ...model, ...Object.fromEntries(changed) };
  if (Object.keys(options).length > 0) sent.model_options = options;
  return sent;
}

/** What to give so that a form makes this recipe again. */
export function fromRecipe(form: Form, recipe: Record<string, unknown>): { given: Given; options: Given } {
  const chosen: Given = {};
  for (const name of ['data', 'model', ...form.knobs.flatMap((knob) => knob.goes_with)])
    chosen[name] = recipe[name] as Value;
  const defaults = defaultsOf(form, chosen);
  const given: Given = {};
  for (const knob of form.knobs) {
    const value = recipe[knob.name] as Value | undefined;
    if (value === undefined || knob.kind === 'options') continue;
    if (!isSame(value, defaults[knob.name]) || knob.name in chosen) given[knob.name] = value;
  }
  return { given, options: { ...(recipe.model_options as Given | undefined) } };
}
