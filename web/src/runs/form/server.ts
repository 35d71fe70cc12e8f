// What the server says of knobs, models and datasets: its own English, and beside it our Chinese.
import { language } from '../../state/words.svelte';
import chinese from './chinese.json';
import type { DataCard, KnobCard, ModelCard, OptionCard } from '../types';

const CHINESE: Record<string, string> = chinese;

function said(key: string, english: string): string {
  return language.current === 'zh' ? (CHINESE[key] ?? english) : english;
}

const spaced = (name: string): string => name.replaceAll('_', ' ');

export const knobTitle = (name: string): string => said(`knob.${name}`, spaced(name));
export const knobHelp = (knob: KnobCard): string => said(`knob.${knob.name}.help`, knob.help);
export const knobCost = (knob: KnobCard): string => (knob.cost ? said(`knob.${knob.name}.cost`, knob.cost) : '');
export const unitName = (unit: string): string => (unit ? said(`unit.${unit}`, unit) : '');
export const groupTitle = (group: string): string => said(`group.${group}`, group);
export const choiceName = (choice: string): string => said(`choice.${choice}`, choice);
export const modelSummary = (model: ModelCard): string => said(`model.${model.name}.summary`, model.summary);
export const modelTaught = (model: ModelCard): string => said(`model.${model.name}.taught`, model.taught);
export const dataSummary = (data: DataCard): string => said(`data.${data.name}.summary`, data.summary);

export const optionTitle = (name: string): string => said(`option.${name}`, spaced(name));

export function optionHelp(model: ModelCard, option: OptionCard): string {
  return said(`model.${model.name}.${option.name}.help`, option.help);
}

/** The keys that a form needs Chinese for. */
export function keysOf(form: { knobs: KnobCard[]; models: ModelCard[]; datasets: DataCard[] }): string[] {
  const knobs = form.knobs.flatMap((knob) => [
    `knob.${knob.name}`,
    `knob.${knob.name}.help`,
    ...(knob.cost ? [`knob.${knob.name}.cost`] : []),
    ...(knob.unit ? [`unit.${knob.unit}`] : []),
    ...knob.choices.map((choice) => `choice.${choice}`),
    `group.${knob.group}`,
  ]);
  const models = form.models.flatMap((model) => [
    `model.${model.name}.summary`,
    `model.${model.name}.taught`,
    ...model.options.flatMap((option) => [`option.${option.name}`, `model.${model.name}.${option.name}.help`]),
    ...model.options.flatMap((option) => option.choices.map((choice) => `choice.${choice}`)),
  ]);
  return [...new Set([...knobs, ...models, ...form.datasets.map((data) => `data.${data.name}.summary`)])];
}
