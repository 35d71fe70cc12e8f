// How numbers and addresses are written.
import { digits } from '../look/digits';
import type { Figure, LeafPart } from './types';

const BRIEF = 5; // significant digits where there is no room for all of them
const PLAIN = { least: 1e-4, most: 1e7 };

/** All the digits of a stored number, as the engine writes them. */
export function exact(value: Figure, dtype = 'float64'): string {
  if (typeof value === 'string') return value;
  if (dtype === 'bool' || dtype.includes('int')) return String(Math.trunc(value));
  return digits(value, dtype === 'float32' ? 'float32' : 'float64');
}

/** The first digits of a number. */
export function brief(value: Figure, n = BRIEF): string {
  if (typeof value === 'string') return value;
  if (!Number.isFinite(value)) return digits(value, 'float64');
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size < PLAIN.least || size >= PLAIN.most) return value.toExponential(n - 1).replace(/\.?0+e/, 'e');
  return String(Number(value.toPrecision(n)));
}

/** With a minus sign that is as wide as the plus sign. */
export const typeset = (written: string): string => written.replaceAll('-', '−');

/** `conv1[0, 2, 5]` without the batch axis, which a screen with one image leaves out. */
export function address(leaf: LeafPart): string {
  const at = placeOf(leaf);
  return at.length ? `${leaf.node}[${at.join(', ')}]` : leaf.node;
}

/** The index that a leaf is opened by: a node's without the batch axis, a parameter's whole. */
export const placeOf = (leaf: LeafPart): number[] => (leaf.kind === 'unit' ? leaf.at.slice(1) : leaf.at);

/** "3–7" for a stretch, "3" for one, "3, 5, 7" for others. */
export function stretch(indices: readonly number[]): string {
  const [first, last] = [indices[0] ?? 0, indices.at(-1) ?? 0];
  if (indices.length < 2) return String(first);
  return last - first === indices.length - 1 ? `${first}–${last}` : indices.join(', ');
}
