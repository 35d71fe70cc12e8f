// Where the page is: the address is the state. Read `place`, change it with `go`, link to it with `href`.
import { untrack } from 'svelte';
import { changed, formatPlace, parsePlace, type Place } from './route';

export type { By, Mode, Place, Scope, Screen, Tab } from './route';

const REPLACE_PAUSE_MS = 150; // browsers refuse a page that rewrites its address hundreds of times in a few seconds

const here = (): Place =>
  typeof location === 'undefined' ? parsePlace('/', '') : parsePlace(location.pathname, location.search);

const current: Place = $state(here());

/** Everything the address says; reactive, field by field. */
export const place: Readonly<Place> = current;

let waiting: ReturnType<typeof setTimeout> | null = null;

/** The place as it is, for code that must not follow it: an effect that moves the page does not wake itself. */
const now = (): Place => untrack(() => $state.snapshot(current));

function show(next: Place): void {
  const before = now();
  const write = <K extends keyof Place>(name: K): void => {
    // An array is new each time; replacing it by an equal one would wake everything that reads it.
    if (JSON.stringify(before[name]) !== JSON.stringify(next[name])) current[name] = next[name];
  };
  for (const name of Object.keys(next) as (keyof Place)[]) write(name);
}

function settle(): void {
  if (waiting === null) return;
  clearTimeout(waiting);
  waiting = null;
  history.replaceState(null, '', formatPlace(now()));
}

/**
 * Moves the page. With `replace`, as a slider does while it is dragged, the screen follows at once and the address a
 * moment later, without an entry in the history.
 */
export function go(change: Partial<Place>, { replace = false } = {}): void {
  const before = now();
  const next = changed(before, change);
  const address = formatPlace(next);
  if (address === formatPlace(before) && next.screen === before.screen) return; // nowhere is written as "/" too
  if (replace) {
    show(next);
    waiting ??= setTimeout(settle, REPLACE_PAUSE_MS);
    return;
  }
  settle();
  const turns = next.screen !== before.screen || next.run !== before.run;
  history.pushState(null, '', address);
  show(next);
  if (turns) scrollTo(0, 0);
}

/** The address of a place, for an ordinary `<a href>`; the shell follows it without loading the page anew. */
export function href(change: Partial<Place>): string {
  return formatPlace(changed($state.snapshot(current), change));
}

/** Follows the browser's back and forward, and clicks on links to our own screens. Returns how to stop. */
export function followBrowser(): () => void {
  const back = (): void => {
    if (waiting !== null) clearTimeout(waiting);
    waiting = null;
    show(here());
  };
  const click = (event: MouseEvent): void => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || event.defaultPrevented || event.button !== 0 || link.target || link.hasAttribute('download')) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const address = new URL(link.href);
    const inPage = address.pathname === location.pathname && address.hash !== '';
    const next = parsePlace(address.pathname, address.search);
    if (address.origin !== location.origin || inPage || next.screen === 'nowhere') return;
    event.preventDefault();
    go(next);
  };
  addEventListener('popstate', back);
  addEventListener('click', click);
  addEventListener('pagehide', settle);
  return () => {
    removeEventListener('popstate', back);
    removeEventListener('click', click);
    removeEventListener('pagehide', settle);
  };
}
