// Shown: the strongest channels when there is no room for all, and values that come out of bytes as they went in.
import { describe, expect, it } from 'vitest';
import { layoutOf, type ColumnBox } from './layout';
import { card } from './networks.fixture';
import { about, exactOf, limitOf, shownOf, type Sheet } from './shown';
import { columnsOf } from './tree';

function boxOf(shape: number[], slots: number, logits = ''): ColumnBox {
  const columns = columnsOf(
    [card('node', { shape, n_channels: shape[0], rows: shape[1] ?? 1, columns: shape[2] ?? 1 })],
    new Set(),
  );
  const [box] = layoutOf({ columns, links: [[]], logits, loss: '', width: 900, height: 600 }).boxes;
  if (!box) throw new Error('no column');
  return { ...box, slots };
}

function sheetOf(values: number[][], rows = 1): Sheet {
  const peaks = values.map((map) => Math.max(...map.map(Math.abs)));
  const bytes = values.flatMap((map, i) => map.map((value) => Math.round((value / (peaks[i] || 1)) * 127) + 128));
  const figures = { minimum: 0, mean: 0, maximum: 0, note: '', shrunk: 1 };
  const channels = [...values.keys()];
  const size = { rows, columns: (values[0]?.length ?? 0) / rows, n_channels: values.length };
  return { node: 'node', channels, peaks, peak: Math.max(...peaks), data: Uint8Array.from(bytes), ...size, ...figures };
}

describe('channels', () => {
  const maps = sheetOf([
    [1, 0],
    [-9, 0],
    [4, 4],
    [0, 0],
  ]); // mean |value|: 0.5, 4.5, 4, 0

  it('stand in their own order while all have a slot', () => {
    expect(shownOf(boxOf([4, 1, 2], 4), maps, null).channels).toEqual([0, 1, 2, 3]);
  });

  it('are the strongest where they have not, with the one that is looked at', () => {
    expect(shownOf(boxOf([4, 1, 2], 2), maps, null).channels).toEqual([1, 2]);
    const shown = shownOf(boxOf([4, 1, 2], 2), maps, 3);
    expect([shown.channels, shown.places, shown.slotOf.get(3)]).toEqual([[1, 3], [1, 3], 1]);
  });

  it('keep the order of a server that sent some of them', () => {
    const some = { ...maps, channels: [40, 7, 30, 2], n_channels: 64 };
    const shown = shownOf(boxOf([64, 1, 2], 3), some, null);
    expect([shown.channels, shown.places]).toEqual([
      [40, 7, 30],
      [0, 1, 2],
    ]);
  });

  it('of a thousand classes are the top ones, wherever the sheet has them', () => {
    const scores = Array.from({ length: 1000 }, (_, i) => (i === 700 ? 9 : i === 3 ? 'nan' : -i / 1000));
    const shown = shownOf(boxOf([1000], 2, 'node'), sheetOf([[1], [2]]), null, scores);
    expect(shown.channels).toEqual([700, 0]);
    expect(shown.places).toEqual([-1, 0]);
  });

  it('have their slots before anything has come', () => {
    expect(shownOf(boxOf([4, 1, 2], 4), undefined, null)).toMatchObject({
      channels: [0, 1, 2, 3],
      places: [-1, -1, -1, -1],
    });
  });
});

describe('values', () => {
  it('of vectors are exact', () => {
    const sheet = sheetOf([[0.169905], [-3.25], [0]]);
    expect([0, 1, 2].map((place) => exactOf(sheet, place))).toEqual([0.169905, -3.25, 0]);
    sheet.data?.fill(0, 0, 1);
    expect(exactOf(sheet, 0)).toBeNaN();
    expect(exactOf(sheetOf([[1, 2]]), 0)).toBe(undefined);
    expect(exactOf(sheet, -1)).toBe(undefined);
  });

  it('of bytes are near', () => {
    expect(about(255, 2)).toBe(2);
    expect(about(1, 2)).toBe(-2);
    expect(about(0, 2)).toBeNaN();
  });

  it('are coloured by what the user chose', () => {
    const maps = sheetOf([
      [1, 0],
      [-8, 0],
    ]);
    expect((['unit', 'layer', 'network'] as const).map((scope) => limitOf(scope, maps, 0, 20))).toEqual([1, 8, 20]);
    expect(limitOf('unit', sheetOf([[1], [-8]]), 0, 20)).toBe(8);
    expect(limitOf('network', sheetOf([[0, 0]]), 0, 0)).toBe(1);
  });
});
