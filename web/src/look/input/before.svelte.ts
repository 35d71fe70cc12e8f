// Before: what the network said of the whole image, at the step that is looked at, beside what it says without a part.
import { getPack } from '../../wire/api';
import { Newest } from '../newest';
import type { Scene } from '../scene.svelte';
import { number } from '../shown';
import type { Atlas, Sight } from '../types';
import type { Editor } from './editor.svelte';

export class Before {
  #sight: Sight | null = $state.raw(null);
  readonly #newest = new Newest();
  readonly #editor: Editor;

  constructor(scene: Scene, editor: Editor) {
    this.#editor = editor;
    $effect(() => {
      const image = editor.mode === 'erase' ? editor.origin?.image : undefined;
      const nodes = scene.network?.logits;
      if (image === undefined || nodes === undefined) return this.#newest.stop();
      const sight = { ...scene.query(), image, tab: 'forward', minus: null, target: null };
      const query = { ...sight, nodes, k: 1, vector: 1, tile: 1 };
      void this.#newest.run(
        async (signal) => {
          this.#sight = (await getPack<Atlas>(`${scene.route}/atlas`, query, { signal })).meta.sight;
        },
        () => (this.#sight = null), // the scene asks the same of the same server, and says what is wrong
      );
    });
  }

  /** The probabilities (0-1) and the predicted class of the whole image, while a part of it is erased. */
  readonly shown: { probabilities: number[]; predicted: number } | null = $derived.by(() => {
    const { mode, origin, isChanged } = this.#editor;
    const sight = this.#sight;
    if (mode !== 'erase' || !isChanged || !sight || sight.image !== origin?.image) return null;
    return { probabilities: sight.probabilities.map(number), predicted: sight.predicted };
  });
}
