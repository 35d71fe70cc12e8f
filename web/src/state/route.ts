// Reads the page's state from an address and writes it back; pure, so that a round trip can be tested.

export type Screen = 'runs' | 'new' | 'run' | 'look' | 'nowhere';
export type Tab = 'forward' | 'backward' | 'update';
export type Scope = 'unit' | 'layer' | 'network';
export type Mode = 'eval' | 'train';
export type By = 'channel' | 'term';

/** Everything that the page shows, as the address says it; null and empty mean the screen's own choice. */
export interface Place {
  screen: Screen;
  run: string | null;
  /** "test:45", or "input:" and the hex name of an input that was drawn or sent. */
  image: string | null;
  /** The training step looked at; null is the last. */
  step: number | null;
  /** The step that `step` is compared with; -1 is the last. */
  minus: number | null;
  node: string | null;
  /** The channel looked at. */
  unit: number | null;
  /** The index of the number looked at, the channel first. */
  at: number[] | null;
  tab: Tab;
  scope: Scope;
  mode: Mode;
  /** What is differentiated: null is the loss, otherwise a class. */
  target: string | null;
  by: By;
  /** Module paths that are unfolded. */
  open: string[];
  /** The gallery's filter. */
  split: string | null;
  truth: number | null;
  predicted: number | null;
  lang: string | null;
  /** What this version does not know; kept as it is. */
  rest: [string, string][];
}

export const START: Readonly<Place> = {
  screen: 'runs',
  run: null,
  image: null,
  step: null,
  minus: null,
  node: null,
  unit: null,
  at: null,
  tab: 'forward',
  scope: 'layer',
  mode: 'eval',
  target: null,
  by: 'channel',
  open: [],
  split: null,
  truth: null,
  predicted: null,
  lang: null,
  rest: [],
};

/** One query parameter: text to value (undefined: not understood, so the start value stands) and back. */
interface Field<T> {
  read(text: string): T | undefined;
  write(value: T): string | null;
}

const text: Field<string | null> = { read: (given) => given || undefined, write: (value) => value };

const count: Field<number | null> = {
  read: (given) => (/^\d{1,15}$/.test(given) ? Number(given) : undefined),
  write: (value) => (value === null ? null : String(value)),
};

const otherStep: Field<number | null> = {
  read: (given) => (given === '-1' ? -1 : count.read(given)),
  write: count.write,
};

const indices: Field<number[] | null> = {
  read: (given) => (/^\d{1,9}(?:,\d{1,9})*$/.test(given) ? given.split(',').map(Number) : undefined),
  write: (value) => value?.join(',') ?? null,
};

const names: Field<string[]> = {
  read: (given) => given.split(',').filter(Boolean),
  write: (value) => value.join(',') || null,
};

function oneOf<T extends string>(...choices: T[]): Field<T> {
  return {
    read: (given) => choices.find((choice) => choice === given),
    write: (value) => (value === choices[0] ? null : value),
  };
}

type Fields = Omit<Place, 'screen' | 'run' | 'rest'>;

/** Every query parameter, in the order in which an address lists them; the first choice of a set is left out of it. */
const FIELDS: { [K in keyof Fields]: Field<Fields[K]> } = {
  image: text,
  step: count,
  minus: otherStep,
  node: text,
  unit: count,
  at: indices,
  tab: oneOf('forward', 'backward', 'update'),
  scope: oneOf('layer', 'unit', 'network'),
  mode: oneOf('eval', 'train'),
  target: text,
  by: oneOf('channel', 'term'),
  open: names,
  split: text,
  truth: count,
  predicted: count,
  lang: text,
};

function readPath(path: string): Pick<Place, 'screen' | 'run'> {
  const parts = path.split('/').filter(Boolean);
  if (parts.length === 0) return { screen: 'runs', run: null };
  if (parts.length === 1 && parts[0] === 'new') return { screen: 'new', run: null };
  const nowhere = { screen: 'nowhere', run: null } as const;
  if (parts[0] !== 'runs' || !parts[1] || parts.length > 3) return nowhere;
  try {
    const run = decodeURIComponent(parts[1]);
    if (parts.length === 2) return { screen: 'run', run };
    return parts[2] === 'look' ? { screen: 'look', run } : nowhere;
  } catch {
    return nowhere; // a per cent sign that begins no character
  }
}

function writePath({ screen, run }: Pick<Place, 'screen' | 'run'>): string {
  if (screen === 'new') return '/new';
  if (run === null || screen === 'runs' || screen === 'nowhere') return '/';
  const folder = `/runs/${encodeURIComponent(run)}`;
  return screen === 'look' ? `${folder}/look` : folder;
}

/** The place that an address names. A value that makes no sense counts as not given, never as an error. */
export function parsePlace(path: string, query: string): Place {
  const place: Place = { ...START, ...readPath(path), open: [], rest: [] };
  const readInto = <K extends keyof Fields>(name: K, given: string): void => {
    const value = FIELDS[name].read(given);
    if (value !== undefined) place[name] = value as Place[K];
  };
  for (const [name, given] of new URLSearchParams(query)) {
    if (Object.hasOwn(FIELDS, name)) readInto(name as keyof Fields, given);
    else place.rest.push([name, given]);
  }
  return place;
}

/** The address of a place: path and query, the shortest that reads back as the same place. */
export function formatPlace(place: Place): string {
  const query: [string, string][] = [];
  const writeFrom = <K extends keyof Fields>(name: K): void => {
    const given = FIELDS[name].write(place[name]);
    if (given !== null) query.push([name, given]);
  };
  for (const name of Object.keys(FIELDS) as (keyof Fields)[]) writeFrom(name);
  const pairs = [...query, ...place.rest].map(([name, given]) => `${encodeURIComponent(name)}=${readable(given)}`);
  return writePath(place) + (pairs.length > 0 ? `?${pairs.join('&')}` : '');
}

/** Encodes a value but leaves the commas, colons and @ that a query may hold, so that an address can be read aloud. */
function readable(given: string): string {
  return encodeURIComponent(given).replaceAll('%2C', ',').replaceAll('%3A', ':').replaceAll('%40', '@');
}

/** The place after a change. Another screen or another run starts afresh, with the language and what is unknown kept. */
export function changed(from: Place, change: Partial<Place>): Place {
  const screen = change.screen ?? from.screen;
  const run = change.run === undefined ? from.run : change.run;
  const moves = screen !== from.screen || run !== from.run;
  const base: Place = moves ? { ...START, lang: from.lang, rest: from.rest } : from;
  return { ...base, screen, run: screen === 'runs' || screen === 'new' ? null : run, ...withoutPath(change) };
}

function withoutPath(change: Partial<Place>): Partial<Place> {
  const kept = { ...change };
  delete kept.screen;
  delete kept.run;
  return kept;
}
