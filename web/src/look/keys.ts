// The look screen's keyboard shortcuts; its lists and its slider have keys of their own.
import type { Shortcuts } from '../shell/keys.svelte';
import { go, place, type Tab } from '../state/place.svelte';
import { above, imageBeside } from './places';
import type { Scene } from './scene.svelte';
import { t } from './words';

export function keysOf(scene: Scene): Shortcuts {
  const beside = (by: number) => (): boolean => {
    const change = imageBeside(scene.image, by, scene.detail?.counts ?? {});
    if (change) go(change, { replace: true });
    return change !== null;
  };
  const up = (): boolean => {
    const change = above(place, scene.nodes);
    if (change) go(change);
    return change !== null;
  };
  const tab = (to: Tab) => ({ text: () => t(`look.tab.${to}`), act: () => go({ tab: to }) });
  return {
    title: () => t('look.keys'),
    keys: [
      { key: 'Escape', text: () => t('look.keys.up'), act: up },
      { key: '[', text: () => t('look.keys.image.before'), act: beside(-1) },
      { key: ']', text: () => t('look.keys.image.after'), act: beside(1) },
      { key: 'f', ...tab('forward') },
      { key: 'b', ...tab('backward') },
      { key: 'u', ...tab('update') },
    ],
  };
}
