// Examples: what the network looks at, as the server has it: an image's pixels, or a text's words.
import { get, getPack, type Query } from '../wire/api';
import type { Pixels } from '../runs/judged/thumbnails';
import type { Place } from '../state/route';
import type { Change } from './places';
import type { Network, NodeCard, TextCard, TextPage } from './types';

/** The pixels of an image; null where the server has none. Throws ApiError. */
export async function bringPixels(route: string, query: Query, signal: AbortSignal): Promise<Pixels | null> {
  const { tensors } = await getPack(`${route}/images`, query, { signal });
  const { images } = tensors;
  const [, C = 1, H = 1, W = 1] = images?.shape ?? [];
  return images ? { data: images.data as Uint8Array, shape: [C, H, W] } : null;
}

/** A text with its words; null where the server has none. Throws ApiError. */
export async function bringText(route: string, query: Query, signal: AbortSignal): Promise<TextCard | null> {
  const { texts } = await get<TextPage>(`${route}/texts`, query, { signal });
  return texts[0] ?? null;
}

/** Whether two networks are drawn alike: a text's is as long as the text. */
export const isAlike = (a: Network | null, b: Network): boolean =>
  a?.mode === b.mode && a.version === b.version && a.nodes.length === b.nodes.length && inputOf(a) === inputOf(b);

const inputOf = ({ nodes, input }: Network): string => nodes.find(({ name }) => name === input)?.shape.join() ?? '';

/** What of a place to give up where another text's network has no such node or unit; null where it has. */
export function stepBack(here: Place, nodes: ReadonlyMap<string, NodeCard>): Change | null {
  if (here.node === null) return null;
  const card = nodes.get(here.node);
  const isParameter = [...nodes.values()].some(({ parameters }) => parameters.some(({ name }) => name === here.node));
  if (!card) return isParameter ? null : { node: null, unit: null, at: null };
  const lacks = here.at?.some((index, axis) => index >= (card.shape[axis] ?? 0)) || (here.unit ?? 0) >= card.n_channels;
  return lacks && card.shape.length > 0 ? { unit: null, at: null } : null;
}
