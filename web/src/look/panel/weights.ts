// Where the weight between two channels lies in a parameter: by its shape alone.
import type { NodeCard } from '../types';

/**
 * The index of a weight in the node's weights, which are its first parameter of two axes or more.
 *
 * @param channel of the node: the first axis.
 * @param source the source's channel: the second axis, counted within a group where there are several.
 * @returns null where no such weight exists.
 */
export function weightIndex(
  card: NodeCard,
  channel: number,
  source: number,
  row: number,
  column: number,
): { node: string; at: number[] } | null {
  const weights = card.parameters.find(({ shape }) => shape.length >= 2);
  if (!weights) return null;
  const [first = 0, second = 1, ...kernel] = weights.shape;
  const place = kernel.length === 2 ? [row, column] : kernel.length === 1 ? [column] : [];
  const fits = place.every((index, axis) => index < (kernel[axis] ?? 0)) && kernel.length <= 2;
  return channel < first && fits ? { node: weights.name, at: [channel, source % second, ...place] } : null;
}
