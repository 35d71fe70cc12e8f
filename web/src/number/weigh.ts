// Which part of an expression mattered most: the largest term of each sum, down to one multiplication and its address.
import type { Figure, LeafPart, Part, ProductPart } from './types';

/** A sum of more terms than this is a list; a shorter one stands in the line. As the engine's own texts have it. */
export const SHORT = 4;

/** What mattered most in an expression. */
export interface Most {
  /** The parts on the way down, the outermost first: each is the largest of its sum. */
  path: Part[];
  /** The innermost product on the way: the one multiplication. Null where nothing is multiplied. */
  product: ProductPart | null;
  /** The number to look at next. */
  leaf: LeafPart;
  /** What the largest term adds. */
  value: Figure;
}

/** The number itself, for comparing and drawing: "nan" and "inf" become what they say. */
export function real(figure: Figure): number {
  if (typeof figure === 'number') return figure;
  return figure === 'inf' ? Infinity : figure === '-inf' ? -Infinity : NaN;
}

/** |value|, with what is not a number first: where a sum broke is what mattered. */
export function size(part: { value: Figure }): number {
  const value = Math.abs(real(part.value));
  return Number.isNaN(value) ? Infinity : value;
}

/** Largest |value| first; the engine leaves a sum that it sends whole in its own order. */
export const largestFirst = <P extends { value: Figure }>(parts: readonly P[]): P[] =>
  [...parts].sort((a, b) => size(b) - size(a) || 0); // two infinities have no difference

export const isLeaf = (part: Part): part is LeafPart => part.kind === 'unit' || part.kind === 'param';

/** What stands directly in a part. */
export function inside(part: Part): readonly Part[] {
  if (part.kind === 'sum') return part.terms;
  if (part.kind === 'product') return part.factors;
  if (part.kind === 'choose') return part.options;
  return part.kind === 'apply' ? part.arguments : [];
}

/** Whether a leaf that the test accepts is anywhere in a part. */
export function holds(part: Part, test: (leaf: LeafPart) => boolean): boolean {
  return isLeaf(part) ? test(part) : inside(part).some((inner) => holds(inner, test));
}

/** Of several parts the one to go on with: in a sum the largest, in a choice the chosen, else a unit, or what holds one. */
function next(part: Part, test: (leaf: LeafPart) => boolean): Part | undefined {
  const open = inside(part).filter((inner) => holds(inner, test));
  if (part.kind === 'sum') return open.reduce<Part | undefined>((a, b) => (a && size(a) >= size(b) ? a : b), undefined);
  if (part.kind === 'choose') {
    const chosen = part.options[part.chosen];
    return chosen && open.includes(chosen) ? chosen : open[0];
  }
  const isUnit = (leaf: LeafPart): boolean => leaf.kind === 'unit' && test(leaf);
  return open.find((inner) => inner.kind === 'unit') ?? open.find((inner) => holds(inner, isUnit)) ?? open[0];
}

/**
 * Goes down an expression by its largest terms.
 *
 * @param test which leaves may be the end: leaves that cannot be opened, or are the number itself, explain nothing.
 * @returns null where no leaf passes.
 */
export function mostOf(expression: Part, test: (leaf: LeafPart) => boolean): Most | null {
  const path: Part[] = [];
  let product: ProductPart | null = null;
  let value: Figure | null = null;
  let part: Part | undefined = expression;
  while (part) {
    path.push(part);
    // -1 times a number is that number taken off, no multiplication.
    if (part.kind === 'product') product = negatedLeaf(part) ? null : part;
    if (isLeaf(part)) return test(part) ? { path, product, leaf: part, value: value ?? part.value } : null;
    const found: Part | undefined = next(part, test);
    if (part.kind === 'sum' && found && value === null) value = found.value;
    part = found;
  }
  return null;
}

const negatedLeaf = (part: Part): boolean => {
  const inner = negated(part);
  return inner !== null && isLeaf(inner);
};

/** The factors of a term without a leading -1, and whether there was one: a term that is taken off. */
export function negated(part: Part): ProductPart | Part | null {
  if (part.kind !== 'product' || part.meaning || part.factors.length < 2) return null;
  const [first, second, ...rest] = part.factors;
  if (first?.kind !== 'number' || first.value !== -1 || first.meaning || !second) return null;
  const value = typeof part.value === 'number' ? -part.value : part.value;
  return rest.length === 0 ? second : { ...part, value, factors: [second, ...rest] };
}
