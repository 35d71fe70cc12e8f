// What happens while a number's parts are pointed at: it lights up in the network, and its own arithmetic is brought ahead,
// so that a click finds it there.
import type { Scene } from '../look/scene.svelte';
import type { Query } from '../wire/api';
import { cardOf } from './opened.svelte';
import { placeOf } from './show';
import type { LeafPart } from './types';

const PAUSE_MS = 80; // a pointer on its way elsewhere asks for nothing

export class Pointing {
  #waiting: ReturnType<typeof setTimeout> | undefined;
  #lit = false;

  /** Points at a leaf, whose card the query asks for; null for what cannot be opened, or for nothing. */
  over(scene: Scene, leaf: LeafPart | null, query: Query | null): void {
    clearTimeout(this.#waiting);
    const lights = leaf !== null && query !== null && leaf.kind === 'unit';
    const at = leaf ? placeOf(leaf) : [];
    if (lights) scene.hovered = { node: leaf.node, channel: at[0] ?? null, at };
    else if (this.#lit) scene.hovered = null; // what somebody else lit stays lit
    this.#lit = lights;
    // The click says what is wrong, where something is.
    if (query) this.#waiting = setTimeout(() => void cardOf(scene.run, query).catch(() => undefined), PAUSE_MS);
  }
}
