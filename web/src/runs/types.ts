// The records of the wire that these screens read, by short names.
import type { components } from '../wire/schema';

type Schemas = components['schemas'];

export type AnswerCard = Schemas['AnswerCard'];
export type AnswerPage = Schemas['AnswerPage'];
export type ClassFigures = Schemas['ClassFigures'];
export type Compared = Schemas['Compared'];
export type DataCard = Schemas['DataCard'];
export type DataReport = Schemas['DataReport'];
export type FiltersHead = Schemas['FiltersHead'];
export type Form = Schemas['Form'];
export type Glance = Schemas['Glance'];
export type Headline = Schemas['Headline'];
export type InputKind = Schemas['DataCard']['kind'];
export type Judged = Schemas['Judged'];
export type KnobCard = Schemas['KnobCard'];
export type Launch = Schemas['Launch'];
export type ModelCard = Schemas['ModelCard'];
export type OptionCard = Schemas['OptionCard'];
export type PixelsHead = Schemas['PixelsHead'];
export type RunDetail = Schemas['RunDetail'];
export type RunState = Headline['state'];
export type Steered = Schemas['Steered'];
export type TextPage = Schemas['TextPage'];

export type EpochEnded = Schemas['EpochEnded'];
export type Finding = Schemas['Finding'];
export type Saved = Schemas['Saved'];
export type Started = Schemas['Started'];
export type Statistics = Schemas['Statistics'];
export type Step = Schemas['Step'];
export type RunEvent = Schemas['Told']['event'];
/** What tells how a run's course turned. */
export type Turn = Schemas['Paused'] | Schemas['Continued'] | Schemas['Trained'] | Schemas['Finished'];

/** What a knob or an option can be given. */
export type Value = string | number | boolean | number[] | null;
