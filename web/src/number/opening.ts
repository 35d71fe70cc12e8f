// What the parts of an expression ask of the panel they stand in: open a number, light it up, say what mattered most.
import { getContext, setContext } from 'svelte';
import type { Place } from '../state/place.svelte';
import type { LeafPart } from './types';

export interface Opening {
  /** Where a leaf leads, null for what cannot be opened: an optimiser's state, a number itself. */
  to(leaf: LeafPart): Partial<Place> | null;
  open(leaf: LeafPart): void;
  /** Lights a leaf up in the network; null puts it out. */
  hover(leaf: LeafPart | null): void;
  /** Whether the panel says this note of a part already, as one of the whole. */
  noted(note: string): boolean;
  /** Whether it is the end of what mattered most. */
  most(leaf: LeafPart): boolean;
}

const KEY = Symbol('opening');

export const provideOpening = (opening: Opening): Opening => setContext(KEY, opening);

export const useOpening = (): Opening => getContext<Opening>(KEY);
