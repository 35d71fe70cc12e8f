// The records of a number's arithmetic, as the server's description says them.
import type { components } from '../wire/schema';

type Schemas = components['schemas'];

/** A number; what JSON cannot write is a text: "nan", "inf", "-inf". */
export type Figure = number | string;

export type UnitPart = Schemas['UnitPart'];
export type ParamPart = Schemas['ParamPart'];
export type NumberPart = Schemas['NumberPart'];
export type SumPart = Schemas['SumPart'];
export type ProductPart = Schemas['ProductPart'];
export type ChoosePart = Schemas['ChoosePart'];
export type ApplyPart = Schemas['ApplyPart'];
export type Rest = Schemas['Rest'];
export type NumberCard = Schemas['NumberCard'];
export type Written = Schemas['Written'];

export type LeafPart = UnitPart | ParamPart;
export type Part = LeafPart | NumberPart | SumPart | ProductPart | ChoosePart | ApplyPart;
