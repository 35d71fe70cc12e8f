import { describe, expect, it } from 'vitest';
import { card } from '../networks.fixture';
import type { Network } from '../types';
import { vectorOf } from './vector';

const of = (...nodes: Network['nodes']): Network => ({ input: 'x', nodes }) as Network;
const x = card('x', { kind: 'input', op: '', shape: [9] });
const reads = { sources: [{ node: 'x', channels: 'same' as const }] };

describe('a word', () => {
  it('opens as its row of the embedding', () => {
    const vectors = card('read.embedding', { op: 'embedding', shape: [9, 16], ...reads });
    expect(vectorOf(of(x, vectors), { at: [4] })).toEqual({ node: 'read.embedding', unit: 4, at: null });
  });

  it('of a tree, or of a network that looks nothing up, opens as its number', () => {
    const levels = card('x', { kind: 'input', op: '', shape: [3, 5, 3] });
    expect(vectorOf(of(levels), { at: [2, 1, 0] })).toEqual({ node: 'x', unit: 2, at: [2, 1, 0] });
    expect(vectorOf(of(x, card('sum', { op: 'sum', ...reads })), { at: [4] })).toEqual({ node: 'x', unit: 4, at: [4] });
  });
});
