// Every text stands in both languages, and every text that is asked for is there.
import { describe, expect, it } from 'vitest';
import { fill, holesOf, type Both } from './fill';

interface Module {
  [name: string]: unknown;
}

const tables = Object.entries(import.meta.glob<Module>('../**/words.ts', { eager: true })).flatMap(([file, module]) =>
  Object.values(module).flatMap((member) =>
    typeof member === 'function' && 'table' in member ? [{ file, table: member.table as Record<string, Both> }] : [],
  ),
);
const texts = tables.flatMap(({ file, table }) => Object.entries(table).map(([key, both]) => ({ file, key, both })));

const sources = import.meta.glob<string>(['../**/*.{svelte,ts}', '!../**/*.test.ts'], {
  eager: true,
  query: '?raw',
  import: 'default',
});

/** The keys that a source asks for by name, `t('a.b')`. */
const asked = (source: string): string[] => [...source.matchAll(/\bt\(\s*'([\w.-]+)'/g)].map((match) => match[1] ?? '');

describe('the tables of words', () => {
  it('are found', () => {
    expect(tables.map(({ file }) => file)).toContain('../shell/words.ts');
  });

  it('say everything in both languages', () => {
    const silent = texts.filter(({ both }) => !both.en?.trim() || !both.zh?.trim());
    expect(silent).toEqual([]);
  });

  it('want the same values in both languages', () => {
    const apart = texts.filter(({ both }) => holesOf(both.en).join() !== holesOf(both.zh).join());
    expect(apart).toEqual([]);
  });

  it('have no hole that is left open', () => {
    const open = texts.filter(({ both }) => [both.en, both.zh].some((text) => /\{\w/.test(fill(text, anything(text)))));
    expect(open).toEqual([]);
  });

  it('define each key once', () => {
    const keys = texts.map(({ key }) => key);
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  });

  it('have every key that the sources ask for', () => {
    const known = new Set(texts.map(({ key }) => key));
    const missing = Object.entries(sources).flatMap(([file, source]) =>
      asked(source)
        .filter((key) => !known.has(key))
        .map((key) => `${file}: ${key}`),
    );
    expect(missing).toEqual([]);
  });

  it('are where the Chinese is: none stands in a component', () => {
    const strays = Object.entries(sources)
      .filter(
        ([file, source]) => file.endsWith('.svelte') && /\p{Script=Han}/u.test(source.replaceAll(/简体中文|中/g, '')),
      )
      .map(([file]) => file);
    expect(strays).toEqual([]);
  });
});

const anything = (text: string) => Object.fromEntries(holesOf(text).map((name) => [name, 1]));

describe('filling a text', () => {
  it('puts values in, and the word that follows a number', () => {
    expect(fill('{n} {n|run|runs} of {all}', { n: 1, all: 12 })).toBe('1 run of 12');
    expect(fill('{n} {n|run|runs} of {all}', { n: 0, all: 12 })).toBe('0 runs of 12');
    expect(fill('{n} 次训练', { n: 2 })).toBe('2 次训练');
  });

  it('leaves what it has no value for, to be seen', () => {
    expect(fill('step {n}', {})).toBe('step {n}');
    expect(fill('{x: 1}', { x: 2 })).toBe('{x: 1}');
  });

  it('knows the names that a text wants', () => {
    expect(holesOf('{n} {n|run|runs} of {all}')).toEqual(['all', 'n']);
  });
});
