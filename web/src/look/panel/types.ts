// The heads of the packs that the panels read, as the server's description says them.
import type { components } from '../../wire/schema';

type Schemas = components['schemas'];

export type LayerHead = Schemas['LayerHead'];
export type UnitHead = Schemas['UnitHead'];
export type Contribution = Schemas['Contribution'];

/** What a layer's grid shows of each channel. */
export type View = 'maps' | 'filters';
