// Layout: everything has its place, nothing lies over anything else, and a point leads to what is drawn there.
import { describe, expect, it } from 'vitest';
import { hitOf } from './hit';
import { askedFor, layoutOf, type Layout } from './layout';
import { hasMore, slotMiddle, slotY } from './slots';
import { lenet5, resnet } from './networks.fixture';
import { columnsOf, linksOf, openByItself, treeOf } from './tree';

function layout(nodes: ReturnType<typeof lenet5>, width: number, height: number, open?: string[]): Layout {
  const tree = treeOf(nodes);
  const columns = columnsOf(tree, new Set(open ?? openByItself(tree)));
  return layoutOf({
    columns,
    links: linksOf(columns, 'x'),
    logits: nodes.at(-1)?.name ?? '',
    loss: 'loss',
    width,
    height,
  });
}

const box = (of: Layout, key: string) => {
  const found = of.boxes.find((other) => other.column.key.startsWith(key));
  if (!found) throw new Error(key);
  return found;
};

describe.each([
  ['LeNet-5', lenet5(), undefined],
  ['ResNet-50', resnet([3, 4, 6, 3]), undefined],
  ['ResNet-152 with a stage open', resnet([3, 8, 36, 3]), ['layer3', 'layer3.7']],
])('%s', (_, nodes, open) => {
  it.each([
    [1220, 700],
    [804, 540],
    [390, 420],
    [1220, 220],
  ])('stands in %d x %d without anything over anything', (width, height) => {
    const made = layout(nodes, width, height, open);
    made.boxes.forEach((here, i) => {
      const before = made.boxes[i - 1];
      expect(here.x).toBeGreaterThan(before ? before.x + before.width : 0);
      expect(here.x + here.width).toBeLessThan(made.width);
      expect(here.pitch).toBeGreaterThanOrEqual(here.tileHeight);
      expect(here.tileHeight).toBeGreaterThan(1);
      expect(here.slots).toBeGreaterThan(0);
      expect(slotY(made, here, here.slots - 1) + here.tileHeight).toBeLessThanOrEqual(made.bottom + 0.01);
    });
  });
});

describe('columns', () => {
  it('show all channels that fit, and say when they do not', () => {
    const wide = layout(lenet5(), 1220, 700);
    expect(wide.width).toBeLessThanOrEqual(1220);
    expect(box(wide, 'conv2').slots).toBe(16);
    const low = layout(lenet5(), 1220, 300);
    expect(box(low, 'conv2').slots).toBeLessThan(16);
    expect(hasMore(box(low, 'conv2'))).toBe(true);
    expect(hasMore(box(low, 'conv1'))).toBe(false);
  });

  it('ask for at least as many channels as they have room for', () => {
    for (const height of [220, 420, 700, 1300]) {
      const asked = askedFor(height);
      for (const here of layout(resnet([3, 4, 6, 3]), 1220, height).boxes)
        expect(here.slots).toBeLessThanOrEqual(here.kind === 'maps' ? asked.k : asked.vector);
    }
  });

  it('stand closer where they are computed channel by channel', () => {
    const made = layout(lenet5(), 1220, 700);
    const gap = (a: string, b: string): number => box(made, b).x - box(made, a).x - box(made, a).width;
    expect(gap('conv1', 'act1')).toBeLessThan(gap('pool1', 'conv2') / 2);
  });

  it('of an open module stand under its bracket, and skips pass above', () => {
    const made = layout(resnet([3, 4, 6, 3]), 1220, 700, ['layer2', 'layer2.1']);
    expect(made.brackets.map((bracket) => [bracket.path, bracket.around])).toEqual([
      ['layer2', undefined],
      ['layer2.1', 'layer2'],
    ]);
    const add = box(made, 'layer2.1.add').index;
    expect(made.arcs).toEqual([{ from: box(made, 'layer2.0').index, to: add }]);
  });
});

describe('a point', () => {
  const made = layout(lenet5(), 1220, 700);

  it('leads to the cell of the tile that is drawn there', () => {
    const conv2 = box(made, 'conv2');
    const x = conv2.tileX + (3.5 / 10) * conv2.tileWidth;
    const y = slotY(made, conv2, 5) + (4.5 / 10) * conv2.tileHeight;
    expect(hitOf(made, x, y)).toEqual({ box: conv2, slot: 5, row: 4, column: 3 });
  });

  it('of a thin strip leads to its unit', () => {
    const fc1 = box(made, 'fc1');
    expect(hitOf(made, fc1.tileX + 5, slotMiddle(made, fc1, 77))).toMatchObject({ slot: 77, row: 0, column: 0 });
  });

  it('beside everything leads nowhere', () => {
    expect(hitOf(made, 3, 300)).toBe(null);
    expect(hitOf(made, box(made, 'conv1').tileX + 4, made.titleY)).toBe(null);
    expect(hitOf(made, box(made, 'fc3').tileX + 4, made.bottom + 40)).toBe(null);
  });
});
