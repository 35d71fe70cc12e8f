// Everything that the server says on a new run's form is said in Chinese too.
//
// form.fixture.json is what GET /api/form answers; tests/page/test_form_fixture.py holds it to that and renews it.
import { describe, expect, it } from 'vitest';
import chinese from './chinese.json';
import fixture from './form.fixture.json';
import { keysOf } from './server';
import type { Form } from '../types';

const form = fixture as unknown as Form;

describe('the Chinese of the form', () => {
  it('has every text that the server has in English', () => {
    expect(keysOf(form).filter((key) => !(chinese as Record<string, string>)[key]?.trim())).toEqual([]);
  });

  it('has none that nothing asks for', () => {
    const asked = new Set(keysOf(form));
    expect(Object.keys(chinese).filter((key) => !asked.has(key))).toEqual([]);
  });

  it('is Chinese where it is a sentence', () => {
    const sentences = Object.entries(chinese).filter(([key]) => /\.(help|cost|summary|taught)$/.test(key));
    expect(sentences.filter(([, text]) => !/\p{Script=Han}/u.test(text))).toEqual([]);
  });
});
