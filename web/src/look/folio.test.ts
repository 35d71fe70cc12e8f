import { describe, expect, it } from 'vitest';
import type { Drawing } from './drawing';
import { Folio } from './folio';

const drawing = (...nodes: string[]): Drawing =>
  ({ sight: { image: 'test:1' }, sheets: new Map(nodes.map((node) => [node, { node }])) }) as unknown as Drawing;

describe('a folio', () => {
  it('asks for everything at first', () => {
    const folio = new Folio();
    expect(folio.missing('a', ['conv1', 'fc'])).toEqual(['conv1', 'fc']);
    expect(folio.of(['conv1'])).toBeNull();
  });

  it('asks only for what is new of the same sight', () => {
    const folio = new Folio();
    folio.add('a', drawing('conv1', 'fc'));
    expect(folio.missing('a', ['conv1', 'conv2', 'fc'])).toEqual(['conv2']);
    folio.add('a', drawing('conv2'));
    expect(folio.missing('a', ['conv1', 'conv2', 'fc'])).toEqual([]);
  });

  it('draws the nodes that are wanted, in their order, and no others', () => {
    const folio = new Folio();
    folio.add('a', drawing('conv1', 'fc'));
    folio.add('a', drawing('conv2'));
    expect([...(folio.of(['conv1', 'conv2'])?.sheets.keys() ?? [])]).toEqual(['conv1', 'conv2']);
  });

  it('forgets another sight', () => {
    const folio = new Folio();
    folio.add('a', drawing('conv1'));
    expect(folio.missing('b', ['conv1'])).toEqual(['conv1']);
    folio.add('b', drawing('fc'));
    expect(folio.of(['conv1', 'fc'])?.sheets.has('conv1')).toBe(false);
  });
});
