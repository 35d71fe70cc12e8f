// Families: which architectures stand together on the form. What is new and fits none stands with the others.
import type { InputKind, ModelCard } from '../types';

export const FAMILIES = ['early', 'lenet', 'alexnet', 'vgg', 'resnet', 'small', 'sequence', 'other'] as const;
export type Family = (typeof FAMILIES)[number];

const BEFORE_CONVOLUTION = 1989;
const NAMED: [Family, RegExp][] = [
  ['small', /^(resnet(9|20|32|44|56|110)|airbench\w*)$/], // made for images of 28 to 32 pixels
  ['lenet', /^lenet/],
  ['alexnet', /^alexnet/],
  ['vgg', /^vgg/],
  ['resnet', /^resnet/],
];

export function familyOf({ name, year, takes }: Pick<ModelCard, 'name' | 'year' | 'takes'>): Family {
  if (takes.some((kind) => kind !== 'images')) return 'sequence';
  const named = NAMED.find(([, pattern]) => pattern.test(name));
  return named?.[0] ?? (year < BEFORE_CONVOLUTION ? 'early' : 'other');
}

/** The families that have a member for such data, each with those members; null for data of a kind not known yet. */
export function familiesFor(models: ModelCard[], kind: InputKind | null): { family: Family; models: ModelCard[] }[] {
  const fitting = models.filter(({ takes }) => kind === null || takes.includes(kind));
  return FAMILIES.map((family) => ({
    family,
    models: fitting.filter((model) => familyOf(model) === family),
  })).filter((one) => one.models.length > 0);
}
