// A sentence at the edge of the screen that goes by itself: "copied", "saved". Errors that need an answer stay on the screen.
import { untrack } from 'svelte';

export interface Toast {
  id: number;
  text: string;
  kind: 'note' | 'good' | 'bad';
}

const SHOWN_MS = 5_000;
const MOST = 4;

let last = 0;
let shown: Toast[] = $state([]);

export const toasts = {
  get shown(): readonly Toast[] {
    return shown;
  },
};

/** Says a sentence for a few seconds, aloud too. A bad one stays until it is dismissed. */
export function say(text: string, kind: Toast['kind'] = 'note'): void {
  last += 1;
  const id = last;
  const others = untrack(() => shown).filter((toast) => toast.text !== text);
  shown = [...others, { id, text, kind }].slice(-MOST);
  if (kind !== 'bad') setTimeout(() => dismiss(id), SHOWN_MS);
}

export function dismiss(id: number): void {
  shown = untrack(() => shown).filter((toast) => toast.id !== id);
}
