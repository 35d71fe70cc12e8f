// The address holds the whole state: what is written reads back, and nonsense is no error.
import { describe, expect, it } from 'vitest';
import { changed, formatPlace, parsePlace, START, type Place } from './route';

const reread = (place: Place): Place => {
  const [path = '/', query = ''] = formatPlace(place).split('?');
  return parsePlace(path, query);
};

const FULL: Place = {
  screen: 'look',
  run: '20261121 lenet5/ä',
  image: 'input:0f3a',
  step: 200,
  minus: 0,
  node: 'layer1.0.conv2',
  unit: 5,
  at: [5, 4, 3],
  tab: 'backward',
  scope: 'network',
  mode: 'train',
  target: '7',
  by: 'term',
  open: ['layer1', 'layer2.0'],
  split: 'validation',
  truth: 4,
  predicted: 0,
  lang: 'zh',
  rest: [['later', 'a b&c=d']],
};

describe('an address', () => {
  it('reads back as the place it was written from', () => {
    expect(reread(FULL)).toEqual(FULL);
    expect(reread({ ...START, rest: [] })).toEqual(START);
    expect(reread({ ...FULL, step: null, minus: -1 })).toEqual({ ...FULL, step: null, minus: -1 });
  });

  it('is short and can be read aloud', () => {
    expect(formatPlace({ ...START, screen: 'look', run: 'lenet5-mnist', image: 'test:45', at: [5, 4, 3] })).toBe(
      '/runs/lenet5-mnist/look?image=test:45&at=5,4,3',
    );
    expect(formatPlace({ ...START })).toBe('/');
  });

  it.each([
    ['/', 'runs', null],
    ['/new', 'new', null],
    ['/runs/a', 'run', 'a'],
    ['/runs/a/', 'run', 'a'],
    ['/runs/a%2Fb/look', 'look', 'a/b'],
    ['/runs', 'nowhere', null],
    ['/runs/a/else', 'nowhere', null],
    ['/runs/a/look/more', 'nowhere', null],
    ['/runs/%', 'nowhere', null],
    ['/api/runs', 'nowhere', null],
  ])('%s is the screen %s', (path, screen, run) => {
    expect(parsePlace(path, '')).toMatchObject({ screen, run });
  });

  it.each(['step=-1', 'minus=-2', 'step=1.5', 'step=x', 'at=1,,2', 'at=', 'tab=sideways', 'unit=1e3', 'image='])(
    'takes %s as not given',
    (query) => expect(parsePlace('/runs/a/look', query)).toEqual({ ...START, screen: 'look', run: 'a' }),
  );

  it('keeps what it does not know', () => {
    const place = parsePlace('/', 'new_thing=1&tab=update&toString=2&new_thing=3');
    expect(place.rest).toEqual([
      ['new_thing', '1'],
      ['toString', '2'],
      ['new_thing', '3'],
    ]);
    expect(formatPlace(place)).toBe('/?tab=update&new_thing=1&toString=2&new_thing=3');
  });
});

describe('a change', () => {
  it('keeps everything on the same screen', () => {
    expect(changed(FULL, { step: 3 })).toEqual({ ...FULL, step: 3 });
  });

  it('to another screen or run starts afresh, in the same language', () => {
    const fresh = { ...START, lang: 'zh', rest: FULL.rest };
    expect(changed(FULL, { screen: 'run' })).toEqual({ ...fresh, screen: 'run', run: FULL.run });
    expect(changed(FULL, { run: 'b', image: 'test:1' })).toEqual({
      ...fresh,
      screen: 'look',
      run: 'b',
      image: 'test:1',
    });
    expect(changed(FULL, { screen: 'runs' })).toEqual(fresh);
  });
});
