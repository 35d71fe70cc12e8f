// The same run as a command for a terminal.
import type { KnobCard } from '../types';
import { written } from './values';

/** A word as a POSIX shell takes it: quoted only where it must be. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function flagOf(name: string): string {
  return `--${name.replaceAll('_', '-')}`;
}

function optionOf(name: string, value: unknown): string {
  return `${flagOf(name)} ${quoted(written(value))}`;
}

/** `convoscope train ...` for what a form sends; the command line knows every knob and option by the same name. */
export function commandOf(sent: Record<string, unknown>, knobs: KnobCard[]): string {
  const words = ['convoscope train'];
  for (const knob of knobs) {
    const value = sent[knob.name];
    if (value === undefined || value === null || knob.kind === 'options') continue;
    if (knob.kind === 'switch') words.push(value ? flagOf(knob.name) : `--no-${knob.name}`);
    else words.push(optionOf(knob.name, value));
  }
  const options = (sent.model_options ?? {}) as Record<string, unknown>;
  for (const [name, value] of Object.entries(options)) words.push(optionOf(name, value));
  return words.join(' ');
}
