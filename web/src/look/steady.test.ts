import { describe, expect, it } from 'vitest';
import { steady } from './steady';

describe('a steady map', () => {
  const before = new Map([
    ['a', 1],
    ['b', 2],
  ]);

  it('stays the same object while it says the same', () => {
    const next: [string, number][] = [
      ['a', 1],
      ['b', 2],
    ];
    expect(steady(before, next, Object.is)).toBe(before);
  });

  it.each<[string, [string, number][]]>([
    [
      'a value',
      [
        ['a', 1],
        ['b', 3],
      ],
    ],
    [
      'a key',
      [
        ['a', 1],
        ['c', 2],
      ],
    ],
    [
      'the order',
      [
        ['b', 2],
        ['a', 1],
      ],
    ],
    ['fewer', [['a', 1]]],
    [
      'more',
      [
        ['a', 1],
        ['b', 2],
        ['c', 3],
      ],
    ],
  ])('is new when it differs in %s', (_, entries) => {
    const found = steady(before, entries, Object.is);
    expect(found).not.toBe(before);
    expect([...found]).toEqual(entries);
  });
});
