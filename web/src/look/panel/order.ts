// The channels of a layer in the order asked for.
import type { Tensor } from '../../wire/api';

export type Sort = 'number' | 'mean' | 'maximum' | 'variance' | 'gradient' | 'dead';

export const SORTS: readonly Sort[] = ['number', 'mean', 'maximum', 'variance', 'gradient', 'dead'];

/** The sorts that a layer's figures allow: a pass without gradients has none to sort by. */
export const sortsOf = (tensors: Record<string, Tensor>): Sort[] =>
  SORTS.filter((sort) => sort === 'number' || tensors[sort] !== undefined);

/** Channels by number, or the largest figure first; equal ones, and those that are no number, by number. */
export function ordered(n: number, sort: Sort, tensors: Record<string, Tensor>): number[] {
  const channels = Array.from({ length: n }, (_, channel) => channel);
  const figures = sort === 'number' ? undefined : tensors[sort]?.data;
  if (!figures) return channels;
  const figure = (channel: number): number => {
    const value = figures[channel] ?? NaN;
    return Number.isNaN(value) ? -Infinity : value;
  };
  return channels.sort((a, b) => (figure(a) === figure(b) ? a - b : figure(b) > figure(a) ? 1 : -1));
}

/** How many channels a layer's figures call dead. */
export function deadOf(tensors: Record<string, Tensor>): number {
  let n = 0;
  for (const is of tensors.dead?.data ?? []) n += is ? 1 : 0;
  return n;
}
