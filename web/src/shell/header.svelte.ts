// What a screen puts into the header while it is shown: its tabs and switches.
import type { Snippet } from 'svelte';

let tools: Snippet | null = $state.raw(null);

export const header = {
  get tools(): Snippet | null {
    return tools;
  },
};

/** Shows a snippet in the header until the function returned is called: `$effect(() => headerTools(mine))`. */
export function headerTools(snippet: Snippet): () => void {
  tools = snippet;
  return () => {
    if (tools === snippet) tools = null;
  };
}
