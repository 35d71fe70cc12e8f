// Places: each level leads one deeper and one back, and a number's index is spelled as its node's shape is.
import { describe, expect, it } from 'vitest';
import { START, type Place } from '../state/route';
import { card } from './networks.fixture';
import { above, atOf, deeper, imageBeside } from './places';

const conv = card('conv', {
  shape: [16, 10, 8],
  parameters: [{ name: 'conv.weight', kind: 'parameter', shape: [16, 6, 5, 5] }],
});
const fc = card('fc', { shape: [120], n_channels: 120, rows: 1, columns: 1 });
const pooled = card('pooled', { shape: [2048, 1, 1], n_channels: 2048, rows: 1, columns: 1 });
const nodes = new Map([conv, fc, pooled].map((node) => [node.name, node]));
const at = (place: Partial<Place>): Place => ({ ...START, ...place });

it('an index has as many parts as the shape', () => {
  expect(atOf(conv, 5, 4, 3)).toEqual([5, 4, 3]);
  expect(atOf(fc, 17, 0, 0)).toEqual([17]);
  expect(atOf(pooled, 9, 0, 0)).toEqual([9, 0, 0]);
  expect(atOf(card('video', { shape: [4, 2, 3, 5], rows: 6, columns: 5 }), 1, 4, 2)).toEqual([1, 1, 1, 2]);
  expect(atOf(card('loss', { shape: [] }), 0, 0, 0)).toEqual([]);
});

describe('deeper', () => {
  it('leads to the channel, then to the number', () => {
    expect(deeper(START, conv, 5, [5, 4, 3])).toEqual({ node: 'conv', unit: 5, at: null });
    expect(deeper(at({ node: 'conv', unit: 5 }), conv, 5, [5, 4, 3])).toEqual({ node: 'conv', unit: 5, at: [5, 4, 3] });
    expect(deeper(at({ node: 'conv', unit: 4 }), conv, 5, [5, 4, 3]).at).toBe(null);
  });

  it('leads straight to the number of a vector, or where one insists', () => {
    expect(deeper(START, fc, 17, null).at).toEqual([17]);
    expect(deeper(START, conv, 5, null, true).at).toEqual([5, 5, 4]);
  });

  it('stops at the channel where weights are shown', () => {
    expect(deeper(at({ tab: 'update', node: 'fc', unit: 17 }), fc, 17, null).at).toBe(null);
  });
});

describe('above', () => {
  it('goes back level by level and ends at the network', () => {
    expect(above(at({ node: 'conv', unit: 5, at: [5, 4, 3] }), nodes)).toEqual({ unit: 5, at: null });
    expect(above(at({ node: 'conv', unit: 5 }), nodes)).toEqual({ unit: null });
    expect(above(at({ node: 'conv' }), nodes)).toEqual({ node: null });
    expect(above(START, nodes)).toBe(null);
  });

  it("leads from a parameter's number to the channel that reads it, and from nowhere to the network", () => {
    expect(above(at({ node: 'conv.weight', at: [5, 0, 2, 2] }), nodes)).toEqual({ node: 'conv', unit: 5, at: null });
    expect(above(at({ node: 'gone', unit: 1 }), nodes)).toEqual({ node: null, unit: null, at: null });
  });
});

it('the image beside is in the same part of the data, and ends with it', () => {
  const counts = { test: 100 };
  expect(imageBeside('test:45', 1, counts)).toEqual({ image: 'test:46', target: null });
  expect(imageBeside('test:0', -1, counts)).toBe(null);
  expect(imageBeside('test:99', 1, counts)).toBe(null);
  expect(imageBeside('input:0f3a', 1, counts)).toBe(null);
});
