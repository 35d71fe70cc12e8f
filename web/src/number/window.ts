// Terms that lie in a plane: found by their addresses alone, whatever op they belong to.
import type { LeafPart, Part, SumPart } from './types';
import { isLeaf, real } from './weigh';

/** Leaves laid out by row and column; cell (r, c) is number r * columns.length + c of what follows. */
export interface Plane {
  rows: number[];
  columns: number[];
  leaves: LeafPart[];
}

/** A sum of products of two leaves, one of which lies in a plane: a patch, its weights, and their products. */
export interface Window {
  patch: Plane;
  kernel: LeafPart[];
  /** The products, as the engine sent them. */
  products: Part[];
}

const POSITION = 2; // axes in front of the position: the batch and the channel
const MOST_CELLS = 4096;

const ascending = (numbers: Iterable<number>): number[] => [...new Set(numbers)].sort((a, b) => a - b);

/** The order in which leaves fill a plane completely, or null where they do not. */
function order(leaves: LeafPart[]): { rows: number[]; columns: number[]; places: number[] } | null {
  const [first] = leaves;
  if (!first || leaves.length < 2 || leaves.length > MOST_CELLS || first.at.length <= POSITION) return null;
  const depth = first.at.length > POSITION + 1 ? 2 : 1; // rows and columns, or columns alone
  const lead = first.at.slice(0, -depth);
  const same = (leaf: LeafPart): boolean =>
    leaf.node === first.node && leaf.of === first.of && lead.every((index, axis) => leaf.at[axis] === index);
  if (!leaves.every(same)) return null;
  const row = (leaf: LeafPart): number => (depth === 2 ? (leaf.at.at(-2) ?? 0) : 0);
  const rows = ascending(leaves.map(row));
  const columns = ascending(leaves.map((leaf) => leaf.at.at(-1) ?? 0));
  if (rows.length * columns.length !== leaves.length) return null;
  const places = new Array<number>(leaves.length).fill(-1);
  leaves.forEach((leaf, k) => {
    places[rows.indexOf(row(leaf)) * columns.length + columns.indexOf(leaf.at.at(-1) ?? 0)] = k;
  });
  return places.includes(-1) ? null : { rows, columns, places };
}

const picked = <T>(places: number[], items: T[]): T[] => places.map((k) => items[k] as T);

/** The plane that leaves fill, in the order of their addresses; null where they fill none. */
export function planeOf(parts: readonly Part[]): Plane | null {
  if (!parts.every(isLeaf)) return null;
  const found = order([...parts]);
  return found && { rows: found.rows, columns: found.columns, leaves: picked(found.places, [...parts]) };
}

/** The window that a whole sum is over; null where a term was left out, or the terms are of another form. */
export function windowOf(sum: SumPart): Window | null {
  if (sum.rest) return null;
  const pairs: [LeafPart, LeafPart][] = [];
  for (const term of sum.terms) {
    if (term.kind !== 'product' || term.factors.length !== 2) return null;
    const [x, w] = term.factors;
    if (!x || !w || !isLeaf(x) || !isLeaf(w)) return null;
    pairs.push(x.kind === 'param' && w.kind === 'unit' ? [w, x] : [x, w]);
  }
  const found = order(pairs.map(([x]) => x));
  if (!found) return null;
  const inOrder = picked(found.places, pairs);
  return {
    patch: { rows: found.rows, columns: found.columns, leaves: inOrder.map(([x]) => x) },
    kernel: inOrder.map(([, w]) => w),
    products: picked(found.places, sum.terms),
  };
}

/** The parts' values for a heatmap, row by row. */
export const valuesOf = (parts: readonly Part[]): Float32Array => Float32Array.from(parts, (part) => real(part.value));

/** The largest finite |value|, so that several maps share one scale; 1 where there is none. */
export function limitOf(...groups: (readonly Part[])[]): number {
  let limit = 0;
  for (const parts of groups)
    for (const part of parts) {
      const value = Math.abs(real(part.value));
      if (Number.isFinite(value) && value > limit) limit = value;
    }
  return limit || 1;
}
