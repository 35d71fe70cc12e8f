// What the server tells of a network, as its description says it, by the names that the look screen uses.
import type { components } from '../wire/schema';

type Schemas = components['schemas'];

export type Figure = number | string;
export type Atlas = Schemas['Atlas'];
export type Network = Schemas['Network'];
export type NodeCard = Schemas['NodeCard'];
export type NodeSheet = Schemas['NodeSheet'];
export type NumberCard = Schemas['NumberCard'];
export type RunDetail = Schemas['RunDetail'];
export type Sight = Schemas['Sight'];
export type Snapshot = Schemas['Snapshot'];
export type Source = Schemas['Source'];
export type UnitHead = Schemas['UnitHead'];
export type ValuesHead = Schemas['ValuesHead'];
export type TextCard = Schemas['TextCard'];
export type TextPage = Schemas['TextPage'];
export type TextWord = Schemas['TextWord'];
