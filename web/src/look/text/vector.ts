// Vectors: where a word becomes numbers, which is what opens when one clicks on it.
import type { Change } from '../places';
import type { Network, TextWord } from '../types';

/** The word's own vector in the network; the word's number where no node has one vector for each word. */
export function vectorOf({ nodes, input }: Network, { at }: Pick<TextWord, 'at'>): Change {
  const shape = nodes.find(({ name }) => name === input)?.shape ?? [];
  const embedding = nodes.find(
    ({ op, sources, shape: own }) =>
      op === 'embedding' && own[0] === shape[0] && sources.some(({ node }) => node === input),
  );
  const [unit = 0] = at;
  if (embedding && shape.length === 1) return { node: embedding.name, unit, at: null };
  return { node: input, unit, at };
}
