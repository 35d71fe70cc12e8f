// The way to where the page is, from the list of runs to one number, as links: each leads one or more levels up.
import type { Place } from '../state/route';
import { header } from './header.svelte';
import { t } from './words';

export interface Crumb {
  text: string;
  /** The place it leads to; the last one is where the page is. */
  to: Partial<Place>;
  /** Names that the network gave are set like code. */
  code?: boolean;
}

const NOTHING_PICKED = { node: null, unit: null, at: null } as const;

/** An image's or a text's name in words: "test:45" is "test image 45". */
export function imageText(image: string): string {
  const what = header.isText ? ('shell.text' as const) : ('shell.image' as const);
  const [split = '', number = ''] = image.split(':');
  if (split === 'train' || split === 'validation' || split === 'test') return t(`${what}.${split}`, { n: number });
  return t(`${what}.own`);
}

function inNode({ node, unit, at }: Place): Crumb[] {
  if (node === null) return [];
  const crumbs: Crumb[] = [{ text: node, to: { node, unit: null, at: null }, code: true }];
  const channel = at?.[0] ?? unit;
  if (channel === null || channel === undefined) return crumbs;
  const parameter = /\.(?:weight|bias)$/.test(node);
  if (!parameter && at?.length !== 1) {
    crumbs.push({ text: t('shell.channel', { n: channel }), to: { node, unit: channel, at: null } });
  }
  if (at === null) return crumbs;
  const single = at.length === 1 ? t('shell.unit', { n: channel }) : `(${(parameter ? at : at.slice(1)).join(', ')})`;
  return [...crumbs, { text: single, to: { node, unit, at } }];
}

/** The names of where the page is, the innermost first, for the window's title; none for the list of runs. */
export function titleOf(place: Place): string[] {
  if (place.screen === 'nowhere') return [t('shell.nowhere')];
  const names = trail(place).map(({ text }) => text);
  if (place.screen === 'look' && place.run !== null) names[1] = t('shell.inside', { run: place.run });
  return names.slice(1).reverse();
}

export function trail(place: Place): Crumb[] {
  const crumbs: Crumb[] = [{ text: t('shell.runs'), to: { screen: 'runs' } }];
  if (place.screen === 'new') crumbs.push({ text: t('shell.new'), to: { screen: 'new' } });
  if (place.run === null) return crumbs;
  crumbs.push({ text: place.run, to: { screen: 'run', run: place.run } });
  if (place.screen !== 'look') return crumbs;
  if (place.image !== null) crumbs.push({ text: imageText(place.image), to: NOTHING_PICKED });
  return [...crumbs, ...inNode(place)];
}
