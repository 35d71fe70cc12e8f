// The way here grows by what is followed, is cut by going back, and begins anew elsewhere.
import { expect, it } from 'vitest';
import { extended, type Visited } from './trail.svelte';

const at = (node: string, tab: Visited['tab'] = 'forward'): Visited => ({ node, at: [1, 2], tab });
const way = [at('fc3'), at('fc2'), at('conv2')];

it('grows by a number that was followed from the last', () => {
  expect(extended(way, at('pool1'), at('pool1'))).toEqual([...way, at('pool1')]);
});

it('is cut where one goes back to, in whatever tab', () => {
  expect(extended(way, at('fc2'), null)).toEqual(way.slice(0, 2));
  expect(extended(way, at('fc2', 'backward'), null)).toEqual([at('fc3'), at('fc2', 'backward')]);
});

it('begins anew with a number that was opened elsewhere', () => {
  expect(extended(way, at('conv1'), null)).toEqual([at('conv1')]);
  expect(extended(way, at('conv1'), at('pool1'))).toEqual([at('conv1')]);
});

it('forgets its beginning rather than grow without end', () => {
  const long = Array.from({ length: 60 }, (_, k) => at(`n${k}`));
  expect(extended(long, at('next'), at('next'))).toHaveLength(40);
});
