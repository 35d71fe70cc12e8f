import { describe, expect, it } from 'vitest';
import fixture from './form.fixture.json';
import { familiesFor, familyOf } from './families';
import type { Form, ModelCard } from '../types';

const { models } = fixture as unknown as Form;
const card = (name: string, year: number, ...takes: string[]): ModelCard =>
  ({ name, year, takes: takes.length > 0 ? takes : ['images'] }) as unknown as ModelCard;

describe('a family', () => {
  it.each([
    ['knn', 1967, 'early'],
    ['lenet5_1998', 1998, 'lenet'],
    ['alexnet_2012', 2012, 'alexnet'],
    ['vgg16_bn', 2014, 'vgg'],
    ['resnet50_v1', 2015, 'resnet'],
    ['resnet110', 2016, 'small'],
    ['resnet101', 2016, 'resnet'],
    ['mine', 2031, 'other'],
  ])('of %s (%i) is %s', (name, year, family) => expect(familyOf(card(name, year))).toBe(family));

  it('of what reads words is the sequences', () => {
    expect(familyOf(card('gru', 2014, 'images', 'texts'))).toBe('sequence');
    expect(familyOf(card('textcnn', 2014, 'texts'))).toBe('sequence');
  });

  it('has every model once', () => {
    const all = familiesFor(models, null).flatMap((one) => one.models.map(({ name }) => name));
    expect(all.toSorted()).toEqual(models.map(({ name }) => name).toSorted());
    expect(familiesFor(models, null).some(({ family }) => family === 'other')).toBe(false);
  });

  it('shows only what takes the data', () => {
    const zoo = [card('linear', 1958), card('lstm', 1997, 'images', 'texts'), card('textcnn', 2014, 'texts')];
    const names = (kind: 'images' | 'texts' | 'trees') =>
      familiesFor(zoo, kind).flatMap((one) => one.models.map(({ name }) => name));
    expect(names('images')).toEqual(['linear', 'lstm']);
    expect(names('texts')).toEqual(['lstm', 'textcnn']);
    expect(names('trees')).toEqual([]);
  });
});
