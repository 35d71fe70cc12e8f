// Keyboard shortcuts: every room registers its own, and one dialog lists them all.
import { untrack } from 'svelte';

export interface Shortcut {
  /** A key as KeyboardEvent.key names it: "Escape", "ArrowLeft", "f", "?", "[". Letters match in either case. */
  key: string;
  /** What it does, in the page's language. */
  text: () => string;
  /** Does it. `false` says that it did not apply, so that the next in line may. */
  act(event: KeyboardEvent): void | boolean;
}

/** Shortcuts that stand together in the help, under a title. */
export interface Shortcuts {
  title: () => string;
  keys: readonly Shortcut[];
}

let groups: readonly Shortcuts[] = $state.raw([]);

export const registered = {
  get groups(): readonly Shortcuts[] {
    return groups;
  },
};

/**
 * Registers shortcuts and returns how to take them back: `$effect(() => shortcuts({ title, keys }))`.
 *
 * The group registered last is asked first. None is asked while something is typed, a dialog is open or a modifier is held.
 */
export function shortcuts(group: Shortcuts): () => void {
  groups = [...untrack(() => groups), group]; // who registers in an effect must not wait for others who do
  return () => {
    groups = groups.filter((other) => other !== group);
  };
}

const OWN_ARROWS = ['radio', 'range'];
const NOT_TYPED = ['button', 'checkbox', 'color', 'file', 'image', 'reset', 'submit', ...OWN_ARROWS];
const MOVES = /^(?:Arrow(?:Left|Right|Up|Down)|Home|End|PageUp|PageDown)$/;

/** Whether the focused control has its own use for the key. */
export function takes(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (key === 'Escape') return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement)
    return true;
  if (target.getAttribute('role') === 'slider' && MOVES.test(key)) return true;
  if (key === 'Enter' || key === ' ') return target.matches('a, button, input, summary');
  if (!(target instanceof HTMLInputElement)) return false;
  if (OWN_ARROWS.includes(target.type) && MOVES.test(key)) return true;
  return !NOT_TYPED.includes(target.type);
}

const same = (wanted: string, pressed: string): boolean =>
  wanted === pressed || (wanted.length === 1 && wanted.toLowerCase() === pressed.toLowerCase());

function press(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector('dialog[open]') || takes(event.target, event.key)) return;
  for (const { keys } of [...groups].reverse()) {
    for (const shortcut of keys) {
      if (!same(shortcut.key, event.key) || shortcut.act(event) === false) continue;
      event.preventDefault();
      return;
    }
  }
}

/** Listens for shortcuts; returns how to stop. */
export function followKeys(): () => void {
  addEventListener('keydown', press);
  return () => removeEventListener('keydown', press);
}

const SIGNS: Record<string, string> = {
  ArrowLeft: '←',
  ArrowRight: '→',
  ArrowUp: '↑',
  ArrowDown: '↓',
  Escape: 'Esc',
  ' ': '␣',
};

/** How a key is written on a keyboard. */
export function signOf(key: string): string {
  return SIGNS[key] ?? (key.length === 1 ? key.toUpperCase() : key);
}
