// A form sends what was changed and nothing else, and the same run can be typed as a command.
import { describe, expect, it } from 'vitest';
import type { Form, KnobCard, OptionCard } from '../types';
import { commandOf, quoted } from './command';
import fixture from './form.fixture.json';
import { defaultsOf, fromRecipe, readKnob, readOption, toSend } from './values';

const form = fixture as unknown as Form;
const knob = (name: string): KnobCard => form.knobs.find((card) => card.name === name) as KnobCard;
const suits = (model: string, name: string) => form.models.find((card) => card.name === model)?.recipe[name];

describe('what applies where nothing was said', () => {
  it('is what suits the model, over the general defaults', () => {
    expect(defaultsOf(form, {}).lr).toBe(suits('lenet5', 'lr'));
    expect(defaultsOf(form, { model: 'linear' }).lr).toBe(suits('linear', 'lr'));
    expect(defaultsOf(form, { model: 'linear' }).schedule).toBe('cosine');
  });

  it("leaves the model's figures when its optimiser or its loss is left", () => {
    const other = defaultsOf(form, { model: 'mlp', optimiser: 'sgd', loss: 'hinge' });
    expect([other.lr, other.weight_decay, other.label_smoothing]).toEqual([null, 0, 0]);
    expect(defaultsOf(form, { model: 'mlp', optimiser: 'adamw' }).lr).toBe(suits('mlp', 'lr'));
    expect(defaultsOf(form, { model: 'mlp', optimiser: 'sgd' }).label_smoothing).toBe(suits('mlp', 'label_smoothing'));
  });
});

describe('a typed text', () => {
  it.each([
    ['batch_size', '64', 64],
    ['lr', '3e-3', 0.003],
    ['lr', ' 0,01 ', 0.01],
    ['label_smoothing', '0', 0],
  ])('%s %s is a value', (name, text, value) => expect(readKnob(knob(name), text)).toEqual({ value }));

  it.each([
    ['lr', 'fast', 'number'],
    ['lr', '1/0', 'number'],
    ['batch_size', '1.5', 'whole'],
    ['batch_size', '0', 'between'],
    ['label_smoothing', '1', 'below'],
    ['patience', '-1', 'least'],
  ])('%s %s is refused: %s', (name, text, why) =>
    expect(readKnob(knob(name), text)).toMatchObject({ refusal: { why } }),
  );

  it('may be a list for an option', () => {
    const hidden = form.models.find((card) => card.name === 'mlp')?.options[0] as OptionCard;
    expect(readOption(hidden, '512, 256')).toEqual({ value: [512, 256] });
    expect(readOption(hidden, '512, big')).toEqual({ refusal: { why: 'wholes' } });
  });
});

describe('data that say what suits them', () => {
  const suited = { model: 'resnet9', model_options: { width: 24 }, epochs: 41, flip: true };

  it('fill in model and knobs, which the server does alike where no model is named', () => {
    const usual = defaultsOf(form, { data: 'photos' }, suited);
    expect([usual.model, usual.epochs, usual.flip]).toEqual(['resnet9', 41, true]);
    expect(usual.lr).toBe(suits('resnet9', 'lr'));
    expect(toSend(form, { data: 'photos' }, {}, suited)).toEqual({ data: 'photos' });
  });

  it('leave room for what is turned', () => {
    const given = { data: 'photos', epochs: 3, flip: true };
    expect(toSend(form, given, { width: 8 }, suited)).toEqual({
      data: 'photos',
      epochs: 3,
      model_options: { width: 8 },
    });
  });

  it('say nothing once a model is chosen', () => {
    const given = { data: 'photos', model: 'mlp', epochs: 41 };
    expect(defaultsOf(form, given, suited).epochs).not.toBe(41);
    expect(toSend(form, given, {}, suited)).toEqual(given);
  });
});

describe('what is sent', () => {
  it('is data and model alone where nothing was changed', () => {
    expect(toSend(form, {}, {})).toEqual({ data: 'mnist', model: 'lenet5' });
  });

  it('leaves out what was changed back', () => {
    const given = { lr: suits('lenet5', 'lr') as number, epochs: 3 };
    expect(toSend(form, given, {})).toEqual({ data: 'mnist', model: 'lenet5', epochs: 3 });
  });

  it('makes the same recipe again', () => {
    const recipe = {
      ...defaultsOf(form, { model: 'mlp' }),
      model: 'mlp',
      epochs: 4,
      lr: 0.5,
      model_options: { hidden: [8] },
    };
    const { given, options } = fromRecipe(form, recipe);
    const sent = toSend(form, given, options);
    expect(sent).toEqual({ data: 'mnist', model: 'mlp', epochs: 4, lr: 0.5, model_options: { hidden: [8] } });
  });
});

describe('the command', () => {
  it('names every changed knob as the command line does', () => {
    const sent = {
      data: 'my images/cats',
      model: 'mlp',
      batch_size: 64,
      flip: true,
      model_options: { hidden: [512, 256] },
    };
    expect(commandOf(sent, form.knobs)).toBe(
      "convoscope train --data 'my images/cats' --flip --model mlp --batch-size 64 --hidden 512,256",
    );
  });

  it('quotes what a shell would take apart', () => {
    expect(quoted("it's; rm $HOME")).toBe(`'it'\\''s; rm $HOME'`);
    expect(quoted('data/mnist-1.0')).toBe('data/mnist-1.0');
  });
});
