// Giving: an image file from the user's disk or clipboard on its way to the server, and what the server says of it.
import { say } from '../../shell/toast.svelte';
import { ApiError, asProblem } from '../../wire/api';
import type { Editor } from './editor.svelte';
import type { Scene } from '../scene.svelte';
import { t } from './words';

const MOST_BYTES = 20e6; // the server's bound too; a larger file would be sent for nothing

export class Giving {
  busy = $state(false);
  problem: ApiError | null = $state.raw(null);
  readonly #scene: Scene;
  readonly #editor: Editor;

  constructor(scene: Scene, editor: Editor) {
    this.#scene = scene;
    this.#editor = editor;
    $effect(() => {
      void scene.image;
      this.problem = null; // it was about an image that nobody waits for any more
    });
  }

  /** Sends a file; the server decides whether it is an image, whatever the browser thinks of it. */
  async give(file: Blob): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = null;
    try {
      if (file.size > MOST_BYTES) throw tooLarge(file.size);
      const isNamed = file.type.startsWith('image/');
      await this.#scene.upload(isNamed ? file : new Blob([file], { type: 'image/*' }));
      this.#editor.drop();
    } catch (error) {
      this.problem = asProblem(error);
      say(this.problem.message || t('input.sending'), 'bad');
    }
    this.busy = false;
  }

  /** Gives the first image that was dropped or pasted; false where there is none. */
  from(data: DataTransfer | null): boolean {
    const files = [...(data?.files ?? [])];
    const file = files.find(({ type }) => type.startsWith('image/')) ?? files[0];
    if (file) void this.give(file);
    return file !== undefined;
  }

  /** Gives the image on the clipboard, which the browser may ask the user about. */
  async paste(): Promise<void> {
    try {
      for (const item of await navigator.clipboard.read()) {
        const type = item.types.find((name) => name.startsWith('image/'));
        if (type) return await this.give(await item.getType(type));
      }
      say(t('input.paste.none'));
    } catch {
      say(t('input.paste.refused'), 'bad');
    }
  }
}

function tooLarge(bytes: number): ApiError {
  const [given, most] = [bytes, MOST_BYTES].map((n) => Math.ceil(n / 1e6));
  const message = t('input.too-large', { given: given ?? 0, most: most ?? 0 });
  return new ApiError(413, 'InputError', message, t('input.too-large.hint'));
}
