// Asking: the query of the picture that the scene wants.
import { place } from '../state/place.svelte';
import type { Query } from '../wire/api';
import { askedFor } from './layout';
import type { Scene } from './scene.svelte';

/** Nodes of one answer; where a long loop is unfolded there are more, which come one answer after the other. */
export const AT_ONCE = 256;

const MOST_ROWS = 128;
const SIDE = 56; // rows and columns of a map as sent: as many pixels as a tile has on a fine screen

/** The query of the atlas, at a step. */
export function atlasQuery(scene: Scene, step: number | null = scene.step): Query & { nodes: string } {
  const ends = [scene.network?.input, scene.network?.logits];
  const nodes = new Set([...ends, ...scene.columns.map(({ node }) => node.name)]);
  const { k, vector } = askedFor(scene.height);
  const most = place.tab === 'update' ? Math.max(k, Math.min(vector, MOST_ROWS)) : k; // a vector's weights are maps
  return { ...scene.query(), step, nodes: [...nodes].join(','), k: most, vector, tile: SIDE };
}
