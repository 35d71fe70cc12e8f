// Folding: which columns stand for a network's nodes when some of its modules are folded into one each.
import { inTurn, isInside, partsOf, partsPath, turnsOf } from './repeats';
import type { Network, NodeCard } from './types';

/** A module whose nodes follow each other: it can be folded into one column. */
export interface Group {
  path: string;
  nodes: NodeCard[];
  items: Item[];
}

export type Item = NodeCard | Group;

/** One column of the network: a node, or a folded module, which shows the values of its last node. */
export interface Column {
  key: string;
  node: NodeCard;
  /** The path of the module that is folded here, null where the column is a node by itself. */
  folded: string | null;
  /** All nodes that it stands for, in order. */
  nodes: NodeCard[];
  /** The unfolded modules around it, the outermost first. */
  within: string[];
}

/** About as many columns as stand side by side on a laptop's screen. */
export const MOST_COLUMNS = 14;
const FEW_COLUMNS = 6;
const MOST_IF_FEW = 48;

/** In a list of unfolded modules the root, which is always open: it tells "nothing else" from "not said". */
export const ROOT = '.';

export const isGroup = (item: Item): item is Group => 'items' in item;

/**
 * The modules of a network as a tree. A module called twice, with others between, makes an item each time; a loop that
 * is written out makes one of each turn.
 */
export function treeOf(nodes: NodeCard[]): Item[] {
  return grow(nodes, 0, null);
}

function grow(nodes: NodeCard[], depth: number, turn: number | null): Item[] {
  const items: Item[] = [];
  for (const { path, nodes: own } of runsOf(nodes, depth)) {
    if (path === null) items.push(...partsOf(own).map(asItem));
    else if (own.length === 1) items.push(...own);
    else items.push({ path: inTurn(path, turn), nodes: own, items: inside(path, own, depth + 1, turn) });
  }
  return items;
}

/** Many parts of one value stand as one. */
function asItem(nodes: [NodeCard, ...NodeCard[]]): Item {
  return nodes.length === 1 ? nodes[0] : { path: partsPath(nodes[0]), nodes, items: nodes };
}

/** What is inside a module: the turns of its loop, or its modules. */
function inside(path: string, nodes: NodeCard[], depth: number, turn: number | null): Item[] {
  const loop = turn === null ? turnsOf(nodes) : null;
  if (!loop) return grow(nodes, depth, turn);
  const turns = loop.turns.map((own, at): Group => {
    const items = grow(own, depth, at);
    const [only] = items;
    return items.length === 1 && only && isGroup(only) ? only : { path: inTurn(path, at), nodes: own, items };
  });
  return [...grow(loop.before, depth, null), ...turns, ...grow(loop.after, depth, null)];
}

/** Neighbours that share the module at a depth; null where a node belongs to the module above itself. */
function runsOf(nodes: NodeCard[], depth: number): { path: string | null; nodes: NodeCard[] }[] {
  const runs: { path: string | null; nodes: NodeCard[] }[] = [];
  for (const node of nodes) {
    const parts = node.module === '' ? [] : node.module.split('.');
    const path = parts.length > depth ? parts.slice(0, depth + 1).join('.') : null;
    const last = runs.at(-1);
    if (last && last.path === path) last.nodes.push(node);
    else runs.push({ path, nodes: [node] });
  }
  return runs;
}

/** The columns, left to right, with the modules in `open` unfolded. */
export function columnsOf(items: Item[], open: ReadonlySet<string>, within: string[] = []): Column[] {
  return items.flatMap((item) => {
    if (!isGroup(item)) return [{ key: item.name, node: item, folded: null, nodes: [item], within }];
    if (open.has(item.path)) return columnsOf(item.items, open, [...within, item.path]);
    const last = item.nodes.at(-1);
    if (!last) return [];
    return [{ key: `${item.path}/${last.name}`, node: last, folded: item.path, nodes: item.nodes, within }];
  });
}

/**
 * The modules to unfold where the user has not chosen: whole levels of the tree, as long as the columns fit. So all of
 * LeNet-5 is open, and ResNet-50 shows its four stages; a model that hides in one or two modules is opened anyway.
 */
export function openByItself(items: Item[]): string[] {
  const open = new Set<string>();
  for (;;) {
    const columns = columnsOf(items, open);
    const folded = columns.flatMap((column) => column.folded ?? []);
    if (folded.length === 0) return [...open];
    const n = columnsOf(items, new Set([...open, ...folded])).length;
    if (n > (columns.length < FEW_COLUMNS ? MOST_IF_FEW : MOST_COLUMNS)) return [...open];
    for (const path of folded) open.add(path);
  }
}

/** The list of unfolded modules, for the address, once `path` was folded (with all inside it) or unfolded. */
export function toggled(open: ReadonlySet<string>, path: string): string[] {
  const kept = [...open].filter((other) => other !== ROOT && other !== path && !isInside(other, path));
  return [ROOT, ...(open.has(path) ? kept : [...kept, path])];
}

/** How the values of one column come from another's. */
export interface Link {
  /** The source's place among the columns; -1 is the input image. */
  from: number;
  /** Which channels of the source one channel reads; "some" where only the server knows. */
  channels: 'same' | 'all' | 'some';
}

/** For each column what it reads from columns to its left, each of them once. */
export function linksOf(columns: Column[], input: string): Link[][] {
  const home = new Map<string, number>([[input, -1]]);
  columns.forEach((column, index) => column.nodes.forEach((node) => home.set(node.name, index)));
  return columns.map((column, index) => {
    const links = new Map<number, Link>();
    for (const node of column.nodes)
      for (const source of node.sources) {
        const from = home.get(source.node);
        if (from === undefined || from === index) continue;
        const shown = from < 0 || columns[from]?.node.name === source.node;
        const known = column.folded === null && shown ? source.channels : 'all';
        const before = links.get(from);
        links.set(from, { from, channels: before && before.channels !== known ? 'all' : known });
      }
    return [...links.values()];
  });
}

/** The loss stands as one small column at the end, whatever its computation is made of. */
export function lossColumn(network: Network | null): Column[] {
  const nodes = network?.nodes.filter((node) => node.is_loss) ?? [];
  const last = nodes.find((node) => node.name === network?.loss);
  return last ? [{ key: last.name, node: last, folded: null, nodes, within: [] }] : [];
}
