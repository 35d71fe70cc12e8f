// What a number is called: its node, its channel and its unit, without the batch axis.
import type { Place, Tab } from '../state/place.svelte';
import type { Network } from '../look/types';
import type { LeafPart } from './types';
import { t } from './words';

/** "channel 5 · unit (4, 3)"; of a vector "unit 5"; of a parameter "[5, 0, 2, 2]". */
export function placeName(at: readonly number[], isParameter: boolean): string {
  if (isParameter) return at.length ? t('number.weight', { at: at.join(', ') }) : '';
  const [channel, ...rest] = at;
  if (channel === undefined) return '';
  if (rest.length === 0) return t('number.at', { at: channel });
  return `${t('number.channel', { channel })} · ${t('number.unit', { at: rest.join(', ') })}`;
}

/** Everything of a network that can be opened by name: its nodes, and the parameters they read. */
export function namesOf(network: Network | null): { nodes: Set<string>; parameters: Set<string> } {
  const nodes = network?.nodes ?? [];
  return {
    nodes: new Set(nodes.map((node) => node.name)),
    parameters: new Set(nodes.flatMap((node) => node.parameters.map((parameter) => parameter.name))),
  };
}

/** The tab in which a leaf is what it is: a gradient backward; a weight in the tab of updates stays there. */
export function tabOf(leaf: LeafPart, tab: Tab): Tab {
  if (leaf.of === 'gradient') return 'backward';
  return tab === 'update' && leaf.kind === 'param' ? 'update' : 'forward';
}

/** The place of a number; one without axes (a loss) has no index in the address, its node says all. */
export const placeAt = (node: string, at: number[], tab: Tab): Partial<Place> => ({
  node,
  unit: at.length > 1 ? (at[0] ?? null) : null,
  at: at.length ? at : null,
  tab,
});
