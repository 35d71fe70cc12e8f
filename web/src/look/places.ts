// Places: from a node to a channel to a number and back, one level at a time.
import type { Place } from '../state/route';
import type { NodeCard, RunDetail } from './types';

export type Change = Partial<Pick<Place, 'node' | 'unit' | 'at' | 'image' | 'target'>>;

/** The index of a unit: the channel, then its row and column as the node's shape spells them. */
export function atOf(card: NodeCard, channel: number, row: number, column: number): number[] {
  if (card.shape.length === 0) return []; // one number and no channels
  const at: number[] = [];
  let rest = row * card.columns + column;
  for (const size of card.shape.slice(1).reverse()) {
    at.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return [channel, ...at];
}

/** Whether a node's channels are single numbers: there is no map to look at between the layer and the number. */
export const isVector = (card: NodeCard): boolean => card.rows * card.columns === 1;

/** One level deeper, from where the page is: the channel, or the number where the channel is open already. */
export function deeper(here: Place, card: NodeCard, channel: number, at: number[] | null, straight = false): Change {
  if (here.tab === 'update') return { node: card.name, unit: channel, at: null }; // what changes are weights, not units
  const isOpen = here.node === card.name && here.unit === channel;
  if (straight || isVector(card) || isOpen) {
    return {
      node: card.name,
      unit: channel,
      at: at ?? atOf(card, channel, Math.floor(card.rows / 2), Math.floor(card.columns / 2)),
    };
  }
  return { node: card.name, unit: channel, at: null };
}

/** One level up; null at the top. A parameter's number belongs to the channel of the node that reads it. */
export function above(here: Place, nodes: ReadonlyMap<string, NodeCard>): Change | null {
  if (here.node === null) return null;
  const card = nodes.get(here.node);
  if (!card) {
    const reader = [...nodes.values()].find((node) => node.parameters.some(({ name }) => name === here.node));
    return reader ? { node: reader.name, unit: here.at?.[0] ?? null, at: null } : { node: null, unit: null, at: null };
  }
  if (card.is_loss) return { node: null, unit: null, at: null };
  if (here.at) return { unit: isVector(card) ? null : (here.at[0] ?? null), at: null };
  return here.unit === null ? { node: null } : { unit: null };
}

/** The image some places further in the same part of the data, null where there is none. */
export function imageBeside(image: string | null, by: number, counts: Record<string, number>): Change | null {
  const [, part = '', at = ''] = /^(\w+):(\d+)$/.exec(image ?? '') ?? [];
  const next = Number(at) + by;
  return part in counts && next >= 0 && next < (counts[part] ?? 0) ? { image: `${part}:${next}`, target: null } : null;
}

/** The image to begin with: the first that the network was not trained on. */
export function firstImage(detail: RunDetail | null): string | null {
  const part = ['test', 'validation', 'train'].find((name) => (detail?.counts[name] ?? 0) > 0);
  return part ? `${part}:0` : null;
}
