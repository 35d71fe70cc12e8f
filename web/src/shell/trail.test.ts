// The breadcrumb names every level once, and each leads there.
import { describe, expect, it } from 'vitest';
import { changed, formatPlace, parsePlace } from '../state/route';
import { titleOf, trail } from './trail';

const at = (address: string) => {
  const [path = '/', query = ''] = address.split('?');
  const place = parsePlace(path, query);
  return trail(place).map(({ text, to }) => [text, formatPlace(changed(place, to))]);
};

describe('the breadcrumb', () => {
  it('leads from one number back to the runs', () => {
    expect(at('/runs/a/look?image=test:45&step=9&node=conv2&unit=5&at=5,4,3')).toEqual([
      ['runs', '/'],
      ['a', '/runs/a'],
      ['test image 45', '/runs/a/look?image=test:45&step=9'],
      ['conv2', '/runs/a/look?image=test:45&step=9&node=conv2'],
      ['channel 5', '/runs/a/look?image=test:45&step=9&node=conv2&unit=5'],
      ['(4, 3)', '/runs/a/look?image=test:45&step=9&node=conv2&unit=5&at=5,4,3'],
    ]);
  });

  it.each([
    ['/', ['runs']],
    ['/new', ['runs', 'new run']],
    ['/runs/a', ['runs', 'a']],
    ['/runs/a/look', ['runs', 'a']],
    ['/runs/a/look?image=input:0f', ['runs', 'a', 'your image']],
    ['/runs/a/look?node=fc3&at=7', ['runs', 'a', 'fc3', 'unit 7']],
    ['/runs/a/look?node=conv2.weight&at=5,0,2,2', ['runs', 'a', 'conv2.weight', '(5, 0, 2, 2)']],
  ])('of %s is short', (address, texts) => {
    expect(at(address).map(([text]) => text)).toEqual(texts);
  });
});

describe('the title', () => {
  it.each([
    ['/', []],
    ['/new', ['new run']],
    ['/runs/a', ['a']],
    ['/runs/a/look', ['Inside a']],
    ['/runs/a/look?image=test:45&node=fc3&at=7', ['unit 7', 'fc3', 'test image 45', 'Inside a']],
    ['/runs/a/else', ['There is no such page']],
  ])('of %s tells it from every other', (address, names) => {
    const [path = '/', query = ''] = address.split('?');
    expect(titleOf(parsePlace(path, query))).toEqual(names);
  });
});
