// Repeats: a loop that is written out is told turn by turn, and what is no loop stays as it is.
import { describe, expect, it } from 'vitest';
import { card, lenet5, resnet } from './networks.fixture';
import { isInside, partsOf, readTurn, turnsOf } from './repeats';
import { columnsOf, openByItself, toggled, treeOf } from './tree';
import type { NodeCard } from './types';

const nth = (name: string, k: number): string => (k === 0 ? name : `${name}_${k}`);

/** A recurrent network over `n` words: what is computed for each, and what reads them all. */
function recurrent(n: number, isMasked = true): NodeCard[] {
  const of = (name: string, module: string, op: string): NodeCard => card(name, { module, op, shape: [8] });
  const turns = Array.from({ length: n }, (_, k) => [
    of(nth('layer1.cell.input', k), 'layer1.cell.input', 'linear'),
    of(nth('layer1.cell.state', k), 'layer1.cell.state', 'linear'),
    of(nth('layer1.cell.add', k), 'layer1.cell', 'add'),
    of(nth('layer1.cell.act', k), 'layer1.cell.act', 'tanh'),
    ...(isMasked ? [of(nth('layer1.where', k), 'layer1', 'where')] : []),
  ]);
  const parts = Array.from({ length: n }, (_, k) => of(`read.unbind.${k}`, 'read', 'getitem'));
  const stack = [of('pool.stack', 'pool', 'stack'), of('pool.amax', 'pool', 'amax')];
  return [
    of('read.embedding', 'read.embedding', 'embedding'),
    ...parts,
    ...turns.flat(),
    ...stack,
    of('fc', 'fc', 'linear'),
  ];
}

const columns = (nodes: NodeCard[], open: string[]) => columnsOf(treeOf(nodes), new Set(open));
const titles = (nodes: NodeCard[], open: string[]) => columns(nodes, open).map((one) => one.folded ?? one.node.name);

describe('turns', () => {
  it.each([true, false])('of a cell are told apart, masked: %s', (isMasked) => {
    const nodes = recurrent(12, isMasked).filter(({ module }) => module.startsWith('layer1'));
    expect(turnsOf(nodes)?.turns.map((turn) => turn.length)).toEqual(Array(12).fill(isMasked ? 5 : 4));
  });

  it('may lack at the end what nobody reads, and what follows stands by itself', () => {
    const nodes = recurrent(5).filter(({ module }) => module.startsWith('layer1'));
    const after = card('layer1.mean', { module: 'layer1', op: 'mean' });
    const found = turnsOf([...nodes.slice(0, -1), after]);
    expect(found?.turns.map((turn) => turn.length)).toEqual([5, 5, 5, 5, 4]);
    expect(found?.after).toEqual([after]);
  });

  it('are none where nothing repeats', () => {
    expect(turnsOf(lenet5())).toBeNull();
    for (const stage of ['layer1', 'layer3', 'layer3.1'])
      expect(turnsOf(resnet([3, 4, 6, 3]).filter(({ module }) => module.startsWith(stage)))).toBeNull();
    expect(turnsOf(recurrent(2).filter(({ module }) => module.startsWith('layer1')))).toBeNull();
  });
});

describe('the columns of a recurrent network', () => {
  it('are a turn each, as long as they fit', () => {
    const nodes = recurrent(28);
    const shown = titles(nodes, openByItself(treeOf(nodes)));
    expect(shown).toContain('layer1@0');
    expect(shown).toContain('layer1@27');
    expect(shown.length).toBeLessThan(48);
  });

  it('are one of all turns where there are too many, and of many parts always', () => {
    const nodes = recurrent(200);
    expect(openByItself(treeOf(nodes))).not.toContain('layer1');
    expect(titles(nodes, ['read'])).toEqual(['read.embedding', 'read@parts-read.unbind.0', 'layer1', 'pool', 'fc']);
  });

  it('hold each node once, however much is open', () => {
    const nodes = recurrent(20);
    const open = ['read', 'read@parts-read.unbind.0', 'layer1', 'layer1@7', 'layer1.cell@7', 'pool'];
    const found = columns(nodes, open);
    expect(found.flatMap((column) => column.nodes)).toEqual(nodes);
    expect(new Set(found.map(({ key }) => key)).size).toBe(found.length);
    expect(found.filter(({ within }) => within.includes('layer1.cell@7'))).toHaveLength(4);
  });

  it('open a turn to its ops at once where it is one module', () => {
    const nodes = recurrent(20, false);
    expect(
      columns(nodes, ['layer1', 'layer1.cell@7']).filter(({ within }) => within.at(-1) === 'layer1.cell@7'),
    ).toHaveLength(4);
  });

  it('fold with what is inside them', () => {
    const open = new Set(['layer1', 'layer1@7', 'layer1.cell@7', 'layer1@8', 'layer10@7', 'read']);
    expect(toggled(open, 'layer1@7').slice(1)).toEqual(['layer1', 'layer1@8', 'layer10@7', 'read']);
    expect(toggled(open, 'layer1').slice(1)).toEqual(['layer10@7', 'read']);
  });
});

describe('a path', () => {
  it('is read with its turn', () => {
    expect(readTurn('layer1.cell@7')).toEqual({ path: 'layer1.cell', turn: 7, isParts: false });
    expect(readTurn('layer1')).toEqual({ path: 'layer1', turn: null, isParts: false });
    expect(readTurn('read@parts-x.0')).toEqual({ path: 'read', turn: null, isParts: true });
  });

  it('is not inside itself', () => expect(isInside('layer1@7', 'layer1@7')).toBe(false));
});

describe('parts', () => {
  it('that are few stand by themselves', () => {
    const four = ['i', 'f', 'g', 'o'].map((_, k) => card(`cell.chunk.${k}`, { module: 'cell', op: 'getitem' }));
    expect(partsOf(four)).toHaveLength(4);
  });
});
