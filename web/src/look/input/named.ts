// What an image's name says: which part of the run's data it is from, and its number there.
import { t } from './words';

export const PARTS = ['test', 'validation', 'train'] as const;
export type Part = (typeof PARTS)[number];

export interface Named {
  part: Part;
  at: number;
}

/** The part and the number in a name; null for an image that a user gave or drew. */
export function named(image: string | null): Named | null {
  const [, part, at] = /^(test|validation|train):(\d+)$/.exec(image ?? '') ?? [];
  return part === undefined ? null : { part: part as Part, at: Number(at) };
}

/** What an image is called on the page. */
export function called(image: string, isText = false): string {
  const name = named(image);
  return name
    ? t('input.image', { part: t(`input.part.${name.part}`), n: name.at })
    : t(isText ? 'input.text.given' : 'input.given');
}
