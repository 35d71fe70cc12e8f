// Networks for the tests: as the server describes them, as far as drawing needs it.
import type { NodeCard, Source } from './types';

/** A node that reads `sources`; its module is its own name unless told. */
export function card(name: string, given: Partial<NodeCard> = {}): NodeCard {
  const shape = given.shape ?? [8, 14, 14];
  const [n_channels = 1, rows = 1, columns = 1] = shape;
  return {
    ...{ name, op: 'relu', module: name, kind: 'op', shape, n_channels, rows, columns, sources: [], parameters: [] },
    ...{ n_parameters: 0, flops: 0, field: [], settings: [], is_loss: false },
    ...given,
  };
}

const from = (node: string, channels: Source['channels']): Source[] => [{ node, channels }];

export function lenet5(): NodeCard[] {
  return [
    card('conv1', { op: 'conv2d', shape: [6, 28, 28], sources: from('x', 'all') }),
    card('act1', { shape: [6, 28, 28], sources: from('conv1', 'same') }),
    card('pool1', { op: 'avg_pool2d', shape: [6, 14, 14], sources: from('act1', 'same') }),
    card('conv2', { op: 'conv2d', shape: [16, 10, 10], sources: from('pool1', 'all') }),
    card('act2', { shape: [16, 10, 10], sources: from('conv2', 'same') }),
    card('pool2', { op: 'avg_pool2d', shape: [16, 5, 5], sources: from('act2', 'same') }),
    card('flatten', { op: 'flatten', shape: [400], sources: from('pool2', 'some') }),
    card('fc1', { op: 'linear', shape: [120], sources: from('flatten', 'all') }),
    card('act3', { shape: [120], sources: from('fc1', 'same') }),
    card('fc2', { op: 'linear', shape: [84], sources: from('act3', 'all') }),
    card('act4', { shape: [84], sources: from('fc2', 'same') }),
    card('fc3', { op: 'linear', shape: [10], sources: from('act4', 'all') }),
  ];
}

/** A ResNet of bottlenecks, `blocks` in each stage. */
export function resnet(blocks: number[]): NodeCard[] {
  const nodes: NodeCard[] = [];
  let last = 'x';
  const add = (name: string, shape: number[], channels: Source['channels'], more: Partial<NodeCard> = {}): void => {
    nodes.push(card(name, { shape, sources: from(last, channels), ...more }));
    last = name;
  };
  add('conv1', [64, 112, 112], 'all');
  add('bn1', [64, 112, 112], 'same');
  add('relu', [64, 112, 112], 'same');
  add('maxpool', [64, 56, 56], 'same');
  blocks.forEach((n, stage) => {
    const side = 56 >> stage;
    for (let block = 0; block < n; block += 1) {
      const path = `layer${stage + 1}.${block}`;
      const shape = [64 << stage, side, side];
      const wide = [256 << stage, side, side];
      let skip = last;
      for (const i of [1, 2, 3]) {
        add(`${path}.conv${i}`, i === 3 ? wide : shape, 'all');
        add(`${path}.bn${i}`, i === 3 ? wide : shape, 'same');
        if (i < 3) add(`${path}.relu${i}`, shape, 'same');
      }
      const residual = last;
      if (block === 0) {
        last = skip;
        add(`${path}.downsample.0`, wide, 'all');
        add(`${path}.downsample.1`, wide, 'same');
        skip = last;
      }
      const sources: Source[] = [...from(residual, 'same'), ...from(skip, 'same')];
      add(`${path}.add`, wide, 'same', { module: path, sources });
      add(`${path}.relu3`, wide, 'same');
    }
  });
  add('avgpool', [2048, 1, 1], 'same');
  add('flatten', [2048], 'some', { module: '' });
  add('fc', [1000], 'all');
  return nodes;
}
