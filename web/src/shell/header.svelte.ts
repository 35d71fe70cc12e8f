// What a screen puts into the header while it is shown: its tabs and switches, and what it looks at.
import type { Snippet } from 'svelte';

let tools: Snippet | null = $state.raw(null);
let isText = $state(false);

export const header = {
  get tools(): Snippet | null {
    return tools;
  },
  /** Whether the screen shows texts, not images. */
  get isText(): boolean {
    return isText;
  },
};

/** Shows a snippet in the header until the function returned is called: `$effect(() => headerTools(mine))`. */
export function headerTools(snippet: Snippet): () => void {
  tools = snippet;
  return () => {
    if (tools === snippet) tools = null;
  };
}

/** Says that what is shown are texts, until the function returned is called. */
export function headerOfTexts(): () => void {
  isText = true;
  return () => {
    isText = false;
  };
}
