// Folding: every node stands in exactly one column, and what is open by itself can be read.
import { describe, expect, it } from 'vitest';
import { card, lenet5, resnet } from './networks.fixture';
import { columnsOf, linksOf, openByItself, ROOT, toggled, treeOf } from './tree';

const titles = (nodes: ReturnType<typeof lenet5>, open: string[]): string[] =>
  columnsOf(treeOf(nodes), new Set(open)).map((column) => column.folded ?? column.node.name);

describe('columns', () => {
  it('show every node of LeNet-5', () => {
    const nodes = lenet5();
    expect(titles(nodes, openByItself(treeOf(nodes)))).toEqual(nodes.map((node) => node.name));
  });

  it("show ResNet-50's and ResNet-152's stages", () => {
    const stages = [
      'conv1',
      'bn1',
      'relu',
      'maxpool',
      'layer1',
      'layer2',
      'layer3',
      'layer4',
      'avgpool',
      'flatten',
      'fc',
    ];
    expect(titles(resnet([3, 4, 6, 3]), openByItself(treeOf(resnet([3, 4, 6, 3]))))).toEqual(stages);
    expect(titles(resnet([3, 8, 36, 3]), openByItself(treeOf(resnet([3, 8, 36, 3]))))).toEqual(stages);
  });

  it('open what hides in one module', () => {
    const nodes = Array.from({ length: 30 }, (_, i) => card(`features.${i}`)).concat(card('classifier'));
    expect(openByItself(treeOf(nodes))).toEqual(['features']);
  });

  it('hold each node once, however much is open', () => {
    const nodes = resnet([3, 4, 6, 3]);
    for (const open of [[], ['layer3'], ['layer3', 'layer3.1'], ['layer1', 'layer1.0', 'layer1.0.downsample']]) {
      const columns = columnsOf(treeOf(nodes), new Set(open));
      expect(columns.flatMap((column) => column.nodes)).toEqual(nodes);
      expect(new Set(columns.map((column) => column.key)).size).toBe(columns.length);
    }
  });

  it('show 36 blocks side by side when their stage is open', () => {
    expect(titles(resnet([3, 8, 36, 3]), ['layer3'])).toHaveLength(10 + 36);
  });

  it('keep apart what a module used twice computes', () => {
    const nodes = [card('relu', { module: 'relu' }), card('conv'), card('relu_1', { module: 'relu' })];
    expect(titles(nodes, [])).toEqual(['relu', 'conv', 'relu_1']);
  });
});

describe('folding', () => {
  it('takes what is inside along, and says that nothing is open', () => {
    expect(toggled(new Set(['layer1', 'layer1.0', 'layer10']), 'layer1')).toEqual([ROOT, 'layer10']);
    expect(toggled(new Set(['layer1']), 'layer1')).toEqual([ROOT]);
    expect(toggled(new Set([ROOT]), 'layer1')).toEqual([ROOT, 'layer1']);
  });
});

describe('links', () => {
  it('lead from what is read, the input first', () => {
    const links = linksOf(columnsOf(treeOf(lenet5()), new Set()), 'x');
    expect(links[0]).toEqual([{ from: -1, channels: 'all' }]);
    expect(links[1]).toEqual([{ from: 0, channels: 'same' }]);
    expect(links[6]).toEqual([{ from: 5, channels: 'some' }]);
  });

  it('skip where a block adds its input', () => {
    const columns = columnsOf(treeOf(resnet([3, 4, 6, 3])), new Set(['layer1', 'layer1.1']));
    const at = (name: string): number => columns.findIndex((column) => column.key.startsWith(name));
    expect(linksOf(columns, 'x')[at('layer1.1.add')]).toEqual([
      { from: at('layer1.1.bn3'), channels: 'same' },
      { from: at('layer1.0'), channels: 'same' },
    ]);
  });
});
