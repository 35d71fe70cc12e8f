// Turns: what a turn of a written-out loop is called, by what it reads: a word of the text, or a row of the image.
import { isGroup, type Item } from './tree';
import { readTurn } from './repeats';
import type { Scene } from './scene.svelte';
import { t } from './words';

/** How many turns each loop of a network has, by its module's path. */
export function loopsOf(items: Item[], found = new Map<string, number>()): Map<string, number> {
  for (const item of items) {
    if (!isGroup(item)) continue;
    const { path, turn } = readTurn(item.path);
    if (turn !== null) found.set(path, Math.max(found.get(path) ?? 0, turn + 1));
    else loopsOf(item.items, found);
  }
  return found;
}

export function turnName(scene: Scene, module: string, turn: number): string {
  const n = scene.loops.get(module);
  const { words } = scene.text ?? {};
  if (words && words.length === n) return `${turn} ${words[turn]?.word ?? ''}`;
  const [, rows] = scene.text ? [] : (scene.nodes.get(scene.network?.input ?? '')?.shape ?? []);
  return rows === n ? t('look.turn.row', { n: turn }) : t('look.turn', { n: turn });
}
