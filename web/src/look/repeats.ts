// Repeats: where a loop is written out node by node, as a recurrent cell is, which nodes belong to which turn of it.
import type { NodeCard } from './types';

/** Where a path is of one turn alone: "layer1.cell@7" is layer1.cell in the eighth turn. */
const TURN = '@';
const FEWEST = 3;
const PARTS = 'parts';
const MANY_PARTS = 9;

/** Nodes before a loop, those of each turn, and nodes after it. */
export interface Turns {
  before: NodeCard[];
  turns: NodeCard[][];
  after: NodeCard[];
}

const kindOf = ({ module, op }: NodeCard): string => `${module} ${op}`;

/** The turns of a loop among a module's nodes: the same ops of the same modules in the same order, three times or more. */
export function turnsOf(nodes: NodeCard[]): Turns | null {
  const kinds = nodes.map(kindOf);
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  for (const [kind, count] of counts) {
    const found = count >= FEWEST ? turnsFrom(nodes, kinds, kind) : null;
    if (found) return found;
  }
  return null;
}

/** The turns that each begin with a node of a kind; null where they are not alike. The last may leave out what nobody reads. */
function turnsFrom(nodes: NodeCard[], kinds: string[], first: string): Turns | null {
  const starts = kinds.flatMap((kind, at) => (kind === first ? [at] : []));
  const [start = 0, second = 0] = starts;
  const last = starts.at(-1) ?? start;
  const turn = kinds.slice(start, second);
  const isAlike = (from: number, nth: number): boolean =>
    from === start + nth * turn.length && turn.every((kind, offset) => kinds[from + offset] === kind);
  if (turn.length < 2 || !starts.slice(0, -1).every(isAlike) || last !== start + (starts.length - 1) * turn.length)
    return null;
  let end = last;
  while (end < last + turn.length && turn.includes(kinds[end] ?? '')) end += 1;
  const ends = [...starts.slice(1), end];
  return {
    before: nodes.slice(0, start),
    turns: starts.map((from, nth) => nodes.slice(from, ends[nth])),
    after: nodes.slice(end),
  };
}

/** Neighbours that are parts of one value, as the rows of an image are; few of them stand by themselves. */
export function partsOf(nodes: NodeCard[]): [NodeCard, ...NodeCard[]][] {
  const runs: [NodeCard, ...NodeCard[]][] = [];
  for (const node of nodes) {
    const run = runs.at(-1);
    if (run && node.op === 'getitem' && run[0].op === 'getitem' && isSame(run[0], node)) run.push(node);
    else runs.push([node]);
  }
  return runs.flatMap((run) => (run.length >= MANY_PARTS ? [run] : run.map((node): [NodeCard] => [node])));
}

/** Their names differ in the last part alone: unbind.0, unbind.1. */
const isSame = (a: NodeCard, b: NodeCard): boolean => stem(a.name) === stem(b.name);
const stem = (name: string): string => name.replace(/\.\w+$/, '');

export const partsPath = (first: NodeCard): string => `${first.module}${TURN}${PARTS}-${first.name}`;

/** A path within the turn that it is met in. */
export const inTurn = (path: string, turn: number | null): string => (turn === null ? path : `${path}${TURN}${turn}`);

/** The path as the network knows it, and the turn that it is of; "parts" of parts that stand as one. */
export function readTurn(path: string): { path: string; turn: number | null; isParts: boolean } {
  const at = path.indexOf(TURN);
  if (at < 0) return { path, turn: null, isParts: false };
  const mark = path.slice(at + 1);
  const isParts = mark.startsWith(PARTS);
  return { path: path.slice(0, at), turn: isParts ? null : Number(mark), isParts };
}

/** Whether a path lies inside another: a module in its module, a turn in its loop, a module's turn in the loop's. */
export function isInside(inner: string, outer: string): boolean {
  const [a, b] = [readTurn(inner), readTurn(outer)];
  if (inner === outer || b.isParts) return false;
  const lies = a.path === b.path || a.path.startsWith(`${b.path}.`);
  return lies && (b.turn === null ? a.turn !== null || a.isParts || a.path !== b.path : a.turn === b.turn);
}
